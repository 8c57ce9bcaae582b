"""How many requests failed when, and what stood around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.values import Fraction, Instant, Value, amount, seconds_between, spoken
from bot.incident.assessment import percent
from bot.incident.duties import Timings, relapsed_at, timings
from bot.incident.events import ChangesCompared, ExecutionOutcome
from bot.incident.plan import Concern, Milestone
from bot.incident.state import Incident, StepRecord
from bot.judge.counts import Baseline, Bucket, RecoveryVerdict, complete_buckets
from bot.reporting.document import called, clock_time, sentence


class Mark(Value):
    """A moment worth showing on a time axis."""

    label: str
    at: Instant


class History(Value):
    """Error rates over an incident, ready to be drawn."""

    title: str
    buckets: tuple[Bucket, ...]
    """Oldest first; spans without requests are unknown, not healthy."""
    baseline: float | None
    limit: float | None
    """Up to here the service counts as recovered."""
    marks: tuple[Mark, ...]


class Tally(Value):
    """Requests of one stretch of an incident."""

    name: str
    requests: int | None
    """None when nothing was counted."""
    errors: int | None
    note: str = ""


def history_of(incident: Incident, counted: Sequence[Bucket]) -> History:
    """What to draw: everything counted, or at least what the judge was given."""
    judged = incident.judged
    buckets = tuple(counted) or (judged.buckets if judged else ())
    baseline = baseline_of(incident)
    target = f" → {incident.plan.to_release}" if incident.plan else ""
    return History(
        title=f"{incident.id}: {incident.declared.service} {incident.bad_release}{target}",
        buckets=complete_buckets(buckets, incident.changed_at),
        baseline=baseline.error_rate if baseline else None,
        limit=judged.judgement.limit if judged else None,
        marks=tuple(_marks(incident)),
    )


def baseline_of(incident: Incident) -> Baseline | None:
    """What recovery was, or would have been, compared with."""
    return incident.verification.baseline if incident.verification else incident.baseline


def _marks(incident: Incident) -> Iterable[Mark]:
    yield Mark(label="Declared", at=incident.opened_at)
    for label, milestone in (("Switched", Milestone.SWITCHED), ("Drained", Milestone.DRAINED)):
        if at := incident.milestones.get(milestone):
            yield Mark(label=label, at=at)
    if incident.judged and incident.judged_at:
        words = {
            RecoveryVerdict.RECOVERED: "Recovered",
            RecoveryVerdict.NOT_RECOVERED: "Not recovered",
            RecoveryVerdict.INCONCLUSIVE: "Inconclusive",
        }
        yield Mark(label=words[incident.judged.judgement.verdict], at=incident.judged_at)
    for relapse in incident.relapses:
        yield Mark(label="Relapsed", at=relapse.at)


def tallies(incident: Incident, counted: Sequence[Bucket]) -> tuple[Tally, ...]:
    """Requests and failures before, during and after the rollback, as far as they are known.

    A bucket belongs to the stretch in which it begins. Before the declaration, what the
    assessment saw stands in for buckets; after the drain, what the judge was given does.
    """
    begun = incident.opened_at
    ended = incident.milestones.get(Milestone.DRAINED) or incident.execution_finished_at
    before = _sum(counted, None, begun)
    during = _sum(counted, begun, ended)
    after = _sum(counted, ended, None) if ended else None
    judged = incident.judged.judgement if incident.judged else None
    figures = incident.declared.assessment.figures
    rows = [_tally("Before the declaration", before, "counted")]
    if before is None and figures.requests is not None and figures.error_rate is not None:
        seen = (figures.requests, round(figures.requests * figures.error_rate))
        rows = [_tally("Before the declaration", seen, "in the window of the assessment only")]
    rows.append(_tally("From the declaration to the end of the drain", during, "counted"))
    if after is None and judged is not None and judged.requests:
        after = (judged.requests, judged.errors)
        rows.append(_tally("After the drain", after, "as given to the judge"))
    else:
        rows.append(_tally("After the drain", after, "counted"))
    return tuple(rows)


def _sum(
    buckets: Sequence[Bucket], start: datetime | None, end: datetime | None
) -> tuple[int, int] | None:
    """Requests and errors of the buckets that begin in a span; None when there were none."""
    inside = [
        bucket
        for bucket in buckets
        if (start is None or bucket.start >= start) and (end is None or bucket.start < end)
    ]
    requests = sum(bucket.requests for bucket in inside)
    return (requests, sum(bucket.errors for bucket in inside)) if requests else None


def _tally(name: str, counted: tuple[int, int] | None, note: str) -> Tally:
    if counted is None:
        return Tally(name=name, requests=None, errors=None, note="nothing was counted")
    return Tally(name=name, requests=counted[0], errors=counted[1], note=note)


def alt_text(history: History) -> str:
    """What the chart of a history shows, for those who cannot see it."""
    measured = [bucket for bucket in history.buckets if bucket.requests]
    if not measured:
        return f"{history.title}. No requests were counted."
    highest = max(measured, key=lambda bucket: bucket.error_rate or 0.0)
    first, last = measured[0], measured[-1]
    parts = [
        f"Error rate over time, {first.start:%H:%M:%S} to {last.start:%H:%M:%S} UTC",
        f"highest {percent(highest.error_rate or 0.0)} at {highest.start:%H:%M:%S}",
        f"last {percent(last.error_rate or 0.0)}",
    ]
    if history.baseline is not None:
        parts.append(f"baseline {percent(history.baseline)}")
    if history.limit is not None:
        parts.append(f"limit {percent(history.limit)}")
    parts += [f"{mark.label.lower()} at {mark.at:%H:%M:%S}" for mark in history.marks]
    return f"{history.title}. {'; '.join(parts)}."


# How it ended, and what is not over yet.


class Outcome(StrEnum):
    """How it ended, in one word for programs."""

    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    INCONCLUSIVE = "inconclusive"
    RELAPSED = "relapsed"
    """Recovery was proven, and the service got worse again."""
    NOT_JUDGED = "not_judged"
    STOPPED = "stopped"
    """The rollback ended before its last step."""
    NOT_EXECUTED = "not_executed"


def outcome_of(incident: Incident) -> Outcome:
    """How it ended, as far as it has."""
    if incident.execution is None:
        return Outcome.NOT_EXECUTED
    if incident.execution.outcome is not ExecutionOutcome.SUCCEEDED:
        return Outcome.STOPPED
    if incident.judged is None:
        return Outcome.NOT_JUDGED
    if relapsed_at(incident):
        return Outcome.RELAPSED
    return {
        RecoveryVerdict.RECOVERED: Outcome.RECOVERED,
        RecoveryVerdict.NOT_RECOVERED: Outcome.NOT_RECOVERED,
        RecoveryVerdict.INCONCLUSIVE: Outcome.INCONCLUSIVE,
    }[incident.judged.judgement.verdict]


def outcome(incident: Incident) -> str:
    """How it ended, in a sentence or two."""
    plan, execution, judged = incident.plan, incident.execution, incident.judged
    if plan is None:
        return "No rollback was carried out, because no plan could be made."
    if execution is None:
        if incident.rejection:
            return f"The plan was rejected by {incident.rejection.by.name}; nothing was changed."
        return "No plan was carried out; nothing was changed."
    if execution.outcome is not ExecutionOutcome.SUCCEEDED:
        return (
            f"The rollback to {plan.to_release} ended before its last step "
            f"({execution.outcome.value}): {sentence(execution.what)}"
        )
    done = f"The rollback to {plan.to_release} ({plan.strategy}) was carried out."
    if judged is None:
        return f"{done} Whether the service recovered was not judged."
    if relapsed := relapsed_at(incident):
        return (
            f"{done} Recovery was proven at {clock_time(incident.judged_at)} and did not last: the "
            f"service got worse again at {clock_time(relapsed)}."
        )
    words = {
        RecoveryVerdict.RECOVERED: "Recovery is proven",
        RecoveryVerdict.NOT_RECOVERED: "The service did not recover",
        RecoveryVerdict.INCONCLUSIVE: "Recovery could not be proven",
    }
    reasons = "; ".join(judged.judgement.reasons)
    return f"{done} {sentence(f'{words[judged.judgement.verdict]}: {reasons}')}"


def ongoing(incident: Incident) -> list[str]:
    """What a reader must not think finished."""
    left = []
    if outcome_of(incident) is not Outcome.RECOVERED:
        left.append("Recovery is not proven.")
    left += [
        f"Break-glass: have {used.approver.name} confirm that they approved plan "
        f"{used.plan_hash[:12]} at the terminal of {used.by.name}; it is not proven."
        for used in incident.break_glass
    ]
    if incident.execution and incident.execution.remedy:
        left.append(sentence(incident.execution.remedy))
    if incident.plan and incident.execution:
        left += [f"Not restored: {sentence(text)}" for text in incident.plan.not_restored]
    if incident.conclusion:
        when = incident.conclusion.follow_up_timeline or "no date was given"
        left.append(f"{incident.bad_release}: {incident.conclusion.follow_up.value} ({when}).")
        undone = [
            action
            for index, action in enumerate(incident.conclusion.corrective_actions)
            if index not in incident.actions or not incident.actions[index].done_at
        ]
        if undone:
            left.append(f"Corrective actions to be done: {len(undone)} (4.3).")
    if incident.freeze:
        ends = [clock_time(freeze.until) for freeze in incident.freeze.freezes[:1]]
        until = " or until ".join([*ends, "somebody lifts the freeze"])
        left.append(f"Deploys are frozen until {until} (4.3).")
    left += [
        f"A message to customers waits for a person: {message.value}."
        for message in incident.external_drafts
    ]
    return left + [f"{n.subject}: {sentence(n.what)} {n.remedy}".strip() for n in incident.notes]


# The figures that a reader asks for first, each with what it rests on.


class Downtime(Value):
    """How long nobody was served."""

    seconds: float | None
    """None when it is not known as a number."""
    text: str
    """The same in words, with what it rests on."""


class Numbers(Value):
    """Durations in seconds, counts of requests, shares between 0 and 1; None is unknown."""

    timings: Timings
    detected_at: Instant | None = None
    """When the first alert about it began that still fired when the assessment was opened, else
    when that was opened."""
    detected_by: str = ""
    """Name of that alert; empty when a person was first."""
    detected_from: str
    """What the time to detect was measured from, and the alert that ended it."""
    tallies: tuple[Tally, ...]
    failed_requests: int | None
    """Counted over the whole incident."""
    failed_requests_complete: bool
    """False when not every stretch of the incident was counted: then there were more."""
    elevated_seconds: float | None
    """From when it was first bad to the end of the drain; None unless recovery is proven."""
    excess_failures: int | None
    """Failed requests beyond those that the baseline's error rate explains."""
    failed_share: Fraction | None
    """Of the requests from the first counted one to the end of the drain."""
    affected_users: str
    """As a person estimated them."""
    affected_share: Fraction | None
    """Share of users, as a person estimated it."""
    downtime: Downtime
    data_loss: str


