"""What happens to topics in Telegram, and what the relay makes of it: nothing lost, nothing twice."""

from tests.house import House, Shop, Visitor, eventually
from tests.journeys.operators import Operators

MUST_ASK = "Bad Request: CHAT_ADMIN_REQUIRED"


async def said_in(operators: Operators, topic: int) -> list[str]:
    """The visitors' words in a topic, without the line above that says who writes."""
    return [text.rpartition("\n")[2] for text in await operators.texts(topic)]


async def trouble(shop: Shop, expected: str | None) -> None:
    """Wait until the group is known to be in this trouble."""
    query = "SELECT coalesce(trouble, '') FROM groups WHERE chat_id = :chat"

    async def look() -> bool:
        return bool(await shop.house.scalar(query, chat=shop.operators.chat) == (expected or ""))

    await eventually(look, f"the group's trouble is {expected}")


async def number_of(shop: Shop, method: str) -> int:
    return len(await shop.operators.calls(method))


# A topic whose making was not confirmed


async def test_a_topic_is_known_by_its_update_when_the_answer_got_lost(shop: Shop) -> None:
    shop.house.telegram.fault("answer_lost", method="createForumTopic", chat=shop.operators.chat)
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.say("two")
        await visitor.expect("relayed", seq=2, within=10)
        (topic,) = (await shop.operators.topics()).values()
        assert await shop.topic_of(visitor) == topic
        assert await said_in(shop.operators, topic) == ["one", "two"]
        assert await number_of(shop, "createForumTopic") == 1


