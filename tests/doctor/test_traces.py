"""What is remembered as left behind."""

from typing import Any

from topicwire.doctor.bot_api import Answer
from topicwire.doctor.traces import Traces

HERE = -1001


def ok(result: Any) -> Answer:
    return Answer(status=200, ok=True, result=result)


def test_what_is_in_a_topic_goes_with_it() -> None:
    traces = Traces(HERE)
    traces.saw("createForumTopic", {}, ok({"message_thread_id": 7}))
    traces.saw("sendMessage", {}, ok({"message_id": 8, "message_thread_id": 7, "chat": {"id": HERE}}))
    traces.saw("copyMessage", {}, ok({"message_id": 9}))
    traces.saw("sendMessage", {}, Answer(status=400, ok=False))
    traces.saw("sendChatAction", {}, ok(True))
    assert traces.left() == ["topic 7", "message 9"]
    traces.saw("deleteMessage", {"message_id": 9}, ok(True))
    traces.saw("deleteForumTopic", {"message_thread_id": 7}, ok(True))
    assert traces.left() == []


def test_what_nobody_can_know_is_said() -> None:
    traces = Traces(HERE)
    traces.may_have("createForumTopic", {"name": "x"})
    traces.may_have("sendMessage", {"message_thread_id": 7})
    traces.may_have("sendMessage", {})
    traces.may_have("editMessageText", {})
    traces.saw("sendMessage", {}, ok(None))
    traces.saw("sendMessage", {}, ok({"message_id": 3, "chat": {"id": 5}}))
    assert traces.left() == [
        "perhaps a topic named 'x'",
        "perhaps a message in General (sendMessage)",
        "perhaps a message, by an answer that makes no sense",
        "message 3 in chat 5",
    ]
