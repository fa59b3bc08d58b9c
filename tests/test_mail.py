"""Mail leaves as it should, to whom it should, or says in which way it did not."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.house import free_port
from tests.mailbox import CERTIFICATE, Mailbox, words
from topicwire import mail, wiring
from topicwire.mail import (
    MailInDoubt,
    MailNotConfigured,
    MailNotSent,
    MailRefused,
    Nowhere,
    Smtp,
    Terminal,
)
from topicwire.settings import SmtpServer, read

TO = "owner@example.com"
HERE, ELSEWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - the same machine, by an address that is not loopback


def through(mailbox: Mailbox, *, host: str = HERE, tls: bool = False, login: str = "") -> Smtp:
    user, _, password = login.partition(":")
    server = SmtpServer(host=host, port=mailbox.port, tls=tls, user=user or None, password=password or None)
    return Smtp(server, "Topicwire <support@shop.example>")


async def test_a_mail_arrives_with_all_that_belongs_to_it() -> None:
    async with Mailbox() as mailbox:
        await through(mailbox).send(TO, "Grüße 👋", "Zeile eins\nÄ line that is long " + "und länger " * 200)
    assert (mailbox.senders, mailbox.recipients) == (["support@shop.example"], [TO])
    arrived = mailbox.mails[0]
    assert (arrived["From"], arrived["To"]) == ("Topicwire <support@shop.example>", TO)
    assert arrived["Subject"] == "Grüße 👋"
    assert arrived.get_content_type() == "text/plain"
    assert arrived.get_content_charset() == "utf-8"
    assert words(arrived) == "Zeile eins\nÄ line that is long " + "und länger " * 200 + "\n"
    assert re.fullmatch(r"<[^<>@\s]+@shop\.example>", arrived["Message-ID"])
    assert abs(arrived["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert arrived["Auto-Submitted"] == "auto-generated"


async def test_two_mails_are_two() -> None:
    async with Mailbox() as mailbox:
        for _ in range(2):
            await through(mailbox).send(TO, "Hello", "Hello")
    assert len({arrived["Message-ID"] for arrived in mailbox.mails}) == 2


async def test_an_address_may_be_in_any_script() -> None:
    async with Mailbox() as mailbox:
        await through(mailbox).send("jörg@müller.example", "Hello", "Grüße")
    assert mailbox.recipients == ["jörg@müller.example"]
    assert words(mailbox.mails[0]) == "Grüße\n"


@pytest.mark.parametrize(
    "subject",
    [
        "Hello\r\nBcc: thief@example.com",
        "Hello\nBcc: thief@example.com",
        "Hello\u2028\x0b\x1cBcc: thief@example.com",
    ],
)
async def test_a_subject_stays_one_line(subject: str) -> None:
    async with Mailbox() as mailbox:
        await through(mailbox).send(TO, subject, "\r\n.\r\nMAIL FROM:<thief@example.com>\x1b[2J")
    arrived = mailbox.mails[0]
    assert arrived["Subject"] == "Hello Bcc: thief@example.com"
    assert arrived["Bcc"] is None
    assert mailbox.recipients == [TO]
    assert words(arrived) == "\n.\nMAIL FROM:<thief@example.com>[2J\n"


@pytest.mark.parametrize(
    "to",
    [
        "owner@example.com\r\nBcc: thief@example.com",
        "owner@example.com\nBcc: thief@example.com",
        "owner@example.com, thief@example.com",
        "owner@example.com,thief@example.com",
        "Owner <owner@example.com>",
        "group: owner@example.com;",
        "owner@example.com> SIZE=1",
        "owner",
        "",
    ],
)
async def test_an_address_is_one_address(to: str) -> None:
    async with Mailbox() as mailbox:
        with pytest.raises(MailRefused):
            await through(mailbox).send(to, "Hello", "Hello")
    assert mailbox.mails == []


# Encryption


async def test_starttls_is_used_where_it_is_offered() -> None:
    async with Mailbox(tls="starttls") as mailbox:
        await through(mailbox).send(TO, "Hello", "Hello")
    assert mailbox.encrypted == [True]


async def test_without_starttls_what_is_no_secret_goes_all_the_same() -> None:
    async with Mailbox() as mailbox:
        await through(mailbox, host=ELSEWHERE).send(TO, "Hello", "Hello")
    assert mailbox.encrypted == [False]


async def test_smtps_is_encrypted_from_the_start() -> None:
    async with Mailbox(tls="smtps") as mailbox:
        await through(mailbox, tls=True).send(TO, "Hello", "Hello")
    assert mailbox.encrypted == [True]


async def test_a_password_never_goes_in_the_clear() -> None:
    async with Mailbox(login=("me", "secret-word")) as mailbox:
        with pytest.raises(MailNotSent, match=r"(?i)starttls"):
            await through(mailbox, host=ELSEWHERE, login="me:secret-word").send(TO, "Hello", "Hello")
        assert mailbox.logins == []
        await through(mailbox, login="me:secret-word").send(TO, "Hello", "Hello")  # but within this machine
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("tls", ["starttls", "smtps"])
async def test_a_server_has_to_prove_who_it_is(tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Mailbox(tls=tls, login=("me", "secret-word")) as mailbox:
        mailer = through(mailbox, host=ELSEWHERE, tls=tls == "smtps", login="me:secret-word")
        with pytest.raises(MailNotSent, match=r"(?i)certificate"):
            await mailer.send(TO, "Hello", "Hello")
        assert mailbox.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        await mailer.send(TO, "Hello", "Hello")
    assert mailbox.encrypted == [True]


# What goes wrong


async def test_a_password_that_is_wrong_is_not_the_mails_fault() -> None:
    async with Mailbox(login=("me", "secret-word")) as mailbox:
        with pytest.raises(MailNotSent, match="535") as refused:
            await through(mailbox, login="me:other-word").send(TO, "Hello", "Hello")
    assert "word" not in str(refused.value)
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("at", "answer", "meaning"),
    [
        ("RCPT", "550 5.1.1 <owner@example.com>: no such user", MailRefused),
        ("RCPT", "450 4.2.0 <owner@example.com>: greylisted", MailNotSent),
        ("DATA", "554 5.7.1 spam", MailRefused),
        ("DATA", "451 4.3.0 try again", MailNotSent),
    ],
)
async def test_what_the_server_says_tells_whether_later_helps(
    at: str, answer: str, meaning: type[Exception]
) -> None:
    async with Mailbox() as mailbox:
        mailbox.answers[at] = answer
        with pytest.raises(meaning, match=answer[:3]) as refused:
            await through(mailbox).send(TO, "Hello", "Hello")
    assert TO not in str(refused.value)  # which goes to the log


async def test_a_server_that_is_away() -> None:
    server = SmtpServer(host=HERE, port=free_port(), tls=False)
    with pytest.raises(MailNotSent):
        await Smtp(server, "support@shop.example").send(TO, "Hello", "Hello")


async def test_a_server_whose_name_nobody_knows() -> None:
    server = SmtpServer(host="mail.invalid", port=25, tls=False)
    with pytest.raises(MailNotSent):
        await Smtp(server, "support@shop.example").send(TO, "Hello", "Hello")


async def test_a_server_that_hangs_up_may_have_taken_it() -> None:
    async with Mailbox() as mailbox:
        mailbox.hangs_up = True
        with pytest.raises(MailInDoubt):
            await through(mailbox).send(TO, "Hello", "Hello")
    assert len(mailbox.mails) == 1


@asynccontextmanager
async def silence(*lines: bytes) -> AsyncIterator[int]:
    """A server that says these lines, one for each that it is told, and then nothing more; its port."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line + b"\r\n")
            await reader.readline()
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()


