"""`/connect CODE` links a group, once, by an administrator, with words for everything that is missing."""

from tests.house import House, Shop, eventually
from tests.journeys.operators import ANONYMOUS, JONAS, LENA, Operators

LINKED = "This group now answers for"


async def _group(house: House, **options: object) -> Operators:
    return await Operators.gather(house.telegram, house.http, "A new group", **options)


async def _answered(group: Operators, beginning: str) -> str:
    async def look() -> str | None:
        return next((said for said in await group.texts() if said.startswith(beginning)), None)

    return str(await eventually(look, f"the bot says {beginning!r}"))


async def _answers(group: Operators, count: int) -> bool:
    return len([text for text in await group.texts() if not text.startswith("/")]) == count


async def test_a_code_links_and_what_waited_arrives(house: House) -> None:
    made = await house.provision("Shoes & Co")
    group = await _group(house)
    shop = Shop(house, "Shoes & Co", made, group)
    async with shop.visitor() as visitor:
        await visitor.say("Is anybody there?")
        command = await group.write(None, f"/connect {made.link_code}")
        assert await _answered(group, LINKED) == (
            "This group now answers for “Shoes & Co”. Every visitor who writes gets a topic of their own:"
            " what you write there reaches the visitor. A message that begins with // stays among you."
        )
        assert (await group.read())[-1]["reply_to_message"]["message_id"] == command
        await visitor.expect("relayed", seq=1)
        await group.write(await shop.topic_of(visitor), "We are.")
        await visitor.expect("message", text="We are.")


async def test_every_kind_of_administrator_may_link(house: House) -> None:
    for person in (JONAS, ANONYMOUS):
        made, group = await house.provision("Shoes"), await _group(house)
        await group.write(None, f"/start@topicwire_sandbox_bot {made.link_code}", by=person)
        await _answered(group, LINKED)


async def test_a_code_that_is_wrong_or_used_links_nothing(house: House) -> None:
    made, group, other = await house.provision("Shoes"), await _group(house), await _group(house)
    await group.write(None, "/connect no-such-code")
    await _answered(group, "This code is not valid")
    await group.write(None, f"/connect {made.link_code}")
    await _answered(group, LINKED)
    await other.write(None, f"/connect {made.link_code}")
    await _answered(other, "This code is not valid")


async def test_only_an_administrator_may_link(house: House) -> None:
    made, group = await house.provision("Shoes"), await _group(house)
    await group.write(None, f"/connect {made.link_code}", by=LENA)
    await _answered(group, "Only an administrator of this group can connect it.")
    await group.write(None, f"/connect {made.link_code}")  # the code is still good
    await _answered(group, LINKED)


async def test_guessing_ends_after_five_tries(house: House) -> None:
    made, group = await house.provision("Shoes"), await _group(house)
    for number in range(6):
        await group.write(None, f"/connect guess-{number}")
    await eventually(lambda: _answers(group, 6), "all are answered")
    await group.write(None, f"/connect {made.link_code}")
    await eventually(lambda: _answers(group, 7), "the right one is answered")
    said = [text[:22] for text in await group.texts() if not text.startswith("/")]
    assert sorted(said) == ["This code is not valid"] * 5 + ["Those were too many wr"] * 2
    assert said[-1] == "Those were too many wr"


async def test_only_wrong_codes_of_administrators_count_as_tries(house: House) -> None:
    """Neither a member who guesses nor an owner who mends things locks the group out."""
    made, group = await house.provision("Shoes"), await _group(house, bot="member")
    for number in range(6):
        await group.write(None, f"/connect guess-{number}", by=LENA)
        await group.write(None, f"/connect {made.link_code}")
    await eventually(lambda: _answers(group, 12), "all are answered")
    await group.set_bot("administrator")
    await group.write(None, f"/connect {made.link_code}")
    await _answered(group, LINKED)


async def test_a_command_without_a_code_or_for_another_bot(house: House) -> None:
    made, group = await house.provision("Shoes"), await _group(house)
    await group.write(None, f"/connect@another_bot {made.link_code}")
    await group.write(None, "/start")
    await group.write(None, "/connect")
    await _answered(group, "Please send the code with the command: /connect CODE.")
    assert await _answers(group, 1)
    await group.write(None, f"/connect@topicwire_sandbox_bot {made.link_code}")
    await _answered(group, LINKED)


async def test_what_is_missing_is_said_in_plain_words(house: House) -> None:
    made = await house.provision("Shoes")
    group = await _group(house, is_forum=False, bot="member")
    await group.write(None, f"/connect {made.link_code}")
    words = await _answered(group, "Almost there.")
    assert "forum mode: turn on Topics in the group's settings" in words
    assert "administrator rights: make the bot an administrator of the group" in words
    await group.set_forum(True)
    await group.set_bot("administrator", rights=["can_manage_chat"])
    await group.write(None, f"/connect {made.link_code}")
    await group.see("the right to delete messages: turn it on in the bot's administrator rights")
    assert "the right to manage topics: turn it on" in (await group.texts())[-1]
    await group.set_bot("administrator")
    await group.write(None, f"/connect {made.link_code}")
    await _answered(group, LINKED)


async def test_another_projects_group_is_never_taken(house: House, shop: Shop) -> None:
    made = await house.provision("Robbers")
    await shop.operators.write(None, f"/connect {made.link_code}")
    await _answered(shop.operators, "This group already answers for another project.")
    async with shop.visitor() as visitor:
        await visitor.say("Still yours?")
        await shop.operators.write(await shop.topic_of(visitor), "Still ours.")
        await visitor.expect("message", text="Still ours.")


async def test_a_project_may_move_to_another_group(house: House) -> None:
    made, first, second = await house.provision("Shoes"), await _group(house), await _group(house)
    await first.write(None, f"/connect {made.link_code}")
    await _answered(first, LINKED)
    shop = Shop(house, "Shoes", made, first)
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        old = await shop.topic_of(visitor)
        await second.write(None, f"/connect {await house.link_code(made.id)}")
        await _answered(second, LINKED)
        await visitor.say("two")
        await visitor.expect("relayed", seq=2)
        new = await shop.topic_of(visitor)
        await second.see("two", topic=new)
        await second.write(new, "from the new group")
        await visitor.expect("message", text="from the new group")
        await first.write(old, "from the old group")
        await visitor.reads("one", "two", "from the new group")
