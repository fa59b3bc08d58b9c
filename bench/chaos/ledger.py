"""Who said what to whom, when it arrived, and what went wrong on the way. Pure.

Every message carries a mark that names its way, its conversation and its number there. On Telegram's
side counts what its server accepted, less what was taken back; on the visitors' side what a client has
that applies the changes in the order of `rev`.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["v", "o"]  # from the visitor to the operators; from an operator to the visitor
Key = tuple[str, int, int]

MARK = re.compile(r"\[([vo]) (\d+) (\d+)\]")
RECAP = "Earlier in this conversation"
FRESH = 2.0  # seconds after a fault, in which everybody writes anew


@dataclass(eq=False)
class Said:
    """A message: whose it is, the fault during which it was written, and when it was and arrived."""

    key: Key
    group: int
    fault: str
    at: float
    arrived: float = math.inf

    @property
    def mark(self) -> str:
        """What it is known by, wherever it turns up."""
        way, conversation, number = self.key
        return f"[{way} {conversation} {number}]"


@dataclass(frozen=True)
class Shown:
    """A message of Telegram's that carries visitors' messages; `topic` None is the main thread."""

    chat: int
    topic: int | None
    message_id: int
    keys: tuple[Key, ...]


@dataclass
class Count:
    """What became of the messages that were written during one fault."""

    messages: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    wrong: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.duplicated or self.reordered or self.wrong)


def marks(text: str) -> tuple[Key, ...]:
    """The messages that a text says, in order; a recap says none, it repeats what was said."""
    if RECAP in text.splitlines():
        return ()
    return tuple((way, int(conversation), int(number)) for way, conversation, number in MARK.findall(text))


@dataclass
class Ledger:
    """The book of one run. `chats` says whose group a chat of Telegram's is."""

    fault: str = ""
    said: dict[Key, Said] = field(default_factory=dict)
    chats: dict[int, int] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)
    topics: dict[int, tuple[int, int]] = field(default_factory=dict)  # where a conversation is held now
    _numbers: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    _owners: dict[tuple[int, int], int] = field(default_factory=dict)
    _arrivals: dict[int, list[Said]] = field(default_factory=lambda: defaultdict(list))

    # What happens

    def write(self, way: Way, conversation: int, group: int, at: float) -> Said:
        """Somebody writes the next message of a conversation."""
        self._numbers[way, conversation] += 1
        key = (way, conversation, self._numbers[way, conversation])
        said = self.said[key] = Said(key, group, self.fault, at)
        return said

    def unwrite(self, said: Said) -> None:
        """It was the last one written, and nobody took it."""
        way, conversation, _ = said.key
        self._numbers[way, conversation] -= 1
        del self.said[said.key]

    def show(self, chat: int, topic: int | None, message_id: int, text: str, at: float) -> None:
        """Telegram has accepted a message of the bot."""
        keys = marks(text)
        if not keys:
            return
        self.shown.append(Shown(chat, topic, message_id, keys))
        if topic is not None:
            owner = self._owners.setdefault((chat, topic), keys[0][1])
            self.topics[owner] = (chat, topic)
        for key in keys:
            self._arrive(key, at)

    def take_back(self, chat: int, message_id: int) -> None:
        """The bot has deleted a message of its own."""
        gone = [each for each in self.shown if (each.chat, each.message_id) == (chat, message_id)]
        self.shown = [each for each in self.shown if each not in gone]
        left = {key for each in self.shown for key in each.keys}
        for key in {key for each in gone for key in each.keys} - left:
            said = self.said[key]
            self._arrivals[said.group].remove(said)
            said.arrived = math.inf

    def read(self, text: str, at: float) -> None:
        """A visitor has got an operator's message."""
        for key in marks(text):
            self._arrive(key, at)

    def _arrive(self, key: Key, at: float) -> None:
        said = self.said.get(key)
        if said is not None and said.arrived == math.inf:
            said.arrived = at
            if key[0] == "v":
                self._arrivals[said.group].append(said)

    # How long it took

    def waiting(self, until: float) -> list[Said]:
        """What was written until then and has not arrived."""
        return [said for said in self.said.values() if said.at <= until and said.arrived == math.inf]

    def recovery(self, fault: str, end: float) -> float:
        """Seconds from the end of a fault until all had arrived that was written by then or right after."""
        written = (said for said in self.said.values() if said.fault == fault and said.at <= end + FRESH)
        return max((said.arrived - end for said in written), default=0.0)

    def silence(self, fault: str, until: float) -> float:
        """The longest time for which messages of one group, written until then, waited and none was said."""
        longest = 0.0
        for arrivals in self._arrivals.values():
            before = -math.inf
            for said in arrivals:
                if said.fault == fault and said.at <= until:
                    longest = max(longest, said.arrived - max(before, said.at))
                before = said.arrived
        return longest

    def slowest(self, fault: str, until: float, groups: Collection[int]) -> float:
        """The longest that a message from or to one of these groups, written until then, was on its way."""
        there = (
            said
            for said in self.said.values()
            if said.fault == fault and said.at <= until and said.group in groups
        )
        return max((said.arrived - said.at for said in there), default=0.0)

    # What went wrong

    def counts(self, transcripts: Mapping[int, Sequence[str]]) -> dict[str, Count]:
        """What became of everything, by fault; `transcripts` are what visitors have, in order."""
        found: dict[str, Count] = defaultdict(Count)
        for said in self.said.values():
            found[said.fault].messages += 1
        self._judge_telegram(found)
        for conversation, texts in transcripts.items():
            keys = [key for text in texts for key in marks(text) if key[0] == "o"]
            for key in keys:
                if key[1] != conversation:
                    self._count(found, key).wrong += 1
            self._judge_sequence(found, (key for key in keys if key[1] == conversation))
        has = {key for texts in transcripts.values() for text in texts for key in marks(text)}
        has |= {key for each in self.shown for key in each.keys if key[0] == "v"}
        for key, said in self.said.items():
            found[said.fault].lost += key not in has
        return dict(found)

    def _judge_telegram(self, found: dict[str, Count]) -> None:
        by_conversation: dict[int, list[Key]] = defaultdict(list)
        for each in self.shown:
            for key in each.keys:
                by_conversation[key[1]].append(key)
                if not self._is_in_place(each, key):
                    self._count(found, key).wrong += 1
        for keys in by_conversation.values():
            self._judge_sequence(found, keys)

    def _is_in_place(self, each: Shown, key: Key) -> bool:
        if each.topic is None or key not in self.said or key[0] != "v":
            return False
        is_group = self.chats.get(each.chat) == self.said[key].group
        return is_group and self._owners[each.chat, each.topic] == key[1]

    def _judge_sequence(self, found: dict[str, Count], keys: Iterable[Key]) -> None:
        """Of one conversation, in the order in which its reader has them."""
        seen: set[Key] = set()
        highest = 0
        for key in keys:
            count = self._count(found, key)
            if key in seen:
                count.duplicated += 1
            elif key[2] < highest:
                count.reordered += 1
            seen.add(key)
            highest = max(highest, key[2])

    def _count(self, found: dict[str, Count], key: Key) -> Count:
        return found[self.said[key].fault if key in self.said else "nobody's"]
