"""What people do, as calls into the pipeline."""

from __future__ import annotations

from bot.approval import approve
from bot.incident import events as e
from bot.incident.assessment import Assessment, Figures, Thresholds, decide
from bot.incident.state import Incident, Phase
from tests.company.harness import Process
from tests.company.shop import BAD, GOOD

DECISION = e.Decision(
    reason="Customers cannot pay",
    affected_users="One in five",
    alternatives="Hotfix",
    rationale="Going back takes a minute",
)
CONCLUSION = e.Conclusion(
    root_cause="A price without a currency",
    corrective_actions=("Test two currencies",),
    follow_up=e.FollowUp.HOTFIX,
)
FIGURES = Figures(
    error_rate=0.2, requests=1200, current_release=BAD, previous_release=GOOD, latency_ms=80.0
)


async def declare(process: Process, service: str = "checkout", by: str = "ana") -> Incident:
    """Declare an incident whose figures leave no doubt."""
    company = process.company
    assessment = Assessment(service=service, figures=FIGURES, description="Errors everywhere")
    declared = e.Declared(
        service=service,
        bad_release=BAD,
        assessment=assessment,
        verdict=decide(assessment, Thresholds()),
        decision=DECISION,
        by=company.actor(by),
        asked_in=company.ops.id,
        assessed_at=company.clock.now(),
    )
    return await process.journal.declare(declared, request_id=f"declare/{service}/{by}")


async def planned(process: Process, service: str = "checkout") -> Incident:
    """The incident with a plan on the table."""
    incident = await declare(process, service)
    return await process.company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)


async def approved(process: Process, incident: Incident, by: str = "ben") -> Incident:
    """The incident after somebody's approval of its present plan."""
    incident = process.company.incidents[incident.id]
    assert incident.plan is not None
    return await approve.approve(
        process.context,
        incident.id,
        plan_hash=incident.plan.hash,
        actor=process.company.actor(by),
        request_id=f"click/{by}/{incident.plan.hash}/{incident.seq}",
    )


async def history(process: Process, incident: Incident) -> list[str]:
    """The kinds of an incident's events in order."""
    return [recorded.event.kind for recorded in await process.journal.events(incident.id)]
