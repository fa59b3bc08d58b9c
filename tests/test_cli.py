"""The command line: what it prints, where, and with which exit status; one line for expected trouble."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from topicwire import cli
from topicwire.embedded import datadir

NOWHERE = "postgresql://x:hush@127.0.0.1:1/db"
KEY = "0123456789abcdef"


@dataclass
class Said:
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(
    short_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run a command line in this process, in a data directory of its own."""
    monkeypatch.setenv("DATA_DIR", str(short_path / "data"))

    def run(*words: str, **environ: str) -> Said:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["topicwire", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capfd.readouterr()
        return Said(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


def test_help_names_the_commands_that_exist(run: Run) -> None:
    said = run("--help")
    assert said.status == 0
    for command in ("up", "web", "worker", "migrate", "sandbox", "projects", "dead-letters", "doctor"):
        assert f" {command} " in said.out
    assert "supervised" not in run("web", "--help").out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["up", "--nonsense"],
        ["projects"],
        ["projects", "create", "--owner", "a@example.com"],
        ["projects", "create", "--owner", "a@example.com", "--name", "A", "--chat", "many"],
        ["projects", "create", "--owner", "a@example.com", "--name", "A", "--chat", "5"],
        ["sandbox", "--port", "0"],
        ["dead-letters", "requeue"],
        ["dead-letters", "requeue", "12", "--all"],
    ],
)
def test_bad_usage_is_one_line_and_status_2(run: Run, words: list[str]) -> None:
    said = run(*words)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("topicwire: ")
    assert said.err.endswith("--help`.\n")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        ("up", {"PORT": "eighty"}, "PORT: "),
        ("up", {"HOST": "0.0.0.0"}, "TELEGRAM_BOT_TOKEN: not set"),  # noqa: S104
        ("up", {"PUBLIC_URL": "https://chat.example.com"}, "TELEGRAM_BOT_TOKEN: not set"),
        ("up --no-shared-bot", {"TELEGRAM_BOT_TOKEN": "1:abc"}, "TELEGRAM_BOT_TOKEN: is set"),
        ("up", {"DATABASE_URL": NOWHERE}, "SECRET_KEY: needed with DATABASE_URL"),
        ("migrate", {"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: expected an address"),
        ("migrate", {"DATABASE_URL": NOWHERE}, "DATABASE_URL: postgresql://127.0.0.1"),
        ("web", {}, "DATABASE_URL, REDIS_URL, SECRET_KEY: not set"),
        ("web", {"DATABASE_URL": NOWHERE, "SECRET_KEY": KEY}, "REDIS_URL: not set"),
        ("worker", {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://127.0.0.1:1"}, "SECRET_KEY: needed"),
        (
            "web",
            {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://127.0.0.1:1", "SECRET_KEY": KEY},
            "DATABASE_URL: postgresql://127.0.0.1",
        ),
        ("projects list", {"DATA_DIR": "/dev/null/x"}, "DATA_DIR: "),
    ],
)
def test_expected_trouble_is_one_line_and_status_1(
    run: Run, words: str, environ: dict[str, str], expected: str
) -> None:
    said = run(*words.split(), **environ)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"topicwire: {expected}")
    assert said.err.count("\n") == 1
    assert "hush" not in said.err


def test_a_file_that_cannot_be_used_is_named(run: Run, short_path: Path) -> None:
    (short_path / "data/lock").mkdir(parents=True)
    said = run("projects", "list")
    assert (said.status, said.err) == (
        1,
        f"topicwire: {short_path}/data/lock cannot be used: Is a directory\n",
    )


@pytest.mark.parametrize("command", ["up", "sandbox"])
def test_a_taken_port_is_told_before_anything_starts(
    run: Run, taken_port: int, command: str, short_path: Path
) -> None:
    port = taken_port if command == "up" else taken_port - 1
    said = run(command, PORT=str(port))
    assert said.status == 1
    assert f"PORT: {taken_port} on 127.0.0.1 is taken by another program" in said.err
    assert not (short_path / "data/postgres").exists()


def test_a_second_up_names_the_first(run: Run, short_path: Path) -> None:
    with datadir.Lock(short_path / "data", "up"):
        said = run("up")
    assert said.status == 1
    assert said.err.startswith(f"topicwire: process {os.getpid()} already runs topicwire in ")
    assert said.err.count("\n") == 1


def test_projects_can_be_made_and_listed_where_nothing_runs(run: Run) -> None:
    made = run("projects", "create", "--owner", "a@example.com", "--name", "A shop", "--json")
    assert made.status == 0
    project = json.loads(made.out)
    assert set(project) == {"id", "key", "identity_secret", "link_code"}
    said = run(
        *("projects", "create", "--owner", "b@example.com", "--name", "B", "--origin", "https://b.example"),
        *("--origin", "https://*.b.example"),
    )
    assert "/connect " in said.out
    assert "/widget.js" in said.out
    items = json.loads(run("projects", "list", "--json").out)["items"]
    assert [item["name"] for item in items] == ["A shop", "B"]
    assert items[0]["key"] == project["key"]
    listed = run("projects", "list")
    assert "A shop" in listed.out
    assert project["key"] in listed.out


def test_there_are_no_dead_letters_where_nothing_runs(run: Run) -> None:
    assert run("dead-letters", "list") == Said(0, "There is no dead letter.\n", "")
    said = run("dead-letters", "requeue", "12")
    assert (said.status, said.out) == (1, "")
    assert (
        said.err == "topicwire: 12 is no dead letter; `topicwire dead-letters list` shows those there are.\n"
    )


def test_the_doctor_needs_nothing_that_runs(run: Run) -> None:
    said = run("doctor")
    assert (said.status, said.err) == (0, "")
    assert "ok    database: PostgreSQL " in said.out
    assert said.out.endswith("stands in for Telegram runs with `topicwire up`\n")


def test_help_does_not_wait_for_what_only_a_command_needs() -> None:
    script = "import sys; from topicwire import cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert not {"sqlalchemy", "aiogram", "starlette", "redis", "rich"} & set(loaded.split())


@pytest.mark.parametrize("command", cli.WITHOUT_PYDANTIC)
def test_a_command_line_is_read_without_pydantic(command: str) -> None:
    script = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules));"
        " from topicwire import cli; cli.main()"
    )
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", script, command],
        env={**os.environ, "PORT": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PORT" in done.stderr
    assert {"typer", "topicwire.settings"} <= set(done.stdout.split())
    assert "pydantic" not in done.stdout.split()
