"""A plan as JSON, for programs: docs/plan-json.md says what each key means and what stays."""

from __future__ import annotations

import json
from typing import Any

from bot.domain.events import PlanProposed
from bot.domain.plan import Step

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
        "steps": [_step(number, step) for number, step in enumerate(plan.steps, start=1)],
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


def _step(number: int, step: Step) -> dict[str, Any]:
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
