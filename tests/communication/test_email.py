"""Mails as a real server takes them and a mail library reads them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.communication.destinations.email import EmailCourier, EmailDestination
from bot.core.errors import (
    ForbiddenError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.store.delivery import Action, Delivery, Mail, Receipt
from bot.store.values import Attachment
from sandbox.mail import MailServer
from tests.communication.test_statuspage import Keys

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
INVITATION = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"


class _Noon:
    """A clock that stands."""

    def now(self) -> datetime:
        """Noon."""
        return NOON

    async def sleep(self, seconds: float) -> None:
        """Never waited for."""
        raise AssertionError


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as running:
        yield running


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


async def _kept(incident_id: str, name: str) -> Attachment | None:
    if name != "report.md":
        return None
    return Attachment(name=name, media_type="text/markdown", content=b"# Report\n")


def courier(server: MailServer, **changes: Any) -> EmailCourier:
    given = {
        "kind": "email",
        "audience": "customers",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "from": "status@shop.example",
        "to": ["news@lists.example"],
        **changes,
    }
    entry = EmailDestination.model_validate(given)
    secrets = Keys(MAIL_USER="bot", MAIL_PASSWORD="s3cret")
    return EmailCourier({"customers": entry}, secrets=secrets, clock=_Noon(), load=_kept)


def delivery(number: int = 1, **changes: Any) -> Delivery:
    mail = Mail.model_validate(
        {"subject": "Service issue resolved", "text": "All is well — really.\n", **changes}
    )
    return Delivery(
        id=f"INC-2026-001/{number}/resolved/email:customers",
        incident_id="INC-2026-001",
        destination="email:customers",
        action=Action.POST,
        payload=mail.model_dump(mode="json"),
    )


async def test_a_mail_has_text_and_html_and_says_what_it_is(server: MailServer) -> None:
    html = "<p>All is <b>well</b> — really.</p>"
    receipt = await courier(server).send(delivery(html=html), None)
    (letter,) = server.letters
    message = letter.message
    assert (letter.sender, letter.recipients) == ("status@shop.example", ["news@lists.example"])
    assert message["Subject"] == "Service issue resolved"
    assert message["From"] == "status@shop.example"
    assert message["To"] == "news@lists.example"
    assert message["Date"].datetime == NOON
    assert message["Auto-Submitted"] == "auto-generated"
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert plain.get_content().splitlines() == ["All is well — really."]
    assert rich is not None
    assert rich.get_content().strip() == html
    assert message["Message-ID"] == receipt.reference


async def test_a_repeated_mail_has_the_same_id_and_another_one_has_not(server: MailServer) -> None:
    carrier = courier(server)
    server.data_answers.append("")
    with pytest.raises(OutcomeUnknownError):
        await carrier.send(delivery(), None)
    assert await carrier.find(delivery()) is None
    await carrier.send(delivery(), None)
    await carrier.send(delivery(2), Receipt(reference="<first@shop.example>"))
    first, again, other = (letter.message for letter in server.letters)
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert other["In-Reply-To"] == other["References"] == "<first@shop.example>"


async def test_a_line_break_in_a_subject_begins_no_header(server: MailServer) -> None:
    hostile = "Resolved\r\nBcc: everybody@example.com\n\nBuy now\x00 \u2028 😀" + "x" * 3_000
    await courier(server).send(delivery(subject=hostile), None)
    (letter,) = server.letters
    assert letter.message["Bcc"] is None
    assert letter.recipients == ["news@lists.example"]
    assert letter.message["Subject"].startswith("Resolved Bcc: everybody@example.com Buy now 😀x")
    assert all(len(line) < 998 for line in letter.raw.splitlines())


async def test_customers_do_not_see_each_other_but_colleagues_do(server: MailServer) -> None:
    to = ["ana@example.com", "ben@example.com"]
    await courier(server, to=to).send(delivery(), None)
    await courier(server, to=to, audience="stakeholders").send(delivery(), None)
    customers, colleagues = server.letters
    assert customers.recipients == colleagues.recipients == to
    assert b"ana@example.com" not in customers.raw
    assert colleagues.message["To"] == "ana@example.com, ben@example.com"


async def test_an_invitation_goes_to_those_that_it_names_with_its_file(server: MailServer) -> None:
    invited = delivery(to=("dan@example.com",), calendar=INVITATION, attachments=("report.md",))
    await courier(server, audience="stakeholders").send(invited, None)
    (letter,) = server.letters
    assert letter.recipients == ["dan@example.com"]
    (calendar,) = [p for p in letter.message.walk() if p.get_content_type() == "text/calendar"]
    assert calendar.get_param("method") == "REQUEST"
    assert b"METHOD:REQUEST" in bytes(calendar)
    (report,) = letter.message.iter_attachments()
    assert (report.get_filename(), report.get_content()) == ("report.md", "# Report\n")


async def test_a_file_that_is_not_kept_is_named(server: MailServer) -> None:
    with pytest.raises(PermanentError, match=r"no file gone\.md"):
        await courier(server).send(delivery(attachments=("gone.md",)), None)


async def test_a_refused_recipient_is_named_while_the_others_get_their_mail(
    server: MailServer,
) -> None:
    server.refuses["gone@example.com"] = "550 5.1.1 no such user"
    carrier = courier(server, to=["gone@example.com", "ben@example.com"])
    receipt = await carrier.send(delivery(), None)
    assert "gone@example.com (550 5.1.1 no such user)" in receipt.note
    assert server.letters[0].recipients == ["ben@example.com"]


@pytest.mark.parametrize(
    ("answer", "error"), [("550 no such user", PermanentError), ("451 later", TemporaryError)]
)
async def test_when_nobody_is_accepted_the_answer_says_whether_to_try_again(
    server: MailServer, answer: str, error: type[Exception]
) -> None:
    server.refuses["news@lists.example"] = answer
    with pytest.raises(error, match="accepts none of the recipients") as caught:
        await courier(server).send(delivery(), None)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert server.letters == []


@pytest.mark.parametrize(
    ("answer", "error"), [("554 looks like spam", PermanentError), ("452 full", TemporaryError)]
)
async def test_a_mail_that_the_server_refuses_is_not_taken_for_sent(
    server: MailServer, answer: str, error: type[Exception]
) -> None:
    server.data_answers.append(answer)
    with pytest.raises(error, match=answer.partition(" ")[2]):
        await courier(server).send(delivery(), None)


async def test_a_server_that_is_away_or_offers_no_encryption_is_told_apart(
    server: MailServer,
) -> None:
    with pytest.raises(TemporaryError, match="cannot be reached"):
        await courier(server, port=9).send(delivery(), None)
    with pytest.raises(PermanentError, match="does not offer") as caught:
        await courier(server, security="starttls").send(delivery(), None)
    assert "destinations.customers" in caught.value.remedy


async def test_a_certificate_that_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    async with MailServer(tls=tls, login=("bot", "s3cret")) as server:
        carrier = courier(
            server, security="starttls", username="MAIL_USER", password="MAIL_PASSWORD"
        )
        with pytest.raises(PermanentError, match="cannot be spoken to safely"):
            await carrier.send(delivery(), None)
    assert server.letters == []


@pytest.mark.parametrize("password", ["s3cret", "another"])
async def test_a_login_over_tls_and_one_that_is_refused(
    tls: ssl.SSLContext, trusted: None, password: str
) -> None:
    async with MailServer(tls=tls, login=("bot", password)) as server:
        carrier = courier(
            server,
            host="localhost",
            security="starttls",
            username="MAIL_USER",
            password="MAIL_PASSWORD",
        )
        if password == "s3cret":
            await carrier.send(delivery(), None)
            assert len(server.letters) == 1
            return
        with pytest.raises(ForbiddenError, match="535") as caught:
            await carrier.send(delivery(), None)
        assert "s3cret" not in str(caught.value)


async def _said_at_login(
    tls: ssl.SSLContext, *, offers: str, answer: str, user: str = "bot"
) -> Exception:
    """What becomes of a mail when the server answers so to the attempt to log in."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.sandbox\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"AUTH" and not answer:
                break
            told = {b"EHLO": f"250-mail.sandbox\r\n250 AUTH {offers}", b"AUTH": answer}
            writer.write(f"{told.get(verb, '250 OK')}\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    entry = EmailDestination.model_validate(
        {
            "kind": "email",
            "audience": "customers",
            "host": "localhost",
            "port": server.sockets[0].getsockname()[1],
            "security": "tls",
            "username": "MAIL_USER",
            "password": "MAIL_PASSWORD",
            "from": "status@shop.example",
            "to": ["news@lists.example"],
        }
    )
    secrets = Keys(MAIL_USER=user, MAIL_PASSWORD="s3cret")
    carrier = EmailCourier({"customers": entry}, secrets=secrets, clock=_Noon(), load=_kept)
    async with server:
        with pytest.raises(RollbackBotError) as caught:
            await carrier.send(delivery(), None)
    assert "s3cret" not in str(caught.value)
    return caught.value


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("login", "error", "said"),
    [
        (("PLAIN", "454 4.7.0 Temporary failure", "bot"), TemporaryError, "454"),
        (("PLAIN", "", "bot"), TemporaryError, "cannot be reached"),
        (("GSSAPI", "504 unknown", "bot"), PermanentError, "does not offer"),
        (("PLAIN", "235 OK", "böt"), PermanentError, "Use ASCII"),
    ],
)
async def test_nothing_that_happens_at_the_login_is_taken_for_a_mail_that_may_have_gone(
    tls: ssl.SSLContext, login: tuple[str, str, str], error: type[Exception], said: str
) -> None:
    offers, answer, user = login
    found = await _said_at_login(tls, offers=offers, answer=answer, user=user)
    assert isinstance(found, error)
    assert not isinstance(found, OutcomeUnknownError)
    assert said in str(found)
