"""One house for all journeys; a shop in it for each."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import copied
from tests.house import House, Shop
from topicwire.embedded import Servers


@pytest.fixture(scope="session")
async def house(template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The house in which journeys take place; started once, since a worker takes seconds to start."""
    folder = tmp_path_factory.mktemp("house")
    with Servers(folder, postgres=False) as servers:
        house = House(folder, await copied(template), servers)
        async with house.telegram:
            try:
                await house.open()
                yield house
            finally:
                await house.close()


@pytest.fixture
async def shop(house: House) -> Shop:
    """A project with a group of its own."""
    return await house.open_shop()
