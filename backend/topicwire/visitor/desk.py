"""What all the sockets of one process share."""

from dataclasses import dataclass

from topicwire.services import Services
from topicwire.visitor.admission import Admission
from topicwire.visitor.hub import Hub
from topicwire.visitor.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The rows and doorbells, who listens to what, the limits, the signer of tokens, the database's epoch."""

    services: Services
    hub: Hub
    admission: Admission
    tokens: Tokens
    epoch: str
