"""`topicwire doctor` from the outside."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.doctor.conftest import remains
from tests.sandbox.conftest import TOKEN, Running, Telegram
from topicwire import settings
from topicwire.doctor.conformance import pace
from topicwire.sandbox.clock import SystemClock
from topicwire.settings import Rate

PATIENCE = 60


async def start(telegram: Telegram, folder: Path, *words: str, **environ: str) -> Process:
    environment = {
        **os.environ,
        "DATA_DIR": str(folder),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": telegram.base,
        **environ,
    }
    command = [sys.executable, "-m", "topicwire.cli", "doctor", *words]
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)


async def ended(process: Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def conformance(telegram: Telegram) -> tuple[str, ...]:
    return ("--conformance", "--chat", str(telegram.chat))


async def test_the_assumptions_are_tried(sandbox: Running, tmp_path: Path) -> None:
    async with sandbox(clock=SystemClock(), group_rate="off", bot_rate="off") as telegram:
        started = await start(telegram, tmp_path, *conformance(telegram), TELEGRAM_GROUP_RATE="off")
        status, out, err = await ended(started)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert "held       2.2  unknown chat" in lines
    assert "not tried  2.3  into a deleted topic, a minute later: takes another minute: --patient" in lines
    assert lines[-2].endswith(" held, 0 different, 2 not tried")
    assert "\x1b" not in out


async def test_a_difference_is_a_failure(sandbox: Running, tmp_path: Path) -> None:
    async with sandbox(clock=SystemClock(), group_rate="off", bot_rate="off") as telegram:
        lie = {"kind": "refusal", "method": "closeForumTopic", "description": "Bad Request: \x1b[31mNO"}
        await telegram.act("/faults", **lie)
        started = await start(telegram, tmp_path, *conformance(telegram), TELEGRAM_GROUP_RATE="off")
        status, out, _ = await ended(started)
    assert status == 1
    assert ": expected 400 Bad Request: invalid forum topic identifier specified, got 400 Bad Request:" in out
    assert "1 different" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_cleans_up(sandbox: Running, tmp_path: Path, number: signal.Signals) -> None:
    async with sandbox(clock=SystemClock(), group_rate="off", bot_rate="off") as telegram:
        started = await start(telegram, tmp_path, *conformance(telegram), TELEGRAM_GROUP_RATE="600/60")
        assert started.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while b"its blanks joined" not in await started.stdout.readline():
                pass
        assert len(await remains(telegram)) == 1
        started.send_signal(number)
        status, out, err = await ended(started)
        assert await remains(telegram) == []
    assert (status, err) == (1, "topicwire: interrupted before everything was tried\n")
    assert out.endswith("Everything was removed.\n")


async def test_what_is_wrong_is_said_with_its_mend(sandbox: Running, tmp_path: Path) -> None:
    async with sandbox(clock=SystemClock()) as telegram:
        status, out, err = await ended(await start(telegram, tmp_path))
    assert (status, err) == (1, "")
    assert "ok    database: PostgreSQL " in out
    assert "wrong webhook: none is set\n      -> start a worker" in out


@pytest.mark.parametrize("words", [("--conformance",), ("--chat", "-5"), ("--patient",)])
async def test_bad_usage(sandbox: Running, tmp_path: Path, words: tuple[str, ...]) -> None:
    async with sandbox() as telegram:
        status, out, err = await ended(await start(telegram, tmp_path, *words))
    assert (status, out) == (2, "")
    assert "go together" in err


@pytest.mark.parametrize(
    ("api", "rate", "expected"),
    [
        ("http://127.0.0.1:1", "off", None),
        ("http://127.0.0.1:1", "100/60", Rate(100, 60)),
        ("https://api.telegram.org", "off", Rate(20, 60)),
        ("https://api.telegram.org", "100/60", Rate(20, 60)),
        ("https://api.telegram.org", "5/60", Rate(5, 60)),
    ],
)
def test_away_from_this_machine_it_is_never_fast(api: str, rate: str, expected: Rate | None) -> None:
    known = settings.read({"TELEGRAM_API_URL": api, "TELEGRAM_GROUP_RATE": rate})
    assert pace(known) == expected
