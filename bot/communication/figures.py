"""Figures in words: what is known, what is not, and why."""

from __future__ import annotations

from collections.abc import Sequence

from bot.communication.frame import Frame
from bot.communication.markup import clip, code, inline, lines, moment, one_line
from bot.communication.state import affected
from bot.core.values import amount, spoken
from bot.incident.assessment import Figures, Verdict, VerdictKind, percent
from bot.incident.duties import is_proven
from bot.incident.events import InstanceCheck
from bot.incident.state import Incident, Phase, Sample
from bot.judge.counts import Baseline, Judgement, RecoveryVerdict, error_limit

UNKNOWN = "unknown"
UNKNOWN_IS_NOT_HEALTHY = "Unknown does not mean healthy."


def rate_text(share: float) -> str:
    """An error rate in two decimals, as the recovery table shows it."""
    return f"{share:.2%}"


def milliseconds(value: float) -> str:
    """A response time."""
    return f"{value:,.0f} ms"


def error_rate(figures: Figures) -> str:
    """The error rate beside what is normal."""
    if figures.error_rate is None:
        return UNKNOWN
    said = percent(figures.error_rate)
    if figures.requests is not None:
        said += f" of {figures.requests:,} requests"
    if figures.baseline_error_rate is None:
        return f"{said} (what is normal is unknown)"
    return f"{said} (normal: {percent(figures.baseline_error_rate)})"


def latency(figures: Figures) -> str:
    """The response time as a multiple of what is normal."""
    if figures.latency_ms is None:
        return UNKNOWN
    said = milliseconds(figures.latency_ms)
    if figures.latency_ratio is None or figures.baseline_latency_ms is None:
        return f"{said} (what is normal is unknown)"
    normal = milliseconds(figures.baseline_latency_ms)
    return f"{said}, {figures.latency_ratio:.1f}× the normal {normal}"


def slowest(figures: Figures) -> str:
    """The response times of the slow requests, which a mean hides."""
    known = [
        f"{share}% within {milliseconds(value)}"
        for share, value in ((95, figures.p95_ms), (99, figures.p99_ms))
        if value is not None
    ]
    if not known:
        return UNKNOWN
    said = ", ".join(known)
    if figures.p95_ms is None or figures.baseline_p95_ms is None:
        return said
    return f"{said} (normal: 95% within {milliseconds(figures.baseline_p95_ms)})"


def saturation(figures: Figures) -> str:
    """How full the scarcest resource is."""
    return UNKNOWN if figures.saturation is None else f"{figures.saturation:.0%} of the limit"


def business(figures: Figures) -> str:
    """The business metric beside what is normal."""
    now, normal = figures.business_per_minute, figures.baseline_business_per_minute
    if now is None:
        return UNKNOWN
    said = f"{now:,.1f} a minute"
    if normal is None:
        return f"{said} (what is normal is unknown)"
    down = f", down by {percent(figures.business_shortfall)}" if figures.business_shortfall else ""
    return f"{said}, normal {normal:,.1f}{down}"


def more(figures: Figures) -> tuple[str, ...]:
    """Figures that not every service has, one line each; those that are missing are gaps."""
    told = []
    if figures.p95_ms is not None or figures.p99_ms is not None:
        told.append(f"• Slowest requests: {slowest(figures)}")
    if figures.saturation is not None:
        told.append(f"• Saturation: {saturation(figures)}")
    if figures.business_per_minute is not None:
        told.append(f"• Business: {business(figures)}")
    return tuple(told)


def origin(figures: Figures) -> tuple[str, ...]:
    """Where the figures come from, and what normal is."""
    told = []
    if figures.source:
        told.append(f"• Measured by {inline(figures.source)}")
    if figures.baseline_note and figures.baseline_error_rate is not None:
        told.append(f"• Normal: {inline(figures.baseline_note, 300)}")
    return tuple(told)


def releases(figures: Figures) -> str:
    """From which release to which."""
    return f"{release(figures.current_release)} → {release(figures.previous_release)}"


