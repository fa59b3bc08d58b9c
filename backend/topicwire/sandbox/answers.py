"""What a Bot API call is answered: a result, or a refusal in Telegram's words."""

from typing import Any

import msgspec


class RefusedError(Exception):
    """A Bot API error answer: the HTTP status, the exact description, and the optional parameters."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        """The answer's JSON object."""
        answer: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        if self.parameters:
            answer["parameters"] = self.parameters
        return answer

    def encoded(self) -> bytes:
        """The answer as it is sent."""
        return msgspec.json.encode(self.body())


def bad_request(text: str) -> RefusedError:
    return RefusedError(400, f"Bad Request: {text}")


def forbidden(text: str) -> RefusedError:
    return RefusedError(403, f"Forbidden: {text}")


def conflict(text: str) -> RefusedError:
    return RefusedError(409, f"Conflict: {text}")


def too_many_requests(seconds: int) -> RefusedError:
    return RefusedError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def not_found() -> RefusedError:
    return RefusedError(404, "Not Found")


def not_in_the_sandbox(what: str) -> RefusedError:
    """Louder than any answer of Telegram's, so that a gap of the sandbox is not taken for one."""
    return RefusedError(501, f"Not Implemented: {what} is not in the sandbox")
