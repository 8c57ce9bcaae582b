"""Messages about a relapse: the recovery was proven, and did not last."""

from __future__ import annotations

from bot.domain.events import Relapsed
from bot.domain.incident import Incident
from bot.views import buttons, figures, ids, labels
from bot.views.frame import Frame
from bot.views.kit import actions, button, compose, context, header, listing, section
from bot.views.markup import escape, inline, moment, plain
from bot.views.message import Message
from bot.views.next_action import next_action


def relapse_post(incident: Incident, frame: Frame, event: Relapsed, *, here: bool) -> Message:
    """The service got worse again; ``here`` is the incident's own channel, with its buttons."""
    name = plain(incident.declared.service, 40)
    said = f"🔴 {name} got worse again after its recovery"
    action = next_action(incident, frame)
    blocks = [
        header(said),
        section(
            f"Recovery had been proven. Since {moment(event.since)} the errors are above the limit "
            f"again; {incident.id} is open once more, and updates go on."
        ),
        *listing("What was measured", relapse_lines(event)),
        section(f"*Next:* {action}"),
        *(actions(buttons.after_the_fact(incident)) if here else []),
        context(f"{incident.id} · the bot checks the known causes now"),
    ]
    return compose(f"{escape(said)}. {incident.id} is open again.\nNext: {action}", blocks)


def relapsed_elsewhere(
    service: str, incident_id: str, other: str, event: Relapsed, *, why: str
) -> Message:
    """A closed incident's service got worse, but another incident of it is open already."""
    said = f"🔴 {plain(service, 40)} got worse again after the recovery of {incident_id}"
    to_do = (
        f"{other} is open for this service, so {incident_id} stays closed: go on in {other}."
        if other
        else f"{incident_id} could not be opened again: {inline(why, 300)} Assess the service."
    )
    blocks = [
        header(said),
        *listing("What was measured", relapse_lines(event)),
        section(f"*Next:* {to_do}"),
    ]
    if not other:
        blocks += actions([button(labels.ASSESS, ids.ASSESS, service, style="primary")])
    return compose(f"{escape(said)}. {to_do}", blocks)


def relapse_lines(event: Relapsed) -> tuple[str, ...]:
    """The figures of a relapse, as a list."""
    judgement = event.judgement
    told = [f"• {inline(reason, 300)}" for reason in judgement.reasons[:4]]
    if judgement.error_rate is not None and judgement.limit is not None:
        told.append(
            f"• Error rate since {moment(event.since)}: {figures.rate(judgement.error_rate)}, "
            f"limit {figures.rate(judgement.limit)}"
        )
    return tuple(told)
