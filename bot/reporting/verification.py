"""4.1: was it proven, by what, and did it last?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bot.core.values import spoken
from bot.incident import events as e
from bot.incident.assessment import percent
from bot.incident.events import CausesChecked, InstancesChecked, SmokeTested
from bot.incident.plan import Concern, Plan
from bot.incident.state import Incident, Sample
from bot.judge.counts import Judgement
from bot.reporting.document import (
    Block,
    Code,
    Image,
    LogPatterns,
    Section,
    clock_time,
    items,
    paragraph,
    sentence,
    table,
)
from bot.reporting.history import baseline_of
from bot.reporting.timeline import CAUSES, Moment, communication, step_title, told


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


# Chapter 5: the evidence behind the chapters before it.


def appendix(
    incident: Incident,
    recorded: Sequence[e.Recorded],
    *,
    moments: Sequence[Moment],
    logs: LogPatterns | None,
    files: Sequence[str],
) -> tuple[Section, ...]:
    """5 and its parts."""
    return (
        Section(
            number="5",
            title="Appendix",
            blocks=(
                paragraph(f"Everything below comes from the {len(recorded)} recorded events."),
            ),
        ),
        _timeline(moments),
        _journal(recorded),
        _migrations(recorded),
        _logs(logs),
        communication(incident, recorded),
        _script(incident),
        _files(incident, files),
    )


def _timeline(moments: Sequence[Moment]) -> Section:
    rows: list[tuple[str, ...]] = [
        (f"{moment.at:%Y-%m-%d %H:%M:%S}", moment.who or "rollback-bot", moment.text)
        for moment in moments
    ]
    block = table("Time (UTC)", "Who", "What", rows=rows)
    return Section(number="5.1", title="Timeline", blocks=(block,))


def _journal(recorded: Sequence[e.Recorded]) -> Section:
    """What each step found, as the machine recorded it."""
    lines = []
    for item in recorded:
        if isinstance(item.event, e.StepStarted | e.StepFinished | e.StepFailed):
            fields = item.event.model_dump(mode="json", exclude={"kind", "index"})
            written = json.dumps(fields, ensure_ascii=False, sort_keys=True) if fields else ""
            number = item.event.index + 1
            lines.append(f"{item.at:%H:%M:%S} UTC {number} {item.event.kind} {written}".rstrip())
    block: Block = Code(text="\n".join(lines)) if lines else paragraph("No step was ever started.")
    return Section(number="5.2", title="Step Journal", blocks=(block,))


def _migrations(recorded: Sequence[e.Recorded]) -> Section:
    """Every step that concerned a database, of every plan."""
    rows: list[tuple[str, ...]] = []
    plan: Plan | None = None
    for item in recorded:
        event = item.event
        if isinstance(event, e.PlanProposed):
            plan = event.plan
        elif isinstance(event, e.StepStarted | e.StepFinished | e.StepFailed):
            steps = plan.steps if plan else ()
            if event.index < len(steps) and steps[event.index].concerns is Concern.DATA:
                title = step_title(plan, event.index)
                found = told(event, plan).removeprefix(title).strip()
                rows.append((f"{item.at:%Y-%m-%d %H:%M:%S}", title, sentence(found)))
    block: Block = (
        table("Time (UTC)", "Step", "Result", rows=rows)
        if rows
        else paragraph("No step of this rollback concerned a database.")
    )
    return Section(number="5.3", title="Database Migration Log", blocks=(block,))


def _logs(logs: LogPatterns | None) -> Section:
    blocks: list[Block] = []
    if logs is None or not logs.lines:
        blocks.append(paragraph("No log lines of the withdrawn release were saved."))
    else:
        blocks.append(
            paragraph(
                f"{logs.lines} lines from {logs.files} saved logs, grouped by their wording; <*> "
                "stands for what differs. Addresses, tokens and long numbers are masked.",
                logs.note,
            )
        )
        rows = [(str(found.count), found.template, found.example) for found in logs.patterns]
        blocks.append(table("Lines", "Pattern", "One example", rows=list(rows)))
        if logs.rarer_patterns:
            blocks.append(
                paragraph(
                    f"{logs.rarer_lines} more lines follow {logs.rarer_patterns} rarer patterns; "
                    "they are in the saved logs."
                )
            )
    return Section(number="5.4", title="Log Patterns", blocks=tuple(blocks))


def _script(incident: Incident) -> Section:
    """What a person would type to do the same by hand."""
    block: Block = (
        Code(text=incident.plan.script(), language="sh")
        if incident.plan
        else paragraph("There is no script, because there was no plan.")
    )
    return Section(number="5.6", title="Equivalent Shell Script", blocks=(block,))


def _files(incident: Incident, files: Sequence[str]) -> Section:
    blocks: list[Block] = []
    if incident.evidence:
        blocks += [
            paragraph("Logs and objects saved before the rollback, kept with the incident:"),
            items(*dict.fromkeys(incident.evidence)),
        ]
    else:
        blocks.append(paragraph("No logs or objects were saved before the rollback."))
    if files:
        blocks += [paragraph("Files beside this report:"), items(*files)]
    else:
        blocks.append(paragraph("There are no files beside this report."))
    return Section(number="5.7", title="Files", blocks=tuple(blocks))
