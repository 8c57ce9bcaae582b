"""What cannot be done is answered clearly, and nothing is half-built."""

from __future__ import annotations

import pytest

from sandbox.cluster.base.resources import SERVICES
from sandbox.journey import Journey
from tests.scenarios.conftest import BAD_REQUESTS, StartCompany


def _channels(journey: Journey) -> list[str]:
    return [c.name for c in journey.company.slack.workspace.channels if c.name.startswith("inc-")]


@pytest.mark.transport
async def test_answers_to_what_people_type(bad_release: Journey) -> None:
    ana = bad_release.person("ana")
    render = bad_release.company.slack.workspace.render
    for typed, part in {
        "/rollback chekout": "checkout",
        "/rollback help": "/rollback status",
        "/rollback status": "No incident is open",
        "/rollback history": "no incident yet",
        "/rollback": "Which service",
    }.items():
        answer = await ana.command(typed)
        assert answer.ok
        assert answer.message is not None
        assert part in render(answer.message), typed
    assert _channels(bad_release) == []


async def test_a_second_incident_for_the_service_is_sent_to_the_first(
    bad_release: Journey,
) -> None:
    await bad_release.until_declared("ana")
    carla = bad_release.person("carla")
    await carla.command("/rollback checkout")
    view = await bad_release.view(carla, lambda v: "INC-2026-001" in v.plain)
    assert "already has an open incident" in view.plain
    assert len(_channels(bad_release)) == 1
    answer = await carla.command("/rollback status")
    assert answer.message is not None
    assert "INC-2026-001" in answer.message.plain


@pytest.mark.transport
async def test_people_without_the_right_are_told_so(bad_release: Journey) -> None:
    channel = await bad_release.until_declared("ana")
    card = await bad_release.plan_card()
    told = {
        "dan": "neither a release manager nor an on-call lead",
        "carla": "On-call leads may approve when",
        "ana": "somebody else has to approve",
    }
    for name, part in told.items():
        person = bad_release.person(name)
        await person.press(card, "approve")
        await person.wait_for(
            lambda person=person, part=part: any(  # type: ignore[misc]
                m.ephemeral and part in m.plain for m in person.sees(channel)
            )
        )
    service = bad_release.company.cluster.store.get(SERVICES, "shop", "checkout")
    assert service["spec"]["selector"]["version"] == "green"


@pytest.mark.transport
async def test_a_cluster_that_does_not_answer_is_named_and_nothing_is_lost(
    start: StartCompany,
) -> None:
    journey = await start(catalog_changes={"assessment": {"patience": 1.0, "live_window": 2.0}})
    company = journey.company
    await company.release()
    await company.measured(BAD_REQUESTS)
    company.cluster.server.faults.answer(503, times=10_000)
    form = await journey.open_assessment("ana")
    assert "unknown" in form.plain
    await journey.assess("ana", {"findings": ["core_feature_broken"]})
    await journey.declare("ana")
    await journey.until_channel()
    card = await journey.text("No plan")
    assert "Plan again" in card.plain
    company.cluster.server.faults.clear()
    await journey.person("ana").press(card, "open_replan")
    await journey.view(journey.person("ana"), lambda v: v.callback_id == "replan")
    await journey.person("ana").fill_and_submit({})
    await journey.plan_card()


async def test_a_world_that_moved_since_the_plan_stops_the_execution(
    bad_release: Journey,
) -> None:
    company = bad_release.company
    await bad_release.until_declared("ana")
    card = await bad_release.plan_card()

    def edit(service: dict[str, object]) -> None:
        spec = service["spec"]
        assert isinstance(spec, dict)
        spec["selector"] = {"app": "checkout", "version": "green", "track": "hot"}

    company.cluster.store.mutate(SERVICES, "shop", "checkout", edit, manager="kubectl-edit")
    await bad_release.approve("ben", card)
    stopped = await bad_release.text("not what was approved")
    assert "kubectl-edit" in stopped.plain
    await bad_release.text("not what was approved", "status")
    service = company.cluster.store.get(SERVICES, "shop", "checkout")
    assert service["spec"]["selector"]["track"] == "hot"
