"""The linked groups: can the bot do its work there."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from topicwire.db import Connection
from topicwire.doctor.bot_api import BotApi
from topicwire.doctor.findings import Finding, note, ok, wrong
from topicwire.relay.channel import ChatMoved, ChatRefused
from topicwire.relay.mending import RIGHTS as WORDS_OF_RIGHTS
from topicwire.relay.mending import remedy
from topicwire.telegram.failures import meaning

# What the relay uses; it pins nothing.
RIGHTS = {"can_manage_topics": "Manage topics", "can_delete_messages": "Delete messages"}

_LINKED = text(
    "SELECT g.bot_id, g.chat_id, g.title, g.trouble, p.name AS project FROM groups g"
    " JOIN projects p ON p.id = g.project_id ORDER BY p.created_at, p.id"
)


async def linked(db: Connection) -> list[dict[str, Any]]:
    """Every group that answers for a project."""
    return [dict(row) for row in (await db.execute(_LINKED)).mappings()]


def called(group: Mapping[str, Any]) -> str:
    """What people know a group by."""
    return f"group {group['title'] or group['chat_id']}"


async def look(api: BotApi, bot_id: int, group: Mapping[str, Any]) -> list[Finding]:
    """What there is to say about one linked group; `NoAnswer` when nothing answers."""
    what = called(group)
    if group["bot_id"] != bot_id:
        return [
            wrong(
                what,
                f"linked through another bot (id {group['bot_id']}), whose token is not set",
                remedy("no_bot").mend,
            )
        ]
    chat = await api.call("getChat", {"chat_id": group["chat_id"]})
    if not chat.ok:
        return [_refused(what, chat.status, chat.description)]
    what = called({**group, "title": chat.result.get("title")})
    us = await api.call("getChatMember", {"chat_id": group["chat_id"], "user_id": bot_id})
    if not us.ok:
        return [_refused(what, us.status, us.description)]
    found = [*_kind(what, chat.result), *_rights(what, us.result)]
    if group["trouble"]:
        found.append(
            note(what, f"messages were held back ({group['trouble']}); the worker keeps trying by itself")
        )
    return found or [ok(what, f"a forum, the bot may do its work; answers for {group['project']}")]


def _refused(what: str, status: int, description: str) -> Finding:
    refusal = meaning(status, description)
    if isinstance(refusal, ChatMoved):
        return wrong(
            what, f"has become a supergroup with id {refusal.chat_id}", "start a worker, which follows"
        )
    reason = refusal.reason if isinstance(refusal, ChatRefused) else ""
    mend = "see the token above" if reason == "token" else remedy(reason).mend
    return wrong(what, f"cannot be reached: {description}", mend)


def _kind(what: str, chat: Mapping[str, Any]) -> list[Finding]:
    if chat.get("type") in ("channel", "private"):
        return [wrong(what, f"is a {chat['type']} chat", "link a group with topics: send /connect there")]
    if not chat.get("is_forum"):
        return [wrong(what, *remedy("not_a_forum"))]
    return []


def _rights(what: str, us: Mapping[str, Any]) -> list[Finding]:
    if us.get("status") == "creator":
        return []
    if us.get("status") != "administrator":
        return [
            wrong(
                what,
                f"the bot is no administrator ({us.get('status')}) and hears nothing",
                f"make it one, with the rights {WORDS_OF_RIGHTS}",
            )
        ]
    return [
        wrong(what, f"the bot lacks the right {words}", "turn it on in the bot's administrator rights")
        for right, words in RIGHTS.items()
        if not us.get(right)
    ]
