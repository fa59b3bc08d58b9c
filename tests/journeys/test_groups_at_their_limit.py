"""Two hundred groups that have used up their budget keep nobody waiting in another one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.conftest import copied
from tests.house import House, eventually
from tests.journeys.operators import Operators
from tests.journeys.telegram import BOT_ID
from topicwire.domain import conversations, groups, projects
from topicwire.domain.conversations import Visitor
from topicwire.embedded import Servers

GROUPS = 200
WAITING = 3  # visitors in each, of whom the budget suffices for one


@pytest.fixture
async def narrow_house(template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house in which every group takes two calls an hour: a topic and a message."""
    folder = tmp_path_factory.mktemp("narrow")
    with Servers(folder, postgres=False) as servers:
        house = House(folder, await copied(template), servers, TELEGRAM_GROUP_RATE="2/3600")
        async with house.telegram:
            try:
                await house.open()
                yield house
            finally:
                await house.close()


async def test_the_next_group_does_not_wait_a_second(narrow_house: House) -> None:
    house = narrow_house
    shop = await house.open_shop()
    made = [await Operators.gather(house.telegram, house.http, f"Group {number}") for number in range(GROUPS)]
    await asyncio.gather(*(_fill(house, operators.chat) for operators in made))

    async def all_at_their_limit() -> bool:
        query = "SELECT count(*) FROM groups WHERE not_before > now() + interval '10 minutes'"
        return bool(await house.scalar(query) == GROUPS)

    await eventually(all_at_their_limit, "all groups have used up their budget", within=60)
    async with shop.visitor() as visitor:
        await visitor.say("Am I the next?")
        await visitor.expect("relayed", seq=1, within=1)
    waiting = await house.scalar("SELECT count(*) FROM outbox WHERE state = 'accepted'")
    assert waiting == GROUPS * (WAITING - 1)


async def _fill(house: House, chat: int) -> None:
    """A project whose group has more to say than its budget allows."""
    async with house.database.begin() as db:
        project = await projects.create(db, owner="owner@example.com", name=f"Project {chat}")
        group_id = await groups.ensure(db, bot_id=BOT_ID, chat_id=chat)
        await groups.link(db, group_id, project.id)
        for number in range(WAITING):
            await conversations.say(
                db, conversation_id=f"{chat}/{number}", project_id=project.id, visitor=Visitor(),
                client_id="first", said="Hello?",
            )  # fmt: skip
