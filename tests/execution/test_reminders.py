"""What a rollback left behind for people is said again until it is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.errors import TemporaryError
from bot.execution import reminders
from bot.incident.state import Incident, Phase
from tests.company.deeds import approved, planned
from tests.company.harness import Company, Process
from tests.company.shop import BAD

SOON = 180.0


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day would be spent on updates and looks at the metrics."""
    monkeypatch.setattr(reminders, "AGAIN", timedelta(seconds=SOON))


async def _rolled_back(company: Company) -> tuple[Process, Incident]:
    """By a plan whose first step must not stand for ever; and a second look at it by hand."""
    company.shop.reminders["switch"] = "Revert git itself, and then resume it:"
    process = await company.process()
    incident = await planned(process)
    await approved(process, incident)
    return process, await company.until(incident, lambda i: i.phase is Phase.RECOVERED)


def _said(process: Process, incident: Incident) -> list[str]:
    assert incident.channel is not None
    channel = process.company.slack.workspace.channel(incident.channel.channel_id)
    return [said for said in process.company.said(channel) if "Revert git itself" in said]


async def test_it_is_said_again_with_the_way_back_until_it_is_gone(
    company: Company,
) -> None:
    process, incident = await _rolled_back(company)
    await reminders.look(process.context)
    await reminders.look(process.context)
    await company.clock.advance(10)
    (said,) = _said(process, incident)
    assert "switch is at v2.0.0. Revert git itself, and then resume it:" in said
    await company.clock.advance(SOON)
    await reminders.look(process.context)
    await company.clock.advance(10)
    assert len(_said(process, incident)) == 2
    company.shop.switches["switch"] = BAD
    await company.clock.advance(SOON)
    await reminders.look(process.context)
    await company.clock.advance(10)
    assert len(_said(process, incident)) == 2
    assert await process.store.documents(reminders.KIND) == ()


async def test_a_cluster_that_does_not_answer_is_looked_at_again(company: Company) -> None:
    process, incident = await _rolled_back(company)
    await company.clock.advance(SOON)
    company.shop.script["observe switch"].append(TemporaryError("The cluster is away."))
    await reminders.look(process.context)
    assert len(await process.store.documents(reminders.KIND)) == 1
    await reminders.look(process.context)
    await company.clock.advance(10)
    assert len(_said(process, incident)) == 1
