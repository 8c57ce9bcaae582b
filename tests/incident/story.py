"""Incidents told event by event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.approval import Approval
from bot.incident.assessment import Assessment, Figures, Thresholds, decide
from bot.incident.fold import fold
from bot.incident.plan import (
    Candidate,
    Milestone,
    Plan,
    Preflight,
    PreflightVerdict,
    Step,
    StepSpec,
)
from bot.incident.state import Incident
from bot.judge.counts import Baseline, Bucket
from bot.judge.judge import judge

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ALICE = Actor(id="U0ALICE", name="Alice Onwudiwe")
BOB = Actor(id="U0BOB", name="Bob Meier")
BASELINE = Baseline(
    start=NOON - timedelta(hours=2),
    end=NOON - timedelta(hours=1),
    requests=36_000,
    errors=36,
    latency_ms=110.0,
)


def step(
    title: str, *, milestone: Milestone | None = None, changes: bool = True, seconds: float = 5
) -> Step:
    return Step(
        title=title,
        action=StepSpec(kind="patch-service", params={"name": "checkout"}),
        expects={"version": "green"},
        inverse=StepSpec(kind="patch-service", params={"version": "green"}) if changes else None,
        command=f"kubectl do '{title}' | tee log",
        estimate_seconds=seconds,
        changes=changes,
        milestone=milestone,
    )


PLAN = Plan(
    service="checkout",
    strategy="blue-green",
    from_release="v2.1.0",
    to_release="v2.0.0",
    steps=(
        step("Switch the Service to blue", milestone=Milestone.SWITCHED),
        step("Wait for open connections", milestone=Milestone.DRAINED, changes=False, seconds=60),
        step("Verify every pod", changes=False),
    ),
    preflights=(
        Preflight(
            name="capacity", verdict=PreflightVerdict.PASS, sentence="Blue has 3 of 3 pods ready."
        ),
        Preflight(
            name="autoscaler", verdict=PreflightVerdict.WARN, sentence="No autoscaler was found."
        ),
    ),
    not_reversible=("Sessions that began on green end",),
    not_restored=("ConfigMap checkout-settings stays as it is",),
    candidates=(Candidate(release="v2.0.0", detail="blue", known_good=True),),
    observed={"selector": {"version": "green"}},
    observed_at=NOON,
)


def declaration(reason: str = "Every fifth payment fails since the deployment.") -> e.Declared:
    assessment = Assessment(
        service="checkout",
        figures=Figures(
            error_rate=0.213,
            requests=1200,
            latency_ms=740.0,
            baseline_error_rate=0.001,
            baseline_latency_ms=110.0,
            current_release="v2.1.0",
            previous_release="v2.0.0",
        ),
        affected_users=0.2,
        description="Red curves on the payment dashboard.",
    )
    return e.Declared(
        service="checkout",
        bad_release="v2.1.0",
        assessment=assessment,
        verdict=decide(assessment, Thresholds()),
        decision=e.Decision(
            reason=reason,
            affected_users="about 5,000 shoppers",
            alternatives="hotfix",
            rationale="The cause is not known yet.",
        ),
        by=ALICE,
        asked_in="C0OPS",
        assessed_at=NOON - timedelta(seconds=40),
    )


class Story:
    """Events with their times; each happens so many seconds after the one before."""

    def __init__(self, start: datetime = NOON) -> None:
        self.now = start
        self.recorded: list[e.Recorded] = []

    def tell(self, event: e.AnyEvent, after: float = 1.0) -> Story:
        self.now += timedelta(seconds=after)
        self.recorded.append(e.Recorded(seq=len(self.recorded) + 1, at=self.now, event=event))
        return self

    @property
    def incident(self) -> Incident:
        return fold("INC-2026-001", self.recorded)

    def declared(self, reason: str | None = None) -> Story:
        self.tell(declaration(reason) if reason else declaration(), after=0)
        self.tell(e.ChannelOpened(channel_id="C0INC", channel_name="inc-2026-001-checkout"))
        team = (
            e.RoleAssignment(role=e.Role.INCIDENT_COMMANDER, people=(BOB,)),
            e.RoleAssignment(role=e.Role.DEPLOYMENT_LEAD, people=(ALICE,)),
            e.RoleAssignment(role=e.Role.DATABASE_ADMINISTRATOR, people=()),
        )
        return self.tell(e.TeamAssigned(roles=team))

    def planned(self, plan: Plan = PLAN, baseline: Baseline | None = BASELINE) -> Story:
        self.tell(e.EvidenceSaved(names=("checkout-green.log", "service.yaml")))
        note = "36000 requests before the release" if baseline else "Nothing was measured before."
        return self.tell(e.PlanProposed(plan=plan, baseline=baseline, baseline_note=note))

    def approved(self, plan: Plan = PLAN) -> Story:
        self.now += timedelta(seconds=55)
        approval = Approval(plan_hash=plan.hash, by=BOB, at=self.now)
        self.tell(e.ApprovalGiven(approval=approval), after=0)
        return self.tell(e.PlanApproved(plan_hash=plan.hash), after=0)

    def executed(self, plan: Plan = PLAN) -> Story:
        self.tell(e.ExecutionStarted(plan_hash=plan.hash))
        for index, item in enumerate(plan.steps):
            self.tell(e.StepStarted(index=index))
            outcome = e.StepOutcome.ACTED if item.changes else e.StepOutcome.CHECKED
            self.tell(
                e.StepFinished(
                    index=index,
                    outcome=outcome,
                    summary=f"{item.title}: as expected.",
                    facts={"selector": "blue"},
                ),
                after=item.estimate_seconds,
            )
        return self.tell(e.ExecutionFinished(outcome=e.ExecutionOutcome.SUCCEEDED))

    def verified(self, *counts: tuple[int, int], baseline: Baseline | None = BASELINE) -> Story:
        """Judged on one-minute buckets of (requests, errors)."""
        since = self.incident.evidence_from
        assert since is not None
        note = "36000 requests before the release" if baseline else "Nothing was measured before."
        self.tell(e.VerificationStarted(since=since, baseline=baseline, baseline_note=note))
        replicas = tuple(
            e.InstanceCheck(name=f"checkout-blue-{n}", ready=True, version="v2.0.0")
            for n in range(2)
        )
        self.tell(e.InstancesChecked(instances=replicas, health_ok=True, version="v2.0.0"))
        buckets = tuple(
            Bucket(start=since + timedelta(minutes=i), seconds=60, requests=n, errors=bad)
            for i, (n, bad) in enumerate(counts)
        )
        for begun, done in ((0, 2), (2, 5), (5, 10)):
            spent = buckets[begun:done]
            self.now = max(self.now, since + timedelta(minutes=done))
            sample = e.SampleTaken(
                offset_seconds=done * 60,
                requests=sum(b.requests for b in spent),
                errors=sum(b.errors for b in spent),
                latency_ms=112.0,
            )
            self.tell(sample, after=0)
        return self.tell(e.Judged(judgement=judge(baseline, buckets), buckets=buckets))

    def resolved(self, conclusion: e.Conclusion | None = None) -> Story:
        words = conclusion or e.Conclusion(
            root_cause="The pool of database connections was too small.",
            corrective_actions=("Load-test the pool", "Alert on waiting connections"),
            went_well="The switch took seconds.",
            to_improve="The canary was skipped.",
            follow_up=e.FollowUp.HOTFIX,
            follow_up_timeline="v2.1.1 on Thursday",
            impact="About 300 payments were lost.",
        )
        return self.tell(e.Resolved(by=BOB, conclusion=words), after=120)


HEALTHY = ((600, 0),) * 10


def complete() -> Story:
    """The journey as it should be."""
    return Story().declared().planned().approved().executed().verified(*HEALTHY).resolved()