@dataclass(frozen=True, kw_only=True)
class _Detected:
    """The end of the time to detect."""

    at: Instant
    first: str
    """What was first to notice, in words."""


def numbers_of(
    incident: Incident, counted: Sequence[Bucket], *, released_at: Instant | None
) -> Numbers:
    """All figures. ``released_at`` is when the bad release began to serve, where it is known."""
    found = tallies(incident, counted)
    alert = incident.declared.noticed_by(released_at)
    detected_at = alert.started_at if alert else incident.declared.assessed_at
    first = f"the alert {called(alert)}" if alert else "the assessment"
    began, how = _began(incident, counted, released_at, _Detected(at=detected_at, first=first))
    harmed = [tally for tally in found[:2] if tally.requests and tally.errors is not None]
    requests = sum(tally.requests or 0 for tally in harmed)
    errors = sum(tally.errors or 0 for tally in harmed)
    all_errors = [tally.errors for tally in found if tally.errors is not None]
    baseline = baseline_of(incident)
    usual = baseline.error_rate if baseline else None
    return Numbers(
        timings=timings(incident, began=began, detected=detected_at),
        detected_at=detected_at,
        detected_by=alert.name if alert else "",
        detected_from=f"{how}; detected by {first}" if alert and began else how,
        tallies=found,
        failed_requests=sum(all_errors) if all_errors else None,
        failed_requests_complete=bool(counted) and len(all_errors) == len(found),
        elevated_seconds=_elevated(incident, began),
        excess_failures=(
            max(0, round(errors - usual * requests)) if requests and usual is not None else None
        ),
        failed_share=errors / requests if requests else None,
        affected_users=incident.declared.decision.affected_users,
        affected_share=incident.declared.assessment.affected_users,
        downtime=_downtime(incident, counted),
        data_loss=_data_loss(incident),
    )


