"""What each variable means, and that a value which cannot be used is refused by its name."""

from pathlib import Path
from typing import Any

import pytest

from topicwire.errors import MisconfiguredError
from topicwire.settings import Limit, Rate, SmtpServer, is_loopback, read

TOKEN = "123456:AAE_x-1"
MAIL_FROM = {"MAIL_FROM": "support@example.com"}


def _smtp(**fields: Any) -> SmtpServer:
    return SmtpServer(host="mail.example", **fields)


def test_nothing_needs_to_be_set() -> None:
    settings = read({})
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert settings.database_url is settings.redis_url is settings.telegram_bot_token is None
    assert settings.data_dir == Path.cwd() / ".topicwire"
    assert (settings.group_rate, settings.bot_rate, settings.relay_lanes) == (Rate(20, 60), Rate(30, 1), 64)
    assert settings.limit_conversation == Limit(8, 8)
    assert settings.limit_project == Limit(20, 4)
    assert settings.limit_sign_in == Limit(3, 300)
    assert settings.limit_dashboard == Limit(30, 2)
    assert settings.limit_address == Limit(30, 10)
    assert settings.local


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        ({"HOST": "::1", "PORT": "9000"}, "public_url", "http://[::1]:9000"),
        ({"PORT": "  "}, "port", 8000),
        ({"PUBLIC_URL": "https://chat.example.com/"}, "public_url", "https://chat.example.com"),
        ({"DATABASE_URL": "postgresql://u@/db?host=/run"}, "database", "postgresql://u@/db?host=/run"),
        ({"REDIS_URL": "unix:///run/redis.sock"}, "redis", "unix:///run/redis.sock"),
        ({"SECRET_KEY": f"{'a' * 16}, {'b' * 16}"}, "secret_keys", ("a" * 16, "b" * 16)),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, "bot_id", 123456),
        ({}, "bot_id", None),
        ({}, "telegram_updates", "polling"),
        ({"PUBLIC_URL": "https://chat.example.com"}, "telegram_updates", "webhook"),
        ({"TELEGRAM_API_URL": "http://127.0.0.1:8001"}, "telegram_updates", "webhook"),
        ({"TELEGRAM_UPDATES": "Polling", "PUBLIC_URL": "https://a.b"}, "telegram_updates", "polling"),
        ({"TELEGRAM_GROUP_RATE": "5/2.5"}, "group_rate", Rate(5, 2.5)),
        ({"TELEGRAM_BOT_RATE": "off"}, "bot_rate", None),
        ({"LIMIT_CONVERSATION": "3/0.5"}, "limit_conversation", Limit(3, 0.5)),
        ({"LIMIT_PROJECT": "off"}, "limit_project", None),
        ({"LIMIT_SIGN_IN": "off"}, "limit_sign_in", None),
        ({"LIMIT_DASHBOARD": "1/86400"}, "limit_dashboard", Limit(1, 86400)),
        ({"LIMIT_CONVERSATION": "off"}, "limit_address", None),
        ({"LIMIT_CONVERSATION": "off", "LIMIT_ADDRESS": "5/1"}, "limit_address", Limit(5, 1)),
        ({}, "smtp", None),
        ({"SMTP_URL": "smtp://mail.example", **MAIL_FROM}, "smtp", _smtp(port=587, tls=False)),
        ({"SMTP_URL": "smtps://mail.example/", **MAIL_FROM}, "smtp", _smtp(port=465, tls=True)),
        ({"SMTP_URL": "smtp://mail.example:25", **MAIL_FROM}, "smtp", _smtp(port=25, tls=False)),
        (
            {"SMTP_URL": "smtp://me%40shop.example:p%2F%3A%C3%A4@mail.example:587", **MAIL_FROM},
            "smtp",
            _smtp(port=587, tls=False, user="me@shop.example", password="p/:ä"),
        ),
        (MAIL_FROM, "mail_from", "support@example.com"),
        ({"MAIL_FROM": "Möbel <a.b+c@shop.example>"}, "mail_from", "Möbel <a.b+c@shop.example>"),
        ({"LOG_LEVEL": "DEBUG"}, "log_level", "debug"),
        ({"HOST": "0.0.0.0"}, "local", False),  # noqa: S104 - that this is told apart is the point
        ({"PUBLIC_URL": "https://chat.example.com"}, "local", False),
        ({"PUBLIC_URL": "http://shop.localhost:8000"}, "local", True),
    ],
)
def test_a_variable_is_read(environ: dict[str, str], field: str, value: Any) -> None:
    assert getattr(read(environ), field) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "8000a"),
        ("PORT", "²"),
        ("PUBLIC_URL", "chat.example.com"),
        ("PUBLIC_URL", "ftp://chat.example.com"),
        ("PUBLIC_URL", "https://chat.example.com?x=1"),
        ("PUBLIC_URL", "https://chat.example.com:port"),
        ("DATABASE_URL", "mysql://localhost/db"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("DATABASE_URL", "postgresql://localhost:many/db"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", f"{'a' * 16},"),
        ("TELEGRAM_BOT_TOKEN", "AAE"),
        ("TELEGRAM_API_URL", "telegram"),
        ("TELEGRAM_UPDATES", "push"),
        ("TELEGRAM_GROUP_RATE", "20"),
        ("TELEGRAM_GROUP_RATE", "0/60"),
        ("TELEGRAM_BOT_RATE", "30/0"),
        ("TELEGRAM_BOT_RATE", "30/inf"),
        ("LIMIT_CONVERSATION", "8"),
        ("LIMIT_CONVERSATION", "0/8"),
        ("LIMIT_PROJECT", "20/-4"),
        ("LIMIT_PROJECT", "20/0.0001"),
        ("LIMIT_SIGN_IN", "3/300/1"),
        ("LIMIT_SIGN_IN", "-1/300"),
        ("LIMIT_DASHBOARD", "30/nan"),
        ("LIMIT_DASHBOARD", "none"),
        ("LIMIT_ADDRESS", "9999999/1"),
        ("SMTP_URL", "mail.example"),
        ("SMTP_URL", "http://mail.example"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtp://mail.example:0"),
        ("SMTP_URL", "smtp://mail.example:many"),
        ("SMTP_URL", "smtp://me@mail.example"),
        ("SMTP_URL", "smtp://:secret-word@mail.example"),
        ("SMTP_URL", "smtp://me:secret-word/x@mail.example"),
        ("SMTP_URL", "smtp://me:secret-word#x@mail.example"),
        ("SMTP_URL", "smtp://[me:secret-word@mail.example"),
        ("SMTP_URL", "smtp://mail.example?tls=no"),
        ("MAIL_FROM", "support"),
        ("MAIL_FROM", "@example.com"),
        ("MAIL_FROM", "Support <support@example.com"),
        ("MAIL_FROM", "a@example.com, b@example.com"),
        ("MAIL_FROM", "Shop, Inc <a@example.com>"),
        ("MAIL_FROM", "Shop\r\nBcc: x@example.com <a@example.com>"),
        ("RELAY_LANES", "0"),
        ("RELAY_LANES", "-1"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(MisconfiguredError, match=rf"^{name}: ") as refused:
        read({name: value})
    assert "\n" not in str(refused.value)
    assert "secret-word" not in str(refused.value)
    assert "secret-word" not in repr(refused.value.__cause__)


def test_mail_needs_a_sender() -> None:
    with pytest.raises(MisconfiguredError, match=r"^MAIL_FROM: needed with SMTP_URL"):
        read({"SMTP_URL": "smtp://mail.example"})


def test_a_password_is_not_shown() -> None:
    settings = read({"SMTP_URL": "smtp://me:secret-word@mail.example", **MAIL_FROM})
    assert "secret-word" not in repr(settings)


@pytest.mark.parametrize("name", ["database", "redis"])
def test_what_is_needed_and_not_set_is_named(name: str) -> None:
    with pytest.raises(MisconfiguredError, match=rf"^{name.upper()}_URL: not set"):
        getattr(read({}), name)


@pytest.mark.parametrize("rate", [Rate(20, 60), Rate(5, 2.5)])
def test_a_rate_is_written_as_it_is_read(rate: Rate) -> None:
    assert read({"TELEGRAM_BOT_RATE": str(rate)}).bot_rate == rate


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.2", True),
        ("[::1]", True),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) == here
