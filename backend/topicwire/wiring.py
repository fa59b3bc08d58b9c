"""The composition root: the one place that picks concrete classes and hands out settings.

Web and worker are wired apart, because only the worker may load aiogram.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from topicwire import jobs, notifier, ratelimit
from topicwire.db import Connection, Database
from topicwire.domain import dead_letters, groups, installation, projects
from topicwire.domain.dead_letters import DeadLetter
from topicwire.errors import MisconfiguredError, RefusedError
from topicwire.exposition import Exposition, name_of_process
from topicwire.jobs import Jobs
from topicwire.mail import Mailer, Nowhere, Smtp, Terminal
from topicwire.notifier import Notifier
from topicwire.ratelimit import Budget, Limiter
from topicwire.relay import pacing
from topicwire.relay.janitor import Janitor
from topicwire.relay.linking import Linking, connect
from topicwire.relay.owners import Owners
from topicwire.relay.to_operator import ToOperator
from topicwire.services import Services
from topicwire.settings import Settings
from topicwire.telegram.webhook import Webhook
from topicwire.visitor.admission import Admission
from topicwire.visitor.desk import Desk
from topicwire.visitor.hub import Hub
from topicwire.visitor.tokens import Tokens

AT_ONCE = 100  # dead letters that one commit puts back: their conversations are locked meanwhile
DEMO_OWNER, DEMO_NAME = "owner@localhost", "Demo shop"


@asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[Services]:
    """The rows and the doorbells, for as long as the block runs."""
    made = Services(
        db=Database(settings.database),
        jobs=Jobs(jobs.pool(settings.redis)),
        notifier=Notifier(notifier.client(settings.redis)),
    )
    try:
        yield made
    finally:
        await made.close()


@dataclass(frozen=True, kw_only=True)
class Web:
    """What a web process serves with."""

    services: Services
    desk: Desk
    webhook: Webhook
    exposition: Exposition


@asynccontextmanager
async def web(settings: Settings) -> AsyncIterator[Web]:
    """A web process' parts, listening for rings while the block runs."""
    async with (
        services(settings) as shared,
        _admission(settings, shared) as admission,
        _exposition(settings, shared, "web") as exposition,
    ):
        async with shared.db.begin() as db:
            epoch = await installation.epoch(db)
        hub = Hub(shared, group_rate=pacing.window(settings.group_rate))
        desk = Desk(
            services=shared,
            hub=hub,
            admission=admission,
            tokens=Tokens(settings.secret_keys),
            epoch=epoch,
        )
        bots = frozenset(() if settings.bot_id is None else (settings.bot_id,))
        hub.start()
        try:
            yield Web(
                services=shared,
                desk=desk,
                webhook=Webhook(services=shared, keys=settings.secret_keys, bot_ids=bots),
                exposition=exposition,
            )
        finally:
            await hub.stop()


@asynccontextmanager
async def _admission(settings: Settings, shared: Services) -> AsyncIterator[Admission]:
    """What visitors' messages pass, with connections to Redis of its own: rings may be slow."""
    redis = notifier.client(settings.redis)
    policies = ratelimit.policies(
        conversation=settings.limit_conversation,
        project=settings.limit_project,
        sign_in=settings.limit_sign_in,
        dashboard=settings.limit_dashboard,
        address=settings.limit_address,
    )
    try:
        yield Admission(limiter=Limiter(redis), policies=policies, db=shared.db)
    finally:
        await redis.aclose()


@asynccontextmanager
async def _exposition(settings: Settings, shared: Services, role: str) -> AsyncIterator[Exposition]:
    """What shows the figures of this process and of the others."""
    redis = notifier.client(settings.redis)
    made = Exposition(shared.db, redis, name_of_process(role))
    try:
        async with made.kept_up():
            yield made
    finally:
        await redis.aclose()


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What a worker works with; `bot` is the shared bot's channel."""

    services: Services
    to_operator: ToOperator
    linking: Linking
    janitor: Janitor
    owners: Owners
    bot: Any
    holder: str


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[Worker]:
    """A worker's parts."""
    from topicwire.telegram import formatting  # noqa: PLC0415 (for the worker alone)
    from topicwire.telegram.client import TelegramChannel  # noqa: PLC0415 (140 MB, for the worker alone)

    token = settings.telegram_bot_token
    bot = None if token is None else TelegramChannel(token, settings.telegram_api_url)
    channels = {} if bot is None or settings.bot_id is None else {settings.bot_id: bot}
    redis = notifier.client(settings.redis)
    holder = uuid.uuid4().hex
    try:
        async with services(settings) as shared, _exposition(settings, shared, "worker"):
            yield Worker(
                services=shared,
                to_operator=ToOperator(
                    db=shared.db,
                    channel=channels.get,
                    wording=formatting,
                    jobs=shared.jobs,
                    notifier=shared.notifier,
                    budget=Budget(redis),
                    group_rate=settings.group_rate,
                    bot_rate=settings.bot_rate,
                    single_file=settings.relay_lanes == 1,
                    holder=holder,
                ),
                linking=Linking(db=shared.db, channel=channels.get, jobs=shared.jobs),
                janitor=Janitor(db=shared.db, jobs=shared.jobs, notifier=shared.notifier, holder=holder),
                owners=Owners(db=shared.db, mailer=mailer(settings), address=settings.public_url),
                bot=bot,
                holder=holder,
            )
    finally:
        await redis.aclose()
        if bot is not None:
            await bot.close()


