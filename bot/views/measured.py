"""What was measured after the rollback, in words: rows, replicas, judgement."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import InstanceCheck
from bot.domain.incident import Incident, Sample
from bot.domain.recovery import Baseline, Judgement, RecoveryVerdict, error_limit
from bot.domain.values import amount, spoken
from bot.views import figures
from bot.views.frame import Frame
from bot.views.markup import clip, inline, lines, moment, one_line

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
    rate = "–" if sample.error_rate is None else figures.rate(sample.error_rate)
    latency = "–" if sample.latency_ms is None else figures.milliseconds(sample.latency_ms)
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
            f"• Error rate: {figures.error_rate(found)} — at {at}",
            f"• Response time: {figures.latency(found)} — at {at}",
        )
    sample, word = incident.samples[-1], statuses(incident, frame)[-1]
    when = f"+{spoken(sample.offset_seconds)} after the rollback"
    if sample.error_rate is None:
        why = inline(sample.problem, empty="nothing was counted")
        return (f"• Error rate {when}: unknown — {why}",)
    limit = limit_of(incident, frame)
    within = f", limit {figures.rate(limit)}" if limit is not None else ""
    rate = figures.rate(sample.error_rate)
    told = [f"• Error rate {when}: {rate} of {sample.requests:,} requests — {word}{within}"]
    if sample.latency_ms is not None:
        told.append(f"• Response time {when}: {_latency(sample.latency_ms, incident)}")
    return tuple(told)


def _latency(measured: float, incident: Incident) -> str:
    baseline = baseline_of(incident)
    said = figures.milliseconds(measured)
    if baseline is None or not baseline.latency_ms:
        return f"{said} (what is normal is unknown)"
    normal = figures.milliseconds(baseline.latency_ms)
    return f"{said}, {measured / baseline.latency_ms:.1f}× the normal {normal}"


def replicas(incident: Incident) -> tuple[str, ...]:
    """Health and version of replicas and service; what is not as it should be by name."""
    checked, plan = incident.instances, incident.plan
    if checked is None:
        return ("• Replicas: not checked yet",)
    target = plan.expected_version if plan else None
    told = [f"• Replicas: {_counted(checked.instances, target)}"]
    told += [f"• Health check: {_health(checked.health_ok)}"]
    told += [f"• The service answers as: {figures.release(checked.version)}"]
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
    return f"{ready}, {right} of {count} say that they run {figures.release(target)}"


def _odd(instance: InstanceCheck) -> str:
    ready = "ready" if instance.ready else "not ready"
    why = f": {inline(instance.problem, 150)}" if instance.problem else ""
    version = f"runs {figures.release(instance.version)}" if instance.version else "version unknown"
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
            f"({figures.rate(judgement.error_rate)})"
        )
    if judgement.probes:
        told.append(
            f"• Synthetic: {amount(judgement.probes, 'probe')} of the bot's own, "
            f"{judgement.failed_probes:,} failed; the service may have counted them too, which the "
            "bounds allow for"
        )
    bounds = (judgement.lower, judgement.upper, judgement.limit)
    if judgement.requests and None not in bounds:
        lower, upper, limit = (figures.rate(b) for b in bounds if b is not None)
        told.append(
            f"• At least {lower} and at most {upper}, each with 95% confidence; the limit "
            f"is {limit}"
        )
    return tuple(told)
