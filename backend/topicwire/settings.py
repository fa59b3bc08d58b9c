"""Configuration, read from the environment once.

Every variable of the README's table has one field here. A value that cannot be used raises
`MisconfiguredError`, which names the variable; nothing falls back silently.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from topicwire.errors import MisconfiguredError

DATABASE_SCHEMES = ("postgresql", "postgres")
REDIS_SCHEMES = ("redis", "rediss", "unix")
SMTP_PORTS = {"smtp": 587, "smtps": 465}  # where mail is handed in, by scheme
MOST_BURST = 1_000_000
SHORTEST_REFILL, LONGEST_REFILL = 0.001, 86400.0  # seconds

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True)
class Rate:
    """So many calls in any window of so many seconds."""

    calls: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.calls}/{self.seconds:g}"


@dataclass(frozen=True)
class Limit:
    """A token bucket: so many at once, then one more every so many seconds."""

    burst: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.burst}/{self.seconds:g}"


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """Where mail is handed in; `tls` from the first byte on, `user` and `password` both or neither."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says; see the README for the meaning of each variable."""

    host: str
    port: int
    public_url: str
    database_url: str | None
    redis_url: str | None
    data_dir: Path
    secret_keys: tuple[str, ...]
    telegram_bot_token: str | None
    telegram_api_url: str
    telegram_updates: str
    group_rate: Rate | None
    bot_rate: Rate | None
    relay_lanes: int
    limit_conversation: Limit | None
    limit_project: Limit | None
    limit_sign_in: Limit | None
    limit_dashboard: Limit | None
    limit_address: Limit | None
    smtp: SmtpServer | None
    mail_from: str | None  # never None where `smtp` is not
    metrics_token: str | None
    log_level: str
    log_format: str | None

    @property
    def local(self) -> bool:
        """Whether only this machine can reach us: both `HOST` and `PUBLIC_URL` are loopback."""
        return is_loopback(self.host) and is_loopback(urlsplit(self.public_url).hostname or "")

    @property
    def database(self) -> str:
        """`DATABASE_URL` where there is no doing without."""
        return _given("DATABASE_URL", self.database_url)

    @property
    def redis(self) -> str:
        """`REDIS_URL` where there is no doing without."""
        return _given("REDIS_URL", self.redis_url)

    @property
    def bot_id(self) -> int | None:
        """The shared bot's id, which is the part of its token before the colon."""
        token = self.telegram_bot_token
        return None if token is None else int(token.split(":", 1)[0])


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read(environ: Mapping[str, str]) -> Settings:
    """Read all settings; raise `MisconfiguredError` for the first that cannot be used."""
    env = {name: value.strip() for name, value in environ.items() if value.strip()}
    host = env.get("HOST", "127.0.0.1")
    port = _take(env, "PORT", _port, 8000)
    shown = f"[{host}]" if ":" in host else host
    public_url = _take(env, "PUBLIC_URL", _http_url, f"http://{shown}:{port}")
    api_url = _take(env, "TELEGRAM_API_URL", _http_url, "https://api.telegram.org")
    limit_conversation = _take(env, "LIMIT_CONVERSATION", _limit, Limit(8, 8))
    smtp = _take(env, "SMTP_URL", _smtp_server, None)
    mail_from = _take(env, "MAIL_FROM", _sender, None)
    if smtp is not None and mail_from is None:
        raise MisconfiguredError("MAIL_FROM: needed with SMTP_URL, like support@example.com")
    return Settings(
        host=host,
        port=port,
        public_url=public_url,
        database_url=_take(env, "DATABASE_URL", _database_url, None),
        redis_url=_take(env, "REDIS_URL", _redis_url, None),
        data_dir=Path(env.get("DATA_DIR", ".topicwire")).absolute(),
        secret_keys=_take(env, "SECRET_KEY", _secret_keys, ()),
        telegram_bot_token=_take(env, "TELEGRAM_BOT_TOKEN", _bot_token, None),
        telegram_api_url=api_url,
        telegram_updates=_take(
            env, "TELEGRAM_UPDATES", _one_of("webhook", "polling"), _updates(public_url, api_url)
        ),
        group_rate=_take(env, "TELEGRAM_GROUP_RATE", _rate, Rate(20, 60)),
        bot_rate=_take(env, "TELEGRAM_BOT_RATE", _rate, Rate(30, 1)),
        relay_lanes=_take(env, "RELAY_LANES", _positive, 64),
        limit_conversation=limit_conversation,
        limit_project=_take(env, "LIMIT_PROJECT", _limit, Limit(20, 4)),
        limit_sign_in=_take(env, "LIMIT_SIGN_IN", _limit, Limit(3, 300)),
        limit_dashboard=_take(env, "LIMIT_DASHBOARD", _limit, Limit(30, 2)),
        # Who lets a visitor write at any speed lets one machine play any number of visitors.
        limit_address=_take(env, "LIMIT_ADDRESS", _limit, limit_conversation and Limit(30, 10)),
        smtp=smtp,
        mail_from=mail_from,
        metrics_token=env.get("METRICS_TOKEN"),
        log_level=_take(env, "LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info"),
        log_format=_take(env, "LOG_FORMAT", _one_of("console", "json"), None),
    )


