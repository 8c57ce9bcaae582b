"""A company for every scenario, over both of Slack's transports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.company import Company, Pace, Transport
from sandbox.journey import Journey

StartCompany = Callable[..., Awaitable[Journey]]
"""Starts a company with the given settings, its bot, and some normal traffic."""

PACE = Pace(
    requests_per_second=40,
    scrape=0.4,
    live_window=2.0,
    bucket=0.8,
    checkpoints=(1.6, 2.8, 4.2),
    # Four seconds of traffic can tell 0 % from 12 %, but not 0.1 % from 0.6 %.
    margin=0.045,
)
NORMAL_REQUESTS = 150
BAD_REQUESTS = 120


@pytest.fixture(params=["socket", "http"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """How Slack reaches the bot; nothing but the bot's environment differs."""
    chosen: Transport = request.param
    return chosen


@pytest.fixture
async def start(tmp_path: Path, transport: Transport) -> AsyncIterator[StartCompany]:
    """Starts companies and stops them at the end; whatever Slack refused fails the scenario."""
    async with AsyncExitStack() as stack:

        async def begin(*, pace: Pace = PACE, **settings: Any) -> Journey:
            company = Company(folder=tmp_path, transport=transport, pace=pace, **settings)
            await stack.enter_async_context(company)
            await company.start_bot()
            await company.measured(NORMAL_REQUESTS)
            return Journey(company)

        yield begin


@pytest.fixture
async def bad_release(start: StartCompany) -> Journey:
    """A company whose latest release fails one request in eight."""
    journey = await start()
    await journey.company.release()
    await journey.company.measured(BAD_REQUESTS)
    return journey
