"""The form for another plan, as a person fills it in: another release, some parts only."""

from __future__ import annotations

from typing import Any

import pytest

from bot.catalog.catalog import Catalog
from bot.communication import ids
from bot.incident.state import Incident, Phase
from sandbox.slack.base.model import Message
from sandbox.slack.people.person import Person
from strategies.composed.strategy import Composed
from tests.company.deeds import planned
from tests.company.harness import Company
from tests.company.shop import GOOD
from tests.execution.test_multi_service import CATALOG, Ledger
from tests.handlers.conftest import Front

PARTS = ["payments/canary", "rolling"]


@pytest.fixture
def catalog() -> Catalog:
    """A rollback over two services."""
    return CATALOG


@pytest.fixture(autouse=True)
def composed(company: Company) -> None:
    """The strategies of both services, before the bot begins."""
    company.strategies["canary"] = Ledger(company.shop)
    company.strategies["composed"] = Composed(lambda n: company.strategies.get(n, company.shop))


async def _asked(front: Front) -> tuple[Incident, Person, dict[str, dict[str, Any]]]:
    """An incident with a plan, somebody before its form, and the form's inputs."""
    incident = await planned(front.process)
    await front.company.clock.advance(10)
    channel = front.company.incidents[incident.id].channel
    assert channel is not None
    ana = front.person("ana")
    await ana.press(_plan_card(front, channel.channel_id), ids.OPEN_REPLAN)
    assert ana.view is not None
    inputs = {
        block["block_id"]: block["element"] for block in ana.view.blocks if "element" in block
    }
    return incident, ana, inputs


def _plan_card(front: Front, channel: str) -> Message:
    found = [m for m in front.company.messages(channel) if ids.OPEN_REPLAN in str(m.blocks)]
    return found[-1]


async def _planned_again(front: Front, incident: Incident) -> Incident:
    before = front.company.incidents[incident.id].proposed_at
    return await front.company.until(
        incident, lambda i: i.phase is Phase.AWAITING_APPROVAL and i.proposed_at != before and i
    )


def _titles(incident: Incident) -> set[str]:
    assert incident.plan is not None
    return {step.title.partition(":")[0] for step in incident.plan.steps}


async def test_submitted_as_it_opens_nothing_is_left_out(front: Front) -> None:
    incident, ana, inputs = await _asked(front)
    parts = inputs[ids.PARTS]
    assert [option["value"] for option in parts["options"]] == PARTS
    assert parts["initial_options"] == parts["options"]
    assert (await ana.submit()).ok
    again = await _planned_again(front, incident)
    assert again.parts == ()
    assert _titles(again) == {"payments", "checkout"}


async def test_one_ticked_part_is_the_whole_new_plan(front: Front) -> None:
    incident, ana, _ = await _asked(front)
    assert (await ana.fill_and_submit({ids.PARTS: ["rolling"]})).ok
    again = await _planned_again(front, incident)
    assert again.parts == ("rolling",)
    assert "payments" not in _titles(again)


async def test_no_ticked_part_means_all_of_them(front: Front) -> None:
    incident, ana, _ = await _asked(front)
    assert (await ana.fill_and_submit({ids.PARTS: []})).ok
    assert _titles(await _planned_again(front, incident)) == {"payments", "checkout"}


async def test_a_release_from_the_list_is_taken_unless_another_one_is_typed(front: Front) -> None:
    incident, ana, inputs = await _asked(front)
    offered = [option["value"] for option in inputs[ids.TARGET]["options"]]
    assert GOOD in offered
    assert (await ana.fill_and_submit({ids.TARGET: GOOD})).ok
    again = await _planned_again(front, incident)
    assert again.target_release == GOOD
    channel = again.channel
    assert channel is not None
    await front.company.clock.advance(10)
    await ana.press(_plan_card(front, channel.channel_id), ids.OPEN_REPLAN)
    assert (await ana.fill_and_submit({ids.TARGET: GOOD, ids.TEXT: "v1.9.0"})).ok
    assert (await _planned_again(front, incident)).target_release == "v1.9.0"
