"""What customers are told, and when: pure rules over the events.

Source: the emergency-rollback procedure, 5.2, and the states of status pages. Nobody outside is
told that it is over before the judge has proven it.
"""

from __future__ import annotations

from typing import Any

from bot.core.errors import RefusedError
from bot.core.registry import Registry
from bot.incident import events as e
from bot.incident.assessment import Severity, Thresholds
from bot.incident.duties import is_proven
from bot.incident.state import Incident, OutsideMessage, OutsideState
from bot.judge.counts import RecoveryVerdict


def due(incident: Incident, events: tuple[e.AnyEvent, ...]) -> e.ExternalMessage | None:
    """The message that these events make due in the state after them, or None.

    The same message is not repeated: an incident that is planned twice is identified once.
    """
    found = [message for event in events if (message := _worth(event, incident))]
    newest = found[-1] if found else None
    return None if newest is standing(incident) else newest


def _worth(event: e.AnyEvent, incident: Incident) -> e.ExternalMessage | None:
    match event:
        case e.ChannelOpened() | e.Relapsed():
            return e.ExternalMessage.INVESTIGATING
        case e.TeamAssigned() if incident.declared.place is e.Place.TERMINAL:
            return e.ExternalMessage.INVESTIGATING
        # An undo brings back what was withdrawn: that is no fix to tell customers of.
        case e.PlanApproved() if not _undoes(incident):
            return e.ExternalMessage.IDENTIFIED
        case e.ExecutionFinished(outcome=e.ExecutionOutcome.SUCCEEDED) if not _undoes(incident):
            return e.ExternalMessage.MONITORING
        case e.Judged(judgement=judgement):
            return _JUDGED.get(judgement.verdict)
    return None


def _undoes(incident: Incident) -> bool:
    return incident.plan is not None and incident.plan.undoes


_JUDGED = {
    RecoveryVerdict.RECOVERED: e.ExternalMessage.RESOLVED,
    # Customers were told of a fix that is not one; an unproven one is still monitored.
    RecoveryVerdict.NOT_RECOVERED: e.ExternalMessage.INVESTIGATING,
}


def standing(incident: Incident) -> e.ExternalMessage | None:
    """The newest message that was sent or waits for a person's word."""
    kept = {OutsideState.SENT, OutsideState.WAITING}
    return next((o.message for o in reversed(incident.outside) if o.state in kept), None)


def waiting(incident: Incident) -> tuple[OutsideMessage, ...]:
    """The drafts that wait for a person's word."""
    return tuple(o for o in incident.outside if o.state is OutsideState.WAITING)


def is_significant(incident: Incident, thresholds: Thresholds) -> bool:
    """Whether customers were hit hard enough to be written to (procedure 5.2)."""
    if incident.declared.verdict.severity is Severity.CRITICAL:
        return True
    affected = incident.declared.assessment.affected_users
    return affected is not None and affected > thresholds.significant_affected_users


def draft_on_the_table(incident: Incident, number: int) -> OutsideMessage:
    """The draft that a person decides about.

    Raises RefusedError that says who was faster, or that a newer message took its place.
    """
    found = next((o for o in incident.outside if o.number == number), None)
    if found is None:
        raise RefusedError("There is no such draft.", "Look at the newest draft in the channel.")
    if found.state is OutsideState.WAITING:
        return found
    if found.state is OutsideState.LAPSED:
        raise RefusedError(
            f"“{found.message.value}” is out of date: a newer message took its place.",
            "Decide about the newest draft in the channel.",
        )
    who = found.by.name if found.by else "the bot"
    raise RefusedError(
        f"“{found.message.value}” was already {found.state.value} by {who}.",
        "There is nothing left to do for this draft.",
    )


def check_truth(incident: Incident, message: e.ExternalMessage) -> None:
    """Refuse to tell customers that it is over without proof.

    Raises RefusedError.
    """
    if message is e.ExternalMessage.RESOLVED and not is_proven(incident):
        raise RefusedError(
            "Recovery is not proven any more, so customers are not told that it is over.",
            "Discard this draft; once recovery is proven again there will be a new one.",
        )


def round_of(incident: Incident) -> int:
    """Which trouble the newest sent message is about: 1, and one more after each “resolved”.

    A status page's incident that was resolved stays so; a relapse is a new one there.
    """
    return incident.external_sent[:-1].count(e.ExternalMessage.RESOLVED) + 1


# Where messages go, as people know it.

DESTINATIONS: Registry[Any] = Registry("destinations", "kind of destination")
"""Each is a ``bot.communication.destinations.base.DestinationKind``."""


def label_of(destination: str) -> str:
    """A destination as people know it: a channel by its name or id, others with their kind."""
    kind, _, name = destination.partition(":")
    noun = DESTINATIONS.get(kind).noun if kind in DESTINATIONS.names else kind
    return f"{noun} {name}".lstrip()
