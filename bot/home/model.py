"""How often releases fail and how fast the service is well again, from incidents' own events.

Source: DORA's failed-deployment recovery time and change-fail rate. ``docs/home.md`` says what
each word means here; what is not known is None, with a sentence that says what would make it known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from bot.core.values import Actor, Instant, Value, seconds_between, spoken
from bot.incident import events as e
from bot.incident.approval import ApprovalPolicy, Refusal, Right, check_approval, escalates_at
from bot.incident.events import CorrectiveAction, ExternalMessage, Role
from bot.incident.state import Incident, Phase
from bot.judge.counts import RecoveryVerdict
from bot.paperwork.model import open_actions


class Outcome(Value):
    """What one incident means for the statistics."""

    incident_id: str
    service: str
    release: str
    """The release that was bad."""
    detected_at: Instant
    """When the assessment was opened: the earliest that the bot can know."""
    intervened_at: Instant | None = None
    """When the first rollback began to run; None while nothing was changed."""
    verdict: RecoveryVerdict | None = None
    """The last judgement that still holds; None before one, and after a relapse."""
    recovered_at: Instant | None = None
    """When the recovery that holds was proven."""
    relapses: int = 0
    """Proven recoveries that did not hold."""
    resolved_at: Instant | None = None

    @property
    def recovery_seconds(self) -> float | None:
        """From detection to the proof that holds; None without one."""
        return seconds_between(self.detected_at, self.recovered_at)


class Deployment(Value):
    """A release that the bot saw serve for the first time."""

    service: str
    release: str
    at: Instant


class Ledger(Value):
    """Which deployments of a service the bot would have seen."""

    service: str
    since: Instant | None = None
    """From when on it has looked; None when it cannot see deployments."""
    deployments: tuple[Deployment, ...] = ()
    problem: str = ""
    """Why they are not known, or not all of them, and what would make them known."""


class Statistics(Value):
    """The numbers of a span of time, for one service or all."""

    start: Instant
    end: Instant
    service: str | None = None
    incidents: int
    """Incidents whose detection lies in the span."""
    interventions: int
    """Of these, those in which a rollback began to run: failed deployments."""
    recovered: int
    """Of the interventions, those whose proven recovery holds."""
    relapsed: int
    """Of the interventions, those in which a proven recovery did not hold at least once."""
    recovery_seconds: float | None
    """Median over ``recovered``; None without any."""
    longest_recovery_seconds: float | None = None
    deployments: int | None
    """Deployments seen in the span; None when they are not known for any service."""
    failed_deployments: int | None
    """Of these, those that were rolled back."""
    deployments_since: Instant | None
    """From when on deployments are known for every service that is counted."""
    unknown: tuple[str, ...] = ()
    """What is not known and what would make it known, one sentence each."""

    @property
    def unrecovered(self) -> int:
        """Interventions without a recovery that is proven and holds."""
        return self.interventions - self.recovered

    @property
    def change_fail_rate(self) -> float | None:
        """Share of the deployments seen that were rolled back; None without deployments."""
        if not self.deployments or self.failed_deployments is None:
            return None
        return self.failed_deployments / self.deployments


def outcome_of(incident_id: str, recorded: Sequence[e.Recorded]) -> Outcome:
    """Read an incident's events, oldest first.

    Raises ValueError when they do not begin with a declaration.
    """
    if not recorded or not isinstance(recorded[0].event, e.Declared):
        raise ValueError(f"{incident_id} does not begin with its declaration")
    declared = recorded[0].event
    found = Outcome(
        incident_id=incident_id,
        service=declared.service,
        release=declared.bad_release,
        detected_at=declared.assessed_at,
    )
    planned = declared.bad_release
    for item in recorded:
        event = item.event
        if isinstance(event, e.PlanProposed) and not event.plan.undoes:
            planned = event.plan.from_release
        elif isinstance(event, e.ExecutionStarted):
            # Another rollback makes every earlier proof a thing of the past.
            changes: dict[str, object] = {"recovered_at": None, "verdict": None}
            if found.intervened_at is None:
                changes |= {"intervened_at": item.at, "release": planned}
            found = found.model_copy(update=changes)
        else:
            found = found.model_copy(update=_changes(found, event, item.at))
    return found


def _changes(found: Outcome, event: e.AnyEvent, at: Instant) -> dict[str, object]:
    if isinstance(event, e.Judged):
        verdict = event.judgement.verdict
        recovered = verdict is RecoveryVerdict.RECOVERED
        # A recovery that is only confirmed began with its first proof.
        proven = (found.recovered_at or at) if recovered else None
        return {"verdict": verdict, "recovered_at": proven}
    if isinstance(event, e.Relapsed):
        return {
            "verdict": None,
            "recovered_at": None,
            "relapses": found.relapses + 1,
            "resolved_at": None,
        }
    return {"resolved_at": at} if isinstance(event, e.Resolved) else {}


def statistics_of(
    outcomes: Iterable[Outcome],
    ledgers: Iterable[Ledger],
    *,
    start: Instant,
    end: Instant,
    service: str | None = None,
) -> Statistics:
    """Count a span, start included and end excluded; each incident and deployment counts once."""
    # By id: whoever collected them may have met one twice, and the newest state holds.
    mine = {o.incident_id: o for o in outcomes if service in {None, o.service}}
    inside = [outcome for outcome in mine.values() if start <= outcome.detected_at < end]
    failed = [outcome for outcome in inside if outcome.intervened_at is not None]
    times = [o.recovery_seconds for o in failed if o.recovery_seconds is not None]
    seen = {ledger.service: ledger for ledger in ledgers if service in {None, ledger.service}}
    known = [ledger for ledger in seen.values() if ledger.since is not None]
    withdrawn = {(o.service, o.release) for o in mine.values() if o.intervened_at is not None}
    deployed = {
        (d.service, d.release)
        for ledger in known
        for d in ledger.deployments
        if start <= d.at < end
    }
    since = max((ledger.since for ledger in known if ledger.since), default=None)
    return Statistics(
        start=start,
        end=end,
        service=service,
        incidents=len(inside),
        interventions=len(failed),
        recovered=len(times),
        relapsed=sum(outcome.relapses > 0 for outcome in failed),
        recovery_seconds=median(times) if times else None,
        longest_recovery_seconds=max(times, default=None),
        deployments=len(deployed) if known else None,
        failed_deployments=len(deployed & withdrawn) if known else None,
        deployments_since=max(since, start) if since else None,
        unknown=_unknown(list(seen.values()), len(failed), len(times)),
    )


def _unknown(ledgers: Sequence[Ledger], failed: int, recovered: int) -> tuple[str, ...]:
    told = [ledger.problem for ledger in ledgers if ledger.problem]
    if not failed:
        told.append("No rollback ran in this time, so there is no recovery time.")
    elif not recovered:
        told.append("No recovery was proven yet; a proof that holds gives the recovery time.")
    return tuple(dict.fromkeys(told))


def recovery_told(outcome: Outcome) -> str:
    """How an incident's recovery stands, in a clause."""
    if outcome.intervened_at is None:
        return "no rollback ran"
    again = f", after {outcome.relapses} relapse{'s' * (outcome.relapses > 1)}"
    relapsed = again if outcome.relapses else ""
    if outcome.recovery_seconds is not None:
        return f"recovered in {spoken(max(0.0, outcome.recovery_seconds))}{relapsed}"
    if outcome.verdict is RecoveryVerdict.NOT_RECOVERED or outcome.relapses:
        return f"not recovered{relapsed}"
    return "recovery not proven"


