"""What we assume about Telegram and one bot can try: the table that `replay` runs, and no code.

Sections are those of `docs/telegram.md`. A text that begins with `$` stands for a value that the
replay knows: `$chat`, `$me`, `$no_token`, `$wrong_token`, `$messy_name`, `$name`, `$long_name`, `$cut_name`, and
whatever an earlier row keeps. Rows run in the order in which they stand here; what is in
`REFUSALS` and `PROBE` needs only what `SCENE` made and changes nothing, so its order is no matter.
"""
# ruff: noqa: E501, S106 - a row of a table stays a row; its tokens are none

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from topicwire.doctor.bot_api import Upload, Via
from topicwire.doctor.matching import ABSENT, Expected, Gives, Refused

NOWHERE = 2147483647  # the highest message id there can be
FILE = b"What a doctor leaves on the table."
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
FORCE_REPLY = {"force_reply": True}
BUTTON = {"inline_keyboard": [[{"text": "…", "callback_data": "-"}]]}
IN_ITS_TOPIC = Gives({"message_id": "$said", "message_thread_id": "$own", "is_topic_message": True})
LENIENT = {"message_id": "$gone", "allow_sending_without_reply": True}


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A call, and what we take it that Telegram answers; `keep` names fields of the result for later."""

    section: str
    name: str
    method: str
    params: Mapping[str, Any]
    expected: Expected
    keep: Mapping[str, str] = field(default_factory=dict)
    in_chat: bool = True  # about the scratch group: `chat_id` is added, and its limits count
    token: str | None = None
    via: Via = "form"


@dataclass(frozen=True, kw_only=True)
class OwnUpdate:
    """A message that the bot is told about itself, or, if not `arrives`, is never told."""

    section: str
    name: str
    message: Mapping[str, Any]
    arrives: bool = True


def bad(words: str) -> Refused:
    """A refusal with the server's usual prefix."""
    return Refused(f"Bad Request: {words}")


def given(section: str, name: str, method: str, expected: Expected, /, **params: Any) -> Assumption:
    """An assumption about a call in the scratch group."""
    return Assumption(section=section, name=name, method=method, params=params, expected=expected)


def apart(section: str, name: str, method: str, expected: Expected, /, **params: Any) -> Assumption:
    """An assumption about a call that is about no chat."""
    return Assumption(
        section=section, name=name, method=method, params=params, expected=expected, in_chat=False
    )


TRANSPORT = (
    apart("0", "names of methods are read without case", "GETME", Gives({"id": "$me", "is_bot": True})),
    Assumption(section="0", name="a call may be a GET with a query", method="getMe", params={}, expected=Gives({"id": "$me"}), in_chat=False, via="query"),
    apart("0", "an unknown method", "getNothing", Refused("Not Found: method not found", 404)),
    Assumption(section="0", name="a token without the shape of one", method="getMe", params={}, expected=Refused("Unauthorized: invalid token specified", 401), in_chat=False, token="$no_token"),
    Assumption(section="0", name="a token with another secret", method="getMe", params={}, expected=Refused("Unauthorized", 401), in_chat=False, token="$wrong_token"),
)  # fmt: skip

GROUP = (
    given("2.1", "the group is a forum", "getChat", Gives({"id": "$chat", "type": "supergroup", "is_forum": True})),
    given("2.1", "an administrator sees its rights", "getChatMember", Gives({"status": "administrator", "can_manage_topics": True, "can_delete_messages": True}), user_id="$me"),
)  # fmt: skip

