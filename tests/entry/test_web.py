"""The bot's own web server before senders that are slow, broken or strangers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from bot.alerts import door
from bot.alerts.door import AlertsDoor
from bot.communication.slack.client import make_client
from bot.communication.slack.link import Identity, make_app
from bot.core.values import Facts
from bot.entry import web
from bot.entry.web import WebServer

TOKEN = "a-long-random-token"
EVENTS = "/slack/events"
PATH = "/webhooks/alertmanager"


async def _nobody() -> Identity:
    return Identity(bot_id="B1", bot_user_id="U1", team_id="T1")


async def _receive(_: str, __: bytes) -> Facts:
    return {"status": "ok"}


async def _ready() -> list[str]:
    return []


@pytest.fixture
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a connection may stay without a request, when a test says so."""
    if seconds := getattr(request, "param", None):
        monkeypatch.setattr(web, "IDLE_SECONDS", seconds)


@pytest.fixture
async def port(patience: None) -> AsyncIterator[int]:
    """A server that takes Slack's requests and alerts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    client = make_client("xoxb-1", "http://127.0.0.1:9/api/")
    server = WebServer(
        host="127.0.0.1",
        port=port,
        ready=_ready,
        registry=CollectorRegistry(),
        slack=make_app(client, _nobody, signing_secret="secret"),
        alerts=AlertsDoor(token=TOKEN, receive=_receive),
    )
    await server.start()
    yield port
    await server.stop()


async def status(port: int, path: str, *headers: bytes, body: bytes = b"") -> int:
    """The status of the answer to a request that is written as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: bot", *headers, b"", body]
    writer.write(b"\r\n".join(lines))
    async with asyncio.timeout(5):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize("path", [EVENTS, PATH])
async def test_a_sender_that_never_ends_is_sent_away(
    port: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (web, door):
        monkeypatch.setattr(module, "BODY_SECONDS", 0.05)
    token = f"Authorization: Bearer {TOKEN}".encode()
    assert await status(port, path, token, b"Content-Length: 100", body=b"{") == 408


@pytest.mark.parametrize("patience", [0.05], indirect=True)
async def test_a_header_that_never_ends_does_not_hold_a_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {EVENTS} HTTP/1.1\r\nHost: bot\r\nX-Slow: a".encode())
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_a_token_that_is_no_text_is_a_wrong_one(port: int) -> None:
    assert await status(port, PATH, b"Authorization: Bearer \xff\xfe", b"Content-Length: 0") == 401


@pytest.mark.parametrize("kind", [b"text/plain; charset=nonsense", b"text/plain; charset=utf-8"])
async def test_a_body_that_is_no_text_is_refused(port: int, kind: bytes) -> None:
    headers = (b"Content-Type: " + kind, b"Content-Length: 1")
    assert await status(port, EVENTS, *headers, body=b"\xff") == 400


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"'])
async def test_a_stranger_who_sends_no_request_of_slacks_causes_no_error(
    port: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    headers = (b"Content-Type: application/json", f"Content-Length: {len(body)}".encode())
    assert await status(port, EVENTS, *headers, body=body) in {400, 401}
    timed = (b"X-Slack-Request-Timestamp: yesterday", *headers)
    assert await status(port, EVENTS, *timed, body=body) == 401
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_without_end_is_not_kept(port: int) -> None:
    assert await status(port, EVENTS, b"Content-Length: 99999999", body=b"x" * 2_000_000) == 413


async def test_a_request_without_slacks_signature_reaches_nothing(port: int) -> None:
    assert await status(port, EVENTS, b"Content-Length: 2", body=b"{}") == 401


async def test_metrics_are_counted_when_they_are_asked_for() -> None:
    registry, seen = CollectorRegistry(), iter((1, 2))
    gauge = Gauge("open_incidents", "Counted by readiness.", registry=registry)

    async def ready() -> list[str]:
        gauge.set(next(seen))
        return ["Slack has not answered yet."]

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = WebServer(host="127.0.0.1", port=port, ready=ready, registry=registry, slack=None)
    await server.start()
    async with aiohttp.ClientSession() as session:
        for number in (1, 2):
            answer = await session.get(f"http://127.0.0.1:{port}/metrics")
            assert f"open_incidents {number}.0" in await answer.text()
    await server.stop()
