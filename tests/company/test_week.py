"""A week with a hundred incidents: every update on its minute, none doubled, none missed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from bot.core.errors import PermanentError
from bot.incident.state import Incident
from bot.paperwork import conclude
from bot.reporting import publish
from tests.company import week_script as script
from tests.company.deeds import declare
from tests.company.harness import Company, catalog_of
from tests.company.virtual_clock import NOON
from tests.company.week import MINUTE, Story, Week
from tests.company.week_company import LargeCompany
from tests.company.week_ledger import Ledger

SEED = 20260302


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without their picture, which takes longer to draw than the incident to play."""
    monkeypatch.setattr(publish, "draw_chart", lambda _: None)


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


OFTEN = {"updates": {"every": "1m", "channels": ["status"]}}
"""Six updates, for which they are worth telling, in six minutes."""


async def _dead_slack(company: Company, *, minutes: int, words: str = "") -> Incident:
    """An incident whose updates Slack does not take for a while, and what came of it."""
    company.shop.script["plan"] = [PermanentError("Nowhere to go.")]
    company.slack.workspace.add_channel("status", with_bot=True)
    process = await company.process(catalog=catalog_of(OFTEN))
    incident = await declare(process)
    await company.clock.advance(30)
    company.slack.faults.server_error("chat.postMessage", times=None)
    if words:
        await conclude.add_words(
            process.context,
            incident.id,
            text=words,
            actor=company.actor("ana"),
            request_id="view/1",
        )
    await company.clock.advance(minutes * 60)
    company.slack.faults.clear()
    # The longest pause between two attempts, and a little more.
    await company.clock.advance(5 * 60 + 45)
    return company.incidents[incident.id]


def _updates(company: Company, channel: str) -> dict[int, datetime]:
    """When each update came to a channel, by its number and in the order in which they came."""
    found = {}
    for message in company.messages(channel):
        match = re.search(r"\*Update (\d+)\*", company.slack.workspace.render(message))
        if match is not None:
            assert int(match[1]) not in found, f"update {match[1]} was posted twice"
            found[int(match[1])] = datetime.fromtimestamp(float(message.ts), UTC)
    return found


def _channels(incident: Incident) -> tuple[str, str]:
    assert incident.channel is not None
    return "status", incident.channel.channel_id


async def test_after_a_short_outage_of_slack_every_update_comes_late_and_in_order(
    company: Company,
) -> None:
    incident = await _dead_slack(company, minutes=3)
    for channel in _channels(incident):
        assert list(_updates(company, channel)) == list(range(1, incident.updates + 1))


async def test_after_a_long_outage_of_slack_only_the_newest_updates_come(company: Company) -> None:
    incident = await _dead_slack(company, minutes=12)
    for channel in _channels(incident):
        came = _updates(company, channel)
        numbers = list(came)
        assert numbers == list(range(numbers[0], incident.updates + 1))
        assert numbers[0] > 6
        for number, at in came.items():
            assert at - (incident.opened_at + number * MINUTE) < 6 * MINUTE


async def test_a_persons_words_are_told_however_late(company: Company) -> None:
    words = "The payment partner was told."
    incident = await _dead_slack(company, minutes=12, words=words)
    for channel in _channels(incident):
        assert 1 in _updates(company, channel)
        assert sum(words in text for text in company.said(channel)) == 1
