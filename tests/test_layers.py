"""What each process really loads; what may import what is a contract in pyproject.toml (`lint-imports`)."""

import subprocess
import sys

import pytest

HEAVY = {
    "topicwire.app": (
        "aiogram",
        "aiohttp",
        "alembic",
        "topicwire.sandbox",
        "topicwire.embedded",
        "topicwire.doctor",
    ),
    "topicwire.doctor.conformance": ("aiogram", "sqlalchemy", "starlette", "arq", "topicwire.sandbox"),
    "topicwire.doctor.command": ("aiogram", "alembic", "starlette", "arq", "topicwire.sandbox"),
    "topicwire.cli": ("aiogram", "aiohttp", "alembic", "sqlalchemy", "starlette", "uvicorn", "arq"),
    "topicwire.sandbox.server": ("aiogram", "sqlalchemy", "arq", "topicwire.domain", "topicwire.wiring"),
    "topicwire.visitor.protocol": ("starlette", "redis", "arq", "aiogram"),
    "topicwire.relay.to_operator": ("starlette", "aiogram", "topicwire.telegram"),
    "topicwire.telegram.updates": ("aiogram", "aiohttp", "sqlalchemy"),
}


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_is_loaded_that_is_not_needed(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & set(HEAVY[module])