SCENE = (
    Assumption(
        section="2.1", name="a topic's name is trimmed and its blanks joined", method="createForumTopic",
        params={"name": "$messy_name", "icon_color": 9367192},
        expected=Gives({"message_thread_id": int, "name": "$name", "icon_color": 9367192, "icon_custom_emoji_id": ABSENT}),
        keep={"own": "message_thread_id"},
    ),
    Assumption(
        section="2.1", name="a topic's name is cut at 128", method="createForumTopic",
        params={"name": "$long_name"}, expected=Gives({"message_thread_id": int, "name": "$cut_name", "icon_color": int}),
        keep={"lost": "message_thread_id"},
    ),
    Assumption(
        section="2.3", name="a message in a topic says so, and points at the topic's root", method="sendMessage",
        params={"text": "said", "message_thread_id": "$own"},
        expected=Gives({
            "message_id": int, "from": {"id": "$me", "is_bot": True}, "date": int, "text": "said",
            "chat": {"id": "$chat", "type": "supergroup", "is_forum": True},
            "message_thread_id": "$own", "is_topic_message": True,
            "reply_to_message": {"message_id": "$own", "message_thread_id": "$own", "is_topic_message": True, "forum_topic_created": {"name": "$name"}},
            "edit_date": ABSENT, "entities": ABSENT, "has_protected_content": ABSENT,
        }),
        keep={"said": "message_id"},
    ),
    Assumption(
        section="2.3", name="a message in General names no topic", method="sendMessage", params={"text": "gone"},
        expected=Gives({"message_id": int, "message_thread_id": ABSENT, "is_topic_message": ABSENT, "reply_to_message": ABSENT}),
        keep={"gone": "message_id"},
    ),
    given("2.7", "a message is deleted", "deleteMessage", Gives(True), message_id="$gone"),
    Assumption(
        section="5", name="a file is sent", method="sendDocument",
        params={"document": Upload("doctor.txt", FILE), "message_thread_id": "$own"},
        expected=Gives({"message_id": int, "document": {"file_id": str, "file_unique_id": str, "file_name": "doctor.txt", "file_size": len(FILE)}}),
        keep={"document": "message_id", "document_id": "document.file_id"},
    ),
    given("2.1", "a topic is deleted", "deleteForumTopic", Gives(True), message_thread_id="$lost"),
)  # fmt: skip

