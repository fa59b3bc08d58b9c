"""Our side of a benchmark: projects with their groups, and our processes."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from bench.stand import Stand, process, ready
from topicwire import settings, wiring

CHATS = range(-1001000000, -1002000000, -1)  # of groups that need no more than an id


async def projects(environment: Mapping[str, str], chats: Iterable[int | None]) -> list[str]:
    """Make a project for each of these groups, or without one; the paths of their visitors' sockets."""
    told = settings.read(environment)
    paths = []
    for number, chat in enumerate(chats):
        made = await wiring.provision(told, owner="bench@localhost", name=f"Bench {number}", chat_id=chat)
        paths.append(f"/v1/widget/ws?key={made.key}")
    return paths


def addresses(environment: Mapping[str, str], paths: Iterable[str]) -> list[str]:
    """Where our web process serves these sockets."""
    return [f"ws://127.0.0.1:{environment['PORT']}{path}" for path in paths]


@asynccontextmanager
async def running(
    place: Stand, environment: Mapping[str, str], *, module: str = "topicwire.cli"
) -> AsyncIterator[None]:
    """Run our web process and our worker, both ready, until the block ends."""
    async with (
        process(place, "web", module, "web", environment=environment) as web,
        process(place, "worker", module, "worker", environment=environment) as worker,
    ):
        await ready(place, f"http://127.0.0.1:{environment['PORT']}/readyz", {"web": web, "worker": worker})
        yield
