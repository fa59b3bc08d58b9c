"""What a bot has left in a chat so far, by what its calls were answered. Pure."""

from collections.abc import Mapping
from typing import Any

from topicwire.doctor.bot_api import Answer


class Traces:
    """Topics and messages that are there because of us; those in a topic go with it."""

    def __init__(self, chat_id: int) -> None:
        self.topics: list[int] = []
        self.messages: set[int] = set()
        self._chat_id = chat_id
        self._doubts: list[str] = []

    def saw(self, method: str, params: Mapping[str, Any], answer: Answer) -> None:
        """Take note of what an answered call made or removed."""
        if not answer.ok:
            return
        if method == "createForumTopic":
            self.topics.append(int(answer.result["message_thread_id"]))
        elif method == "deleteForumTopic":
            self.forget_topic(int(params["message_thread_id"]))
        elif method == "deleteMessage":
            self.messages.discard(int(params["message_id"]))
        elif _sends(method):
            self._sent(answer.result)

    def may_have(self, method: str, params: Mapping[str, Any]) -> None:
        """Take note of a call that nobody answered: what it made, if it did, is not known."""
        if method == "createForumTopic":
            self._doubts.append(f"perhaps a topic named {params.get('name')!r}")
        elif _sends(method) and not params.get("message_thread_id"):
            self._doubts.append(f"perhaps a message in General ({method})")

    def forget_topic(self, topic: int) -> None:
        """Take note that a topic is gone."""
        self.topics = [each for each in self.topics if each != topic]

    def left(self) -> list[str]:
        """What is still there, in words."""
        topics = [f"topic {topic}" for topic in self.topics]
        return [*topics, *(f"message {number}" for number in sorted(self.messages)), *self._doubts]

    def _sent(self, message: Any) -> None:
        if not isinstance(message, dict) or not message.get("message_id"):
            self._doubts.append("perhaps a message, by an answer that makes no sense")
        elif message.get("chat", {}).get("id", self._chat_id) != self._chat_id:
            self._doubts.append(f"message {message['message_id']} in chat {message['chat']['id']}")
        elif message.get("message_thread_id") not in self.topics:
            self.messages.add(int(message["message_id"]))


def _sends(method: str) -> bool:
    return method.startswith(("send", "copy", "forward")) and method != "sendChatAction"
