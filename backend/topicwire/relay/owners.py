"""Owners are told by mail what is wrong with their groups, and when it is mended.

Every worker looks; `domain/alarms.py` sees to it that one of them tells, once. A mail that the server
does not take is tried again, later each time; one that may have been taken is not sent twice, nor
one whose worker died over it.
"""

import asyncio
from dataclasses import dataclass

import structlog

from topicwire import metrics
from topicwire.db import Database, insist
from topicwire.domain import alarms
from topicwire.domain.alarms import Alarm
from topicwire.errors import UnavailableError
from topicwire.mail import Mailer, MailError, MailInDoubt
from topicwire.relay.mending import remedy

EVERY = 5.0  # seconds

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Looks for ever, beside the janitor, who must not wait for a mail server.

    `address` is where this installation is reached: some owners have more than one.
    """

    db: Database
    mailer: Mailer
    address: str

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            try:
                await self.look()
            except UnavailableError as error:
                log.warning("owners were not told what is wrong", error=str(error))
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Tell every owner what they are to be told now."""
        while (alarm := await self._claim()) is not None:
            if alarm.mended and alarm.group is None:
                continue  # the project was unlinked: it has no group that would take messages again
            await self._tell(alarm)

    async def _claim(self) -> Alarm | None:
        async with self.db.statement() as db:
            return await alarms.claim(db)

    async def _tell(self, alarm: Alarm) -> None:
        try:
            await self.mailer.send(alarm.owner, subject(alarm), text(alarm, self.address))
        except MailInDoubt as error:
            self._note(alarm, "in_doubt", error)
        except MailError as error:
            self._note(alarm, "failed", error)
            await insist(lambda: self._settle(alarm, sent=False))
        else:
            metrics.mails.labels("sent").inc()
            log.info(
                "an owner was told", project=alarm.project_id, trouble=alarm.trouble, mended=alarm.mended
            )
            await insist(lambda: self._settle(alarm, sent=True))

    def _note(self, alarm: Alarm, outcome: str, error: MailError) -> None:
        metrics.mails.labels(outcome).inc()
        log.warning(
            "a mail to an owner was not sent" if outcome == "failed" else "a mail to an owner may be lost",
            project=alarm.project_id, trouble=alarm.trouble, reason=type(error).__name__, said=str(error),
        )  # fmt: skip

    async def _settle(self, alarm: Alarm, *, sent: bool) -> None:
        async with self.db.statement() as db:
            await (alarms.told if sent else alarms.give_back)(db, alarm)


def subject(alarm: Alarm) -> str:
    """A mail's subject."""
    if alarm.mended:
        return f"{alarm.project}: messages reach your Telegram group again"
    return f"{alarm.project}: messages do not reach your Telegram group"


def text(alarm: Alarm, address: str) -> str:
    """A mail's text: what is wrong, since when, what waits, what to do."""
    told = _mended(alarm) if alarm.mended else _wrong(alarm)
    return "\n\n".join((*told, f"-- \nTopicwire at {address}")) + "\n"


def _wrong(alarm: Alarm) -> tuple[str, ...]:
    wrong, mend = remedy(alarm.trouble)
    whose, waits = f"visitors of {alarm.project}", f"{_waiting(alarm)}. " if alarm.messages else ""
    follows = "Nothing is lost: when it is mended, everything follows by itself, in order."
    return (
        f"Since {_when(alarm)} messages of {whose} do not reach {_where(alarm)}: {wrong}.",
        f"What to do: {mend}.",
        f"{waits}{follows} You get another mail then.",
        "`topicwire doctor` looks at everything and says what else is wrong, if anything is.",
    )


def _mended(alarm: Alarm) -> tuple[str, ...]:
    waits = f"{_waiting(alarm)} yet and will follow in order." if alarm.messages else "Nothing waits."
    return (
        f"Messages of visitors of {alarm.project} reach {_where(alarm)} again.",
        f"What was wrong since {_when(alarm)}: {remedy(alarm.trouble).wrong}.",
        f"Nothing is lost. {waits}",
    )


def _where(alarm: Alarm) -> str:
    return f'the group "{alarm.group}"' if alarm.group else "your group"


def _when(alarm: Alarm) -> str:
    return f"{alarm.since:%Y-%m-%d %H:%M} UTC"


def _waiting(alarm: Alarm) -> str:
    messages = f"{alarm.messages} message{'' if alarm.messages == 1 else 's'}"
    visitors = f"{alarm.visitors} visitor{'' if alarm.visitors == 1 else 's'}"
    return f"{messages} of {visitors} {'waits' if alarm.messages == 1 else 'wait'}"
