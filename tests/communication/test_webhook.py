"""A webhook gets the published shape, signed, and can tell a repeated POST."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from pydantic import AnyHttpUrl

from bot.clouds.http import HttpClient
from bot.communication.destinations.webhook import WebhookCourier, WebhookDestination
from bot.core.errors import ForbiddenError, OutcomeUnknownError, PermanentError, TemporaryError
from bot.store.delivery import Delivery
from tests.communication.test_statuspage import Keys, message


@dataclass
class Receiver:
    """Somebody's endpoint."""

    url: str = ""
    answers: list[web.Response] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """One POST."""
        self.got.append((dict(request.headers), await request.read()))
        return self.answers.pop(0) if self.answers else web.Response(status=202)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taking = Receiver()
    app = web.Application()
    app.router.add_post("/hook/{tail:.*}", taking.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taking.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/t0ps3cret"
    yield taking
    await runner.cleanup()


def courier(url: str) -> WebhookCourier:
    entry = WebhookDestination.model_validate(
        {"kind": "webhook", "url": url, "token": "TOKEN", "signing_secret": "KEY"}
    )
    return WebhookCourier(
        {"ours": entry}, http=HttpClient(), secrets=Keys(TOKEN="bearer-value", KEY="hmac-key")
    )


def delivery() -> Delivery:
    return message().model_copy(update={"destination": "webhook:ours"})


async def test_the_body_is_as_published_and_its_signature_holds(receiver: Receiver) -> None:
    receipt = await courier(receiver.url).send(delivery(), None)
    assert receipt.reference == "HTTP 202"
    ((headers, body),) = receiver.got
    assert json.loads(body) == {
        "version": 1,
        "id": delivery().id,
        "incident": "INC-2026-001",
        "round": 1,
        "status": "investigating",
        "title": "Errors in Checkout",
        "text": "We are looking into it.",
        "service": "Checkout",
        "severity": "Critical",
        "impact": "critical",
        "component_status": "partial_outage",
        "started_at": "2026-03-02T12:00:00Z",
        "at": "2026-03-02T12:00:00Z",
        "resolved_at": None,
    }
    expected = hmac.new(b"hmac-key", body, hashlib.sha256).hexdigest()
    assert headers["X-Rollback-Bot-Signature-256"] == f"sha256={expected}"
    assert headers["Authorization"] == "Bearer bearer-value"
    assert headers["Content-Type"] == "application/json"


async def test_a_repeated_post_has_the_same_key(receiver: Receiver) -> None:
    carrier = courier(receiver.url)
    receiver.answers.append(web.Response(status=502))
    with pytest.raises(OutcomeUnknownError):
        await carrier.send(delivery(), None)
    assert await carrier.find(delivery()) is None
    await carrier.send(delivery(), None)
    assert [headers["Idempotency-Key"] for headers, _ in receiver.got] == [delivery().id] * 2


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, ForbiddenError, "Correct the token in TOKEN"),
        (404, PermanentError, "Correct destinations.ours.url"),
        (422, PermanentError, "docs/destinations.md"),
        (302, PermanentError, "that it redirects to"),
    ],
)
async def test_what_a_person_must_mend_is_said_without_the_address(
    receiver: Receiver, status: int, error: type[Exception], said: str
) -> None:
    receiver.answers.append(web.Response(status=status))
    with pytest.raises(error, match=said) as caught:
        await courier(receiver.url).send(delivery(), None)
    assert "t0ps3cret" not in str(caught.value)


async def test_a_receiver_that_is_down_or_slow_to_take_more_is_tried_again(
    receiver: Receiver,
) -> None:
    receiver.answers.append(web.Response(status=429, headers={"Retry-After": "7"}))
    with pytest.raises(TemporaryError) as caught:
        await courier(receiver.url).send(delivery(), None)
    assert caught.value.retry_after == 7
    with pytest.raises(TemporaryError, match="cannot be reached") as caught:
        await courier("http://127.0.0.1:9/hook/t0ps3cret").send(delivery(), None)
    assert "t0ps3cret" not in str(caught.value)


async def test_a_receiver_that_takes_the_same_delivery_in_just_now_is_asked_again(
    receiver: Receiver,
) -> None:
    receiver.answers.append(web.Response(status=409))
    with pytest.raises(TemporaryError):
        await courier(receiver.url).send(delivery(), None)


async def test_a_secret_that_no_header_can_hold_is_not_shown(receiver: Receiver) -> None:
    carrier = WebhookCourier(
        {"ours": WebhookDestination(kind="webhook", url=AnyHttpUrl(receiver.url), token="TOKEN")},
        http=HttpClient(),
        secrets=Keys(TOKEN="first\nsecond"),
    )
    with pytest.raises(PermanentError, match="line breaks") as caught:
        await carrier.send(delivery(), None)
    assert "second" not in str(caught.value)
    assert "t0ps3cret" not in str(caught.value)
    assert receiver.got == []
