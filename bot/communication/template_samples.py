"""Sample incidents of every phase and severity, on which texts are tried at start-up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from bot.catalog.catalog import Catalog
from bot.communication.frame import Frame
from bot.communication.template_values import Public, by_mail, for_customers, in_slack
from bot.communication.texts import INSIDE, OUTSIDE, SLACK, Texts, problems
from bot.core.errors import ConfigurationError
from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.approval import ApprovalPolicy
from bot.incident.assessment import Assessment, Figures, Severity, Verdict, VerdictKind
from bot.incident.fold import fold
from bot.incident.plan import Milestone, Plan, Step, StepSpec
from bot.incident.state import Incident, Phase
from bot.judge.counts import Judgement, JudgePolicy, RecoveryVerdict

_START = datetime(2026, 1, 15, 14, 20, tzinfo=UTC)
_ANA = Actor(id="U0SAMPLE1", name="Ana")
_BEN = Actor(id="U0SAMPLE2", name="Ben")
_WORDS = (e.WordsAdded(by=_ANA, text="Refunds are on hold.\nWe call the bank."),)

FRAME = Frame(
    now=_START + timedelta(minutes=25),
    update_every=timedelta(minutes=10),
    approval=ApprovalPolicy(),
    judge=JudgePolicy(),
    checkpoints=(timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=10)),
)


def _declared(severity: Severity, *, well_known: bool) -> e.Declared:
    """``well_known``: everything that people and metrics can tell is told, else nothing of it."""
    figures = Figures(
        error_rate=0.072,
        requests=1_250,
        latency_ms=640.0,
        baseline_error_rate=0.0015,
        baseline_latency_ms=210.0,
        current_release="v2.1.0",
        previous_release="v2.0.0",
    )
    worst = severity is Severity.CRITICAL
    return e.Declared(
        service="checkout",
        bad_release="v2.1.0",
        assessment=Assessment(
            service="checkout",
            figures=figures if well_known else Figures(problems=("Nothing was measured.",)),
            affected_users=0.15 if well_known else None,
            service_down=worst and well_known,
            description="Payments fail with a blank page." if well_known else "",
        ),
        verdict=Verdict(kind=VerdictKind.IMMEDIATE, severity=severity, reasons=()),
        decision=e.Decision(
            reason="Every fifth payment fails.",
            affected_users="about 15 % of users" if well_known else "",
            alternatives="Hotfix" if well_known else "",
            rationale="A hotfix takes hours." if well_known else "",
        ),
        by=_ANA,
        asked_in="C0SAMPLE1",
        assessed_at=_START,
        place=e.Place.SLACK if well_known else e.Place.TERMINAL,
    )


def _plan() -> Plan:
    action = StepSpec(kind="sample", params={})
    step = Step(
        title="Switch the Service to blue",
        action=action,
        expects={},
        inverse=action,
        command="kubectl patch service checkout",
        estimate_seconds=10.0,
        milestone=Milestone.SWITCHED,
    )
    return Plan(
        service="checkout",
        strategy="sample",
        from_release="v2.1.0",
        to_release="v2.0.0",
        steps=(step,),
        preflights=(),
        observed_at=_START,
    )


def _ran(outcome: e.ExecutionOutcome) -> tuple[e.AnyEvent, ...]:
    done: tuple[e.AnyEvent, ...] = (
        e.StepStarted(index=0),
        e.StepFinished(index=0, outcome=e.StepOutcome.ACTED, summary="Switched."),
    )
    ended = e.ExecutionFinished(outcome=outcome, what="Refused.", remedy="Look.")
    succeeded = outcome is e.ExecutionOutcome.SUCCEEDED
    return (*(done if succeeded else done[:1]), ended)


def _judged(verdict: RecoveryVerdict) -> tuple[e.AnyEvent, ...]:
    judgement = Judgement(
        verdict=verdict, reasons=("As counted.",), requests=3_000, errors=4, limit=0.0065
    )
    return (
        e.VerificationStarted(since=_START, baseline=None),
        e.SampleTaken(offset_seconds=120, requests=1_200, errors=2, latency_ms=220.0),
        e.SampleTaken(offset_seconds=300, requests=0, errors=0, problem="Nothing was counted."),
        e.Judged(judgement=judgement, buckets=()),
    )


def _stories() -> dict[Phase, tuple[e.AnyEvent, ...]]:
    """What happens after the beginning, up to each phase."""
    plan = _plan()
    proposed = (e.PlanProposed(plan=plan, baseline=None, baseline_note="Nothing was measured."),)
    approved = (*proposed, e.PlanApproved(plan_hash=plan.hash))
    begun = (*approved, e.ExecutionStarted(plan_hash=plan.hash))
    verifying = (*begun, *_ran(e.ExecutionOutcome.SUCCEEDED))
    recovered = (*verifying, *_judged(RecoveryVerdict.RECOVERED))
    conclusion = e.Conclusion(
        root_cause="A missing index.\nFound in the slow log.",
        corrective_actions=(e.CorrectiveAction(text="Load-test with production data"),),
        went_well="The switch took seconds.",
        follow_up=e.FollowUp.HOTFIX,
        impact="About 300 payments were lost.",
    )
    return {
        Phase.PLANNING: (),
        Phase.PLANNING_FAILED: (e.PlanningFailed(what="No candidate.", remedy="Name one."),),
        Phase.AWAITING_APPROVAL: proposed,
        Phase.REJECTED: (*proposed, e.PlanRejected(by=_BEN, reason="Wait.")),
        Phase.APPROVED: approved,
        Phase.EXECUTING: begun,
        Phase.STOPPED: (*begun, *_ran(e.ExecutionOutcome.FAILED)),
        Phase.VERIFYING: verifying,
        Phase.RECOVERED: recovered,
        Phase.NOT_RECOVERED: (*verifying, *_judged(RecoveryVerdict.NOT_RECOVERED)),
        Phase.INCONCLUSIVE: (*verifying, *_judged(RecoveryVerdict.INCONCLUSIVE)),
        Phase.RESOLVED: (*recovered, e.Resolved(by=_BEN, conclusion=conclusion)),
    }


def incidents() -> Iterator[Incident]:
    """Every phase with every severity, with all that can be known and with as little as can be."""
    roles = (e.RoleAssignment(role=e.Role.INCIDENT_COMMANDER, people=(_BEN,)),)
    place = e.ChannelOpened(channel_id="C0SAMPLE2", channel_name="inc-2026-001-checkout")
    for severity in Severity:
        for known in (True, False):
            opening: tuple[e.AnyEvent, ...] = (_declared(severity, well_known=known),)
            opening += (place, e.TeamAssigned(roles=roles)) if known else ()
            for told in _stories().values():
                yield fold("INC-2026-001", _recorded((*opening, *told)))


def _recorded(events: tuple[e.AnyEvent, ...]) -> Iterator[e.Recorded]:
    for number, event in enumerate(events):
        at = _START + timedelta(minutes=number)
        yield e.Recorded(seq=number + 1, at=at, event=event)


def samples(public: Public) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Every text with the variables of every sample incident."""
    for number, incident in enumerate(incidents()):
        words = _WORDS if number % 2 else ()
        slack = in_slack(incident, FRAME, number=number, words=words)
        yield from ((name, slack) for name in SLACK)
        for kind in ("announcement", "update", "complete", "resolved"):
            mail = by_mail(incident, FRAME, kind=kind, number=number, words=words)
            yield from ((name, mail) for name in INSIDE)
        own = "We are sorry.\nPlease try again." if words else ""
        for message in e.ExternalMessage:
            told = for_customers(incident, public, FRAME.now, message=message, words=own)
            yield from ((name, told) for name in OUTSIDE)


# Are the texts right? Asked before the bot serves, and by ``rollback-bot check``.


def check_texts(catalog: Catalog) -> None:
    """Render every text, built-in and replaced, on sample incidents of every phase and severity.

    Raises ConfigurationError that names file, line and the known variables of each wrong one.
    """
    texts = Texts(catalog.texts)
    service = next(iter(catalog.services))
    public = Public(service=catalog.public_name(service), company=catalog.company)
    found = problems(texts, samples(public))
    if found:
        listed = "\n".join(f"  {problem}" for problem in found.values())
        raise ConfigurationError(
            f"The texts are wrong:\n{listed}\n", "docs/texts.md explains each variable."
        )