def release(name: str | None) -> str:
    """A release's name within a line of mrkdwn."""
    return code(name, 80) if name else UNKNOWN


def unmeasured(figures: Figures, *, limit: int = 6) -> tuple[str, ...]:
    """Why figures are missing, one line each."""
    told = [f"• {inline(problem)}" for problem in figures.problems[:limit]]
    if len(figures.problems) > limit:
        told.append(f"• … and {len(figures.problems) - limit} more")
    return tuple(told)


def reasons(verdict: Verdict) -> tuple[str, ...]:
    """Why the matrix says what it says, one line each."""
    return tuple(f"• {inline(reason.text)}" for reason in verdict.reasons)


# What was measured after the rollback, in words: rows, replicas, judgement.

VERDICTS = {
    RecoveryVerdict.RECOVERED: "✅ Recovered",
    RecoveryVerdict.NOT_RECOVERED: "🔴 Not recovered",
    RecoveryVerdict.INCONCLUSIVE: "🟠 Inconclusive: recovery is not proven",
}
_NO_BASELINE = "no baseline to compare with"


def baseline_of(incident: Incident) -> Baseline | None:
    """What counts as normal for this incident."""
    return incident.verification.baseline if incident.verification else incident.baseline


def limit_of(incident: Incident, frame: Frame) -> float | None:
    """The highest error rate that counts as recovered; None without a baseline."""
    if incident.judged and incident.judged.judgement.limit is not None:
        return incident.judged.judgement.limit
    baseline = baseline_of(incident)
    rate = baseline.error_rate if baseline else None
    return None if rate is None else error_limit(rate, frame.judge)


def status(rate: float | None, before: float | None, limit: float | None) -> str:
    """How a row reads beside the limit and the row before it."""
    if rate is None:
        return "Unknown"
    falling = before is not None and rate < before
    if limit is None:
        return f"{'Falling ⬇️' if falling else 'Not falling'} ({_NO_BASELINE})"
    if rate <= limit:
        return "Normal ✅"
    if not falling:
        return "Elevated 🔴"
    return "Recovering ⬇️" if rate <= 2 * limit else "Dropping ⬇️"


def statuses(incident: Incident, frame: Frame) -> tuple[str, ...]:
    """One status a row, in order; the first row is compared with the assessment."""
    limit, before = limit_of(incident, frame), incident.declared.assessment.figures.error_rate
    found = []
    for sample in incident.samples:
        found.append(status(sample.error_rate, before, limit))
        before = sample.error_rate if sample.error_rate is not None else before
    return tuple(found)


def table(incident: Incident, frame: Frame, *, limit: int = 2_400) -> str:
    """The recovery table as plain text: measured rows, then those still to come."""
    measured = zip(incident.samples, statuses(incident, frame), strict=True)
    rows = [_row(sample, word) for sample, word in measured]
    if incident.judged is None:
        to_come = frame.checkpoints[len(incident.samples) :]
        rows += [f"+{spoken(due.total_seconds()):<9} not measured yet" for due in to_come]
    heading = f"{'After':<10} {'Errors':>7}  {'Requests':>9}  {'Response':>9}  Status"
    return lines([heading, *rows], limit)


def _row(sample: Sample, word: str) -> str:
    rate = "–" if sample.error_rate is None else rate_text(sample.error_rate)
    latency = "–" if sample.latency_ms is None else milliseconds(sample.latency_ms)
    why = f": {clip(one_line(sample.problem), 120)}" if sample.problem else ""
    if sample.probes:
        why += f" (synthetic: {amount(sample.probes, 'probe')}, {sample.failed_probes:,} failed)"
    after = f"+{spoken(sample.offset_seconds)}"
    return f"{after:<10} {rate:>7}  {sample.requests:>9,}  {latency:>9}  {word}{why}"


