"""Whoever asks one web process sees what all processes count."""

import functools

from prometheus_client.parser import text_string_to_metric_families

from tests.house import House, Shop, eventually


async def counted(house: House, web: str, name: str, **labels: str) -> dict[str, float]:
    """The values of a metric with these labels, by process."""
    answer = await house.http.get(f"{web}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        sample.labels.get("process", ""): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    }


async def told_by(house: House, web: str, role: str, name: str, **labels: str) -> bool:
    """Whether processes of this kind have counted any of it, and left their figures."""
    found = await counted(house, web, name, **labels)
    return sum(value for process, value in found.items() if process.startswith(f"{role}-")) >= 1


async def has_grown(house: House, name: str, labels: dict[str, str], before: dict[str, float]) -> bool:
    """Whether any process has counted more of it than before."""
    now = await counted(house, house.url, name, **labels)
    return any(value > before.get(process, 0) for process, value in now.items())


async def test_any_web_process_tells_what_all_have_counted(house: House, shop: Shop) -> None:
    async with house.another_web() as other:
        before = await counted(house, other, "topicwire_messages_relayed_total")
        async with shop.visitor() as visitor:
            await visitor.say("hello")
            await visitor.expect("relayed", seq=1)

            async def worker_tells() -> bool:
                now = await counted(house, other, "topicwire_messages_relayed_total")
                return sum(now.values()) > sum(before.values())

            await eventually(worker_tells, "what the worker has relayed is shown")
            for metric, labels, role in (
                ("topicwire_messages_relayed_total", {}, "worker"),
                ("topicwire_call_seconds_count", {"method": "sendMessage"}, "worker"),
                ("topicwire_messages_accepted_total", {}, "web"),
                ("topicwire_sockets", {}, "web"),
            ):
                await eventually(functools.partial(told_by, house, other, role, metric, **labels), metric)


async def test_what_went_wrong_is_shown(house: House, shop: Shop) -> None:
    telegram, chat = house.telegram, shop.operators.chat
    wrong: list[tuple[str, dict[str, str]]] = [
        ("topicwire_calls_limited_total", {"method": "sendMessage"}),
        ("topicwire_messages_failed_total", {"refusal": "rejected"}),
        ("topicwire_updates_repeated_total", {}),
        ("topicwire_webhooks_refused_total", {}),
    ]
    before = [await counted(house, house.url, name, **labels) for name, labels in wrong]
    async with shop.visitor() as visitor:
        telegram.fault("flood", method="sendMessage", chat=chat, retry_after=1)
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        with telegram.refusing("poison", 400, "Bad Request: MESSAGE_IS_CURSED"):
            await visitor.say("poison")
            await visitor.expect("failed", seq=2)
        telegram.fault("update_duplicate", update="message", chat=chat)
        await shop.operators.write(await shop.topic_of(visitor), "twice")
        await visitor.expect("message", text="twice")
    await house.http.post(f"{house.url}/telegram/4200", content=b"{}")
    for (name, labels), old in zip(wrong, before, strict=True):
        await eventually(functools.partial(has_grown, house, name, labels, old), name)
    assert sum((await counted(house, house.url, "topicwire_dead_letters")).values()) >= 1
