"""A company whose bad release is live, and whose people have no Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.catalog import Pace
from sandbox.company import Company

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
UNPROVEN = replace(PACE, requests_per_second=8, bucket=0.2, checkpoints=(0.5, 1.0))
"""Where the way is the story, and not whether the end can be proven."""
QUIET = replace(PACE, requests_per_second=2)
"""Where nothing has to be proven: the customers only cost time."""


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartCompany]:
    """Starts a company, without a bot, with its bad release out."""
    async with AsyncExitStack() as stack:

        async def begin(*, pace: Pace = PACE, **changes: Any) -> Company:
            company = Company(folder=tmp_path, pace=pace)
            await stack.enter_async_context(company)
            verification = {**company.catalog()["verification"], "assumed_error_rate": 0.001}
            company.change_catalog(
                lambda catalog: catalog.update({"verification": verification, **changes})
            )
            await company.release()
            return company

        yield begin
