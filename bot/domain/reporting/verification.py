"""4.1: was it proven, by what, and did it last?"""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.assessment import percent
from bot.domain.events import CausesChecked, InstancesChecked, SmokeTested
from bot.domain.incident import Incident, Sample
from bot.domain.recovery import Judgement
from bot.domain.reporting.aftermath import CAUSES
from bot.domain.reporting.document import (
    Block,
    Image,
    Section,
    clock_time,
    items,
    paragraph,
    sentence,
    table,
)
from bot.domain.reporting.history import baseline_of
from bot.domain.values import spoken


def verification(incident: Incident, chart: Image | None) -> Section:
    """Replicas, smoke tests, the recovery table, the judge, and the picture."""
    blocks: list[Block] = []
    if incident.judged:
        blocks += _judgement(incident.judged.judgement)
        if incident.judged.watched_until:
            until = clock_time(incident.judged.watched_until)
            blocks.append(paragraph(f"The release is watched for a relapse until {until}."))
    elif incident.execution:
        blocks.append(paragraph("Whether the service recovered was not judged."))
    else:
        blocks.append(paragraph("Nothing was executed, so there was nothing to verify."))
    if incident.verification or incident.baseline:
        blocks.append(_baseline(incident))
    if incident.samples:
        blocks.append(_samples(incident))
    if incident.instances:
        blocks += _instances(incident.instances)
    if incident.execution:
        blocks += _smoke(incident.smoke)
    if incident.causes:
        blocks += _causes(incident.causes)
    blocks += _relapses(incident)
    if chart:
        blocks.append(chart)
    else:
        blocks.append(paragraph("There is no chart, because no requests were counted."))
    return Section(number="4.1", title="Verification of Rollback Success", blocks=tuple(blocks))


def _judgement(judgement: Judgement) -> Iterator[Block]:
    yield paragraph(f"Verdict: {judgement.verdict.value}.")
    yield items(*(sentence(reason) for reason in judgement.reasons))
    yield table(
        "Evidence",
        "Value",
        rows=[
            ("Requests since the drain", str(judgement.requests)),
            ("Failed requests since the drain", str(judgement.errors)),
            ("Error rate", _rate(judgement.error_rate)),
            ("Proven to be at least", _rate(judgement.lower)),
            ("Proven to be at most", _rate(judgement.upper)),
            ("Limit", _rate(judgement.limit)),
        ],
    )


def _baseline(incident: Incident) -> Block:
    baseline = baseline_of(incident)
    note = incident.verification.baseline_note if incident.verification else incident.baseline_note
    if baseline is None:
        return paragraph("There was no baseline to compare with.", sentence(note))
    latency = "" if baseline.latency_ms is None else f", mean {baseline.latency_ms:.0f} ms"
    return paragraph(f"Baseline: {_rate(baseline.error_rate)} errors{latency}.", sentence(note))


def _samples(incident: Incident) -> Block:
    limit = incident.judged.judgement.limit if incident.judged else None
    probed = any(sample.probes for sample in incident.samples)
    rows: list[tuple[str, ...]] = [
        (
            f"+{spoken(sample.offset_seconds)}",
            _rate(sample.error_rate),
            f"{sample.errors} of {sample.requests}",
            *([f"{sample.failed_probes} of {sample.probes}"] if probed else []),
            "unknown" if sample.latency_ms is None else f"{sample.latency_ms:.0f} ms",
            _status(sample, limit),
        )
        for sample in incident.samples
    ]
    return table(
        "Time after rollback",
        "Error rate",
        "Failed requests",
        *(["Failed synthetic probes"] if probed else []),
        "Response time",
        "Status",
        rows=rows,
    )


def _status(sample: Sample, limit: float | None) -> str:
    if sample.problem or sample.error_rate is None:
        return sample.problem or "nothing was measured"
    if limit is None:
        return "no limit to compare with"
    return "within the limit" if sample.error_rate <= limit else "above the limit"


def _instances(checked: InstancesChecked) -> Iterator[Block]:
    health = {True: "answers", False: "fails", None: "is not configured"}[checked.health_ok]
    version = checked.version or "was not told"
    yield paragraph(f"The service's health check {health}; the version it reports: {version}.")
    if checked.instances:
        yield table(
            "Replica",
            "Ready",
            "Version",
            "Problem",
            rows=[
                (i.name, "yes" if i.ready else "no", i.version or "unknown", i.problem or "–")
                for i in checked.instances
            ],
        )
    else:
        yield paragraph("No replica of the service was found.")
    if checked.problems:
        yield items(*(sentence(problem) for problem in checked.problems))


def _smoke(tested: SmokeTested | None) -> Iterator[Block]:
    if tested is None or not tested.results:
        yield paragraph("No smoke tests were run.")
        return
    passed = sum(result.passed for result in tested.results)
    yield paragraph(f"Smoke tests: {passed} of {len(tested.results)} passed.")
    yield table(
        "Smoke test",
        "Result",
        "Took",
        "What failed",
        rows=[
            (r.name, "passed" if r.passed else "failed", spoken(r.seconds), r.what or "–")
            for r in tested.results
        ],
    )


def _causes(checked: CausesChecked) -> Iterator[Block]:
    yield paragraph("Recovery was not proven, so the known causes were checked:")
    yield table(
        "Possible cause",
        "Finding",
        "Evidence",
        rows=[
            (CAUSES[c.cause], c.finding.value, " ".join(sentence(text) for text in c.evidence))
            for c in checked.checks
        ],
    )


def _relapses(incident: Incident) -> Iterator[Block]:
    if not incident.relapses:
        return
    yield paragraph("After a proven recovery the service got worse again:")
    yield table(
        "Found",
        "Errors counted since",
        "Failed requests",
        "Why",
        rows=[
            (
                clock_time(relapse.at),
                clock_time(relapse.event.since),
                f"{relapse.event.judgement.errors} of {relapse.event.judgement.requests}",
                sentence("; ".join(relapse.event.judgement.reasons)),
            )
            for relapse in incident.relapses
        ],
    )


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else percent(rate)