def _elevated(incident: Incident, began: Instant | None) -> float | None:
    if outcome_of(incident) is not Outcome.RECOVERED:
        return None
    end = incident.milestones.get(Milestone.DRAINED) or incident.execution_finished_at
    return seconds_between(began or incident.declared.assessed_at, end)


def limit_of(incident: Incident) -> float | None:
    """The highest error rate that counts as healthy by the service's own policy.

    As the judge used it, else as it was at the declaration; None where neither is known.
    """
    if incident.judged and incident.judged.judgement.limit is not None:
        return incident.judged.judgement.limit
    return incident.declared.error_limit


def _began(
    incident: Incident, counted: Sequence[Bucket], released_at: Instant | None, detected: _Detected
) -> tuple[Instant | None, str]:
    """When it was first bad: a release that has just begun to serve, else the first bad bucket.

    Never later than its detection, so that no time is negative.
    """
    if released_at is not None and released_at <= detected.at:
        return released_at, "since the release began to serve"
    limit = limit_of(incident)
    if limit is None:
        return None, "no limit is known that tells bad from normal"
    measured = [b for b in counted if b.requests and b.start <= detected.at]
    bad = [bucket for bucket in measured if (bucket.error_rate or 0.0) > limit]
    if not measured:
        return None, f"nothing was counted before {detected.first}"
    if not bad:
        return None, f"nothing above the limit was counted before {detected.first}"
    if bad[0] is measured[0]:
        return bad[0].start, "at least: it was bad already when the counts begin"
    return bad[0].start, "since the error rate was first above the limit"


