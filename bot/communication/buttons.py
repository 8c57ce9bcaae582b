"""The buttons of the journey, each shown only while the transition table allows what it does."""

from __future__ import annotations

from slack_sdk.models.blocks import ButtonElement, ConfirmObject

from bot.communication import ids, markup
from bot.communication.blocks import button, confirmation
from bot.communication.markup import plain
from bot.core.values import amount, spoken
from bot.incident import events as e
from bot.incident.plan import Plan
from bot.incident.state import Incident, Phase
from bot.incident.transitions import is_allowed


def for_status(incident: Incident) -> list[ButtonElement]:
    """Everything that people may do in this phase, beside the plan's and the progress buttons."""
    found = []
    if is_allowed(incident, e.WordsAdded):
        found.append(button(markup.ADD_WORDS, ids.OPEN_WORDS, incident.id))
    return [*found, *after_the_fact(incident)]


def after_the_fact(incident: Incident) -> list[ButtonElement]:
    """Verify again, plan again, resolve: each where it is allowed."""
    found = []
    if is_allowed(incident, e.VerificationRequested):
        found.append(button(markup.VERIFY_AGAIN, ids.VERIFY_AGAIN, incident.id))
    if is_allowed(incident, e.PlanRequested):
        found.append(button(markup.PLAN_AGAIN, ids.OPEN_REPLAN, incident.id))
    if is_allowed(incident, e.UndoRequested):
        found.append(button(markup.UNDO, ids.UNDO, incident.id, confirm=_undo()))
    if is_allowed(incident, e.Resolved):
        style = "primary" if incident.phase is Phase.RECOVERED else None
        found.append(button(markup.RESOLVE, ids.OPEN_RESOLVE, incident.id, style=style))
    return found


def _undo() -> ConfirmObject:
    return confirmation(
        "Plan to take the rollback back?",
        "The bot makes a plan that brings the withdrawn release back. Nothing is changed before "
        "somebody approves it.",
        yes="Make the plan",
    )


def for_plan(incident: Incident, plan: Plan) -> list[ButtonElement]:
    """Approve, reject, other target; no approval is offered for a plan that is not safe.

    An undo that is not safe can be planned anew, as an undo.
    """
    if incident.phase is not Phase.AWAITING_APPROVAL:
        return []
    value = f"{incident.id} {plan.hash}"
    found = []
    if plan.is_safe:
        found.append(
            button(
                markup.APPROVE,
                ids.APPROVE,
                value,
                style="primary",
                # A plan whose name must be typed asks in a form of its own.
                confirm=None if plan.typed_confirmation else _run_this_plan(plan),
            )
        )
    found.append(button(markup.REJECT, ids.OPEN_REJECT, value, style="danger"))
    found.append(button(markup.REPLAN, ids.OPEN_REPLAN, incident.id))
    if plan.undoes and not plan.is_safe and is_allowed(incident, e.UndoRequested):
        found.append(button(markup.UNDO, ids.UNDO, incident.id, confirm=_undo()))
    return found


def _run_this_plan(plan: Plan) -> ConfirmObject:
    way = f"{plain(plan.from_release, 40)} to {plain(plan.to_release, 40)}"
    seconds, steps = spoken(plan.expected_seconds), amount(len(plan.steps), "step")
    text = (
        f"{plain(plan.service, 40)} goes from {way}: {steps}, about {seconds}. "
        f"Downtime: {plain(plan.downtime, 45)}. Data lost: {plain(plan.data_loss, 45)}."
    )
    return confirmation("Run this plan on production?", text, yes="Approve", style="primary")


def for_progress(incident: Incident) -> list[ButtonElement]:
    """Pause, resume and abort, as far as they would still change something."""
    found: list[ButtonElement] = []
    if incident.abort_by is not None:
        return found
    if incident.paused_by is None and is_allowed(incident, e.PauseRequested):
        found.append(button(markup.PAUSE, ids.PAUSE, incident.id))
    if incident.paused_by is not None and is_allowed(incident, e.ResumeRequested):
        found.append(button(markup.RESUME, ids.RESUME, incident.id, style="primary"))
    if is_allowed(incident, e.AbortRequested):
        question = confirmation(
            "Abort this rollback?",
            "The running step is finished, then the bot stops for good. Steps that are done stay "
            "done; a new plan can start from there.",
            yes=markup.ABORT,
            style="danger",
        )
        found.append(button(markup.ABORT, ids.ABORT, incident.id, style="danger", confirm=question))
    return found
