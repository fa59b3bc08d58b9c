"""An owner hears of trouble by mail, and of its end."""

from tests.house import Shop, eventually
from tests.mailbox import words

FIVE_MINUTES, HOUR = 300, 3600


async def test_the_owner_hears_that_the_bot_was_thrown_out_and_that_it_is_back(shop: Shop) -> None:
    house = shop.house
    async with shop.visitor() as visitor:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        await shop.operators.set_bot("kicked")
        await visitor.say("are you there?")

        async def noticed() -> bool:
            query = "SELECT trouble FROM groups WHERE chat_id = :chat"
            return bool(await house.scalar(query, chat=shop.operators.chat) == "kicked")

        await eventually(noticed, "the refusal is noticed")
        await house.let_time_pass(FIVE_MINUTES)
        wrong = await house.mailbox.expect(shop.owner)
        assert wrong["Subject"] == f"{shop.name}: messages do not reach your Telegram group"
        assert wrong["From"] == "Topicwire <support@shop.example>"
        assert f"messages of visitors of {shop.name} do not reach" in words(wrong)
        assert "What to do: add the bot to the group again, as administrator." in words(wrong)
        assert "1 message of 1 visitor waits. Nothing is lost" in words(wrong)

        await shop.operators.set_bot("administrator")
        await visitor.expect("relayed", seq=2)
        await house.let_time_pass(HOUR)
        mended = await house.mailbox.expect(shop.owner, 2)
        assert mended["Subject"] == f"{shop.name}: messages reach your Telegram group again"
        assert "the bot is not in the group any more." in words(mended)
        assert "Nothing is lost. Nothing waits." in words(mended)
