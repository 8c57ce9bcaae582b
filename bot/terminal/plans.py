"""A plan as a person reads it at the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.core.printable import printable
from bot.core.values import amount, spoken
from bot.incident.assessment import percent
from bot.incident.events import PlanProposed
from bot.incident.plan import Milestone, Plan, PreflightVerdict, Step
from bot.judge.counts import Baseline

_VERDICTS = {
    PreflightVerdict.BLOCK: ("✗ block", "bold red"),
    PreflightVerdict.WARN: ("! warn", "yellow"),
    PreflightVerdict.PASS: ("✓ pass", "green"),
}
_MILESTONES = {
    Milestone.SWITCHED: "from here on users reach the target",
    Milestone.DRAINED: "from here on the bad release serves nobody",
}


def plan_view(proposed: PlanProposed) -> RenderableType:
    """Everything that an approver has to know, the verdict first."""
    return whole_plan(proposed.plan, proposed.baseline, proposed.baseline_note)


def whole_plan(plan: Plan, baseline: Baseline | None, note: str) -> RenderableType:
    """The plan, its steps and preflights, what stays, and what recovery is judged against."""
    return Group(
        _title(plan),
        _verdict(plan),
        Padding(_facts(plan, baseline, note), (1, 0)),
        _steps(plan),
        _preflights(plan),
        *_what_stays(plan),
        Text(f"Plan {plan.hash[:12]}; an approval holds for exactly this plan.", style="dim"),
    )


def _title(plan: Plan) -> Text:
    what = "Undo the rollback of" if plan.undoes else "Roll back"
    way = f"{plan.service}: {plan.from_release} → {plan.to_release}"
    return Text(printable(f"{what} {way} ({plan.strategy})"), style="bold")


def _verdict(plan: Plan) -> Text:
    if not plan.is_safe:
        because = " ".join(preflight.sentence for preflight in plan.blocks)
        return Text(printable(f"NOT SAFE, because: {because}"), style="bold red")
    warnings = sum(one.verdict is PreflightVerdict.WARN for one in plan.preflights)
    if warnings:
        said = f"Safe to run, with {warnings} of {len(plan.preflights)} preflights warning."
        return Text(said, style="bold yellow")
    return Text(f"Safe to run: all {len(plan.preflights)} preflights pass.", style="bold green")


def _facts(plan: Plan, baseline: Baseline | None, note: str) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    normal = "unknown, so recovery cannot be proven from metrics"
    if baseline is not None and baseline.error_rate is not None:
        normal = f"{percent(baseline.error_rate)} errors"
    steps = amount(len(plan.steps), "step")
    rows = {
        "Expected time": f"about {spoken(plan.expected_seconds)} in {steps}",
        "Downtime": plan.downtime,
        "Data lost": plan.data_loss,
        "Normal": f"{normal}. {note}".strip(),
        "Seen at": f"{plan.observed_at:%Y-%m-%d %H:%M:%S} UTC",
        **({"Services": "; ".join(_parts(plan))} if plan.parts else {}),
        "Could go back to": "; ".join(_candidates(plan)) or "nothing else",
    }
    for name, value in rows.items():
        grid.add_row(name, Text(printable(value)))
    return grid


def _parts(plan: Plan) -> Iterator[str]:
    for part in plan.parts:
        yield f"{part.service} {part.from_release} → {part.to_release} ({part.strategy})"


def _candidates(plan: Plan) -> Iterator[str]:
    for one in plan.candidates:
        mark = " (withdrawn before)" if one.marked_bad else ""
        good = ", known good" if one.known_good else ""
        yield f"{one.release} [{one.detail}{good}]{mark}"


def _steps(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Steps", title_justify="left", expand=False)
    table.add_column("#", justify="right")
    table.add_column("What, and the same by hand")
    table.add_column("About", justify="right")
    for number, step in enumerate(plan.steps, start=1):
        about = Text(spoken(step.estimate_seconds))
        table.add_row(Text(str(number)), _step(step), about)
    return table


def _step(step: Step) -> Group:
    notes = [] if step.changes else ["changes nothing"]
    if step.changes and step.inverse is None:
        notes.append("cannot be taken back")
    if step.milestone:
        notes.append(_MILESTONES[step.milestone])
    lines = [Text(printable(step.title))]
    if notes:
        lines.append(Text(f"({'; '.join(notes)})", style="dim"))
    lines.append(Text(printable(step.command), style="cyan", overflow="fold"))
    return Group(*lines)


def _preflights(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Preflights", title_justify="left", expand=False)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Check", no_wrap=True)
    table.add_column("Finding", overflow="fold")
    order = list(_VERDICTS)
    for one in sorted(plan.preflights, key=lambda preflight: order.index(preflight.verdict)):
        said, style = _VERDICTS[one.verdict]
        table.add_row(
            Text(said, style=style), Text(printable(one.name)), Text(printable(one.sentence))
        )
    return table


def _what_stays(plan: Plan) -> Iterator[Text]:
    for text in plan.not_reversible:
        yield Text(printable(f"Cannot be taken back: {text}"), style="yellow")
    for text in plan.not_restored:
        yield Text(printable(f"Stays as it is: {text}"), style="dim")


# A plan as JSON, for programs: docs/plan-json.md says what each key means and what stays.

FORMAT = "rollback-bot/plan/v1"
"""Keys may be added under it; none is removed or changes its meaning."""


def plan_json(proposed: PlanProposed) -> str:
    """The plan with its preflights, and the baseline that recovery would be judged against."""
    return json.dumps(_document(proposed), indent=2, ensure_ascii=False)


def _document(proposed: PlanProposed) -> dict[str, Any]:
    plan, baseline = proposed.plan, proposed.baseline
    return {
        "format": FORMAT,
        "service": plan.service,
        "strategy": plan.strategy,
        "from_release": plan.from_release,
        "to_release": plan.to_release,
        "safe": plan.is_safe,
        "blocks": [preflight.sentence for preflight in plan.blocks],
        "hash": plan.hash,
        "observed_at": plan.observed_at.isoformat(),
        "expected_seconds": plan.expected_seconds,
        "downtime": plan.downtime,
        "data_loss": plan.data_loss,
        "not_reversible": list(plan.not_reversible),
        "not_restored": list(plan.not_restored),
        "approvers": plan.approvers,
        "typed_confirmation": plan.typed_confirmation,
        "parts": [part.model_dump(mode="json") for part in plan.parts],
        "steps": [_step_json(number, step) for number, step in enumerate(plan.steps, start=1)],
        "preflights": [
            {"name": one.name, "verdict": one.verdict.value, "sentence": one.sentence}
            for one in plan.preflights
        ],
        "candidates": [one.model_dump(mode="json") for one in plan.candidates],
        "baseline": {
            "error_rate": baseline.error_rate if baseline else None,
            "requests": baseline.requests if baseline else None,
            "note": proposed.baseline_note,
        },
    }


def _step_json(number: int, step: Step) -> dict[str, Any]:
    return {
        "number": number,
        "service": step.service,
        "title": step.title,
        "kind": step.action.kind,
        "params": step.action.params,
        "expects": step.expects,
        "changes": step.changes,
        "reversible": not step.changes or step.inverse is not None,
        "inverse": {"kind": step.inverse.kind, "params": step.inverse.params}
        if step.inverse
        else None,
        "command": step.command,
        "estimate_seconds": step.estimate_seconds,
        "milestone": step.milestone.value if step.milestone else None,
    }
