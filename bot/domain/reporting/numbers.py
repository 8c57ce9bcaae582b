"""The figures that a reader asks for first, each with what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.incident import Incident, StepRecord
from bot.domain.plan import Concern, Milestone
from bot.domain.recovery import Bucket
from bot.domain.reporting.alerted import called
from bot.domain.reporting.history import Tally, baseline_of, tallies
from bot.domain.reporting.outcome import Outcome, outcome_of
from bot.domain.timings import Timings, timings
from bot.domain.values import Fraction, Instant, Value, seconds_between, spoken


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
