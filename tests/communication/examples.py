"""One incident, told up to any phase: ``incident_in(Phase.EXECUTING)``.

Everything is built from events and the fold, and every event passes the transition table, so the
examples cannot reach a state that the journey does not have. A part of the story is replaced by
naming it: ``incident_in(Phase.REJECTED, rejection="…")``; see ``Story`` for the parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.communication.frame import Frame
from bot.core.values import Actor, Value
from bot.incident import events as e
from bot.incident.approval import Approval, ApprovalPolicy
from bot.incident.assessment import Assessment, Draft, Figures, Thresholds, Verdict, decide
from bot.incident.fold import apply
from bot.incident.plan import (
    Candidate,
    Milestone,
    Plan,
    Preflight,
    PreflightVerdict,
    Step,
    StepSpec,
)
from bot.incident.state import Incident, Phase
from bot.incident.transitions import advance
from bot.judge.counts import Baseline, Bucket, Judgement, JudgePolicy
from bot.judge.judge import judge

T0 = datetime(2026, 3, 14, 14, 20, tzinfo=UTC)
"""When the assessment was opened."""

ANA = Actor(id="U0ANA0001", name="Ana")
"""Asked for the rollback."""
BEN = Actor(id="U0BEN0001", name="Ben")
"""Release manager; approves."""
CARA = Actor(id="U0CARA001", name="Cara")
DEV = Actor(id="cli:dev", name="Dev at the terminal")

ROLES = (
    e.RoleAssignment(role=e.Role.INCIDENT_COMMANDER, people=(BEN,)),
    e.RoleAssignment(role=e.Role.DEPLOYMENT_LEAD, people=(CARA,)),
    e.RoleAssignment(role=e.Role.DATABASE_ADMINISTRATOR, people=()),
    e.RoleAssignment(role=e.Role.MONITORING_OBSERVER, people=(CARA,)),
    e.RoleAssignment(role=e.Role.COMMUNICATION_COORDINATOR, people=(ANA,)),
)

CHECKPOINTS = (timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=10))


def figures(**overrides: Any) -> Figures:
    """A release that fails for one user in fourteen, and is slow."""
    given: dict[str, Any] = {
        "error_rate": 0.072,
        "requests": 1_250,
        "latency_ms": 640.0,
        "baseline_error_rate": 0.0015,
        "baseline_latency_ms": 210.0,
        "current_release": "v2.1.0",
        "previous_release": "v2.0.0",
    }
    return Figures(**{**given, **overrides})


def assessment(**overrides: Any) -> Assessment:
    """Figures, and what a person added."""
    given: dict[str, Any] = {
        "service": "checkout",
        "figures": figures(),
        "affected_users": 0.15,
        "description": "Payments fail with a blank page.",
    }
    return Assessment(**{**given, **overrides})


def verdict(found: Assessment | None = None) -> Verdict:
    """What the matrix says to it."""
    return decide(found or assessment(), Thresholds())


def draft(**overrides: Any) -> Draft:
    """An assessment that was submitted."""
    given: dict[str, Any] = {
        "id": "d" * 32,
        "service": "checkout",
        "by": ANA,
        "asked_in": "C0OPS0001",
        "opened_at": T0,
        "figures": figures(),
        "assessment": assessment(),
        "verdict": verdict(),
    }
    return Draft(**{**given, **overrides})


def step(title: str, command: str, **overrides: Any) -> Step:
    """One step of the plan."""
    kind = StepSpec(kind="example", params={})
    given: dict[str, Any] = {
        "title": title,
        "action": kind,
        "expects": {},
        "inverse": kind,
        "command": command,
        "estimate_seconds": 10.0,
    }
    return Step(**{**given, **overrides})


def steps() -> tuple[Step, ...]:
    """A blue-green rollback."""
    return (
        step(
            "Scale blue to 3 replicas",
            "kubectl -n shop scale deployment/checkout-blue --replicas=3",
            estimate_seconds=20.0,
        ),
        step(
            "Switch the Service to blue",
            "kubectl -n shop patch service checkout -p "
            '\'{"spec":{"selector":{"version":"blue"}}}\'',
            estimate_seconds=2.0,
            milestone=Milestone.SWITCHED,
        ),
        step(
            "Wait until green serves no more requests",
            "kubectl -n shop get endpointslices -w",
            estimate_seconds=30.0,
            changes=False,
            inverse=None,
            milestone=Milestone.DRAINED,
        ),
    )


def plan(**overrides: Any) -> Plan:
    """A safe plan."""
    given: dict[str, Any] = {
        "service": "checkout",
        "strategy": "blue-green",
        "from_release": "v2.1.0",
        "to_release": "v2.0.0",
        "steps": steps(),
        "preflights": (
            Preflight(
                name="Target exists",
                verdict=PreflightVerdict.PASS,
                sentence="checkout-blue runs the image of v2.0.0.",
            ),
            Preflight(
                name="No other rollout",
                verdict=PreflightVerdict.WARN,
                sentence="An autoscaler owns checkout-green.",
            ),
        ),
        "not_restored": ("Database migrations of v2.1.0",),
        "candidates": (
            Candidate(release="v2.0.0", detail="colour blue", known_good=True),
            Candidate(release="v1.9.3", detail="revision 12"),
            Candidate(release="v1.9.2", detail="revision 11", marked_bad=True),
        ),
        "observed_at": T0 + timedelta(seconds=50),
    }
    return Plan(**{**given, **overrides})


def unsafe_plan() -> Plan:
    """A plan that a preflight forbids."""
    block = Preflight(
        name="Target exists",
        verdict=PreflightVerdict.BLOCK,
        sentence="The image of v2.0.0 is gone from the registry.",
    )
    return plan(preflights=(block, *plan().preflights[1:]))


def baseline() -> Baseline:
    """An hour of ten requests a second with 0.15 per cent errors."""
    return Baseline(
        start=T0 - timedelta(hours=2),
        end=T0 - timedelta(hours=1),
        requests=36_000,
        errors=54,
        latency_ms=210.0,
    )


def frame(**overrides: Any) -> Frame:
    """The settings of the example, half an hour in."""
    given: dict[str, Any] = {
        "now": T0 + timedelta(minutes=3),
        "update_every": timedelta(minutes=10),
        "approval": ApprovalPolicy(),
        "judge": JudgePolicy(),
        "checkpoints": CHECKPOINTS,
        "stakeholder_channels": ("status",),
    }
    return Frame(**{**given, **overrides})


Row = tuple[int, int]
"""Requests and errors between one checkpoint and the next."""

ROWS: dict[Phase, tuple[Row, ...]] = {
    Phase.RECOVERED: ((1_200, 14), (1_800, 4), (3_000, 4)),
    Phase.NOT_RECOVERED: ((1_200, 60), (1_800, 70), (3_000, 130)),
    Phase.INCONCLUSIVE: ((1_200, 3), (40, 0), (0, 0)),
}


class Story(Value):
    """The parts of the journey; each has a default."""

    id: str = "INC-2026-001"
    service: str = "checkout"
    by: Actor = ANA
    assessment: Assessment = assessment()
    decision: e.Decision = e.Decision(
        reason="Error rate 7.2% since v2.1.0",
        affected_users="About 15% of users",
        alternatives="Hotfix",
        rationale="A hotfix takes hours; the old release works.",
    )
    channel: e.ChannelOpened = e.ChannelOpened(
        channel_id="C0INC0001", channel_name="inc-2026-001-checkout"
    )
    roles: tuple[e.RoleAssignment, ...] = ROLES
    notes: tuple[e.Noted, ...] = ()
    evidence: tuple[str, ...] = ("checkout-green.log",)
    plan: Plan = plan()
    baseline: Baseline | None = baseline()
    baseline_note: str = "36000 requests before the release at 13:20:00 UTC"
    failure: e.PlanningFailed = e.PlanningFailed(
        what="No release to go back to was found.", remedy="Name one that still exists."
    )
    approvers: tuple[Actor, ...] = (BEN,)
    rejection: str = "v2.0.0 has the bug as well; take v1.9.3."
    done: int = 1
    """Steps that are done in EXECUTING and STOPPED."""
    stopped: e.ExecutionFinished = e.ExecutionFinished(
        outcome=e.ExecutionOutcome.FAILED,
        what="The API server refused the patch.",
        remedy="Grant the bot “patch services”, then press “Plan again”.",
    )
    instances: e.InstancesChecked = e.InstancesChecked(
        instances=tuple(
            e.InstanceCheck(name=f"checkout-blue-{n}", ready=True, version="v2.0.0")
            for n in range(3)
        ),
        health_ok=True,
        version="v2.0.0",
    )
    rows: tuple[Row, ...] | None = None
    """Rows of the recovery table; by default those that lead to the phase."""
    judgement: Judgement | None = None
    """By default what the judge makes of the rows."""
    ends_as: Phase = Phase.RECOVERED
    """The phase from which the incident is resolved."""
    conclusion: e.Conclusion = e.Conclusion(
        root_cause="A missing index made payments time out.",
        corrective_actions=("Load-test with production data", "Alert on slow queries"),
        went_well="The switch took seconds.",
        to_improve="The alert came late.",
        follow_up=e.FollowUp.HOTFIX,
        follow_up_timeline="tomorrow",
    )
    report: bool = True
    """Whether the report of a resolved incident is out."""
    extra: tuple[e.AnyEvent, ...] = ()
    """What happens in the phase itself, at its end."""

    def events(self, phase: Phase) -> Iterator[tuple[float, e.AnyEvent]]:
        """Events up to a phase, with the seconds since the event before."""
        yield from self._beginning()
        if phase is Phase.RESOLVED:
            yield from self._up_to(self.ends_as)
            yield 120, e.Resolved(by=BEN, conclusion=self.conclusion)
            if self.report:
                yield 2, e.ReportPublished(files=("INC-2026-001.md",))
        else:
            yield from self._up_to(phase)
        for event in self.extra:
            yield 1, event

    def _beginning(self) -> Iterator[tuple[float, e.AnyEvent]]:
        yield (
            40,
            e.Declared(
                service=self.service,
                bad_release=self.assessment.figures.current_release or "unknown release",
                target_release=self.assessment.figures.previous_release,
                assessment=self.assessment,
                verdict=verdict(self.assessment),
                decision=self.decision,
                by=self.by,
                asked_in="C0OPS0001",
                assessed_at=T0,
            ),
        )
        yield 2, self.channel
        yield 2, e.TeamAssigned(roles=self.roles)
        yield from ((1, note) for note in self.notes)

    def _up_to(self, phase: Phase) -> Iterator[tuple[float, e.AnyEvent]]:
        if phase is Phase.PLANNING:
            return
        if phase is Phase.PLANNING_FAILED:
            yield 5, self.failure
            return
        if self.evidence:
            yield 3, e.EvidenceSaved(names=self.evidence)
        yield (
            1,
            e.PlanProposed(
                plan=self.plan, baseline=self.baseline, baseline_note=self.baseline_note
            ),
        )
        if phase is Phase.AWAITING_APPROVAL:
            return
        if phase is Phase.REJECTED:
            yield 60, e.PlanRejected(by=BEN, reason=self.rejection)
            return
        yield from self._approved()
        if phase is Phase.APPROVED:
            return
        yield from self._executed(phase)
        if phase in {Phase.EXECUTING, Phase.STOPPED}:
            return
        yield from self._verified(phase)

    def _approved(self) -> Iterator[tuple[float, e.AnyEvent]]:
        for number, actor in enumerate(self.approvers, start=1):
            at = T0 + timedelta(seconds=100 + number)
            approval = Approval(plan_hash=self.plan.hash, by=actor, at=at)
            yield 30, e.ApprovalGiven(approval=approval)
        yield 0, e.PlanApproved(plan_hash=self.plan.hash)

    def _executed(self, phase: Phase) -> Iterator[tuple[float, e.AnyEvent]]:
        yield 1, e.ExecutionStarted(plan_hash=self.plan.hash)
        total = len(self.plan.steps)
        done = self.done if phase in {Phase.EXECUTING, Phase.STOPPED} else total
        for index in range(done):
            changes = self.plan.steps[index].changes
            outcome = e.StepOutcome.ACTED if changes else e.StepOutcome.CHECKED
            yield 0.5, e.StepStarted(index=index)
            yield 4, e.StepFinished(index=index, outcome=outcome, summary=f"Step {index} holds.")
        if done < total:
            yield 0.5, e.StepStarted(index=done)
        if phase is Phase.STOPPED:
            if self.stopped.outcome is not e.ExecutionOutcome.ABORTED:
                what, remedy = self.stopped.what, self.stopped.remedy
                yield 3, e.StepFailed(index=done, what=what, remedy=remedy)
            yield 0, self.stopped
        elif phase is not Phase.EXECUTING:
            yield 0, e.ExecutionFinished(outcome=e.ExecutionOutcome.SUCCEEDED)

    def _verified(self, phase: Phase) -> Iterator[tuple[float, e.AnyEvent]]:
        since = T0 + timedelta(minutes=3)
        yield (
            1,
            e.VerificationStarted(
                since=since, baseline=self.baseline, baseline_note=self.baseline_note
            ),
        )
        yield 2, self.instances
        rows = self.rows if self.rows is not None else ROWS.get(phase, ((1_200, 25),))
        for offset, (requests, errors) in zip(CHECKPOINTS, rows, strict=False):
            problem = "" if requests else "No request was counted."
            yield (
                200,
                e.SampleTaken(
                    offset_seconds=offset.total_seconds(),
                    requests=requests,
                    errors=errors,
                    latency_ms=220.0 if requests else None,
                    problem=problem,
                ),
            )
        if phase is Phase.VERIFYING:
            return
        buckets = _buckets(since, rows)
        yield (
            1,
            e.Judged(judgement=self.judgement or judge(self.baseline, buckets), buckets=buckets),
        )


def _buckets(since: datetime, rows: tuple[Row, ...]) -> tuple[Bucket, ...]:
    """The rows as minutes, with the same counts."""
    found, minute = [], 0
    for minutes, (requests, errors) in zip((2, 3, 5), rows, strict=False):
        for number in range(minutes):
            found.append(
                Bucket(
                    start=since + timedelta(minutes=minute),
                    seconds=60,
                    requests=_share(requests, number, minutes),
                    errors=_share(errors, number, minutes),
                )
            )
            minute += 1
    return tuple(found)


def _share(count: int, number: int, of: int) -> int:
    return count * (number + 1) // of - count * number // of


def history_of(phase: Phase, **parts: Any) -> tuple[e.Recorded, ...]:
    """The recorded events of the story up to this phase."""
    recorded, at = [], T0
    for seq, (seconds, event) in enumerate(Story(**parts).events(phase), start=1):
        at += timedelta(seconds=seconds)
        recorded.append(e.Recorded(seq=seq, at=at, event=event))
    return tuple(recorded)


def approved_by(*people: Actor) -> Incident:
    """The incident whose plan these approved, in this order, and still waits for others."""
    waiting = incident_in(Phase.AWAITING_APPROVAL)
    assert waiting.plan is not None
    given = [Approval(plan_hash=waiting.plan.hash, by=person, at=T0) for person in people]
    return waiting.model_copy(update={"approvals": tuple(given)})


def incident_in(phase: Phase, **parts: Any) -> Incident:
    """The incident in this phase; ``parts`` replace parts of the ``Story``.

    Raises RefusedError when the story does something that the transition table forbids.
    """
    first, *others = history_of(phase, **parts)
    incident = apply(Story(**parts).id, None, first)
    for item in others:
        incident = advance(incident, (item.event,), item.at)
    if not parts.get("extra"):
        assert incident.phase is phase, f"the story ends in {incident.phase}"
    return incident
