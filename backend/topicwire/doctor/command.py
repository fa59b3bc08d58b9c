"""`topicwire doctor`: what the command line starts."""

from topicwire.doctor import printing
from topicwire.doctor.examination import examine
from topicwire.doctor.findings import State
from topicwire.settings import Settings


async def examination(known: Settings, *, sandbox: bool) -> bool:
    """Print what is found; whether nothing is wrong."""
    out = printing.console()
    good = True
    async for finding in examine(known, sandbox=sandbox):
        printing.print_finding(out, finding)
        good = good and finding.state is not State.WRONG
    return good
