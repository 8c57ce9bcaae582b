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
    names = _names(event, incident.declared.service)
    said = f"🔴 {_listed(names)} got worse again after {_whose(names)} recovery"
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
    """A closed incident's service got worse, but another incident of ``service`` is open."""
    names = _names(event, service)
    said = f"🔴 {_listed(names)} got worse again after the recovery of {incident_id}"
    to_do = (
        f"{other} is open for {inline(service, 40)}, so {incident_id} stays closed: go on in "
        f"{other}."
        if other
        else f"{incident_id} could not be opened again: {inline(why, 300)} Assess the service."
    )
    blocks = [
        header(said),
        *listing("What was measured", relapse_lines(event)),
        section(f"*Next:* {to_do}"),
    ]
    if not other:
        blocks += actions([button(labels.ASSESS, ids.ASSESS, names[0], style="primary")])
    return compose(f"{escape(said)}. {to_do}", blocks)


def relapse_lines(event: Relapsed) -> tuple[str, ...]:
    """The figures of a relapse, as a list."""
    judgement = event.judgement
    told = [f"• {inline(reason, 300)}" for reason in judgement.reasons[:4]]
    if judgement.error_rate is not None and judgement.limit is not None:
        told.append(
            f"• Error rate{_of(event)} since {moment(event.since)}: "
            f"{figures.rate(judgement.error_rate)}, "
            f"limit {figures.rate(judgement.limit)}"
        )
    return tuple(told)


def _names(event: Relapsed, own: str) -> tuple[str, ...]:
    return event.services or (own,)


def _listed(names: tuple[str, ...]) -> str:
    """``checkout``, or ``checkout and payments``."""
    shown = [plain(name, 40) for name in names[:4]]
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more")
    *others, last = shown
    return f"{', '.join(others)} and {last}" if others else last


def _whose(names: tuple[str, ...]) -> str:
    return "its" if len(names) == 1 else "their"


def _of(event: Relapsed) -> str:
    """Whose figures they are, where it could be asked."""
    return f" of {inline(event.services[0], 40)}" if event.services else ""
