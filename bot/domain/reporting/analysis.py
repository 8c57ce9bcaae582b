"""Chapter 4: was it proven, why did it happen, and what follows."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.assessment import percent
from bot.domain.events import InstancesChecked
from bot.domain.incident import Incident, Sample
from bot.domain.recovery import Judgement
from bot.domain.reporting.document import (
    Block,
    Image,
    Section,
    items,
    paragraph,
    quote,
    sentence,
    table,
)
from bot.domain.reporting.history import baseline_of
from bot.domain.values import spoken


def verification(incident: Incident, chart: Image | None) -> Section:
    """4.1: replicas, the recovery table, the judge, and the picture."""
    blocks: list[Block] = []
    if incident.judged:
        blocks += _judgement(incident.judged.judgement)
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
    if chart:
        blocks.append(chart)
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
    rows: list[tuple[str, ...]] = [
        (
            f"+{spoken(sample.offset_seconds)}",
            _rate(sample.error_rate),
            f"{sample.errors} of {sample.requests}",
            "unknown" if sample.latency_ms is None else f"{sample.latency_ms:.0f} ms",
            _status(sample, limit),
        )
        for sample in incident.samples
    ]
    header = ("Time after rollback", "Error rate", "Failed requests", "Response time", "Status")
    return table(*header, rows=rows)


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


def root_cause(incident: Incident) -> Section:
    """4.2: what people found."""
    conclusion = incident.conclusion
    found = conclusion.root_cause.strip() if conclusion else ""
    block: Block = (
        quote(found, incident.resolved_by)
        if found
        else paragraph("Nobody has entered a root cause yet.")
    )
    return Section(number="4.2", title="Root Cause Analysis (Initial)", blocks=(block,))


def corrective_actions(incident: Incident) -> Section:
    """4.3: what will be done, and what becomes of the withdrawn release."""
    conclusion = incident.conclusion
    blocks: list[Block] = []
    if conclusion and conclusion.corrective_actions:
        blocks.append(
            items(*(action.spoken for action in conclusion.corrective_actions), ordered=True)
        )
    else:
        blocks.append(paragraph("Nobody has entered a corrective action yet."))
    if conclusion:
        when = conclusion.follow_up_timeline or "no date was given"
        blocks.append(
            paragraph(f"The withdrawn release: {conclusion.follow_up.value}. Timeline: {when}")
        )
    else:
        blocks.append(paragraph("What becomes of the withdrawn release is not decided yet."))
    return Section(number="4.3", title="Corrective Actions", blocks=tuple(blocks))


def lessons(incident: Incident) -> Section:
    """4.4: what went well, and what could be better."""
    conclusion, by = incident.conclusion, incident.resolved_by
    blocks: list[Block] = []
    for heading, text, missing in (
        ("What went well:", conclusion.went_well if conclusion else "", "what went well"),
        ("What could be improved:", conclusion.to_improve if conclusion else "", "what to improve"),
    ):
        if text.strip():
            blocks += [paragraph(heading), quote(text, by)]
        else:
            blocks.append(paragraph(f"Nobody has entered {missing} yet."))
    return Section(number="4.4", title="Lessons Learned", blocks=tuple(blocks))


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else percent(rate)