# What waits for one person, over all incidents.


class PlanToApprove(Value):
    """A plan that the person may approve."""

    incident: Incident
    from_at: Instant | None = None
    """From when on; None for now."""


class DraftToSend(Value):
    """Messages to customers that the person may send or discard."""

    incident: Incident
    messages: tuple[ExternalMessage, ...]


class ActionToDo(Value):
    """A corrective action that the person has taken on."""

    incident: Incident
    action: CorrectiveAction


class Waiting(Value):
    """Everything that waits for one person."""

    plans: tuple[PlanToApprove, ...] = ()
    drafts: tuple[DraftToSend, ...] = ()
    actions: tuple[ActionToDo, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be looked up, one sentence each."""


def plans_for(
    incidents: Iterable[Incident],
    actor: Actor,
    *,
    rights: frozenset[Right],
    policy_of: Callable[[str], ApprovalPolicy],
    now: Instant,
) -> tuple[PlanToApprove, ...]:
    """Plans that the person's approval would count for, now or after the escalation."""
    found = []
    for incident in incidents:
        plan, proposed_at = incident.plan, incident.proposed_at
        if incident.phase is not Phase.AWAITING_APPROVAL or plan is None or proposed_at is None:
            continue
        policy = policy_of(incident.declared.service)
        refusal = check_approval(
            policy,
            plan=plan,
            plan_hash=plan.hash,
            proposed_at=proposed_at,
            requested_by=incident.askers,
            approvals=incident.approvals,
            actor=actor,
            rights=rights,
            now=now,
        )
        if refusal is None:
            found.append(PlanToApprove(incident=incident))
        elif refusal is Refusal.NOT_YET and (
            policy.self_approval or actor.id not in {person.id for person in incident.askers}
        ):
            later = escalates_at(policy, proposed_at)
            found.append(PlanToApprove(incident=incident, from_at=later))
    return tuple(found)


def drafts_for(incidents: Iterable[Incident], actor: Actor) -> tuple[DraftToSend, ...]:
    """Messages that wait for the person's word: the Communication Coordinator's, or a stand-in's.

    Whoever holds them back decides too.
    """
    return tuple(
        DraftToSend(incident=incident, messages=tuple(incident.external_drafts))
        for incident in incidents
        if incident.external_drafts and actor.id in _speakers(incident)
    )


def _speakers(incident: Incident) -> frozenset[str]:
    held = {incident.external_held_by.id} if incident.external_held_by else set()
    for role in (Role.COMMUNICATION_COORDINATOR, Role.INCIDENT_COMMANDER):
        people = {p.id for item in incident.team or () if item.role is role for p in item.people}
        if people:
            return frozenset(people | held)
    return frozenset({incident.declared.by.id} | held)


def owners_of(action: CorrectiveAction) -> tuple[str, ...]:
    """The references and names that an action's owner was written with."""
    return tuple(part.strip() for part in action.owner.split(",") if part.strip())


def actions_for(incidents: Iterable[Incident], names: frozenset[str]) -> tuple[ActionToDo, ...]:
    """Open corrective actions of whoever has these ids and names (in lower case)."""
    return tuple(
        ActionToDo(incident=incident, action=action)
        for incident in incidents
        for _, action, _ in open_actions(incident)
        if any(owner.casefold() in names for owner in owners_of(action))
    )
