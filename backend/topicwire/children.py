"""Our own processes as children of `up`: started, watched, started again, ended.

A child imports what it needs at once, then waits for the word GO on its standard input; so the slow imports
of all of them happen while the database is still being brought up. When that input closes, because `up` has
ended in whatever way, the child ends itself: nothing of ours outlives `up`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO

from topicwire.errors import TopicwireError

GO = b"go\n"
QUICK = 10.0  # seconds; what ends sooner has not really started
HOPELESS = 3  # quick ends in a row, before it was ever ready
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds before another start, doubling
GRACE = 12.0  # seconds to end in when asked, for the call to Telegram that is under way


class HopelessError(TopicwireError):
    """A child that ends as soon as it starts; `last_lines` is what it said."""

    def __init__(self, name: str, last_lines: Sequence[str]) -> None:
        super().__init__(f"the {name} process cannot start; the reason should be in its last lines above")
        self.name = name
        self.last_lines = last_lines


class Terminal:
    """Where the children's lines go. Kept back during the start, so that its end can be seen."""

    def __init__(self) -> None:
        self._held: list[bytes] | None = []
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Show a line, or keep it until `release`."""
        with self._lock:
            if self._held is not None:
                self._held.append(line)
            else:
                _show(line)

    def release(self) -> None:
        """Show what was kept, and from now on everything at once."""
        with self._lock:
            held, self._held = self._held or [], None
            for line in held:
                _show(line)


class Child:
    """One command of ours over all its lives."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], terminal: Terminal
    ) -> None:
        self.name = name
        self.quick_ends = 0  # in a row
        self.last_lines: deque[str] = deque(maxlen=10)
        self._command = [sys.executable, "-m", "topicwire.cli", name, *arguments, "--supervised"]
        self._environment = dict(environment)
        self._terminal = terminal
        self._process: subprocess.Popen[bytes] | None = None
        self._listener = threading.Thread()
        self._began = self._due = 0.0

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Begin a life; `go` must follow."""
        self._began = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own command, with words of ours
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for `up`, which ends us in order
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def go(self) -> None:
        """Run: what you need is there."""
        if self._process is not None and self._process.stdin is not None:
            try:
                os.write(self._process.stdin.fileno(), GO)
            except BrokenPipeError:
                return  # it has ended already; `watch` sees to that

    def watch(self) -> str | None:
        """Start it again if it has ended and its pause is over; what happened, if anything did."""
        if self._process is None:
            if time.monotonic() >= self._due:
                self.start()
                self.go()
            return None
        status = self._process.poll()
        if status is None:
            return None
        lived = time.monotonic() - self._began
        self._bury(self._process)
        self.quick_ends = self.quick_ends + 1 if lived < QUICK else 0
        pause = min(FIRST_PAUSE * 2 ** max(self.quick_ends - 1, 0), LONGEST_PAUSE)
        self._due = time.monotonic() + pause
        return f"{self.name} {_how(status)}; starting it again in {pause:g} s"

    def end(self) -> None:
        """End it, gently at first; it is gone when this returns."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._bury(self._process)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        self._listener.join(
            1
        )  # a grandchild may hold the other end of the pipe; its words are not worth a wait
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self, output: IO[bytes]) -> None:
        for line in output:
            self.last_lines.append(line.decode(errors="replace").rstrip())
            self._terminal.write(line)


class Crew:
    """The children in the order in which they end."""

    def __init__(self, children: Sequence[Child], terminal: Terminal) -> None:
        self.children = children
        self.terminal = terminal
        self.ready = False

    def start(self) -> None:
        """Let all of them import what they need."""
        for child in self.children:
            child.start()

    def go(self) -> None:
        """Let all of them run."""
        for child in self.children:
            child.go()

    def watch(self) -> list[str]:
        """Start again what has ended; what happened. Raises `HopelessError` for one that was never ready."""
        news = [line for child in self.children if (line := child.watch())]
        for child in self.children:
            if child.quick_ends >= HOPELESS and not self.ready:
                raise HopelessError(child.name, list(child.last_lines))
        return news

    def end(self) -> None:
        """End all of them, each after the one before it."""
        for child in self.children:
            child.end()


def await_go() -> None:
    """In a child: wait for `up` to say go, then end when `up` ends."""
    if os.read(0, len(GO)) != GO:
        raise SystemExit(0)
    threading.Thread(target=_end_with_up, daemon=True).start()


def _end_with_up() -> None:
    os.read(0, 1)  # returns when the other end closes; not `sys.stdin`, whose lock is wanted at exit
    os.kill(os.getpid(), signal.SIGTERM)


def _how(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _show(line: bytes) -> None:
    sys.stderr.buffer.write(line)
    sys.stderr.flush()