def mailer(settings: Settings) -> Mailer:
    """Whoever carries our mail: a server, or the terminal where nobody else can see it, or nobody."""
    if settings.smtp is not None and settings.mail_from is not None:
        return Smtp(settings.smtp, settings.mail_from)
    return Terminal() if settings.local else Nowhere()


class Provisioned(Struct, frozen=True):
    """A new project; `link_code` is None when its group was named at once."""

    id: str
    key: str
    identity_secret: str
    link_code: str | None


class ProjectLine(Struct, frozen=True):
    """A project in a list."""

    id: str
    name: str
    key: str
    owner: str
    chat_id: int | None
    chat_title: str | None


async def provision(
    settings: Settings, *, owner: str, name: str, chat_id: int | None, origins: Sequence[str] = ()
) -> Provisioned:
    """Make a project, linked to a chat of the shared bot or with a code for `/connect`."""
    async with services(settings) as shared, shared.db.begin() as db:
        made = await projects.create(db, owner=owner, name=name, origins=origins)
        code = await projects.make_link_code(db, made.id)
        if chat_id is not None:
            await _link(db, settings, project_id=made.id, chat_id=chat_id)
        return Provisioned(made.id, made.key, made.identity_secret, code)


async def _link(db: Any, settings: Settings, *, project_id: str, chat_id: int) -> None:
    if settings.bot_id is None:
        raise MisconfiguredError(
            "TELEGRAM_BOT_TOKEN: needed to link a chat, because it says which bot speaks there"
        )
    group_id = await groups.ensure(db, bot_id=settings.bot_id, chat_id=chat_id)
    await connect(db, group_id=group_id, chat_id=chat_id, project_id=project_id)


async def list_projects(settings: Settings) -> list[ProjectLine]:
    """All projects, oldest first."""
    async with services(settings) as shared, shared.db.begin() as db:
        return [ProjectLine(**row) for row in await projects.every(db)]


async def list_dead_letters(settings: Settings, *, project: str | None = None) -> list[DeadLetter]:
    """Dead letters, oldest first; of one project or of all."""
    async with services(settings) as shared, shared.db.begin() as db:
        await _check_project(db, project)
        return await dead_letters.every(db, project=project)


async def requeue(settings: Settings, ids: Sequence[str], *, project: str | None = None) -> int:
    """Put dead letters back into the outbox and ring; how many. Without `ids` all there are.

    Raises `RefusedError`, with nothing changed, when one of `ids` is no dead letter (of the project).
    """
    async with services(settings) as shared:
        async with shared.db.begin() as db:
            await _check_project(db, project)
            known = [letter.id for letter in await dead_letters.every(db, project=project)]
            _check_letters(ids, known)
        wanted = sorted({int(each) for each in ids or known})
        count = 0
        for start in range(0, len(wanted), AT_ONCE):
            async with shared.db.begin() as db:
                done = await dead_letters.requeue(db, wanted[start : start + AT_ONCE])
            shared.ring(changes=done.changes, drains=done.drains)
            count += len(done.ids)
        return count


async def _check_project(db: Connection, project: str | None) -> None:
    if project is not None and all(
        project not in (row["id"], row["key"]) for row in await projects.every(db)
    ):
        raise RefusedError(
            "no_project",
            f"{project} is neither the id nor the key of a project; see `topicwire projects list`.",
        )


def _check_letters(ids: Sequence[str], known: Sequence[str]) -> None:
    for each in ids:
        if each not in known:
            raise RefusedError(
                "no_dead_letter",
                f"{each} is no dead letter; `topicwire dead-letters list` shows those there are.",
            )


async def ensure_demo(settings: Settings, chat_id: int) -> str:
    """The key of the demo project, which answers from this chat of the sandbox."""
    async with services(settings) as shared, shared.db.begin() as db:
        known = [row for row in await projects.every(db) if row["owner"] == DEMO_OWNER]
        if known and known[0]["chat_id"] == chat_id:
            return str(known[0]["key"])
        made = known[0] if known else None
        if made is None:
            new = await projects.create(db, owner=DEMO_OWNER, name=DEMO_NAME)
            made = {"id": new.id, "key": new.key}
        await _link(db, settings, project_id=str(made["id"]), chat_id=chat_id)
        return str(made["key"])
