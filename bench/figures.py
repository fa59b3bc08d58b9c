"""Figures as people read them: percentiles, a table, and a line about the machine."""

import math
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "uvicorn",
    "starlette",
    "websockets",
    "uvloop",
    "SQLAlchemy",
    "asyncpg",
    "arq",
    "redis",
    "aiogram",
)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed; `nan` of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def ratio(ours: float, floor: float) -> float:
    """How many times the floor; `nan` where there is none."""
    return ours / floor if floor > 0 else math.nan


def verdict(figure: float, aim: float) -> str:
    """Whether a figure is within its aim."""
    return "met" if figure <= aim else "above"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows under one another: the first column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = row
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def machine() -> str:
    """What this was measured on and with."""
    names = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]};"
        f" {platform.python_implementation()} {platform.python_version()}, {names}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
