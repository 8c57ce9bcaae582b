"""What an incident keeps of alerts, and which of them noticed that something was wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from bot.domain.alerts import AlertWords, KnownAlert
from bot.domain.values import Instant

MOST_HEARD = 200
"""Firings that one incident keeps; an alert that flaps for days must not fill its record."""
LONGEST = timedelta(hours=24)
"""An alert that fired for longer before anybody looked speaks of something else. It counts only
where it is not known when the bad release began to serve."""


class HeardAlert(AlertWords):
    """One firing of an alert, as an incident heard of it."""

    started_at: Instant
    ended_at: Instant | None = None
    """None while it fires."""


def heard(alert: KnownAlert) -> HeardAlert:
    """An alert as an incident keeps it."""
    words = alert.said.model_dump(include=set(AlertWords.model_fields))
    return HeardAlert(**words, started_at=alert.since, ended_at=alert.over_at)


def news(
    known: Iterable[HeardAlert], told: Iterable[HeardAlert], *, since: Instant, is_open: bool
) -> tuple[HeardAlert, ...]:
    """Of what is told now, what the incident has not heard: a firing, or the end of a known one.

    ``since`` is when the incident's assessment was opened: what was over by then is not its
    business. An incident that is closed hears how what it knows ends, and of nothing new.
    """
    before = tuple(known)
    last = {alert.fingerprint: alert for alert in before}
    starts = {(alert.fingerprint, alert.started_at) for alert in before}
    room = MOST_HEARD - len(before)
    found = []
    for alert in told:
        standing = last.get(alert.fingerprint)
        if standing is not None and standing.ended_at is None:
            if alert.ended_at is not None:
                over = max(alert.ended_at, standing.started_at)
                found.append(standing.model_copy(update={"ended_at": over}))
        elif is_open and room > 0 and _is_new(alert, standing, starts, since):
            found.append(alert)
            room -= 1
    return tuple(found)


def _is_new(
    alert: HeardAlert,
    standing: HeardAlert | None,
    starts: set[tuple[str, Instant]],
    since: Instant,
) -> bool:
    """Whether a firing is another than those that are known."""
    if (alert.fingerprint, alert.started_at) in starts:
        return False
    if alert.ended_at is None:
        return True
    # It began and ended between two words about it.
    known_until = standing.ended_at if standing and standing.ended_at else since
    return alert.ended_at > since and (standing is None or alert.started_at >= known_until)


def with_news(known: tuple[HeardAlert, ...], told: Iterable[HeardAlert]) -> tuple[HeardAlert, ...]:
    """What is known after news; the end of a firing takes the place of its beginning."""
    found = {(alert.fingerprint, alert.started_at): alert for alert in known}
    found |= {(alert.fingerprint, alert.started_at): alert for alert in told}
    return tuple(found.values())


def noticed_by(
    alerts: Iterable[HeardAlert], *, assessed_at: Instant, released_at: Instant | None
) -> HeardAlert | None:
    """The alert that noticed it, of those that fired when the assessment was opened.

    It is the first that began after the bad release began to serve: an alert from before has
    noticed something else. None when no alert was earlier than the person who asked.
    """
    earliest = released_at if released_at is not None else assessed_at - LONGEST
    found = [alert for alert in alerts if earliest <= alert.started_at <= assessed_at]
    return min(found, key=lambda alert: alert.started_at, default=None)
