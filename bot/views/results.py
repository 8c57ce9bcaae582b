"""What came of the rollback, in words that posts and mails share."""

from __future__ import annotations

from bot.domain.incident import Incident, Phase
from bot.domain.proof import is_proven
from bot.views import figures
from bot.views.markup import inline
from bot.views.state import affected

_STATUS = {
    Phase.RECOVERED: "Rollback successful: the error rate is back to normal.",
    Phase.NOT_RECOVERED: "Every step was done, yet there are more errors than normal.",
    Phase.INCONCLUSIVE: "Every step was done, but the figures do not prove that users are well.",
    Phase.STOPPED: "Not every step was done; those that are done stay done.",
}


def status(incident: Incident) -> str:
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
    told = [figures.release(version) for version in sorted(str(v) for v in found)]
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
