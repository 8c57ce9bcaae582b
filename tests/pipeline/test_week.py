"""A week with a hundred incidents: every update on its minute, none doubled, none missed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from bot.pipeline import reporting
from tests.pipeline import week_script as script
from tests.pipeline.virtual_clock import NOON
from tests.pipeline.week import Story, Week
from tests.pipeline.week_company import LargeCompany
from tests.pipeline.week_ledger import Ledger

SEED = 20260302


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without their picture, which takes longer to draw than the incident to play."""
    monkeypatch.setattr(reporting, "draw_chart", lambda _: None)


def _most_open(stories: list[Story]) -> int:
    """How many incidents were open together at most."""
    moments: list[tuple[datetime, int]] = []
    for story in stories:
        for start, end in story.spans:
            moments += [(start, 1), (end, -1)]
    is_open = most = 0
    for _, change in sorted(moments):
        is_open += change
        most = max(most, is_open)
    return most


@pytest.mark.usefixtures("no_charts")
async def test_every_update_of_a_week_comes_on_its_minute_and_once(folder: Path) -> None:
    random = Random(SEED)  # noqa: S311 - a story
    company = LargeCompany(folder, catalog=script.catalog(), seed=SEED)
    company.places.manners = script.MANNERS
    company.places.downs[script.DEAD] = script.DOWN
    async with company:
        week = Week(company, script.stories(random), random)
        await week.play(kills=list(script.deaths(random)), until=NOON + script.WEEK)
    wrong = list(Ledger(week.stories, week.outages, company.places).problems())
    assert not wrong, "\n".join(wrong)
    assert len(week.stories) == 100
    assert _most_open(week.stories) >= 15
