"""Linking a group to a project: what `/connect CODE` does.

The command is kept in the inbox, because only a worker may ask Telegram who wrote it; its answer
goes through the group's lane like everything else that we say there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from topicwire.db import Connection, Database
from topicwire.domain import groups, inbox, outbox, projects, topics
from topicwire.domain.outbox import Notice
from topicwire.errors import RefusedError
from topicwire.jobs import Jobs
from topicwire.relay.channel import Channel, ChannelError, ChatRefused, GroupState, LinkAsked

NOT_ADMIN = "Only an administrator of this group can connect it. Please ask one to send the command."
NO_CODE = "Please send the code with the command: /connect CODE. Whoever made the project has the code."
TOO_MANY = "Those were too many wrong codes. Please wait an hour and use a new code."
BAD_CODE = (
    "This code is not valid: it may be mistyped, used already or older than an hour. Please make a new one."
)
TAKEN = "This group already answers for another project. Please use another group, or unlink that one first."
MISSING = "Almost there. This is still missing, please mend it and send the command again:\n{items}"
LINKED = (
    "This group now answers for “{name}”. Every visitor who writes gets a topic of their own: what you write"
    " there reaches the visitor. A message that begins with // stays among you."
)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Linking:
    """Carries out the operators' commands."""

    db: Database
    channel: Callable[[int], Channel | None]
    jobs: Jobs

    async def carry_out(self, bot_id: int, update_id: int) -> None:
        """Carry out a command once, however often this is called."""
        async with self.db.begin() as db:
            body = await inbox.command(db, bot_id=bot_id, update_id=update_id)
        channel = self.channel(bot_id)
        if body is None or channel is None:
            return
        asked = msgspec.convert(body, LinkAsked)
        try:
            if asked.addressed is not None and not await self._means_us(channel, asked.addressed):
                await self._ignore(bot_id, update_id)
                return
            admin = asked.user_id is None or await channel.is_admin(asked.chat_id, asked.user_id)
            state = await channel.check_group(asked.chat_id)
        except ChatRefused as error:
            log.warning("a group that asked to be linked refuses us", chat=asked.chat_id, error=str(error))
            admin, state = False, GroupState("")
        except ChannelError as error:
            log.info("linking waits", chat=asked.chat_id, error=str(error))
            return  # still in the inbox: the janitor rings again
        async with self.db.begin() as db:
            if await inbox.command(db, bot_id=bot_id, update_id=update_id) is None:
                return
            group_id = await self._answer(db, bot_id, asked, admin=admin, state=state)
            await inbox.done(db, bot_id=bot_id, update_id=update_id)
        self.jobs.drain(group_id)

    async def _means_us(self, channel: Channel, addressed: str) -> bool:
        """Whether `/connect@addressed` is for this bot: a group may have several."""
        return await channel.username() == addressed.casefold()

    async def _ignore(self, bot_id: int, update_id: int) -> None:
        async with self.db.begin() as db:
            await inbox.done(db, bot_id=bot_id, update_id=update_id)

    async def _answer(
        self, db: Connection, bot_id: int, asked: LinkAsked, *, admin: bool, state: GroupState
    ) -> int:
        group_id = await groups.ensure(
            db, bot_id=bot_id, chat_id=asked.chat_id, title=state.title or asked.chat_title
        )
        words = await _link(db, group_id, asked, admin=admin, state=state)
        await outbox.add_notice(db, group_id, Notice(words, asked.topic_id, asked.message_id))
        return group_id


async def _link(db: Connection, group_id: int, asked: LinkAsked, *, admin: bool, state: GroupState) -> str:
    """Link the group if all is well; what to answer."""
    if not admin or not asked.code:
        return NO_CODE if admin else NOT_ADMIN
    if not await projects.may_try_code(db, asked.chat_id):
        return TOO_MANY
    project = await projects.project_of_code(db, asked.code)
    if project is None:
        await projects.count_wrong_code(db, asked.chat_id)
        return BAD_CODE
    if state.missing:
        return MISSING.format(items="\n".join(f"• {item}" for item in state.missing))
    project_id, name = project
    try:
        await connect(db, group_id=group_id, chat_id=asked.chat_id, project_id=project_id)
    except RefusedError:
        return TAKEN
    await projects.use_code(db, asked.code)
    return LINKED.format(name=name)


async def connect(db: Connection, *, group_id: int, chat_id: int, project_id: str) -> None:
    """Let a group answer for a project from now on; what was written before goes there too.

    Raises `RefusedError("group_taken")`.
    """
    await groups.link(db, group_id, project_id)
    await topics.leave(db, project_id=project_id, except_chat=chat_id)
    await outbox.assign(db, project_id=project_id, group_id=group_id)
