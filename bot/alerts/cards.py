"""What is said of incoming alerts. Every word in them was written by strangers."""

from __future__ import annotations

from slack_sdk.models.blocks import Block, ButtonElement

from bot.communication import ids
from bot.communication.blocks import Message, actions, button, compose, context, section
from bot.communication.markup import channel, clean, clip, clock, inline, lines, moment, one_line
from bot.core.values import Instant
from bot.incident.alerts import Episode, KnownAlert
from bot.incident.assessment import Prefill
from bot.incident.state import Incident

_SHOWN = 1_800
"""Characters of the list of alerts."""
DESCRIPTION = 1_200
"""Characters that an assessment begins with, so that a person can add to them."""


def alert_card(episode: Episode, *, incident: Incident | None, here: bool) -> Message:
    """One story about a service, updated in place; ``here`` is the open incident's own channel."""
    title = _title(episode)
    blocks: list[Block] = [section(f"*{title}*\n{_list(episode)}"), context(_count(episode))]
    if episode.firing and incident is None:
        blocks += actions([_assess(episode)])
        blocks.append(context("Nothing was declared. Assessing shows the live figures first."))
    elif episode.firing and not here and incident is not None:
        blocks.append(section(_join(incident)))
    elif episode.firing:
        blocks.append(
            context(
                "It is part of this incident's record, and changes nothing in it. If it speaks of "
                "something else than this rollback, say so here."
            )
        )
    else:
        blocks.append(context("Nothing has to be done."))
    return compose(f"{title} {_next(episode, incident)}", blocks)


def _title(episode: Episode) -> str:
    service = inline(episode.service, 60)
    firing = len(episode.firing)
    if not firing:
        return f"☑️ Alerts for {service} are over."
    return f"🔔 {firing} {'alert fires' if firing == 1 else 'alerts fire'} for {service}."


def _next(episode: Episode, incident: Incident | None) -> str:
    if not episode.firing:
        return "Nothing has to be done."
    if incident is not None:
        return f"{incident.id} is open."
    return f"Press “{_label(episode)}” or type {ids.COMMAND} {inline(episode.service, 60)}."


def _list(episode: Episode) -> str:
    shown = episode.firing or tuple(sorted(episode.alerts, key=lambda alert: alert.since))
    return lines([_line(alert) for alert in shown], _SHOWN, more="see the sender")


def _line(alert: KnownAlert) -> str:
    said = alert.said
    severity = f" ({inline(said.severity, 30)})" if said.severity else ""
    summary = f": {inline(said.summary, 300)}" if said.summary else ""
    values = f" [{inline(said.values, 150)}]" if said.values else ""
    when = f"since {moment(alert.since)}"
    if alert.over_at:
        when = f"{moment(alert.since)} to {moment(alert.over_at)}"
    return f"• *{inline(said.name, 100, empty='alert')}*{severity}, {when}{summary}{values}"


def _count(episode: Episode) -> str:
    told = f"Heard {episode.words} times" if episode.words > 1 else "Heard once"
    more = f" {episode.more} more alerts are not listed." if episode.more else ""
    over = f" Over since {moment(episode.over_at)}." if episode.over_at else ""
    return f"{told}, last {moment(episode.heard_at)}.{over}{more}"


def _label(episode: Episode) -> str:
    return f"Assess {episode.service}"


def _assess(episode: Episode) -> ButtonElement:
    return button(
        _label(episode),
        f"{ids.ASSESS}_{episode.service}",
        f"{episode.service} {episode.id}",
        style="primary",
    )


def _join(incident: Incident) -> str:
    opened = incident.channel
    where = f": join it in {channel(opened.channel_id, opened.channel_name)}" if opened else ""
    return f"*{incident.id}* is open for this service{where}."


def prefill(episode: Episode) -> Prefill:
    """What an assessment of these alerts begins with."""
    alerts = episode.firing or episode.alerts
    rates = [a.said.error_rate for a in alerts if a.said.error_rate is not None]
    latencies = [a.said.latency_ms for a in alerts if a.said.latency_ms is not None]
    told = "\n".join(_plain(alert) for alert in alerts)
    return Prefill(
        id=episode.id,
        service=episode.service,
        description=clip(f"Alerts since {_clock(episode.since)}:\n{told}", DESCRIPTION),
        error_rate=max(rates, default=None),
        latency_ms=max(latencies, default=None),
    )


def _clock(at: Instant) -> str:
    return f"{clock(at)} UTC"


def _plain(alert: KnownAlert) -> str:
    """For a text input, which shows everything as it is."""
    said = alert.said
    parts = [one_line(clean(part)) for part in (said.name or "alert", said.summary) if part]
    severity = f" ({one_line(said.severity)})" if said.severity else ""
    values = f" [{one_line(said.values)}]" if said.values else ""
    summary = f": {parts[1]}" if parts[1:] else ""
    return f"{parts[0]}{severity}{summary}{values}"
