"""Where Telegram cannot reach us, we ask it: both ways work as with a webhook."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import copied
from tests.house import House, Shop
from topicwire.embedded import Servers


@pytest.fixture
async def polling(template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("polling")
    with Servers(folder, postgres=False) as servers:
        house = House(folder, await copied(template), servers, TELEGRAM_UPDATES="polling")
        async with house.telegram:
            try:
                await house.open()
                yield house
            finally:
                await house.close()


async def test_messages_go_each_way(polling: House) -> None:
    shop: Shop = await polling.open_shop()
    async with shop.visitor() as visitor:
        await visitor.say("Do you poll?")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        for number in range(5):
            await shop.operators.write(topic, f"answer {number}")
        await visitor.reads("Do you poll?", *(f"answer {number}" for number in range(5)))
