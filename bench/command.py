"""How a benchmark is called: its options, and its report or the reason why there is none."""

import argparse
from collections.abc import Awaitable, Callable

import uvloop

from bench.stand import NotReadyError, Stand, stand


def parser(name: str, purpose: str | None) -> argparse.ArgumentParser:
    """A parser for the options of `python -m name`, whose purpose is the first line of its docstring."""
    return argparse.ArgumentParser(prog=f"python -m {name}", description=(purpose or "").split("\n")[0])


def report(name: str, measure: Callable[[Stand], Awaitable[str]]) -> None:
    """Measure on a stand and print; exits with the reason where a process does not get ready."""
    try:
        with stand() as place:
            print(uvloop.run(_whole(measure, place)))
    except NotReadyError as error:
        raise SystemExit(f"{name}: {error}") from None


async def _whole(measure: Callable[[Stand], Awaitable[str]], place: Stand) -> str:
    return await measure(place)
