"""A project with its group, and the shortest way to say something in it."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from topicwire.db import Connection, Database
from topicwire.domain import conversations, groups, projects, topics
from topicwire.domain.conversations import Answer, Said, Visitor

BOT, CHAT = 4200, -1001


@dataclass
class Desk:
    """One project whose visitors are answered in one group."""

    database: Database
    project_id: str
    group_id: int
    chat_id: int = CHAT

    async def say(self, said: str, *, by: str = "ann", client_id: str | None = None) -> Said:
        """Say something as a visitor whose conversation is called like the visitor."""
        async with self.database.statement() as db:
            return await conversations.say(
                db,
                conversation_id=by,
                project_id=self.project_id,
                visitor=Visitor(),
                client_id=client_id or f"{by}: {said}",
                said=said,
            )

    async def give_topic(self, conversation: str, topic: int) -> None:
        """Let a conversation be held in this topic."""
        async with self.database.statement() as db:
            assert await topics.claim(
                db, conversation, chat_id=self.chat_id, topic_id=topic, name=conversation
            )

    def in_the_group(
        self,
        said: str,
        *,
        topic_id: int = 10,
        message_id: int = 500,
        entities: bytes | None = None,
        reply_to: int | None = None,
    ) -> Answer:
        """What Mara wrote in the group."""
        return Answer(self.chat_id, topic_id, message_id, "Mara", said, entities, reply_to)

    async def answer(self, said: str, **more: Any) -> int | None:
        """Answer Ann as an operator; the message's seq."""
        async with self.database.begin() as db:
            message = await conversations.answer(db, "ann", self.in_the_group(said, **more))
        return None if message is None else message.seq

    async def counters(self, conversation: str = "ann") -> tuple[int, int, int]:
        """`seq`, `rev` and the number of rows."""
        query = text(
            "SELECT seq, rev, (SELECT count(*) FROM messages WHERE conversation_id = c.id)"
            " FROM conversations c WHERE id = :id"
        )
        async with self.database.statement() as db:
            seq, rev, rows = (await db.execute(query, {"id": conversation})).one()
        return seq, rev, rows


async def new_desk(database: Database, *, chat_id: int = CHAT) -> Desk:
    """A project with a group."""
    async with database.begin() as db:
        made = await projects.create(db, owner="owner@example.com", name="Shop")
        group_id = await groups.ensure(db, bot_id=BOT, chat_id=chat_id)
        await groups.link(db, group_id, made.id)
    return Desk(database, made.id, group_id, chat_id)


@pytest.fixture
async def desk(database: Database) -> Desk:
    """One project with one group, and nothing said yet."""
    return await new_desk(database)


async def pass_time(db: Connection, group_id: int, seconds: float) -> None:
    """Put the clock forward for a group's lease and pause."""
    await db.execute(
        text(
            "UPDATE groups SET lease_until = lease_until - make_interval(secs => :s),"
            " not_before = not_before - make_interval(secs => :s) WHERE id = :id"
        ),
        {"id": group_id, "s": seconds},
    )