@pytest.mark.parametrize("limit", ["ENTER_WITHIN", "ANSWER_WITHIN"])
async def test_a_server_that_says_nothing_is_given_up(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, limit, 0.1)
    async with silence() as port:
        with pytest.raises(MailNotSent):
            await Smtp(SmtpServer(host=HERE, port=port, tls=False), "a@b.example").send(TO, "Hello", "Hello")


async def test_a_verdict_that_does_not_come_leaves_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "VERDICT_WITHIN", 0.1)
    async with silence(b"220 hello", b"250 hello", b"250 sender", b"250 recipient", b"354 go on") as port:
        with pytest.raises(MailInDoubt):
            await Smtp(SmtpServer(host=HERE, port=port, tls=False), "a@b.example").send(TO, "Hello", "Hello")


# Without a server


async def test_on_this_machine_mails_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    await Terminal().send(TO, "Hello\nthere", "One\x1b[31m\n\nTwo\n")
    assert capsys.readouterr().err == (
        "┌─ a mail, printed because SMTP_URL is not set\n"
        "│ To: owner@example.com\n"
        "│ Subject: Hello there\n"
        "│\n"
        "│ One[31m\n"
        "│\n"
        "│ Two\n"
        "└─\n"
    )


async def test_elsewhere_it_says_that_it_is_not_configured() -> None:
    with pytest.raises(MailNotConfigured, match="SMTP_URL is not set"):
        await Nowhere().send(TO, "Hello", "Hello")


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({}, Terminal),
        ({"PUBLIC_URL": "https://chat.example.com"}, Nowhere),
        ({"SMTP_URL": "smtp://mail.example", "MAIL_FROM": "a@b.example"}, Smtp),
    ],
)
def test_the_settings_say_which(environ: dict[str, str], kind: type[object]) -> None:
    assert type(wiring.mailer(read(environ))) is kind