async def test_the_topic_of_a_killed_worker_is_found(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        async with shop.house.telegram.holding("createForumTopic", answered=True) as line:
            await visitor.say("one")
            await line.arrived.wait()
            await shop.house.kill_worker()
        await shop.house.let_leases_pass()
        await shop.house.replace_worker()
        await visitor.expect("relayed", seq=1)
        (topic,) = (await shop.operators.topics()).values()
        assert await said_in(shop.operators, topic) == ["one"]


async def test_a_topic_that_turns_up_too_late_is_removed(shop: Shop) -> None:
    """Neither the answer came nor the update: another is made, and the first is one too many."""
    telegram, chat = shop.house.telegram, shop.operators.chat
    telegram.fault("answer_lost", method="createForumTopic", chat=chat)
    telegram.fault("update_late", update="message", chat=chat, delay=6)
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await eventually(lambda: number_of(shop, "createForumTopic"), "a topic is asked for")
        (orphan,) = (await shop.operators.topics()).values()
        await shop.house.let_time_pass(31)
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        assert topic != orphan
        await shop.operators.write(orphan, "Written here")
        await visitor.expect("message", text="Written here")

        async def removed() -> bool:
            return list((await shop.operators.topics()).values()) == [topic]

        await eventually(removed, "the orphan is removed")
        assert await said_in(shop.operators, topic) == ["one"]


async def test_visitors_of_one_name_never_get_each_others_topic(shop: Shop) -> None:
    """While it is not known what became of one topic, no other is asked for in this group."""
    telegram, chat = shop.house.telegram, shop.operators.chat
    telegram.fault("answer_lost", method="createForumTopic", chat=chat)
    telegram.fault("update_late", update="message", chat=chat, delay=1)
    same = {"email": "jo@example.com"}
    async with shop.visitor(visitor=same) as first, shop.visitor(visitor=same) as second:
        await first.say("I am the first")
        await eventually(lambda: number_of(shop, "createForumTopic"), "a topic is asked for")
        await second.say("I am the second")
        for visitor, said in ((first, "I am the first"), (second, "I am the second")):
            await visitor.expect("relayed", seq=1)
            topic = await shop.topic_of(visitor)
            assert await said_in(shop.operators, topic) == [said]
            await shop.operators.write(topic, f"Answer to: {said}")
            await visitor.reads(said, f"Answer to: {said}")
        assert await number_of(shop, "createForumTopic") == 2


# Topics that vanish


async def test_many_messages_for_a_deleted_topic_mend_it_once(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        await shop.operators.delete(await shop.topic_of(visitor))
        for number in range(2, 7):
            await visitor.type_in(f"message {number}")
        await visitor.expect("relayed", seq=6)
        assert await number_of(shop, "editForumTopic") == 1  # the confirmation
        assert await number_of(shop, "createForumTopic") == 2
        said = await said_in(shop.operators, await shop.topic_of(visitor))
        assert said[1:] == [f"message {number}" for number in range(2, 7)]


async def test_a_topic_that_nobody_can_write_into_is_given_up(shop: Shop) -> None:
    """It can be edited, but every message is refused as if it were gone: not for ever."""
    chat = shop.operators.chat
    async with shop.visitor() as visitor:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        old = await shop.topic_of(visitor)
        gone = "Bad Request: message thread not found"
        fault = shop.house.telegram.fault(
            "refusal", method="sendMessage", chat=chat, description=gone, count=5
        )
        await visitor.say("after")

        async def given_up() -> bool:
            await shop.house.let_time_pass(60)
            return fault.met == 5

        await eventually(given_up, "five refusals")
        await visitor.expect("relayed", seq=2)
        assert await shop.topic_of(visitor) != old


# Closed topics


async def test_a_closed_topic_that_we_may_not_reopen_is_written_into(shop: Shop) -> None:
    chat = shop.operators.chat
    shop.house.telegram.fault(
        "refusal", method="reopenForumTopic", chat=chat, description=MUST_ASK, count=None
    )
    async with shop.visitor() as visitor:
        await visitor.say("one")
        topic = await shop.topic_of(visitor)
        await visitor.expect("relayed", seq=1)
        await shop.operators.close(topic)
        await visitor.expect("status", state="closed")
        await visitor.say("two")
        await visitor.expect("status", state="open")
        await visitor.say("three")
        await visitor.expect("relayed", seq=3)
        assert await said_in(shop.operators, topic) == ["one", "two", "three"]
        assert await number_of(shop, "reopenForumTopic") == 1
        await shop.operators.write(topic, "We see you")
        await visitor.expect("message", text="We see you")
    shop.house.telegram.sandbox.faults.clear()


async def test_a_closed_topic_that_stays_shut_suspends_the_group(shop: Shop) -> None:
    chat, telegram = shop.operators.chat, shop.house.telegram
    async with shop.visitor() as visitor:
        await visitor.say("one")
        topic = await shop.topic_of(visitor)
        await visitor.expect("relayed", seq=1)
        await shop.operators.close(topic)
        await visitor.expect("status", state="closed")
        telegram.fault("refusal", method="reopenForumTopic", chat=chat, description=MUST_ASK, count=None)
        telegram.fault(
            "refusal", method="sendMessage", chat=chat, description="Bad Request: TOPIC_CLOSED", count=None
        )
        await visitor.say("two")
        await trouble(shop, "rights")
        telegram.sandbox.faults.clear()
        await shop.house.let_time_pass(10)
        await visitor.expect("relayed", seq=2)
        await trouble(shop, None)
        assert await said_in(shop.operators, topic) == ["one", "two"]


# Messages that land elsewhere


async def test_without_forum_mode_nothing_stays_in_the_main_chat(shop: Shop) -> None:
    """Telegram accepts the message, but all visitors' would mix in the main thread."""
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        await shop.operators.set_forum(False)
        await visitor.say("two")
        await visitor.say("three")
        await trouble(shop, "not_a_forum")
        assert await number_of(shop, "deleteMessage") == 1
        await shop.house.let_time_pass(10)  # it looks, and says nothing into the main thread

        async def looked() -> bool:
            return await number_of(shop, "getChat") > 1

        await eventually(looked, "the group is looked at again")
        assert await number_of(shop, "sendMessage") == 2
        await shop.operators.set_forum(True)
        await shop.house.let_time_pass(60)
        await visitor.expect("relayed", seq=3)
        await trouble(shop, None)
        assert await said_in(shop.operators, topic) == ["one", "two", "three"]
        note = await shop.operators.see(
            "nothing is lost. 1 message of 1 visitor still waits and will follow in order."
        )
        assert note["text"].startswith("Back again. For ")
        assert " topics were turned off here;" in note["text"]
        assert len(await shop.operators.texts()) == 1


async def test_a_stray_message_goes_even_if_it_cannot_go_at_once(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        shop.house.telegram.fault("http_500", method="deleteMessage", chat=shop.operators.chat)
        await shop.operators.set_forum(False)
        await visitor.say("two")
        await trouble(shop, "not_a_forum")
        await shop.operators.set_forum(True)
        assert await shop.operators.texts() == ["two"]
        await shop.house.let_time_pass(10)
        await visitor.expect("relayed", seq=2)
        assert await said_in(shop.operators, await shop.topic_of(visitor)) == ["one", "two"]

        async def removed() -> bool:
            return all(text.startswith("Back again.") for text in await shop.operators.texts())

        await eventually(removed, "the stray message is removed")


# Rights, and other chats


async def test_without_the_right_to_make_topics_messages_wait(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await shop.operators.set_bot("administrator", rights=["can_delete_messages"])
        await visitor.say("one")
        await trouble(shop, "rights")
        await shop.operators.set_bot("administrator", rights=["can_delete_messages", "can_manage_topics"])
        await visitor.expect("relayed", seq=1, within=10)  # my_chat_member says that it was mended
        await trouble(shop, None)


async def migrated(shop: Shop, visitor: Visitor) -> None:
    await visitor.expect("relayed", seq=1)
    topic = await shop.topic_of(visitor)
    assert await said_in(shop.operators, topic) == ["into a basic group"]
    await shop.operators.write(topic, "Here we are")
    await visitor.reads("into a basic group", "Here we are")
    query = "SELECT count(*) FROM groups WHERE chat_id = :chat"
    assert await shop.house.scalar(query, chat=shop.operators.chat) == 1


async def test_a_group_that_becomes_a_supergroup_is_followed(house: House) -> None:
    shop = await house.open_shop(type="group")
    async with shop.visitor() as visitor:
        await visitor.say("into a basic group")
        await trouble(shop, "not_a_forum")
        await shop.operators.become_a_supergroup()
        await shop.operators.set_bot("administrator", rights=["can_manage_topics"])
        await house.let_time_pass(60)
        await migrated(shop, visitor)


async def test_a_refusal_tells_of_the_supergroup_as_well(house: House) -> None:
    shop = await house.open_shop(type="group")
    telegram, old = house.telegram, shop.operators.chat
    async with shop.visitor() as visitor:
        await visitor.say("into a basic group")
        await trouble(shop, "not_a_forum")
        telegram.fault("update_late", chat=old, delay=60, count=None)
        await shop.operators.become_a_supergroup()
        for late in ("my_chat_member", "message"):
            telegram.fault("update_late", update=late, chat=shop.operators.chat, delay=60)
        await shop.operators.set_bot("administrator", rights=["can_manage_topics"])
        await house.let_time_pass(60)
        await migrated(shop, visitor)
        telegram.sandbox.faults.clear()


# Names


async def test_a_topic_gets_the_visitors_address_once_it_is_known(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        await visitor.send({"type": "identify", "email": "jo@example.com"})

        async def named() -> bool:
            return await shop.operators.topics() == {"jo@example.com": topic}

        await eventually(named, "the topic has the address as its name")
        await visitor.send({"type": "identify", "email": "jo@example.com", "name": "Jo"})
        await visitor.send({"type": "page", "url": "https://shop.example/cart"})
        await visitor.say("two")
        await visitor.expect("relayed", seq=2)
        assert await number_of(shop, "editForumTopic") == 1


async def test_an_operators_name_for_a_topic_stays(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        topic = await shop.topic_of(visitor)
        await visitor.expect("relayed", seq=1)
        await shop.operators.rename(topic, "VIP")
        await shop.operators.write(topic, "Hello")  # when this is here, the name is known
        await visitor.expect("message", text="Hello")
        await visitor.send({"type": "identify", "email": "jo@example.com"})
        await visitor.say("two")
        await visitor.expect("relayed", seq=3)
        assert await shop.operators.topics() == {"VIP": topic}
        await shop.operators.delete(topic)
        await visitor.say("three")
        await visitor.expect("relayed", seq=4)
        assert list(await shop.operators.topics()) == ["VIP"]


async def test_a_name_alone_neither_opens_nor_reopens_a_topic(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        topic = await shop.topic_of(visitor)
        await visitor.expect("relayed", seq=1)
        await shop.operators.close(topic)
        await visitor.expect("status", state="closed")
        await visitor.send({"type": "identify", "email": "jo@example.com"})

        async def named() -> bool:
            return "jo@example.com" in await shop.operators.topics()

        await eventually(named, "the closed topic has the address as its name")
        assert await shop.operators.is_closed(topic)
        await shop.operators.delete(topic)
        await visitor.send({"type": "identify", "email": "ann@example.com"})
        query = "SELECT count(*) FROM outbox o JOIN groups g ON g.id = o.group_id WHERE g.chat_id = :chat"

        async def settled() -> bool:
            return bool(await shop.house.scalar(query, chat=shop.operators.chat) == 0)

        await eventually(settled, "nothing is left to say")
        assert await number_of(shop, "createForumTopic") == 1
