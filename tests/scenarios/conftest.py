"""A company for every scenario, over both of Slack's transports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.catalog import Pace
from sandbox.company import Company, Transport
from sandbox.journey import Journey

StartCompany = Callable[..., Awaitable[Journey]]
"""Starts a company with the given settings, its bot, and some normal traffic."""
Prepare = Callable[[Company], Awaitable[None]]
"""What is done to a company before its bot starts."""

PACE = Pace(
    requests_per_second=60,
    # A busy machine may take a reading late: up to three rounds it is still a reading.
    scrape=0.8,
    live_window=2.0,
    bucket=0.6,
    checkpoints=(1.2, 2.4, 4.2),
    # Three seconds of traffic can tell 0 % from 12 %, but not 0.1 % from 0.6 %.
    margin=0.045,
    # The customers share two processors with everybody else: at times half of them come late.
    minimum_traffic=0.2,
)
NORMAL_REQUESTS = 210
BAD_REQUESTS = 130


@pytest.fixture
def transport() -> Transport:
    """How Slack reaches the bot; nothing but the bot's environment differs.

    ``SCENARIO_TRANSPORT`` chooses for the whole suite. Over Socket Mode CI plays everything, over
    HTTP what is marked ``transport``: commands, forms and their answers, clicks, duplicates,
    restarts, the home tab and webhooks. What the bot does after it has heard, and every call of
    its own to Slack, is the same over both.
    """
    chosen = os.environ.get("SCENARIO_TRANSPORT", "socket")
    if chosen not in {"socket", "http"}:
        raise pytest.UsageError(f"SCENARIO_TRANSPORT is {chosen}; say socket or http")
    return "http" if chosen == "http" else "socket"


@pytest.fixture
async def start(tmp_path: Path, transport: Transport) -> AsyncIterator[StartCompany]:
    """Starts companies and stops them at the end; whatever Slack refused fails the scenario."""
    async with AsyncExitStack() as stack:

        async def begin(
            *, pace: Pace = PACE, prepare: Prepare | None = None, **settings: Any
        ) -> Journey:
            company = Company(folder=tmp_path, transport=transport, pace=pace, **settings)
            await stack.enter_async_context(company)
            if prepare is not None:
                await prepare(company)
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