REFUSALS = (
    given("2.2", "no chat", "createForumTopic", bad("chat_id is empty"), chat_id="", name="x"),
    given("2.2", "unknown chat", "createForumTopic", bad("chat not found"), chat_id=-5, name="x"),
    given("2.2", "no identifier", "editForumTopic", bad("invalid forum topic identifier specified"), message_thread_id=0, name="x"),
    given("2.2", "an identifier that is no number", "closeForumTopic", bad("invalid forum topic identifier specified"), message_thread_id="abc"),
    given("2.2", "a topic that never was", "editForumTopic", bad("TOPIC_ID_INVALID"), message_thread_id=NOWHERE, name="x"),
    given("2.2", "a deleted topic, renamed", "editForumTopic", bad("TOPIC_ID_INVALID"), message_thread_id="$lost", name="x"),
    given("2.2", "a deleted topic, closed", "closeForumTopic", bad("TOPIC_ID_INVALID"), message_thread_id="$lost"),
    given("2.2", "a deleted topic, reopened", "reopenForumTopic", bad("TOPIC_ID_INVALID"), message_thread_id="$lost"),
    given("2.2", "a deleted topic, deleted", "deleteForumTopic", bad("TOPIC_ID_INVALID"), message_thread_id="$lost"),
    given("2.2", "the same name", "editForumTopic", bad("TOPIC_NOT_MODIFIED"), message_thread_id="$own", name="$name"),
    given("2.2", "reopened though open", "reopenForumTopic", bad("TOPIC_NOT_MODIFIED"), message_thread_id="$own"),
    given("2.2", "an empty name", "createForumTopic", bad("name must be non-empty"), name="  "),
    given("2.2", "a colour of its own", "createForumTopic", bad("invalid icon color specified"), name="x", icon_color=99),
    given("2.2", "no colour at all", "createForumTopic", bad("invalid icon color specified"), name="x", icon_color=16777216),
    given("2.3", "General by its number", "sendMessage", bad("message thread not found"), text="x", message_thread_id=1),
    given("2.3", "into a topic that never was", "sendMessage", bad("message thread not found"), text="x", message_thread_id=NOWHERE),
    given("2.3", "into a topic that the bot has deleted", "sendMessage", bad("message thread not found"), text="x", message_thread_id="$lost"),
    given("2.3", "a file into a deleted topic", "sendDocument", bad("message thread not found"), document="$document_id", message_thread_id="$lost"),
    given("2.3", "a copy into a deleted topic", "copyMessage", bad("message thread not found"), from_chat_id="$chat", message_id="$said", message_thread_id="$lost"),
    given("2.6", "to itself", "sendMessage", Refused("Forbidden: the bot can't send messages to the bot", 403), chat_id="$me", text="x"),
    given("2.7", "no text", "sendMessage", bad("message text is empty"), text=""),
    given("2.7", "nothing but blanks", "sendMessage", bad("text must be non-empty"), text=" \n\u2028"),
    given("2.7", "too long", "sendMessage", bad("message is too long"), text="x" * 4097),
    given("2.7", "too long, edited", "editMessageText", bad("MESSAGE_TOO_LONG"), message_id="$said", text="x" * 4097),
    given("2.7", "far too long", "sendMessage", bad("text is too long"), text="x" * 32769),
    given("2.7", "a caption too long", "sendDocument", bad("message caption is too long"), document="$document_id", caption="x" * 1025),
    given("2.7", "a caption too long, edited", "editMessageCaption", bad("MEDIA_CAPTION_TOO_LONG"), message_id="$document", caption="x" * 1025),
    given("2.7", "unparsable HTML", "sendMessage", bad("can't parse entities: Can't find end tag corresponding to start tag \"b\""), text="<b>x", parse_mode="HTML"),
    given("2.7", "unparsable Markdown", "sendMessage", bad("can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'"), text="a.", parse_mode="MarkdownV2"),
    given("2.7", "an unknown parse mode", "sendMessage", bad("unsupported parse_mode"), text="x", parse_mode="BBCode"),
    given("2.7", "edited without a change", "editMessageText", bad(NOT_MODIFIED), message_id="$said", text="said"),
    given("2.7", "edit nothing", "editMessageText", bad("message to edit not found"), message_id="$gone", text="x"),
    given("2.7", "edit a service message", "editMessageText", bad("message can't be edited"), message_id="$own", text="x"),
    given("2.7", "no text to edit", "editMessageText", bad("there is no text in the message to edit"), message_id="$document", text="x"),
    given("2.7", "no caption to edit", "editMessageCaption", bad("there is no caption in the message to edit"), message_id="$said", caption="x"),
    given("2.7", "delete nothing", "deleteMessage", bad("message to delete not found"), message_id="$gone"),
    given("2.7", "delete a topic's root", "deleteMessage", bad("message can't be deleted"), message_id="$own"),
    given("2.7", "delete what", "deleteMessage", bad("message identifier is not specified"), message_id=0),
    given("2.7", "reply to nothing", "sendMessage", bad("message to be replied not found"), text="x", reply_parameters={"message_id": "$gone"}),
    given("2.7", "react to nothing", "setMessageReaction", bad("message to react not found"), message_id="$gone"),
    given("2.7", "a strange reaction", "setMessageReaction", bad("REACTION_INVALID"), message_id="$said", reaction=[{"type": "emoji", "emoji": "x"}]),
    given("2.7", "copy nothing", "copyMessage", bad("message to copy not found"), from_chat_id="$chat", message_id="$gone"),
    given("2.7", "forward nothing", "forwardMessage", bad("message to forward not found"), from_chat_id="$chat", message_id="$gone"),
    given("2.7", "copy a service message", "copyMessage", bad("the message can't be copied"), from_chat_id="$chat", message_id="$own"),
    given("2.7", "forward a service message", "forwardMessage", bad("the message can't be forwarded"), from_chat_id="$chat", message_id="$own"),
    given("2.7", "not a file", "sendPhoto", bad("wrong file identifier/HTTP URL specified"), photo="nonsense"),
    given("2.7", "a file of another type", "sendPhoto", bad("can't use file of type Document as Photo"), photo="$document_id"),
    given("2.7", "a picture where there is none", "sendPhoto", bad("failed to get HTTP URL content"), photo="https://shop.example/x.jpg"),
    given("2.7", "no such file", "getFile", bad("invalid file_id"), file_id="nonsense"),
    given("2.7", "an old query", "answerCallbackQuery", bad("query is too old and response timeout expired or query ID is invalid"), callback_query_id="1"),
    given("7", "an unknown action", "sendChatAction", bad("wrong parameter action in request"), action="dancing"),
)  # fmt: skip

PROBE = (
    given("13", "a message of ours", "editMessageReplyMarkup", bad("inline keyboard expected"), message_id="$said", reply_markup=FORCE_REPLY),
    given("13", "a file of ours", "editMessageReplyMarkup", bad("inline keyboard expected"), message_id="$document", reply_markup=FORCE_REPLY),
    given("13", "a service message of ours", "editMessageReplyMarkup", bad("message can't be edited"), message_id="$own", reply_markup=FORCE_REPLY),
    given("13", "a deleted message", "editMessageReplyMarkup", bad("message to edit not found"), message_id="$gone", reply_markup=FORCE_REPLY),
    given("13", "above the highest id", "editMessageReplyMarkup", bad("message to edit not found"), message_id=NOWHERE, reply_markup=FORCE_REPLY),
)  # fmt: skip

