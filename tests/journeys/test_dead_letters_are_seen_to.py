"""A message that Telegram refuses for good: the operators learn of it, and can have it sent again."""

import asyncio
import json
import os
import sys
from typing import Any

from tests.house import House, Shop
from tests.journeys.visitor import Visitor

LIST, REQUEUE = ("dead-letters", "list", "--json", "--project"), ("dead-letters", "requeue")


async def topicwire(house: House, *words: str, status: int = 0) -> str:
    """What a command prints that is run beside the processes of the house."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "topicwire.cli", *words,
        env={**os.environ, **house.environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaint = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == status, complaint
    return (printed or complaint).decode()


async def dead_letters(shop: Shop) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(await topicwire(shop.house, *LIST, shop.key))["items"]
    return items


async def poison(shop: Shop, visitor: Visitor, *said: str) -> None:
    """Say something that Telegram refuses; what tells of it is not refused."""
    with shop.house.telegram.refusing("text=poison", 400, "Bad Request: MESSAGE_IS_CURSED"):
        for seq, words in enumerate(said, len(visitor.messages) + 1):
            await visitor.say(words)
            await visitor.expect("failed", seq=seq)


async def test_operators_are_told_and_have_it_sent_again(house: House, shop: Shop) -> None:
    async with shop.visitor() as visitor, shop.visitor(token=visitor.token) as other_tab:
        await visitor.say("before")
        topic = await shop.topic_of(visitor)
        await poison(shop, visitor, "poison, says @mara")
        (letter,) = await dead_letters(shop)
        assert (letter["text"], letter["reason"], letter["attempts"]) == ("poison, says @mara", "rejected", 1)
        assert letter["last_error"] == "Bad Request: MESSAGE_IS_CURSED"
        notice = await shop.operators.see(f"topicwire dead-letters requeue {letter['id']}", topic=topic)
        assert "MESSAGE_IS_CURSED" in notice["text"]
        assert "“poison, says @\u2060mara”" in notice["text"]

        assert await topicwire(house, *REQUEUE, letter["id"]) == "1 will be sent again.\n"
        for tab in (visitor, other_tab):
            await tab.expect("message", seq=2, rev=5)
            await tab.expect("relayed", seq=2)
        await shop.operators.see("poison, says @\u2060mara", topic=topic)
        again = await topicwire(house, *REQUEUE, letter["id"], status=1)
        assert again.startswith(f"topicwire: {letter['id']} is no dead letter")
        assert visitor.transcript == other_tab.transcript == ["before", "poison, says @mara"]


async def test_all_of_a_project_are_sent_again_in_order(house: House, shop: Shop) -> None:
    other = await house.open_shop()
    async with shop.visitor() as visitor, other.visitor() as neighbour:
        for tab in (visitor, neighbour):
            await tab.say("before")
            await tab.expect("relayed", seq=1)
        await poison(other, neighbour, "poison for others")
        await poison(shop, visitor, "poison 1", "poison 2")
        assert await topicwire(house, *REQUEUE, "--all", "--project", shop.key) == "2 will be sent again.\n"
        await visitor.expect("relayed", seq=3)
        topic = await shop.topic_of(visitor)
        said = [text for text in await shop.operators.texts(topic) if "dead-letters" not in text]
        assert said == ["before", "poison 1", "poison 2"]
        assert len(await dead_letters(other)) == 1
        shown = await topicwire(house, "dead-letters", "list")
        assert "Bad Request: MESSAGE_IS_CURSED" in shown
        assert "poison for others" in shown
