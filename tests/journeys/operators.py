"""The people of one group, acting through the sandbox's control API as they would in their Telegram."""

from typing import Any

import httpx

from tests.journeys.telegram import Telegram
from topicwire.sandbox.world import ANONYMOUS, JONAS, LENA, MARA

Json = dict[str, Any]

__all__ = ["ANONYMOUS", "JONAS", "LENA", "MARA", "Operators"]


class Operators:
    """One group: what its people do, and what they see. `by` is who does it, Mara unless told."""

    def __init__(self, telegram: Telegram, http: httpx.AsyncClient, chat: int) -> None:
        self._telegram = telegram
        self._http = http
        self.chat = chat

    @classmethod
    async def gather(
        cls, telegram: Telegram, http: httpx.AsyncClient, title: str, **group: Any
    ) -> "Operators":
        """A new group in which the bot is an administrator, unless `bot` says otherwise."""
        made = await _ask(http, "POST", f"{telegram.console}/api/chats", {"title": title, **group})
        return cls(telegram, http, made["id"])

    # What they do

    async def write(self, topic: int | None, said: str, *, by: int = MARA, **more: Any) -> int:
        """Write into a topic, None for General; the message's id."""
        made = await self._act("messages", thread=topic, text=said, **{"as": by}, **more)
        return int(made["message_id"])

    async def show(self, topic: int, kind: str, caption: str = "") -> int:
        """Send a photo, voice, document, video, sticker or location."""
        made = await self._act("messages", thread=topic, kind=kind, caption=caption)
        return int(made["message_id"])

    async def edit(self, message: int, said: str, **more: Any) -> None:
        """Change the text of a message of one's own."""
        await self._act(f"messages/{message}/edit", text=said, **more)

    async def close(self, topic: int) -> None:
        """Close a topic."""
        await self._act(f"topics/{topic}/close")

    async def reopen(self, topic: int) -> None:
        """Open a closed topic again."""
        await self._act(f"topics/{topic}/reopen")

    async def rename(self, topic: int, name: str) -> None:
        """Give a topic another name."""
        await self._act(f"topics/{topic}/rename", name=name)

    async def delete(self, topic: int) -> None:
        """Delete a topic; a bot is told nothing of it."""
        await self._act(f"topics/{topic}/delete")

    async def open_topic(self, name: str) -> int:
        """Make a topic of one's own."""
        return int((await self._act("topics", name=name))["id"])

    async def set_bot(self, status: str, **more: Any) -> None:
        """Change what the bot is and may do in the group."""
        await self._act("bot", status=status, **more)

    async def become_a_supergroup(self) -> None:
        """Turn a basic group into a supergroup with topics, which has another id."""
        self.chat = (await self._act("migrate"))["id"]
        await self.set_forum(True)

    async def set_forum(self, on: bool) -> None:
        """Turn topics on or off."""
        await self._act("forum", on=on)

    async def destroy(self) -> None:
        """Delete the group for everybody."""
        await self._act("destroy")

    # What they see

    async def topics(self) -> dict[str, int]:
        """The topics by name, General left out."""
        return {topic["name"]: topic["id"] for topic in await self._topics()}

    async def is_closed(self, topic: int) -> bool:
        """Whether a topic is closed."""
        return bool(next(each for each in await self._topics() if each["id"] == topic)["closed"])

    async def read(self, topic: int = 1) -> list[Json]:
        """All messages of a topic, service messages left out; 1 is General."""
        answer = await self._look(f"topics/{topic}/messages?limit=1000")
        return [message for message in answer["messages"] if "text" in message]

    async def texts(self, topic: int = 1) -> list[str]:
        """What was said in a topic."""
        return [message["text"] for message in await self.read(topic)]

    async def see(self, said: str, *, topic: int = 1, within: float = 20) -> Json:
        """Wait for the message whose text ends with these words."""
        from tests.house import eventually  # noqa: PLC0415 (which imports us)

        async def look() -> Json | None:
            found = [message for message in await self.read(topic) if message["text"].endswith(said)]
            return found[-1] if found else None

        return await eventually(look, f"operators see {said!r}", within=within)

    async def calls(self, method: str = "") -> list[Json]:
        """What the bot asked of this group, oldest first."""
        url = f"{self._telegram.console}/api/calls?method={method}"
        answer = await _ask(self._http, "GET", url)
        return [call for call in answer["calls"] if str(call["params"].get("chat_id")) == str(self.chat)]

    async def _topics(self) -> list[Json]:
        state = await _ask(self._http, "GET", f"{self._telegram.console}/api/state")
        chat = next(chat for chat in state["chats"] if chat["id"] == self.chat)
        return [topic for topic in chat["topics"] if topic["id"] != 1]

    async def _act(self, path: str, **body: Any) -> Json:
        given = {name: value for name, value in body.items() if value is not None}
        return await _ask(self._http, "POST", self._url(path), given)

    async def _look(self, path: str) -> Json:
        return await _ask(self._http, "GET", self._url(path))

    def _url(self, path: str) -> str:
        return f"{self._telegram.console}/api/chats/{self.chat}/{path}"


async def _ask(http: httpx.AsyncClient, verb: str, url: str, body: Json | None = None) -> Json:
    answer = await http.request(verb, url, json=body)
    assert answer.status_code == 200, f"{verb} {url}: {answer.text}"
    found: Json = answer.json()
    return found
