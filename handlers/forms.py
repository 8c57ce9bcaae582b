"""Reads what people filled into a modal."""

from __future__ import annotations

from datetime import date
from typing import Any

import structlog

from bot.assessment import declare
from bot.assessment.assess import with_reported_figures
from bot.communication import ids, modals
from bot.incident.assessment import Assessment, Draft, Figures
from bot.incident.events import Conclusion, Decision, FollowUp
from bot.incident.state import Incident
from bot.paperwork.model import NotAnActionError, parse_actions
from handlers.desk import Body, Desk, actor_of, submission_id_of

View = dict[str, Any]


class FormError(Exception):
    """Inputs that cannot be taken: block id → what to do about it."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def _element(view: View, name: str) -> dict[str, Any]:
    """What an input holds; empty also where a sender leaves out inputs that nobody touched."""
    values: dict[str, Any] = (view.get("state") or {}).get("values") or {}
    state: dict[str, dict[str, Any]] = values.get(name) or {}
    return state.get(name) or next(iter(state.values()), None) or {}


def field(view: View, name: str) -> str:
    """The text, number, day, time or option of an input; empty when nothing was given."""
    element = _element(view, name)
    option = element.get("selected_option") or {}
    picked = element.get("selected_date") or element.get("selected_time")
    value = element.get("value") or option.get("value") or picked or ""
    return str(value).strip()


def chosen(view: View, name: str) -> frozenset[str]:
    """The ticked values of a group of checkboxes."""
    element = _element(view, name)
    return frozenset(str(option["value"]) for option in element.get("selected_options") or ())


def assessment(view: View, draft: Draft) -> Assessment:
    """The assessment form; raises FormError for numbers that make no sense."""
    errors: dict[str, str] = {}

    def share(name: str) -> float | None:
        number = _number(view, name, errors, highest=100)
        return None if number is None else number / 100

    error_rate, latency = share(ids.ERROR_RATE), _number(view, ids.LATENCY, errors)
    affected, drop = share(ids.AFFECTED_USERS), share(ids.BUSINESS_DROP)
    if errors:
        raise FormError(errors)
    findings = chosen(view, ids.FINDINGS)
    figures = with_reported_figures(
        draft.figures or Figures(), error_rate=error_rate, latency_ms=latency
    )
    return Assessment(
        service=draft.service,
        figures=figures,
        service_down=ids.SERVICE_DOWN in findings,
        core_feature_broken=ids.CORE_BROKEN in findings,
        data_corruption=ids.CORRUPTION in findings,
        security_breach=ids.BREACH in findings,
        many_complaints=ids.COMPLAINTS in findings,
        affected_users=affected,
        business_drop=drop,
        description=field(view, ids.DESCRIPTION),
    )


def _number(
    view: View, name: str, errors: dict[str, str], *, highest: float | None = None
) -> float | None:
    text = field(view, name).rstrip("%").strip().replace(",", ".")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        errors[name] = "Enter a number, for example 12 or 0.5."
        return None
    # Not a number and infinity are floats too; only real amounts make sense here.
    if not 0 <= number < float("inf") or (highest is not None and number > highest):
        errors[name] = f"Enter a number from 0 to {highest:g}." if highest else "Enter 0 or more."
        return None
    return number


def decision(view: View) -> Decision:
    """The decision record."""
    return Decision(
        reason=field(view, ids.REASON),
        affected_users=field(view, ids.AFFECTED_TEXT),
        alternatives=field(view, ids.ALTERNATIVES),
        rationale=field(view, ids.RATIONALE),
    )


def conclusion(view: View, *, today: date) -> Conclusion:
    """The resolve form; raises FormError for corrective actions that cannot be understood."""
    try:
        actions = parse_actions(field(view, ids.ACTIONS), today=today)
    except NotAnActionError as error:
        raise FormError({ids.ACTIONS: str(error)}) from None
    return Conclusion(
        root_cause=field(view, ids.ROOT_CAUSE),
        corrective_actions=actions,
        went_well=field(view, ids.WENT_WELL),
        to_improve=field(view, ids.TO_IMPROVE),
        follow_up=FollowUp(field(view, ids.FOLLOW_UP)),
        follow_up_timeline=field(view, ids.TIMELINE),
        impact=field(view, ids.IMPACT),
    )


# The decision record: it declares, and then shows where the incident goes on.

log = structlog.get_logger()

DECLARED = "Incident declared"
ANSWER_SHOWN_SECONDS = 0.5
"""Until Slack shows the answer to a submission: what overtakes it is covered by it again."""
CHANNEL_SECONDS = 30.0
"""How long a declaration's modal waits for the channel to name it."""


async def declare_incident(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    """Declare, and answer at once: the channel's name comes as soon as there is one."""
    incident = await declare.declare(
        desk.context,
        draft_id=view["private_metadata"],
        decision=decision(view),
        actor=actor_of(body),
        target_release=field(view, ids.TARGET) or None,
        request_id=submission_id_of(view),
    )
    desk.later(_name_channel(desk, incident, view["id"]), subject=f"name {incident.id}")
    text = f"*{incident.id}* is declared. Its channel is being opened…"
    return {"response_action": "update", "view": modals.message_view(DECLARED, text)}


async def _name_channel(desk: Desk, incident: Incident, view_id: str) -> None:
    """Show the person where it goes on, in the modal that is still open."""
    await desk.context.clock.sleep(ANSWER_SHOWN_SECONDS)
    present = await desk.context.journal.load(incident.id)
    try:
        opened = await desk.changes.wait(
            present, lambda now: now.channel is not None, seconds=CHANNEL_SECONDS
        )
    except TimeoutError:
        text = f"*{incident.id}* is declared. Slack is slow to open its channel; it will come."
    else:
        text = _where(opened)
    await desk.show(view_id, modals.message_view(DECLARED, text))


def _where(incident: Incident) -> str:
    channel = incident.channel
    if channel is None:
        return f"*{incident.id}* is declared."
    note = f"\n\n{channel.note}" if channel.note else ""
    return (
        f"*{incident.id}* is declared. It goes on in <#{channel.channel_id}>: a plan appears "
        f"there, and somebody else has to approve it.{note}"
    )