def _given(name: str, value: str | None) -> str:
    if value is None:
        raise MisconfiguredError(f"{name}: not set")
    return value


def _take(env: Mapping[str, str], name: str, parse: Callable[[str], T], default: D) -> T | D:
    value = env.get(name)
    if value is None:
        return default
    try:
        return parse(value)
    except ValueError as error:
        raise MisconfiguredError(f"{name}: {error}") from None


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise ValueError(f"{value!r} is not a port between 1 and 65535")
    return int(value)


def _positive(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise ValueError(f"{value!r} is not a whole number above zero")
    return int(value)


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{value!r} is not an address like https://chat.example.com")
    if parts.port == 0:  # reading it raises ValueError where it is no number
        raise ValueError("port 0 cannot be reached")
    return value.rstrip("/")


def _database_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in DATABASE_SCHEMES or not parts.path.strip("/") or parts.port == 0:
        raise ValueError("expected an address like postgresql://user:password@host:5432/name")
    return value


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in REDIS_SCHEMES or not (parts.hostname or parts.path) or parts.port == 0:
        raise ValueError("expected an address like redis://host:6379/0")
    return value


_SMTP_EXAMPLE = (
    "expected an address like smtp://user:password@host:587 or smtps://user:password@host,"
    " with / ? # % @ in user and password written as %2F %3F %23 %25 %40"
)


def _smtp_server(value: str) -> SmtpServer:
    """Its errors do not repeat the value, which may hold a password."""
    try:
        parts = urlsplit(value)
        port = SMTP_PORTS[parts.scheme] if parts.port is None else parts.port
    except (KeyError, ValueError):
        raise ValueError(_SMTP_EXAMPLE) from None
    both_or_neither = bool(parts.username) == bool(parts.password)
    if (
        not (parts.hostname and port and both_or_neither)
        or parts.path.strip("/") + parts.query + parts.fragment
    ):
        raise ValueError(_SMTP_EXAMPLE)
    return SmtpServer(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "smtps",
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _sender(value: str) -> str:
    _, address = parseaddr(value)
    alone = value == address or value.endswith(f" <{address}>")
    if (
        not alone
        or not re.fullmatch(r"[^@\s<>()\[\],;:\\\"]+@[A-Za-z0-9.-]+", address)
        or not value.isprintable()
    ):
        raise ValueError(
            f"{value!r} is not an address like support@example.com or Support <support@example.com>"
        )
    return value


def _secret_keys(value: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.split(","))
    if any(len(key) < 16 for key in keys):
        raise ValueError("each key needs at least 16 characters; `openssl rand -hex 32` makes a good one")
    return keys


def _bot_token(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,15}:[A-Za-z0-9_-]{3,}", value):
        raise ValueError("this is not a bot token; @BotFather gives one like 123456:AAE…")
    return value


def _rate(value: str) -> Rate | None:
    if value == "off":
        return None
    calls, _, seconds = value.partition("/")
    try:
        rate = Rate(int(calls), float(seconds))
    except ValueError:
        rate = Rate(0, 0)
    if rate.calls < 1 or not 0 < rate.seconds < float("inf"):
        raise ValueError(f"{value!r} is not calls/seconds like 20/60, nor off")
    return rate


def _limit(value: str) -> Limit | None:
    if value == "off":
        return None
    burst, _, seconds = value.partition("/")
    try:
        limit = Limit(int(burst), float(seconds))
    except ValueError:
        limit = Limit(0, 0)
    if not 1 <= limit.burst <= MOST_BURST or not SHORTEST_REFILL <= limit.seconds <= LONGEST_REFILL:
        raise ValueError(f"{value!r} is not burst/seconds for one more, like 8/8, nor off")
    return limit


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in names:
            raise ValueError(f"{value!r} is none of {', '.join(names)}")
        return value.lower()

    return parse


def _updates(public_url: str, api_url: str) -> str:
    """Telegram delivers webhooks to https only; a Bot API server on this machine to any address."""
    reachable = public_url.startswith("https://") or is_loopback(urlsplit(api_url).hostname or "")
    return "webhook" if reachable else "polling"
