"""What is wrong with a group and how to mend it: the same words in the doctor's mouth and in mails."""

from typing import NamedTuple

RIGHTS = "Manage topics and Delete messages"
MEND_THE_WAY = "look at this machine's way to the internet (firewall, DNS), or correct TELEGRAM_API_URL"


class Remedy(NamedTuple):
    """What is wrong, as half a sentence, and what to do about it."""

    wrong: str
    mend: str


# By the words of `ChatRefused`, those of the relay's own, and those of `domain/alarms.py`.
_REMEDIES = {
    "kicked": Remedy(
        "the bot is not in the group any more", "add the bot to the group again, as administrator"
    ),
    "chat_gone": Remedy(
        "the group cannot be reached",
        "the group was deleted, or belongs to another bot: link one with /connect",
    ),
    "not_a_forum": Remedy(
        "topics are off, so no visitor can have one", "turn on Topics in the group's settings"
    ),
    "rights": Remedy(
        "the bot lacks rights that it needs", f"make the bot an administrator, with the rights {RIGHTS}"
    ),
    "token": Remedy("Telegram refuses the bot's token", "copy it from @BotFather again (/mybots, API Token)"),
    "no_bot": Remedy(
        "it was linked through a bot whose token is not set",
        "set that bot's TELEGRAM_BOT_TOKEN, or add this bot and send /connect again",
    ),
    "topics": Remedy("Telegram lets the bot make no topics there", "look at the group in Telegram"),
    "no_group": Remedy("no group is linked", "link one with /connect"),
    "waiting": Remedy(
        "Telegram does not take them, or cannot be reached",
        MEND_THE_WAY,
    ),
}
UNKNOWN = Remedy("Telegram refuses what is said there", "look at the group in Telegram")


def remedy(trouble: str) -> Remedy:
    """What a trouble means, and what to do."""
    return _REMEDIES.get(trouble, UNKNOWN)
