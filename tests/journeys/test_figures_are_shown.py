"""Whoever asks one web process sees what all processes count."""

import functools

from prometheus_client.parser import text_string_to_metric_families

from tests.house import House, Shop, eventually


async def counted(house: House, web: str, name: str, **labels: str) -> dict[str, float]:
    """The values of a metric with these labels, by process."""
    answer = await house.http.get(f"{web}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    }


async def told_by(house: House, web: str, role: str, name: str, **labels: str) -> bool:
    """Whether processes of this kind have counted any of it, and left their figures."""
    found = await counted(house, web, name, **labels)
    return sum(value for process, value in found.items() if process.startswith(f"{role}-")) >= 1


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
