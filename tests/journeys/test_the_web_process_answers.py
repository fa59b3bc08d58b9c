"""The web process' own routes: what embedding pages load, and what a monitor asks."""

import gzip
import json

from arq.constants import health_check_key_suffix

from tests.house import METRICS_TOKEN, House, Shop
from topicwire import jobs, notifier


async def test_the_script_names_the_version_of_its_modules(house: House) -> None:
    script = await house.http.get(f"{house.url}/widget.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["access-control-allow-origin"] == "*"
    assert script.headers["cache-control"] == "public, max-age=300"
    version = script.text.partition('const VERSION = "')[2].partition('"')[0]
    assert version not in ("", "dev")
    module = await house.http.get(f"{house.url}/widget/{version}/main.js")
    assert module.status_code == 200
    assert module.headers["access-control-allow-origin"] == "*"
    assert "immutable" in module.headers["cache-control"]


async def test_an_old_version_is_served_but_not_kept(house: House) -> None:
    module = await house.http.get(f"{house.url}/widget/0123456789abcdef/main.js")
    assert module.status_code == 200
    assert module.headers["cache-control"] == "no-cache"


async def test_files_are_compressed_and_not_sent_twice(house: House) -> None:
    plain = await house.http.get(f"{house.url}/widget.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = await house.http.get(f"{house.url}/widget.js", headers={"accept-encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert small.text == plain.text
    assert int(small.headers["content-length"]) < len(gzip.compress(plain.content)) + 20
    again = await house.http.get(f"{house.url}/widget.js", headers={"if-none-match": small.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_nothing_but_the_widgets_files_is_served(house: House) -> None:
    for path in ("/widget/x/package.json", "/widget/x/..%2f..%2fREADME.md", "/demo/../README.md", "/nothing"):
        assert (await house.http.get(house.url + path)).status_code == 404


async def test_the_demo_finds_a_project_by_itself(house: House, shop: Shop) -> None:
    answer = await house.http.get(f"{house.url}/demo")
    assert answer.status_code == 307
    assert "?key=pk_" in answer.headers["location"]
    page = await house.http.get(f"{house.url}/demo?key={shop.key}")
    assert page.headers["content-type"].startswith("text/html")


async def test_a_monitor_learns_what_fails(house: House) -> None:
    health = await house.http.get(f"{house.url}/healthz")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    ready = await house.http.get(f"{house.url}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "failing": []})


async def test_outsiders_learn_only_whether_we_are_ready(house: House) -> None:
    """Behind a proxy on this machine, an outsider is who the proxy says it is."""
    outside = {"x-forwarded-for": "203.0.113.7"}
    ready = await house.http.get(f"{house.url}/readyz", headers=outside)
    assert ready.json() == {"status": "ok"}
    assert (await house.http.get(f"{house.url}/metrics", headers=outside)).status_code == 404
    token = {**outside, "authorization": f"Bearer {METRICS_TOKEN}"}
    assert (await house.http.get(f"{house.url}/metrics", headers=token)).status_code == 200
    assert json.loads((await house.http.get(f"{house.url}/readyz", headers=token)).text)["failing"] == []


async def test_readiness_names_the_worker_that_is_missing(house: House) -> None:
    redis = notifier.client(str(house.servers.redis_url))
    await redis.delete(jobs.QUEUE + health_check_key_suffix)
    answer = await house.http.get(f"{house.url}/readyz")
    await redis.aclose()
    assert (answer.status_code, answer.json()) == (503, {"status": "failing", "failing": ["worker"]})
    await house.ready()
