"""`topicwire web` that kills itself, on demand, between the commit of an answer and its ring.

    python -m bench.chaos.doomed web --supervised

When the file that `DOOM` names is there, the next answer of an operator is committed, and then this
process is gone. Functions are wrapped from outside; nothing of the product knows of it.
"""

import os
import signal
from pathlib import Path

from topicwire import cli
from topicwire.domain.conversations import Change
from topicwire.notifier import Notifier

DOOM = "CHAOS_DOOM"


def main() -> None:
    """Wrap the ring, then run the command."""
    doom = Path(os.environ[DOOM])
    ring = Notifier.ring

    def ring_or_die(self: Notifier, change: Change) -> None:
        if change.message is not None and change.message.origin == "operator" and doom.exists():
            doom.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        ring(self, change)

    Notifier.ring = ring_or_die  # type: ignore[method-assign]
    cli.main()


if __name__ == "__main__":
    main()