UPLOADS = (
    given("2.7", "no file in the request", "sendDocument", bad("there is no document in the request")),
    given("2.7", "a file with nothing in it", "sendDocument", bad("file must be non-empty"), document=Upload("empty.txt", b"")),
    Assumption(
        section="5", name="a file's path is relative", method="getFile", params={"file_id": "$document_id"},
        expected=Gives({"file_id": str, "file_unique_id": str, "file_size": len(FILE), "file_path": str}), in_chat=False,
        keep={"path": "file_path"},
    ),
    Assumption(section="5", name="a file is fetched by its path", method="download", params={"path": "$path"}, expected=Gives(FILE.decode()), in_chat=False),
)  # fmt: skip

TOPICS = (
    given("2.1", "a rename that names nothing is no call", "editForumTopic", Gives(True), message_thread_id="$own"),
    given("2.1", "a topic is renamed", "editForumTopic", Gives(True), message_thread_id="$own", name="$cut_name"),
    given("2.4", "a topic is closed", "closeForumTopic", Gives(True), message_thread_id="$own"),
    given("2.2", "closed though closed", "closeForumTopic", bad("TOPIC_NOT_MODIFIED"), message_thread_id="$own"),
    given("2.4", "with the right a bot writes into a closed topic", "sendMessage", Gives({"message_thread_id": "$own", "is_topic_message": True}), text="x", message_thread_id="$own"),
    given("2.4", "and that does not reopen it", "closeForumTopic", bad("TOPIC_NOT_MODIFIED"), message_thread_id="$own"),
    given("2.4", "a topic is reopened", "reopenForumTopic", Gives(True), message_thread_id="$own"),
)  # fmt: skip

IN_GENERAL = Gives({"message_thread_id": ABSENT, "is_topic_message": ABSENT})
IN_OWN = Gives({"message_thread_id": "$own", "is_topic_message": True})

FALLBACKS = (
    given("2.5", "a reply to nothing, without a topic, lands in General", "sendMessage", IN_GENERAL, text="x", reply_parameters=LENIENT),
    given("2.5", "a reply to nothing, with a topic, lands in the topic", "sendMessage", IN_OWN, text="x", reply_parameters=LENIENT, message_thread_id="$own"),
    given("2.5", "a reply without a topic follows what it answers", "sendMessage", Gives({"message_thread_id": "$own", "is_topic_message": True, "reply_to_message": {"message_id": "$said"}}), text="x", reply_parameters={"message_id": "$said"}),
    given("2.5", "typing in a deleted topic is no error", "sendChatAction", Gives(True), action="typing", message_thread_id="$lost"),
    given("2.5", "a negative topic is none", "sendMessage", IN_GENERAL, text="x", message_thread_id=-5),
    given("2.5", "a topic that is no number is none", "sendMessage", IN_GENERAL, text="x", message_thread_id="abc"),
    given("2.5", "topic zero is none", "sendMessage", IN_GENERAL, text="x", message_thread_id=0),
)  # fmt: skip