def latest(incident: Incident, frame: Frame) -> tuple[str, ...]:
    """The newest figures that there are, with when they were taken."""
    if not incident.samples:
        found = incident.declared.assessment.figures
        at = moment(incident.declared.assessed_at)
        return (
            f"• Error rate: {error_rate(found)} — at {at}",
            f"• Response time: {latency(found)} — at {at}",
        )
    sample, word = incident.samples[-1], statuses(incident, frame)[-1]
    when = f"+{spoken(sample.offset_seconds)} after the rollback"
    if sample.error_rate is None:
        why = inline(sample.problem, empty="nothing was counted")
        return (f"• Error rate {when}: unknown — {why}",)
    limit = limit_of(incident, frame)
    within = f", limit {rate_text(limit)}" if limit is not None else ""
    rate = rate_text(sample.error_rate)
    told = [f"• Error rate {when}: {rate} of {sample.requests:,} requests — {word}{within}"]
    if sample.latency_ms is not None:
        told.append(f"• Response time {when}: {_latency(sample.latency_ms, incident)}")
    return tuple(told)


def _latency(measured: float, incident: Incident) -> str:
    baseline = baseline_of(incident)
    said = milliseconds(measured)
    if baseline is None or not baseline.latency_ms:
        return f"{said} (what is normal is unknown)"
    normal = milliseconds(baseline.latency_ms)
    return f"{said}, {measured / baseline.latency_ms:.1f}× the normal {normal}"


def replicas(incident: Incident) -> tuple[str, ...]:
    """Health and version of replicas and service; what is not as it should be by name."""
    checked, plan = incident.instances, incident.plan
    if checked is None:
        return ("• Replicas: not checked yet",)
    target = plan.expected_version if plan else None
    told = [f"• Replicas: {_counted(checked.instances, target)}"]
    told += [f"• Health check: {_health(checked.health_ok)}"]
    told += [f"• The service answers as: {release(checked.version)}"]
    telling = any(i.version is not None for i in checked.instances)
    odd = [
        i
        for i in checked.instances
        if not i.ready or i.problem or (telling and target and i.version != target)
    ]
    told += [f"• {_odd(instance)}" for instance in odd[:8]]
    if len(odd) > 8:
        told.append(f"• … and {len(odd) - 8} more replicas — see the report")
    return (*told, *(f"• {inline(problem, 200)}" for problem in checked.problems[:8]))


def _counted(instances: Sequence[InstanceCheck], target: str | None) -> str:
    count = len(instances)
    if not count:
        return "none was found"
    ready = f"{sum(i.ready for i in instances)} of {count} ready"
    if all(i.version is None for i in instances):
        return f"{ready}, none tells its version"
    if not target:
        return f"{ready}; this kind of rollback changes no version"
    right = sum(i.version == target for i in instances)
    return f"{ready}, {right} of {count} say that they run {release(target)}"


def _odd(instance: InstanceCheck) -> str:
    ready = "ready" if instance.ready else "not ready"
    why = f": {inline(instance.problem, 150)}" if instance.problem else ""
    version = f"runs {release(instance.version)}" if instance.version else "version unknown"
    return f"{inline(instance.name, 80)} is {ready}, {version}{why}"


def _health(ok: bool | None) -> str:
    if ok is None:
        return "unknown (none could be asked)"
    return "passes ✅" if ok else "fails 🔴"


def judgement_lines(judgement: Judgement) -> tuple[str, ...]:
    """The verdict, its reasons, and the figures that a reader needs to check it."""
    told = [f"*{VERDICTS[judgement.verdict]}*"]
    told += [f"• {inline(reason, 250)}" for reason in judgement.reasons[:8]]
    if len(judgement.reasons) > 8:
        told.append(f"• … and {len(judgement.reasons) - 8} more reasons — see the report")
    if judgement.error_rate is not None:
        errors = amount(judgement.errors, "error")
        told.append(
            f"• Counted: {errors} in {amount(judgement.requests, 'request')} "
            f"({rate_text(judgement.error_rate)})"
        )
    if judgement.probes:
        told.append(
            f"• Synthetic: {amount(judgement.probes, 'probe')} of the bot's own, "
            f"{judgement.failed_probes:,} failed; the service may have counted them too, which the "
            "bounds allow for"
        )
    bounds = (judgement.lower, judgement.upper, judgement.limit)
    if judgement.requests and None not in bounds:
        lower, upper, limit = (rate_text(b) for b in bounds if b is not None)
        told.append(
            f"• At least {lower} and at most {upper}, each with 95% confidence; the limit "
            f"is {limit}"
        )
    return tuple(told)


