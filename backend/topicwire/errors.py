"""The errors that a person may see, each with a stable code.

Topicwire
├── Misconfigured       a setting cannot be used; its message names the variable
├── Refused             what was asked for is not allowed or makes no sense; `code` is stable
└── Unavailable         the database or Redis does not answer; asking again later may help
"""


class TopicwireError(Exception):
    """Anything that we raise ourselves; `str()` is one sentence that says what to do."""


class MisconfiguredError(TopicwireError):
    """A setting that cannot be used; the message names the environment variable."""


class RefusedError(TopicwireError):
    """A request that is refused; `code` is stable, the message is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnavailableError(TopicwireError):
    """The database or Redis does not answer; nothing was changed, ask again later."""