TEXTS = (
    given("0", "yes means true", "sendMessage", Gives({"has_protected_content": True}), text="x", protect_content="YES", message_thread_id="$own"),
    given("0", "anything else means false", "sendMessage", Gives({"has_protected_content": ABSENT}), text="x", protect_content="on", message_thread_id="$own"),
    Assumption(section="0", name="a call may be JSON", method="sendMessage", params={"text": "x", "message_thread_id": "$own", "protect_content": True}, expected=Gives({"message_thread_id": "$own", "has_protected_content": True}), via="json"),
    given("6", "texts come back cleaned", "sendMessage", Gives({"text": "A b\nc"}), text=" \n A\u030a\tb\r\nc \u2028 ", message_thread_id="$own"),
    given("6", "offsets count UTF-16 units", "sendMessage", Gives({"text": "😀 bold", "entities": [{"type": "bold", "offset": 3, "length": 4}]}), text="😀 bold", entities=[{"type": "bold", "offset": 3, "length": 4}], message_thread_id="$own"),
    given("6", "an entity beyond the text", "sendMessage", bad("entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 9"), text="x", entities=[{"type": "bold", "offset": 0, "length": 9}]),
    given("6", "an entity that cuts a character", "sendMessage", bad("entity begins in a middle of a UTF-16 symbol at byte offset 4"), text="😀x", entities=[{"type": "bold", "offset": 1, "length": 2}]),
    given("6", "a parse mode goes before entities", "sendMessage", Gives({"text": "x", "entities": [{"type": "bold", "offset": 0, "length": 1}]}), text="<b>x</b>", parse_mode="HTML", entities=[{"type": "italic", "offset": 0, "length": 4}], message_thread_id="$own"),
    given("6", "HTML is parsed", "sendMessage", Gives({"text": "a <b> & c", "entities": [{"type": "bold", "offset": 2, "length": 3}]}), text="a <b>&lt;b&gt;</b> &amp; c", parse_mode="HTML", message_thread_id="$own"),
    given("6", "addresses, hashtags and commands become active by themselves", "sendMessage", Gives({"entities": [{"type": "url", "offset": 0, "length": 22}, {"type": "hashtag", "offset": 23, "length": 5}, {"type": "bot_command", "offset": 29, "length": 5}, {"type": "email", "offset": 35, "length": 15}]}), text="https://shop.example/x #sale /stop ann@example.org", link_preview_options={"is_disabled": True}, message_thread_id="$own"),
    given("6", "the limit counts characters, not UTF-16 units", "sendMessage", Gives({"message_id": int}), text="😀" * 4096, message_thread_id="$own"),
    given("13", "a message with a new button is shown with its topic", "editMessageReplyMarkup", IN_ITS_TOPIC, message_id="$said", reply_markup=BUTTON),
    given("13", "and without it again", "editMessageReplyMarkup", IN_ITS_TOPIC, message_id="$said"),
    given("4", "an edit is dated", "editMessageText", Gives({"message_id": "$said", "text": "edited", "edit_date": int}), message_id="$said", text="edited"),
    given("7", "typing is shown", "sendChatAction", Gives(True), action="typing", message_thread_id="$own"),
    given("7", "typing is taken back", "sendChatAction", Gives(True), action="cancel", message_thread_id="$own"),
    given("2.7", "of many deleted, those that are missing do not count", "deleteMessages", Gives(True), message_ids=["$gone", NOWHERE]),
)  # fmt: skip

ASSUMPTIONS = (
    *TRANSPORT, *GROUP, *SCENE, *REFUSALS, *PROBE, *UPLOADS, *FALLBACKS, *TOPICS, *TEXTS,
)  # fmt: skip

# Once more when the server has forgotten that the topic was there.
FORGOTTEN_AFTER = 61.0  # seconds
PATIENT = (
    given("2.3", "into a deleted topic, a minute later", "sendMessage", bad("message thread not found"), text="x", message_thread_id="$lost"),
    given("2.2", "a deleted topic, renamed a minute later", "editForumTopic", bad("TOPIC_ID_INVALID"), message_thread_id="$lost", name="x"),
)  # fmt: skip

WITH_WEBHOOK = (
    apart("2.8", "polling beside a webhook", "getUpdates", Refused("Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first", 409)),
)  # fmt: skip

FROM_US = {
    "from": {"id": "$me", "is_bot": True},
    "chat": {"id": "$chat"},
    "message_thread_id": "$own",
    "is_topic_message": True,
}
OWN_UPDATES = (
    OwnUpdate(section="4", name="the bot is told of its own new topic, whose id is the message's", message={**FROM_US, "message_id": "$own", "forum_topic_created": {"name": "$name", "icon_color": 9367192}}),
    OwnUpdate(section="4", name="the bot is told that it renamed a topic", message={**FROM_US, "forum_topic_edited": {"name": "$cut_name", "icon_custom_emoji_id": ABSENT}}),
    OwnUpdate(section="4", name="the bot is told that it closed a topic", message={**FROM_US, "forum_topic_closed": {}}),
    OwnUpdate(section="4", name="the bot is told that it reopened a topic", message={**FROM_US, "forum_topic_reopened": {}}),
    OwnUpdate(section="4", name="the bot is never told of its own texts", message={"from": {"id": "$me"}, "text": str}, arrives=False),
)  # fmt: skip
