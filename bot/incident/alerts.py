"""Alerts that come in: what is kept of them, and when several are one and the same story.

Alertmanager repeats itself, and so does every member of its cluster. An episode is everything
that one group of alerts says about one service from the first alert until the last one ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256

from bot.core.values import Instant, Value

FLAPPING = timedelta(minutes=10)
"""An alert that fires again so soon goes on with its episode instead of beginning another."""
LAG = timedelta(seconds=30)
"""So long after an end, the same firing is a late word of another member of the cluster: members
wait for each other for 15 s (``--cluster.peer-timeout``). Later it fires again."""
MOST_ALERTS = 200
"""Alerts kept of one episode."""


class AlertWords(Value):
    """What monitoring calls an alert and says of it. Every word was written by strangers."""

    fingerprint: str
    """The same for the same labels."""
    name: str
    severity: str = ""
    summary: str = ""
    values: str = ""
    """Measured values in words; empty when none were told."""
    source: str = ""
    """What sent it, as people call it."""
    link: str = ""
    """Where the sender shows it, an address of the web; empty when none was told."""


class Alert(AlertWords):
    """What one notification says of one alert, cut to what is kept."""

    error_rate: float | None = None
    latency_ms: float | None = None
    started_at: Instant
    ended_at: Instant | None = None
    """None while it fires."""


class KnownAlert(Value):
    """An alert as it stands after everything that was heard of it."""

    said: Alert
    since: Instant
    """When it began to fire this time, by the earliest word."""
    over_at: Instant | None = None
    """When it ended; None while it fires."""
    heard_over_at: Instant | None = None
    """When the bot heard of the end."""

    @property
    def is_firing(self) -> bool:
        """Whether it goes on."""
        return self.over_at is None


class Place(Value):
    """Somewhere the episode is told: one message, updated in place."""

    destination: str
    """As in ``Delivery.destination``."""
    incident_id: str = ""
    """The incident whose channel it is."""


class Episode(Value):
    """One story about one service."""

    id: str
    service: str
    group: str
    """The sender's key of the group, shortened to a digest."""
    began_at: Instant
    heard_at: Instant
    """When the last word came in."""
    words: int = 0
    """Notifications that were heard."""
    version: int = 0
    """Grows with every change that is told."""
    alerts: tuple[KnownAlert, ...] = ()
    more: int = 0
    """Alerts beyond those that are kept."""
    places: tuple[Place, ...] = ()

    @property
    def firing(self) -> tuple[KnownAlert, ...]:
        """The alerts that go on, the oldest first."""
        return tuple(sorted((a for a in self.alerts if a.is_firing), key=lambda a: a.since))

    @property
    def over_at(self) -> Instant | None:
        """When the last alert ended; None while one fires."""
        ends = [a.over_at for a in self.alerts if a.over_at is not None]
        return None if self.firing or not ends else max(ends)

    @property
    def since(self) -> Instant:
        """When the oldest alert that goes on began, or the first of all when none does."""
        return min((a.since for a in self.firing or self.alerts), default=self.began_at)


def digest(text: str) -> str:
    """A short name for a key of any length."""
    return sha256(text.encode()).hexdigest()[:24]


def episode_of(
    known: Iterable[Episode],
    *,
    service: str,
    group: str,
    alerts: Sequence[Alert],
    now: Instant,
    forget_after: timedelta,
) -> Episode | None:
    """The episode that these alerts belong to, known or new; None when there is nothing in them.

    The same group goes on with its episode, and an alert that fires in another one stays there:
    two senders tell one story. An end that nobody heard begin begins nothing.
    """
    alive = [e for e in known if e.service == service and now - e.heard_at < forget_after]
    alive.sort(key=lambda episode: episode.heard_at, reverse=True)
    ours = next((e for e in alive if e.group == group and _goes_on(e, alerts, now)), None)
    if ours is None:
        ours = next((e for e in alive if _shares(e, alerts)), None)
    if ours is not None:
        return ours
    started = [alert.started_at for alert in alerts if alert.ended_at is None]
    if not started:
        return None
    before = next((e.id for e in alive if e.group == group), "")
    key = "\n".join((service, group, min(started).isoformat(), before))
    return Episode(id=digest(key), service=service, group=group, began_at=now, heard_at=now)


def _goes_on(episode: Episode, alerts: Sequence[Alert], now: Instant) -> bool:
    """Whether the group's episode fires, ended only just, or hears nothing but late words."""
    if episode.firing:
        return True
    over = max((a.heard_over_at for a in episode.alerts if a.heard_over_at), default=now)
    if now - over < FLAPPING:
        return True
    return taken_in(episode, alerts, now).alerts == episode.alerts


def _shares(episode: Episode, alerts: Sequence[Alert]) -> bool:
    firing = {known.said.fingerprint for known in episode.firing}
    return any(alert.fingerprint in firing for alert in alerts)


def taken_in(episode: Episode, alerts: Sequence[Alert], now: Instant) -> Episode:
    """The episode after one more notification; the order of late words does not matter."""
    standing = {known.said.fingerprint: known for known in episode.alerts}
    more = 0
    for alert in alerts:
        known = standing.get(alert.fingerprint)
        after = _heard(known, alert, now)
        if after is None:
            continue
        if known is None and len(standing) >= MOST_ALERTS:
            more += 1
            continue
        standing[alert.fingerprint] = after
    return episode.model_copy(
        update={
            "alerts": tuple(standing.values()),
            "more": max(episode.more, more),
            "heard_at": max(episode.heard_at, now),
            "words": episode.words + 1,
        }
    )


def _heard(known: KnownAlert | None, alert: Alert, now: Instant) -> KnownAlert | None:
    """An alert's state after a word about it; None for the end of what never began."""
    if alert.ended_at is None:
        return _fires(known, alert, now)
    if known is None:
        return None
    if not known.is_firing or alert.started_at < known.said.started_at:
        return known
    # Clocks differ: no end lies before its beginning or in the future.
    over = min(max(alert.ended_at, known.since), now)
    return known.model_copy(update={"said": alert, "over_at": over, "heard_over_at": now})


def _fires(known: KnownAlert | None, alert: Alert, now: Instant) -> KnownAlert:
    if known is None:
        return KnownAlert(said=alert, since=min(alert.started_at, now))
    if known.is_firing:
        newest = alert if alert.started_at >= known.said.started_at else known.said
        return known.model_copy(
            update={"said": newest, "since": min(known.since, alert.started_at)}
        )
    late = known.heard_over_at is not None and now - known.heard_over_at < LAG
    if late and alert.started_at <= known.said.started_at:
        return known
    return KnownAlert(said=alert, since=min(alert.started_at, now))


# What an incident keeps of alerts, and which of them noticed that something was wrong.

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
