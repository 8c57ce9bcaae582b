"""How many requests failed when, and what stood around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.domain.assessment import percent
from bot.domain.incident import Incident
from bot.domain.plan import Milestone
from bot.domain.recovery import Baseline, Bucket, RecoveryVerdict, complete_buckets
from bot.domain.values import Instant, Value


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