def _downtime(incident: Incident, counted: Sequence[Bucket]) -> Downtime:
    measured = _measured_downtime(incident)
    if measured is not None:
        return Downtime(seconds=None, text=measured.summary)
    if incident.execution_started_at is None:
        return Downtime(seconds=None, text="None by a rollback: none was carried out")
    end = incident.milestones.get(Milestone.DRAINED) or incident.execution_finished_at
    during = [
        bucket
        for bucket in counted
        if bucket.start + timedelta(seconds=bucket.seconds) > incident.opened_at
        and (end is None or bucket.start < end)
    ]
    if not any(bucket.requests for bucket in during):
        planned = incident.plan.downtime if incident.plan else "unknown"
        return Downtime(
            seconds=None,
            text=f"Unknown: nothing was counted during the rollback (planned: {planned})",
        )
    dead = sum(b.seconds for b in during if b.requests and b.errors == b.requests)
    silent = sum(b.seconds for b in during if not b.requests)
    if silent:
        known = f"every request failed for {spoken(dead)}, and " if dead else ""
        return Downtime(
            seconds=None, text=f"Unknown: {known}nothing was counted for {spoken(silent)}"
        )
    if dead:
        return Downtime(seconds=dead, text=f"{spoken(dead)} in which every request failed")
    span = f"{len(during)} spans of {spoken(during[0].seconds)}"
    return Downtime(seconds=0.0, text=f"None: requests were answered in each of {span}")


def _measured_downtime(incident: Incident) -> StepRecord | None:
    """The finished step that measured it, if the plan had one."""
    steps = incident.plan.steps if incident.plan else ()
    for step, record in zip(steps, incident.steps, strict=False):
        if step.concerns is Concern.DOWNTIME and record.finished_at and record.summary:
            return record
    return None


def _data_loss(incident: Incident) -> str:
    if incident.plan is None or incident.execution_started_at is None:
        text = "None by a rollback: none was carried out"
    else:
        text = incident.plan.data_loss
    if incident.declared.assessment.data_corruption:
        return f"{text}. Data was reported as corrupted, which a rollback does not repair"
    return text


# Figures in words: what is not known is said to be unknown.


def took(seconds: float | None) -> str:
    """A duration between two moments."""
    return "did not happen" if seconds is None else spoken(seconds)


def counted(value: int | None) -> str:
    """A count that rests on others."""
    return "unknown: too little was counted" if value is None else str(value)


def given(text: str) -> str:
    """What a person entered."""
    return text or "nothing was entered"


def share(fraction: float | None) -> str:
    """A share, as a percentage."""
    return "unknown" if fraction is None else percent(fraction)


def affected(numbers: Numbers) -> str:
    """The users that were affected: the estimate, and what the counts say beside it."""
    parts = [given(numbers.affected_users)]
    if numbers.affected_share is not None:
        parts.append(f"{percent(numbers.affected_share)} of the users")
    if numbers.failed_share is not None:
        parts.append(f"{percent(numbers.failed_share)} of the counted requests failed")
    return "; ".join(parts)


def changed(compared: ChangesCompared) -> str:
    """How much a release changed."""
    commits = amount(max(compared.total_commits, len(compared.commits)), "commit")
    return f"{commits}, {amount(len(compared.pull_requests), 'pull request')}"


def failed(numbers: Numbers) -> str:
    """How many requests failed in all; a sum with gaps says so."""
    if numbers.failed_requests is None:
        return "unknown: nothing was counted"
    if numbers.failed_requests_complete:
        return str(numbers.failed_requests)
    return f"at least {numbers.failed_requests}: not everything was counted"


def told(seconds: float | None, how: str) -> str:
    """A duration with what it rests on, or why there is none."""
    return f"unknown: {how}" if seconds is None else f"{spoken(seconds)} ({how})"
