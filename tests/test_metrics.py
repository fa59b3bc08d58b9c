"""Every figure is explained to who runs an installation, and nothing is explained that is not shown."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from topicwire import notifier
from topicwire.db import Database
from topicwire.embedded import Servers
from topicwire.exposition import Exposition

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
PARTS = re.compile(r"_(total|bucket|max|created|gcount|gsum)$")  # what a family's samples are called besides


async def test_the_page_of_figures_tells_of_all_that_are_shown(database: Database, servers: Servers) -> None:
    redis = notifier.client(str(servers.redis_url))
    shown = text_string_to_metric_families(await Exposition(database, redis, "web-1").show())
    await redis.aclose()
    families = {PARTS.sub("", family.name) for family in shown if family.name.startswith("topicwire_")}
    explained = set(re.findall(r"`(topicwire_\w+)`", PAGE.read_text()))
    assert {PARTS.sub("", name) for name in explained} == families
