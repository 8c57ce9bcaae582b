"""The gate: who may, how many must, and every refusal in words for the person who clicked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.approval import approve
from bot.core.errors import DuplicateRequestError, RefusedError, TemporaryError
from bot.engine.rights import check_team
from bot.incident import events as e
from bot.incident.plan import PreflightVerdict
from bot.incident.state import Incident, Phase
from tests.company.deeds import approved, declare, history, planned
from tests.company.harness import Company, Process, catalog_of


def _with_policy(**policy: object) -> dict[str, object]:
    return {"catalog": catalog_of({"approval": policy}), "sends": False}


async def _refusal(process: Process, incident: Incident, by: str) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        await approved(process, incident, by)
    assert "approval_given" not in await history(process, incident)
    return refused.value


async def test_one_release_manager_is_enough_and_it_runs(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    await approved(process, incident)
    state = await company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    assert [given.by.name for given in state.approvals] == ["ben"]


async def test_somebody_without_a_right_is_told_who_has_one(company: Company) -> None:
    process = await company.process(sends=False)
    refused = await _refusal(process, await planned(process), "eve")
    assert refused.what == "You are neither a release manager nor an on-call lead."
    assert "plan card says who" in refused.remedy


async def test_an_on_call_lead_is_told_from_when_on_it_counts(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    refused = await _refusal(process, incident, "dan")
    assert refused.remedy == "You can approve from 12:05:00 UTC on, if nobody did before."
    await company.clock.advance(300)
    await approved(process, incident, "dan")
    assert company.incidents[incident.id].phase is not Phase.AWAITING_APPROVAL


async def test_nobody_approves_what_they_asked_for(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await declare(process, by="ben")
    incident = await company.until(incident, lambda i: i.plan)
    refused = await _refusal(process, incident, "ben")
    assert "somebody else" in refused.what
    await approved(process, incident, "carla")


async def test_a_policy_may_allow_it(company: Company) -> None:
    process = await company.process(**_with_policy(self_approval=True))
    incident = await declare(process, by="ben")
    incident = await company.until(incident, lambda i: i.plan)
    await approved(process, incident, "ben")
    assert company.incidents[incident.id].approved_at is not None


async def test_two_must_be_two_people(company: Company) -> None:
    process = await company.process(**_with_policy(quorum=2))
    incident = await planned(process)
    state = await approved(process, incident, "ben")
    assert state.phase is Phase.AWAITING_APPROVAL
    with pytest.raises(RefusedError, match="approved this plan already"):
        await approved(process, incident, "ben")
    state = await approved(process, incident, "carla")
    assert state.phase is Phase.APPROVED
    assert (await history(process, incident)).count("approval_given") == 2


async def test_two_who_click_at_once_are_both_counted_and_the_plan_runs_once(
    company: Company,
) -> None:
    process = await company.process(**_with_policy(quorum=2))
    incident = await planned(process)
    await asyncio.gather(approved(process, incident, "ben"), approved(process, incident, "carla"))
    await company.until(incident, lambda i: i.phase is Phase.VERIFYING)
    kinds = await history(process, incident)
    assert (kinds.count("plan_approved"), kinds.count("execution_started")) == (1, 1)


async def test_the_second_of_two_who_click_at_once_is_told_that_it_was_decided(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    outcomes = await asyncio.gather(
        approved(process, incident, "ben"),
        approved(process, incident, "carla"),
        return_exceptions=True,
    )
    (late,) = [outcome for outcome in outcomes if isinstance(outcome, RefusedError)]
    assert "has no plan that waits for approval" in late.what


async def test_the_same_click_redelivered_counts_once(company: Company) -> None:
    process = await company.process(**_with_policy(quorum=2))
    incident = await planned(process)
    assert incident.plan is not None

    async def click() -> None:
        await approve.approve(
            process.context,
            incident.id,
            plan_hash=incident.plan.hash if incident.plan else "",
            actor=company.actor("ben"),
            request_id="click/1",
        )

    await click()
    with pytest.raises((DuplicateRequestError, RefusedError)):
        await click()
    assert (await history(process, incident)).count("approval_given") == 1


async def test_an_unsafe_plan_is_refused_with_what_blocks_it(company: Company) -> None:
    company.shop.preflight = PreflightVerdict.BLOCK
    process = await company.process(sends=False)
    refused = await _refusal(process, await planned(process), "ben")
    assert refused.what == "This plan is not safe. 3 of 3 ready."
    assert "Other target / plan again" in refused.remedy


async def test_an_outdated_plan_is_refused_although_it_looks_the_same(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    assert incident.plan is not None
    await approve.request_plan(
        process.context,
        incident.id,
        actor=company.actor("ana"),
        target="v1.9.0",
        request_id="view/1",
    )
    state = await company.until(incident, lambda i: i.plan and i.plan.to_release == "v1.9.0")
    with pytest.raises(RefusedError, match="not the plan on the table any more"):
        await approve.approve(
            process.context,
            incident.id,
            plan_hash=incident.plan.hash,
            actor=company.actor("ben"),
            request_id="click/1",
        )
    assert state.phase is Phase.AWAITING_APPROVAL


async def test_a_plan_too_old_is_refused_even_before_its_expiry_was_recorded(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    await process.scheduler.stop()
    await company.clock.advance(1800)
    refused = await _refusal(process, incident, "ben")
    assert "too old" in refused.what
    assert "A new plan is being made" in refused.remedy


async def test_a_user_group_is_read_at_the_moment_of_the_click(company: Company) -> None:
    group = company.slack.workspace.add_group("release-managers", "carla")
    catalog = catalog_of({"people": {"release_managers": [group.id]}})
    process = await company.process(catalog=catalog, sends=False)
    incident = await planned(process)
    await _refusal(process, incident, "ben")
    members = (company.actor("ben").id,)
    company.slack.world.groups[group.id] = replace(group, user_ids=members)
    with pytest.raises(RefusedError):
        await approved(process, incident, "carla")
    await approved(process, incident, "ben")
    assert company.incidents[incident.id].approved_at is not None


@pytest.mark.parametrize("method", ["usergroups.users.list"])
async def test_when_slack_does_not_answer_that_is_not_a_yes(company: Company, method: str) -> None:
    group = company.slack.workspace.add_group("release-managers", "ben")
    catalog = catalog_of({"people": {"release_managers": [group.id]}})
    process = await company.process(catalog=catalog, sends=False)
    incident = await planned(process)
    company.slack.faults.server_error(method, times=1)
    with pytest.raises(TemporaryError):
        await approved(process, incident, "ben")
    company.slack.faults.error(method, "no_such_subteam", times=1)
    with pytest.raises(RefusedError, match="neither a release manager"):
        await approved(process, incident, "ben")
    assert "approval_given" not in await history(process, incident)
    await approved(process, incident, "ben")


async def test_a_manager_whose_account_is_gone_keeps_nobody_else_from_approving(
    company: Company,
) -> None:
    people = {"release_managers": ["U0GONE00009", "carla@example.com"]}
    process = await company.process(catalog=catalog_of({"people": people}), sends=False)
    incident = await planned(process)
    await approved(process, incident, "carla")
    assert company.incidents[incident.id].approved_at is not None


async def test_whoever_may_approve_may_reject_and_a_new_plan_can_be_asked_for(
    company: Company,
) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    assert incident.plan is not None
    with pytest.raises(RefusedError, match="may reject"):
        await approve.reject(
            process.context,
            incident.id,
            plan_hash=incident.plan.hash,
            actor=company.actor("eve"),
            reason="No",
        )
    with pytest.raises(RefusedError, match="not the plan on the table"):
        await approve.reject(
            process.context, incident.id, plan_hash="old", actor=company.actor("ben"), reason="No"
        )
    state = await approve.reject(
        process.context,
        incident.id,
        plan_hash=incident.plan.hash,
        actor=company.actor("ben"),
        reason="Wait for the database",
    )
    assert state.phase is Phase.REJECTED
    with pytest.raises(RefusedError, match="no plan that waits"):
        await approved(process, incident, "ben")
    assert company.shop.calls("act switch") == 0
    await process.journal.add(incident.id, e.PlanRequested(by=company.actor("eve")))
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await approved(process, incident, "ben")


async def test_only_the_team_and_approvers_steer(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    for name in ("ana", "ben", "carla", "dan"):
        await check_team(process.context, incident, company.actor(name))
    with pytest.raises(RefusedError, match=f"not in the team of {incident.id}"):
        await check_team(process.context, incident, company.actor("eve"))
