"""A company whose bad release is live, and whose people have no Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.company import Company, Pace

StartCompany = Callable[..., Awaitable[Company]]

PACE = Pace(
    requests_per_second=60,
    scrape=0.3,
    live_window=1.2,
    bucket=0.5,
    checkpoints=(1.0, 1.6, 2.5),
    # Seconds of traffic can tell 0 % from 12 %, but not 0.1 % from 0.6 %.
    margin=0.045,
)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartCompany]:
    """Starts a company, without a bot, with its bad release out."""
    async with AsyncExitStack() as stack:

        async def begin(**changes: Any) -> Company:
            company = Company(folder=tmp_path, pace=PACE)
            await stack.enter_async_context(company)
            verification = {**company.catalog()["verification"], "assumed_error_rate": 0.001}
            company.change_catalog(
                lambda catalog: catalog.update({"verification": verification, **changes})
            )
            await company.release()
            return company

        yield begin
