"""A mail server for tests: a real one, which keeps what it is given."""

import asyncio
import ssl
import warnings
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CERTIFICATE = Path(__file__).with_name("mailbox.pem")  # for 0.0.0.0, signed by nobody, and its key


def words(mail: EmailMessage) -> str:
    """A mail's text."""
    return str(mail.get_content()).replace("\r\n", "\n")


class Mailbox:
    """Listens while its block runs. `answers` are what it says to RCPT or to a mail, instead of yes."""

    def __init__(self, *, tls: str | None = None, login: tuple[str, str] | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.senders: list[str] = []
        self.encrypted: list[bool] = []
        self.answers: dict[str, str] = {}
        self.logins: list[LoginPassword] = []
        self.hangs_up = False  # after having taken a mail, before saying so
        self._tls, self._login = tls, login
        self._arrived = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"smtp://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen."""
        context = None
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(context), "127.0.0.1", 0, ssl=context if self._tls == "smtps" else None
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def _protocol(self, context: ssl.SSLContext | None) -> SMTP:
        more: dict[str, Any] = {}
        if self._login:
            more = {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": False}
        with warnings.catch_warnings(category=UserWarning, action="ignore"):  # passwords without TLS: a test
            return SMTP(
                self,
                hostname="localhost",
                enable_SMTPUTF8=True,
                tls_context=context if self._tls == "starttls" else None,
                loop=asyncio.get_running_loop(),
                **more,
            )

    async def expect(self, to: str, count: int = 1, *, within: float = 20) -> EmailMessage:
        """The last of so many mails to somebody, as soon as they are there."""
        async with asyncio.timeout(within):
            while len(found := [mail for mail in self.mails if mail["To"] == to]) < count:
                self._arrived.clear()
                await self._arrived.wait()
        assert len(found) == count
        return found[-1]

    # What aiosmtpd calls

    def _authenticate(self, _: SMTP, __: Session, ___: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logins.append(data)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=False)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(server.transport, asyncio.Transport)
        content = envelope.original_content or b""
        self.mails.append(message_from_bytes(content, policy=default))
        self.recipients += envelope.rcpt_tos
        self.senders.append(str(envelope.mail_from))
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        self._arrived.set()
        if self.hangs_up:
            server.transport.abort()
        return "250 OK"
