"""Who does what next, for every phase. Finished mrkdwn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.communication.frame import Frame
from bot.communication.markup import (
    ABORT,
    APPROVE,
    PAUSE,
    PLAN_AGAIN,
    REJECT,
    REPLAN,
    RESOLVE,
    RESUME,
    UNDO,
    VERIFY_AGAIN,
    day,
    inline,
    moment,
    people,
)
from bot.communication.state import called
from bot.incident.approval import approvals_needed, escalates_at, expires_at
from bot.incident.events import Role
from bot.incident.state import Incident, Phase


def next_action(incident: Incident, frame: Frame) -> str:
    """Who does what next, with the names of roles and buttons."""
    return _BY_PHASE[incident.phase](incident, frame)


def _planning(incident: Incident, frame: Frame) -> str:
    return (
        "The bot looks at the live system, makes a plan and checks it. Nothing is changed. The "
        "plan card follows."
    )


def _planning_failed(incident: Incident, frame: Frame) -> str:
    failure = incident.planning_failure
    remedy = inline(failure.remedy, 400, empty="Mend the cause.") if failure else "Mend the cause."
    again = "" if PLAN_AGAIN in remedy else f" Then press “{PLAN_AGAIN}”."
    return f"{called(incident, Role.DEPLOYMENT_LEAD)}: {remedy}{_or_undo(incident) or again}"


def _or_undo(incident: Incident) -> str:
    """That an undo which came to nothing can be planned again; empty where there is none."""
    if incident.undoing is None or incident.undoing != incident.ran:
        return ""
    return f" “{UNDO}” has the undo planned again, “{PLAN_AGAIN}” an ordinary rollback."


def _awaiting(incident: Incident, frame: Frame) -> str:
    if incident.plan and not incident.plan.is_safe:
        again = REPLAN if incident.undoing is None else UNDO
        return (
            f"{called(incident, Role.DEPLOYMENT_LEAD)}: mend what blocks the plan (the plan card "
            f"says what), then press “{again}”."
        )
    return f"{who_approves(incident, frame)} {until_when(incident, frame)}"


def who_approves(incident: Incident, frame: Frame) -> str:
    """Whose approval is needed, and whose does not count."""
    policy = frame.approval
    plan = incident.plan
    given = {a.by.id for a in incident.approvals if plan and a.plan_hash == plan.hash}
    needed = approvals_needed(policy, plan) if plan else policy.quorum
    missing = max(0, needed - len(given))
    who = "A release manager" if missing == 1 else f"{missing} different release managers"
    presses = "presses" if missing == 1 else "press"
    parts = [f"{who} {presses} “{APPROVE}” or “{REJECT}” on the plan card."]
    if incident.proposed_at:
        escalates = escalates_at(policy, incident.proposed_at)
        if frame.now >= escalates:
            parts.append("On-call leads may approve as well now.")
        else:
            parts.append(f"From {moment(escalates)} on, on-call leads may approve as well.")
    if not policy.self_approval:
        asked = people(incident.askers)
        parts.append(f"{asked} asked for the rollback and may not approve it.")
    return " ".join(parts)


def until_when(incident: Incident, frame: Frame) -> str:
    """How long the plan can be approved."""
    if incident.proposed_at is None:
        return ""
    expires = expires_at(frame.approval, incident.proposed_at)
    return f"The plan holds until {moment(expires)}; after that a new one is made."


def _rejected(incident: Incident, frame: Frame) -> str:
    if incident.undoing is not None:
        return (
            f"{called(incident, Role.INCIDENT_COMMANDER)}: the rollback stands. Answer the reason "
            f"for the rejection and press “{UNDO}” to have the undo planned again, or press "
            f"“{RESOLVE}”."
        )
    return (
        f"{called(incident, Role.INCIDENT_COMMANDER)}: answer the reason for the rejection, then "
        f"press “{PLAN_AGAIN}”, or “{RESOLVE}” if no rollback is needed."
    )


def _running(incident: Incident, frame: Frame) -> str:
    if incident.abort_by:
        return (
            f"{people((incident.abort_by,))} asked to abort. The bot ends the running step and "
            "then stops for good; steps that are done stay done."
        )
    if incident.paused_by:
        return (
            f"{people((incident.paused_by,))} paused the rollback. "
            f"{called(incident, Role.DEPLOYMENT_LEAD)}: press “{RESUME}” to go on or “{ABORT}” "
            "to stop for good."
        )
    title = ""
    index = incident.current_step
    if incident.plan and index is not None:
        title = f" Now: {inline(incident.plan.steps[index].title, 150)}."
    return (
        f"The bot runs the approved plan; nobody has to do anything.{title} “{PAUSE}” and "
        f"“{ABORT}” on the progress card take effect between two steps."
    )


def _stopped(incident: Incident, frame: Frame) -> str:
    default = f"Find out why it stopped, then press “{PLAN_AGAIN}” for a plan from here."
    remedy = incident.execution.remedy if incident.execution else ""
    said = inline(remedy, 400, empty=default)
    again = "" if PLAN_AGAIN in said else f" Then press “{PLAN_AGAIN}”."
    return f"{called(incident, Role.DEPLOYMENT_LEAD)}: {said}{_or_undo(incident) or again}"


def _verifying(incident: Incident, frame: Frame) -> str:
    last = frame.checkpoints[-1] if frame.checkpoints else timedelta(0)
    since = incident.verification.since if incident.verification else incident.evidence_from
    end = incident.extended.until if incident.extended else since + last if since else None
    until = f" until {moment(end)}" if end else ""
    return (
        f"The bot measures{until} and then judges. "
        f"{called(incident, Role.MONITORING_OBSERVER)}: try by hand what matters most (log in, "
        "core features, payments) and tell the team what you see."
    )


def _recovered(incident: Incident, frame: Frame) -> str:
    return (
        f"{called(incident, Role.INCIDENT_COMMANDER)}: make sure that users report nothing new, "
        f"then press “{RESOLVE}” and write down the root cause and what follows."
    )


def _not_recovered(incident: Incident, frame: Frame) -> str:
    return (
        f"{called(incident, Role.INCIDENT_COMMANDER)}: go through the possible causes on the "
        f"recovery card. Press “{PLAN_AGAIN}” to go to another release, or “{VERIFY_AGAIN}” once "
        "the cause is mended."
    )


def _inconclusive(incident: Incident, frame: Frame) -> str:
    return (
        f"{called(incident, Role.MONITORING_OBSERVER)}: see on the recovery card what is missing, "
        f"check the service by hand, and press “{VERIFY_AGAIN}” once there are figures."
    )


def _resolved(incident: Incident, frame: Frame) -> str:
    if incident.report is None:
        return "The bot writes the report; it follows in a moment."
    follow_up = incident.conclusion.follow_up.value if incident.conclusion else "Follow-up"
    meeting = (
        f"come to the post-mortem at {day(incident.post_mortem.start)}"
        if incident.post_mortem
        else "hold the post-mortem within 24 to 48 hours"
    )
    return (
        f"{called(incident, Role.INCIDENT_COMMANDER)}: {meeting} with everybody involved. Next for "
        f"the withdrawn release: {follow_up}."
    )


_BY_PHASE: dict[Phase, Callable[[Incident, Frame], str]] = {
    Phase.PLANNING: _planning,
    Phase.PLANNING_FAILED: _planning_failed,
    Phase.AWAITING_APPROVAL: _awaiting,
    Phase.REJECTED: _rejected,
    Phase.APPROVED: _running,
    Phase.EXECUTING: _running,
    Phase.STOPPED: _stopped,
    Phase.VERIFYING: _verifying,
    Phase.RECOVERED: _recovered,
    Phase.NOT_RECOVERED: _not_recovered,
    Phase.INCONCLUSIVE: _inconclusive,
    Phase.RESOLVED: _resolved,
}
