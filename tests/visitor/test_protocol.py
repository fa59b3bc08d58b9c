"""The protocol against its examples, and against everything that JSON can be."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topicwire.domain.conversations import Message, Said
from topicwire.visitor import protocol
from topicwire.visitor.protocol import (
    FrameRefused,
    Hello,
    Identify,
    PageChanged,
    Say,
    decode,
    described,
    encode,
)

FRAMES = json.loads((Path(__file__).parents[1] / "protocol/frames.json").read_text())
ERROR_CODES = {
    "bad_frame", "too_long", "empty", "rate_limited", "blocked", "unknown_type", "identity_expired",
    "unavailable",
}  # fmt: skip
AT = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
field_names = st.sampled_from(
    ["id", "text", "token", "last_rev", "page", "visitor", "identity", "seq", "email", "name", "url", "title",
     "before", "limit", "attachments", "referrer", "locale", "timezone"]
)  # fmt: skip
likely_frames = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(sorted(protocol.TYPES)) | st.text() | json_values,
    st.dictionaries(field_names, json_values, max_size=6),
)
words = st.text(st.characters(exclude_categories=["Cs"]))


def _raw(example: dict[str, Any]) -> str:
    return example["raw"] if "raw" in example else json.dumps(example["frame"])


@pytest.mark.parametrize("example", FRAMES["client"], ids=lambda example: example["name"])
def test_clients_frames_get_their_verdict(example: dict[str, Any]) -> None:
    if example["verdict"] == "ok":
        assert msgspec.to_builtins(decode(_raw(example)))["type"] == example["frame"]["type"]
        return
    with pytest.raises(FrameRefused) as refused:
        decode(_raw(example))
    assert refused.value.code == example["verdict"]
    assert str(refused.value)


@pytest.mark.parametrize("example", FRAMES["server"], ids=lambda example: example["name"])
def test_servers_frames_are_written_exactly_so(example: dict[str, Any]) -> None:
    frame = msgspec.convert(example["frame"], protocol.ServerFrame)
    assert json.loads(encode(frame)) == example["frame"]


def test_every_type_of_frame_has_an_example() -> None:
    shown = {
        example["frame"]["type"]
        for example in FRAMES["client"]
        if "frame" in example and "type" in example["frame"]
    }
    assert shown >= protocol.TYPES
    types = {kind.__struct_config__.tag for kind in protocol.ServerFrame.__args__}
    assert {example["frame"]["type"] for example in FRAMES["server"]} == types


@given(json_values | likely_frames)
def test_no_json_ends_in_anything_but_a_refusal(value: Any) -> None:
    for raw in (json.dumps(value), json.dumps(value).encode()):
        frame = _decoded(raw)
        if isinstance(frame, FrameRefused):
            assert frame.code in ERROR_CODES
            assert frame.id is None or len(frame.id) <= 64
            encode(protocol.Error(frame.code, str(frame), frame.id))
        elif isinstance(frame, Hello | Identify | PageChanged):
            assert "\0" not in str(msgspec.to_builtins(described(frame)))


def _decoded(raw: str | bytes) -> protocol.ClientFrame | FrameRefused:
    try:
        return decode(raw)
    except FrameRefused as refused:
        return refused


@given(st.text() | st.binary())
def test_no_noise_ends_in_anything_but_a_refusal(raw: str | bytes) -> None:
    with pytest.raises(FrameRefused):
        decode(raw)


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"type":' * 50_000, '{"type":"hello","x":' + "[" * 100_000])
def test_depth_is_refused(raw: str) -> None:
    with pytest.raises(FrameRefused):
        decode(raw)


@given(st.uuids(), words)
def test_a_message_keeps_its_words(message_id: uuid.UUID, said: str) -> None:
    raw = json.dumps({"type": "message", "id": str(message_id), "text": said})
    frame = _decoded(raw)
    if isinstance(frame, FrameRefused):
        assert frame.code in ("empty", "too_long")
        assert frame.id == str(message_id)
        return
    assert isinstance(frame, Say)
    assert frame.id == str(message_id)
    assert frame.text == said.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


@pytest.mark.parametrize(("said", "verdict"), [
    ("a" * 4000, None), ("a" * 4001, "too_long"), ("😀" * 2000, None), ("😀" * 2000 + "a", "too_long"),
    ("\u200b", "empty"), ("\u2066\u2069", "empty"), ("\u030a", "empty"), (".", None), ("😀", None),
    ("\u200d", "empty"),
])  # fmt: skip
def test_a_message_has_1_to_4000_units(said: str, verdict: str | None) -> None:
    raw = json.dumps({"type": "message", "id": str(uuid.uuid4()), "text": said})
    if verdict is None:
        decode(raw)
        return
    with pytest.raises(FrameRefused) as refused:
        decode(raw)
    assert refused.value.code == verdict


@given(st.text())
def test_units_are_counted_as_browsers_count_them(said: str) -> None:
    assert protocol.utf16_length(said) == len(said.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize("raw", ['{"type":"hello","last_rev":-1}', '{"type":"hello","last_rev":2147483648}',
                                 '{"type":"hello","token":7}', '{"type":"hello","page":[]}'])  # fmt: skip
def test_a_bad_hello_is_known_as_one(raw: str) -> None:
    with pytest.raises(FrameRefused) as refused:
        decode(raw)
    assert refused.value.of_hello


def test_a_page_loses_what_may_be_secret() -> None:
    raw = '{"type":"hello","page":{"url":"https://shop.example/cart?token=1#x","title":" Cart\\u0000 "}}'
    frame = decode(raw)
    assert isinstance(frame, Hello)
    told = described(frame)
    assert (told.page_url, told.page_title) == ("https://shop.example/cart", "Cart")


def test_what_a_page_tells_of_the_visitor_never_keeps_them_out() -> None:
    visitor = {"email": "no address", "name": "x" * 10_000, "locale": " ", "timezone": "\0"}
    frame = decode(json.dumps({"type": "hello", "visitor": visitor}))
    assert isinstance(frame, Hello)
    told = described(frame)
    assert (told.email, told.locale, told.timezone) == (None, None, None)
    assert told.name == "x" * 200


def test_a_repeat_is_acknowledged_like_the_first() -> None:
    frames = [protocol.ack("a", Said(3, 5, AT, None, new=new)) for new in (True, False)]
    assert frames[0] == frames[1]
    assert frames[0].at == "2026-03-01T12:00:00.123Z"


def _message(**fields: Any) -> Message:
    return Message(**{"seq": 1, "born": 1, "rev": 2, "origin": "visitor", "text": "hi", "at": AT, **fields})


AS_A_WHOLE = {
    "type": "message", "seq": 1, "rev": 2, "from": "visitor", "text": "hi", "at": "2026-03-01T12:00:00.123Z",
    "id": "c", "state": "accepted",
}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (_message(state="relayed"), {"type": "relayed"}),
        (_message(state="failed"), {"type": "failed", "reason": protocol.FAILED_REASON}),
        (_message(origin="operator", text="new"), {"type": "edited", "text": "new"}),
        (_message(origin="operator", deleted=True), {"type": "deleted"}),
        (_message(state="accepted", client_id="c"), AS_A_WHOLE),
    ],
)
def test_a_change_is_told_by_what_changed(message: Message, told: dict[str, Any]) -> None:
    assert json.loads(encode(protocol.change(message))) == {"seq": 1, "rev": 2, **told}


def test_a_deleted_message_shows_nothing_of_itself() -> None:
    entities = [{"type": "bold", "offset": 0, "length": 2}]
    frame = json.loads(encode(protocol.whole(_message(deleted=True, entities=entities, origin="operator"))))
    assert frame["deleted"] is True
    assert frame["text"] == ""
    assert "entities" not in frame
