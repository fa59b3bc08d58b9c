"""`topicwire web|worker` with its stages written down: `python -m bench.traced web|worker`.

Functions are wrapped from outside; one that is not there any more is left out, and so is its row.
"""

import contextlib
import functools
import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from bench.stages import DIRECTORY

GROUP: ContextVar[int] = ContextVar("GROUP", default=0)
Call = Callable[..., Awaitable[Any]]


def of_said(_: tuple[Any, ...], said: Any) -> int:
    """The group that a committed message goes to."""
    return int(said.group_id or 0)


def of_drain(_: tuple[Any, ...], __: Any) -> int:
    """The group that this task drains."""
    return GROUP.get()


# stage, module, function, how its group is known
WEB = (("say", "topicwire.domain.conversations", "say", of_said),)
WORKER = (
    ("drain", "topicwire.relay.to_operator", "ToOperator.drain", of_drain),
    ("take", "topicwire.domain.outbox", "take", of_drain),
    ("call", "topicwire.telegram.client", "TelegramChannel.send", of_drain),
    ("relayed", "topicwire.domain.outbox", "relayed", of_drain),
)


def wrapped(stage: str, call: Call, group_of: Callable[[tuple[Any, ...], Any], int], to: IO[str]) -> Call:
    """The same function, which also writes when it began and ended."""

    @functools.wraps(call)
    async def timed(*arguments: Any, **named: Any) -> Any:
        if stage == "drain":
            GROUP.set(int(arguments[1]))
        begin = time.monotonic()
        result = await call(*arguments, **named)
        end = time.monotonic()
        to.write(json.dumps([stage, group_of(arguments, result), begin, end]) + "\n")
        return result

    return timed


def main(role: str) -> None:
    """Wrap, then run the command."""
    directory = Path(os.environ[DIRECTORY])
    with (directory / f"{role}.jsonl").open("w", buffering=1) as to:
        for stage, module, path, group_of in WEB if role == "web" else WORKER:
            *owners, name = path.split(".")
            with contextlib.suppress(AttributeError, ImportError):
                owner = functools.reduce(getattr, owners, importlib.import_module(module))
                setattr(owner, name, wrapped(stage, getattr(owner, name), group_of, to))
        importlib.import_module("topicwire.cli").main()


if __name__ == "__main__":
    main(sys.argv[1])