# What came of the rollback, in words that posts and mails share.

_STATUS = {
    Phase.RECOVERED: "Rollback successful: the error rate is back to normal.",
    Phase.NOT_RECOVERED: "Every step was done, yet there are more errors than normal.",
    Phase.INCONCLUSIVE: "Every step was done, but the figures do not prove that users are well.",
    Phase.STOPPED: "Not every step was done; those that are done stay done.",
}


def replica_status(incident: Incident) -> str:
    """How it ended, no better than it is; nothing of it needs escaping."""
    if incident.phase is Phase.RESOLVED:
        return _ended(incident)
    return _STATUS.get(incident.phase, "There is no outcome yet.")


def _ended(incident: Incident) -> str:
    if is_proven(incident):
        return _STATUS[Phase.RECOVERED]
    if incident.execution is None:
        return "The incident is closed; no rollback ran."
    return "The incident is closed, but no figures prove that users are well."


def current(incident: Incident) -> str:
    """Which version answers; finished mrkdwn."""
    checked = incident.instances
    if checked is None:
        return "not checked"
    found = {checked.version, *(instance.version for instance in checked.instances)} - {None}
    if not found:
        return "unknown: nothing answered"
    told = [release(version) for version in sorted(str(v) for v in found)]
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return ", ".join(told[:3]) + more


def health(incident: Incident) -> str:
    """How many replicas are ready, and what the health check says."""
    checked = incident.instances
    if checked is None:
        return "not checked"
    ready = f"{sum(i.ready for i in checked.instances)} of {len(checked.instances)} replicas ready"
    if checked.health_ok is None:
        return ready
    return f"{ready}, health check {'passes' if checked.health_ok else 'fails'}"


def downtime(incident: Incident) -> str:
    """How long nobody was served, as the plan that ran says; finished mrkdwn."""
    plan = incident.plan if incident.execution is not None else None
    return inline(plan.downtime, 200) if plan else "none from a rollback"


def loss(incident: Incident) -> str:
    """What data the plan that ran has cost; finished mrkdwn."""
    plan = incident.plan if incident.execution is not None else None
    return inline(plan.data_loss, 200) if plan else "none from a rollback"


def impact(incident: Incident) -> list[str]:
    """What it did to users, one line each; finished mrkdwn."""
    conclusion = incident.conclusion
    said = inline(conclusion.impact, 500, empty="") if conclusion else ""
    told = [
        f"• Affected users: {affected(incident)}",
        f"• Downtime: {downtime(incident)}",
        f"• Data lost: {loss(incident)}",
    ]
    return [f"• {said}", *told] if said else told


# The three verdicts of the decision matrix, in words.

LABELS = {
    VerdictKind.IMMEDIATE: "roll back now",
    VerdictKind.DISCUSS: "discuss a rollback",
    VerdictKind.MONITOR: "keep watching",
}
SYMBOLS = {
    VerdictKind.IMMEDIATE: "🔴",
    VerdictKind.DISCUSS: "🟠",
    VerdictKind.MONITOR: "🟢",
}
ADVICE = {
    VerdictKind.IMMEDIATE: "The procedure says: roll back now, without discussion.",
    VerdictKind.DISCUSS: "The procedure leaves it to the team: decide now, with these facts.",
    VerdictKind.MONITOR: "The procedure says: no rollback, keep watching.",
}
