"""Calls of Slack share connections, and outlive each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.communication.slack.client import call, make_client, make_session


class CountingSlack:
    """Answers every call, and knows on which connection it came."""

    def __init__(self) -> None:
        self.transports: list[asyncio.BaseTransport | None] = []
        self.cookies: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Take a call of any method."""
        self.transports.append(request.transport)
        self.cookies.append(request.headers.get("Cookie", ""))
        response = web.json_response({"ok": True, "ts": "1.1"})
        response.set_cookie("b", "of-one-answer")
        return response


@pytest.fixture
async def slack() -> CountingSlack:
    """Behind the URL that ``url`` gives."""
    return CountingSlack()


@pytest.fixture
async def url(slack: CountingSlack) -> AsyncIterator[str]:
    """Where it listens."""
    app = web.Application()
    app.router.add_post("/api/{method}", slack.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    await runner.cleanup()


async def _post(client: Any) -> None:
    await call(client.chat_postMessage, subject="posting", channel="C01", text="hello")


async def test_calls_after_each_other_share_a_connection_and_no_cookie(
    slack: CountingSlack, url: str
) -> None:
    async with make_session() as session:
        one, other = (make_client("xoxb-1", url, session) for _ in range(2))
        for client in (one, other, one):
            await _post(client)
    assert len({id(transport) for transport in slack.transports}) == 1
    assert set(slack.cookies) == {""}


async def test_what_is_said_at_the_very_end_still_arrives(slack: CountingSlack, url: str) -> None:
    session = make_session()
    client = make_client("xoxb-1", url, session)
    await session.close()
    await _post(client)
    assert len(slack.transports) == 1
