"""An incident at a terminal: no channel, the same gate, and approvals that are recorded loudly."""

from __future__ import annotations

import pytest

from bot.approval import approve
from bot.assessment import declare
from bot.core.errors import RefusedError
from bot.incident import events as e
from bot.incident.approval import at_terminal
from bot.incident.state import Incident, Phase
from tests.company.deeds import approved, history
from tests.company.harness import Company, Process, catalog_of

BEN, CARLA, DAN = "U0BEN000002", "U0CARLA0003", "U0DAN000004"


async def _planned(process: Process, login: str = "ana") -> Incident:
    incident = await declare.declare_at_terminal(
        process.context,
        service="checkout",
        strategy=None,
        target_release=None,
        reason="Customers cannot pay",
        operator=at_terminal(login),
    )
    return await process.company.until(incident, lambda now: now.plan)


async def _approve(process: Process, incident: Incident, name: str, *, typed: str = "") -> Incident:
    assert incident.plan is not None
    return await approve.approve_at_terminal(
        process.context,
        incident.id,
        plan_hash=incident.plan.hash,
        operator=at_terminal("ana"),
        name=name,
        typed=typed,
        request_id=f"test/{name}",
    )


async def test_it_needs_no_channel_and_owes_the_stakeholders_the_outcome_alone(
    company: Company,
) -> None:
    catalog = catalog_of({"updates": {"every": "1m", "channels": ["ops"]}})
    process = await company.process(catalog=catalog)
    incident = await _planned(process)
    await company.clock.advance(150)
    await _approve(process, incident, BEN)
    await company.until(incident, lambda now: now.judged)
    await company.clock.advance(5)
    rows = await process.store.deliveries(incident.id)
    assert {row.delivery.destination for row in rows} == {"slack:ops"}
    assert [row.delivery.id.rpartition("/")[0].rpartition("/")[2] for row in rows] == ["judged"]
    assert company.calls("conversations.create") == 0
    told = "\n".join(company.said(company.ops))
    assert "who typed it is not proven" in told


async def test_the_break_glass_stands_before_the_approval_in_one_stroke(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await _planned(process)
    after = await _approve(process, incident, BEN)
    kinds = [item.event.kind for item in await process.journal.events(incident.id)]
    at = kinds.index("break_glass_used")
    assert kinds[at : at + 3] == ["break_glass_used", "approval_given", "plan_approved"]
    assert isinstance(after.break_glass[0], e.BreakGlassUsed)
    assert after.break_glass[0].by == at_terminal("ana")


@pytest.mark.parametrize(
    ("login", "name", "said"),
    [
        ("ana", "mallory", "not a name under which the catalog knows"),
        ("ana", "", "Nobody was named"),
        ("u0ben000002", BEN, "somebody else has to approve it"),
        ("ana", DAN, "On-call leads may approve when"),
    ],
)
async def test_what_does_not_count_is_refused_and_leaves_no_trace(
    company: Company, login: str, name: str, said: str
) -> None:
    process = await company.process(sends=False)
    incident = await _planned(process, login)
    with pytest.raises(RefusedError, match=said):
        await _approve(process, incident, name)
    assert "break_glass_used" not in await history(process, incident)
    assert company.incidents[incident.id].phase is Phase.AWAITING_APPROVAL


async def test_one_person_counts_once_at_the_terminal_and_in_slack(company: Company) -> None:
    catalog = catalog_of({"approval": {"quorum": 2}})
    process = await company.process(catalog=catalog, sends=False)
    incident = await _planned(process)
    await _approve(process, incident, BEN)
    with pytest.raises(RefusedError, match="already"):
        await _approve(process, incident, BEN.lower())
    with pytest.raises(RefusedError, match="already"):
        await approved(process, company.incidents[incident.id], "ben")
    after = await _approve(process, incident, CARLA)
    assert after.phase is Phase.APPROVED


async def test_where_one_may_decide_the_operator_may_and_the_record_says_why(
    company: Company,
) -> None:
    catalog = catalog_of({"approval": {"self_approval": True}})
    process = await company.process(catalog=catalog, sends=False)
    incident = await _planned(process)
    after = await _approve(process, incident, "")
    assert after.phase is Phase.APPROVED
    assert "the policy lets one person decide" in after.break_glass[0].standing


@pytest.mark.parametrize("terminal_first", [True, False])
async def test_an_address_at_the_terminal_and_a_click_in_slack_are_one_person(
    company: Company, terminal_first: bool
) -> None:
    """The catalog knows an approver by an address, Slack by an id: two ids, one person."""
    catalog = catalog_of(
        {
            "approval": {"quorum": 2},
            "people": {"release_managers": ["ben@example.com", "carla@example.com"]},
        }
    )
    process = await company.process(catalog=catalog, sends=False)
    incident = await _planned(process)

    async def approve(terminal: bool, who: str) -> Incident:
        if terminal:
            return await _approve(process, incident, f"{who}@example.com")
        return await approved(process, incident, who)

    await approve(terminal_first, "ben")
    with pytest.raises(RefusedError, match="approved this plan already"):
        await approve(not terminal_first, "ben")
    assert (await history(process, incident)).count("approval_given") == 1
    assert company.incidents[incident.id].phase is Phase.AWAITING_APPROVAL
    assert (await approve(not terminal_first, "carla")).phase is Phase.APPROVED
