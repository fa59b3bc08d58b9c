"""Mail: short plain texts to one person each. Only workers send them.

A mail is either sent, or raises exactly one of these:

MailError
├── MailNotConfigured   there is no SMTP_URL
├── MailNotSent         nothing was sent: the server is away, or did not let us in; later it may
├── MailRefused         the server (or we) will not have this one mail
└── MailInDoubt         it was handed over, and nobody said whether it was taken
"""

import asyncio
import re
import sys
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import NonASCIILocalPartDefect
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import make_msgid
from typing import Protocol, cast

import aiosmtplib
from aiosmtplib.errors import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from topicwire.settings import SmtpServer, is_loopback

_ASCII, _UTF8 = SMTP.clone(cte_type="7bit"), SMTPUTF8.clone(cte_type="7bit")  # for the headers
ENTER_WITHIN = 30.0  # seconds to be let in: connected, encrypted, signed in
ANSWER_WITHIN = 10.0  # seconds for each of the server's answers
VERDICT_WITHIN = 60.0  # seconds for the one about the mail itself, which is looked into meanwhile


class MailError(Exception):
    """Why a mail was not sent; `str()` is one line for the log, without addresses."""


class MailNotConfigured(MailError):
    """Nobody has said through which server mail goes."""


class MailNotSent(MailError):
    """Nothing was sent; trying again later may help."""


class MailRefused(MailError):
    """This mail will not be taken as it is."""


class MailInDoubt(MailError):
    """The mail may or may not have been taken."""


class Mailer(Protocol):
    """Whoever carries mail."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send a plain text to one address; raises `MailError`."""


@dataclass(frozen=True)
class Smtp:
    """Mail through an SMTP server, as `sender`.

    A password goes over an encrypted connection only, and a server has to prove who it is; except on
    this very machine, where nobody stands between us.
    """

    server: SmtpServer
    sender: str

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hand a mail to the server; raises `MailError`."""
        mail = written(self.sender, to, subject, text)
        connection = self._connection()
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                await connection.connect()
            async with connection:  # says goodbye, and minds no answer to that
                await _hand_over(connection, mail)
        except (SMTPSenderRefused, SMTPRecipientRefused, SMTPDataError) as error:
            raise _refusal(error.code, error.message) from error
        except (SMTPException, OSError, ValueError) as error:  # ValueError: no host is called so
            raise MailNotSent(_told(str(error)) or type(error).__name__) from error

    def _connection(self) -> aiosmtplib.SMTP:
        server, here = self.server, is_loopback(self.server.host)
        must_encrypt = server.user is not None and not server.tls and not here
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=True if must_encrypt else None,  # None: where the server offers it
            validate_certs=not here,
            timeout=ANSWER_WITHIN,
        )


async def _hand_over(connection: aiosmtplib.SMTP, mail: EmailMessage) -> None:
    sender, to = _address(mail, "From"), _address(mail, "To")
    utf8 = not (sender + to).isascii()
    content = mail.as_bytes(policy=_UTF8 if utf8 else _ASCII)
    await connection.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding="utf-8")
    await connection.rcpt(to, encoding="utf-8")
    try:
        await connection.data(content, timeout=VERDICT_WITHIN)
    except (SMTPServerDisconnected, SMTPTimeoutError) as error:
        raise MailInDoubt("The server did not say whether it has taken the mail.") from error


def _refusal(code: int, words: str) -> MailError:
    """What begins with 4 is meant to pass."""
    kind = MailNotSent if code < 500 else MailRefused
    return kind(_told(f"{code} {words}"))


def _told(words: str) -> str:
    """What a server said, without the addresses in it, which are nobody's business in a log."""
    return re.sub(r"\S+@\S+", "…", _one_line(words))[:200]


class Terminal:
    """Mail on a machine that nobody else can reach: it is printed, framed, where the log goes."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Print a mail; raises `MailRefused` where no server would take it either."""
        mail = written("topicwire@localhost", to, subject, text)
        body = _without_controls(text.rstrip()).split("\n")
        lines = [f"To: {mail['To']}", f"Subject: {mail['Subject']}", "", *body]
        frame = ["┌─ a mail, printed because SMTP_URL is not set", *(f"│ {line}" for line in lines), "└─"]
        sys.stderr.write("\n".join(line.rstrip() for line in frame) + "\n")
        sys.stderr.flush()


class Nowhere:
    """No mail: nobody has said how."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Raise `MailNotConfigured`."""
        raise MailNotConfigured("SMTP_URL is not set: there is no way to send mail.")


def written(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    """A mail with all that belongs to one; raises `MailRefused` for what is not one plain address.

    Nothing in `subject` or `to` can become another header or another recipient.
    """
    mail = EmailMessage(policy=_ASCII)
    mail["From"] = sender
    try:
        mail["To"] = to
    except (ValueError, IndexError) as error:  # a line's end; what the parser stumbles over
        raise MailRefused("This is not an e-mail address.") from error
    foreign = NonASCIILocalPartDefect  # which servers take that know SMTPUTF8
    sound = all(isinstance(defect, foreign) for defect in mail["To"].defects)
    if not (to and sound) or _address(mail, "To") != to:
        raise MailRefused("This is not an e-mail address.")
    mail["Subject"] = _one_line(subject)
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = make_msgid(domain=_address(mail, "From").rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # no holiday notes, please (RFC 3834)
    mail.set_content(_without_controls(text))
    return mail


def _address(mail: EmailMessage, header: str) -> str:
    """The only address in a header, '' if it is not the only one."""
    found = cast("AddressHeader", mail[header]).addresses
    return found[0].addr_spec if len(found) == 1 else ""


def _one_line(words: str) -> str:
    return _without_controls(" ".join(words.split()))


def _without_controls(words: str) -> str:
    """Without what a terminal or a mail program would obey; line ends stay."""
    return "".join(c for c in words if c == "\n" or unicodedata.category(c) != "Cc")
