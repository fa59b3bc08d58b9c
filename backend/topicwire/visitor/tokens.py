"""Visitors' tokens: who holds one may go on with its conversation.

A token is signed with `SECRET_KEY` and names the project, the conversation, the hold (this
browser's grip on it, which `reset` ends) and the epoch of the database.
"""

from collections.abc import Sequence

from itsdangerous import BadSignature, URLSafeTimedSerializer
from msgspec import Struct

from topicwire.domain import holds

LIFETIME = holds.LIFETIME * 24 * 3600  # seconds since it was last renewed, which every `welcome` does


class Grip(Struct, frozen=True):
    """What a valid token says."""

    conversation_id: str
    hold: str
    epoch: str


class Tokens:
    """Signs and reads tokens; `keys` newest first, all of them are accepted."""

    def __init__(self, keys: Sequence[str]) -> None:
        # itsdangerous wants the newest key last.
        self._signer = URLSafeTimedSerializer(list(reversed(keys)), salt="topicwire.visitor")

    def sign(self, project_id: str, grip: Grip) -> str:
        """A token for a conversation of a project."""
        return str(self._signer.dumps([project_id, grip.conversation_id, grip.hold, grip.epoch]))

    def read(self, project_id: str, token: str) -> Grip | None:
        """What a token says; None when it is forged, too old or another project's."""
        try:
            owner, conversation_id, hold, epoch = self._signer.loads(token, max_age=LIFETIME)
        except (BadSignature, ValueError, TypeError):
            return None
        return Grip(conversation_id, hold, epoch) if owner == project_id else None
