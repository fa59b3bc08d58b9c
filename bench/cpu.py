"""Who uses the processor: seconds of our processes, of the floor's, and of the servers that both use."""

import contextlib
import time
from collections.abc import Iterator, Mapping

import psutil

# What a process is called in a report, by what stands in its command line.
NAMES = (
    ("bench.floor worker", "worker"),
    ("bench.floor web", "web"),
    ("cli worker", "worker"),
    ("cli web", "web"),
    ("traced worker", "worker"),
    ("traced web", "web"),
    ("postgres", "PostgreSQL"),
    ("valkey-server", "Valkey"),
)


def seconds(own: str | None = None) -> dict[str, float]:
    """Seconds of CPU that the children of this process have used, by what they are; its own as `own`."""
    used = {} if own is None else {own: time.process_time()}
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(child.cmdline())
            name = next((name for words, name in NAMES if words in command), None)
            if name is not None:
                times = child.cpu_times()
                used[name] = used.get(name, 0.0) + times.user + times.system
    return used


@contextlib.contextmanager
def counted(to: dict[str, float], *, own: str | None = None) -> Iterator[None]:
    """Add up what is used inside the block."""
    before = seconds(own)
    try:
        yield
    finally:
        for name, used in seconds(own).items():
            to[name] = to.get(name, 0.0) + used - before.get(name, 0.0)


def rows(way: str, ours: Mapping[str, float], floor: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    """Milliseconds for each process and in all, ours and the floor's, and how many times."""
    total = (sum(ours.values()), sum(floor.values()))
    parts = [(name, ours[name], floor.get(name, 0.0)) for name in ours]
    for name, mine, bare in (*parts, ("in all", *total)):
        times = f"{mine / bare:.1f} x" if bare >= 0.05 else ""
        yield way, name, f"{mine:.1f}", f"{bare:.1f}", times
        way = ""
