"""The relapse watch: a recovery that was proven is looked after, also when it is resolved.

Of a plan over several services each is watched against what is normal for it; whichever gets worse
opens the incident again, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from pydantic import model_validator

from bot.communication import buttons, ids, markup
from bot.communication.blocks import (
    Message,
    actions,
    button,
    compose,
    context,
    header,
    listing,
    section,
)
from bot.communication.frame import Frame
from bot.communication.markup import escape, inline, moment, plain
from bot.communication.next_action import next_action
from bot.communication.notices import notices
from bot.communication.recovery_card import relapse_lines
from bot.core.errors import RefusedError
from bot.core.values import Instant, Value
from bot.engine import releases
from bot.engine.context import Context
from bot.engine.engine import each
from bot.engine.journal import Decision
from bot.engine.measuring import counted
from bot.incident import events as e
from bot.incident.duties import is_proven
from bot.incident.events import Relapsed
from bot.incident.plan import Plan
from bot.incident.state import Incident, Phase
from bot.judge.counts import Baseline, Judgement, complete_buckets
from bot.judge.judge import relapsed
from bot.store.values import Document

# Which services are watched after a proven recovery, by what, and how long.

KIND = "relapse"


class Watched(Value):
    """One service whose recovery was proven."""

    service: str
    release: str
    """What serves since the rollback, and is marked good."""
    baseline: Baseline
    until: Instant


class Watch(Value):
    """The services of one plan, whose recovery was proven a short while ago."""

    incident_id: str
    service: str
    """The incident's own, which decides whether it can be opened again."""
    services: tuple[Watched, ...]
    since: Instant
    until: Instant
    """When the last of them is not watched any more."""
    channels: tuple[str, ...] = ()
    """Where it is said when another incident of the service is open by then."""

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_bot(cls, body: Any) -> Any:
        """A document that an older bot has written is about the incident's own service alone."""
        if not isinstance(body, dict) or "services" in body:
            return body
        own = {name: body.get(name) for name in ("service", "release", "baseline", "until")}
        rest = {name: value for name, value in body.items() if name not in {"release", "baseline"}}
        return {**rest, "services": [own]}


def watch_of(context: Context, incident: Incident) -> Watch | None:
    """How the services that are about to be called recovered are watched; None when none is."""
    plan = incident.plan
    found = [_watched(context, incident, plan, one) for one in plan.services] if plan else []
    services = tuple(one for one in found if one is not None)
    if not services:
        return None
    return Watch(
        incident_id=incident.id,
        service=incident.declared.service,
        services=services,
        since=context.clock.now(),
        until=max(one.until for one in services),
        channels=(incident.channel.channel_id,) if incident.channel else (),
    )


def _watched(context: Context, incident: Incident, plan: Plan, service: str) -> Watched | None:
    """None for a service that is not measured, or whose normal is not known."""
    watch_after = context.catalog.verification_of(service).watch_after
    if service == incident.declared.service:
        baseline = incident.verification.baseline if incident.verification else None
    else:
        entry = context.catalog.services.get(service)
        measured = entry is not None and entry.metrics is not None
        baseline = incident.baselines.get(service) if measured else None
    if watch_after is None or baseline is None:
        return None
    release = next(
        (part.to_release for part in plan.moved if part.service == service), plan.to_release
    )
    return Watched(
        service=service,
        release=release,
        baseline=baseline,
        until=context.clock.now() + watch_after,
    )


def document_of(watch: Watch) -> Document:
    """Without an expiry of the store's own: the last look decides when it is over."""
    return Document(kind=KIND, id=watch.incident_id, body=watch.model_dump(mode="json"))


# Messages about a relapse: the recovery was proven, and did not last.


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
        blocks += actions([button(markup.ASSESS, ids.ASSESS, names[0], style="primary")])
    return compose(f"{escape(said)}. {to_do}", blocks)


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


log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One service that got worse again."""

    service: str
    judgement: Judgement
    since: Instant


async def look(context: Context) -> None:
    """Look at every watched service once; called by the scheduler. One failing stops no other."""
    await each(context, KIND, Watch, _look_at)


async def _look_at(context: Context, watch: Watch) -> None:
    incident = await context.journal.load(watch.incident_id)
    now = context.clock.now()
    if incident.phase is Phase.VERIFYING and now < watch.until:
        # Verified again: not over yet.
        return
    if incident.standing is not None and now < watch.until:
        # Another plan is talked about: until it runs, what was proven well is still there.
        return
    newest = incident.relapses[-1] if incident.relapses else None
    if newest is not None and newest.at >= watch.since:
        # A process that died here had recorded the relapse, and not yet cleared up.
        await _clear_up(context, watch, newest.event)
        return
    known = [one for one in watch.services if one.service in context.catalog.services]
    if not is_proven(incident) or not known:
        await context.store.delete(KIND, watch.incident_id)
        return
    event = await _relapse(context, watch, known)
    if event is not None:
        await _say(context, watch, event)
        await _clear_up(context, watch, event)
    elif now >= watch.until:
        await context.store.delete(KIND, watch.incident_id)


async def _relapse(context: Context, watch: Watch, known: Sequence[Watched]) -> e.Relapsed | None:
    """What got worse again, if anything; the figures are those of the first, the own before others.

    What was found about another service says in its reasons which.
    """
    # Each gets one look behind its time, as the whole watch does.
    late = context.catalog.assessment.watch_every
    found = [
        worse
        for one in known
        if context.clock.now() < one.until + late
        if (worse := await _worse(context, watch, one)) is not None
    ]
    if not found:
        return None
    reasons = tuple(
        reason if worse.service == watch.service else f"{worse.service}: {reason}"
        for worse in found
        for reason in worse.judgement.reasons
    )
    return e.Relapsed(
        judgement=found[0].judgement.model_copy(update={"reasons": reasons}),
        since=found[0].since,
        services=tuple(worse.service for worse in found),
    )


async def _worse(context: Context, watch: Watch, one: Watched) -> _Found | None:
    """What the newest complete intervals prove, over a short window and a longer one."""
    policy = context.catalog.verification_of(one.service).judge
    metrics = context.service(one.service).metrics
    now = context.clock.now()
    known = now - (metrics.late_by if metrics else timedelta(0))
    width = timedelta(seconds=policy.bucket_seconds)
    windows = (policy.minimum_buckets, 3 * policy.minimum_buckets)
    start = max(watch.since, known - windows[-1] * width)
    if known <= start:
        return None
    outcome = await counted(context, one.service, start, known)
    if isinstance(outcome, str):
        log.info(
            "recovery not measured", incident=watch.incident_id, service=one.service, why=outcome
        )
        return None
    buckets = complete_buckets(outcome.buckets, known)
    every = context.catalog.assessment.watch_every
    # The risk of a false alarm is the watch's, however many services it looks at.
    rounds = max(1, round((one.until - watch.since) / every))
    looks = len(watch.services) * len(windows) * rounds
    for size in windows:
        judgement = relapsed(one.baseline, buckets[-size:], policy, looks=looks)
        if judgement is not None:
            since = buckets[-size:][0].start
            return _Found(service=one.service, judgement=judgement, since=since)
    return None


async def _say(context: Context, watch: Watch, event: e.Relapsed) -> None:
    """Reopen the incident, or tell its people where another one of the service is open."""
    others = await _open_for(context, watch, event.services)
    if len(others) == len(event.services) and watch.service not in event.services:
        # Each has an incident of its own by now: two would work on the same service.
        await _tell(context, watch, event, taken=event.services[0], other=others[0])
        return

    def decide(incident: Incident) -> Decision | None:
        if not is_proven(incident):
            return None
        return Decision(events=(event,), reopens=True)

    try:
        await context.journal.record(watch.incident_id, decide)
    except RefusedError as refused:
        other = await _open_for(context, watch, (watch.service,))
        await _tell(
            context,
            watch,
            event,
            taken=watch.service,
            other=other[0] if other else None,
            why=refused.what,
        )
        return
    log.warning("the service relapsed", services=event.services, incident=watch.incident_id)


async def _open_for(
    context: Context, watch: Watch, services: Sequence[str]
) -> tuple[Incident, ...]:
    """The open incidents that these services have of their own, beside the one that is watched."""
    found = []
    for service in services:
        heads = await context.store.incidents(service=service, open_only=True, limit=1)
        if heads and heads[0].id != watch.incident_id:
            found.append(await context.journal.load(heads[0].id))
    return tuple(found)


async def _tell(
    context: Context,
    watch: Watch,
    event: e.Relapsed,
    *,
    taken: str,
    other: Incident | None,
    why: str = "",
) -> None:
    """Once, into the channel of the incident that is open and into that of the closed one."""
    log.warning("relapse beside another incident", incident=watch.incident_id)
    channels = list(watch.channels)
    if other is not None and other.channel is not None:
        channels.insert(0, other.channel.channel_id)
    message = relapsed_elsewhere(
        taken, watch.incident_id, other.id if other else "", event, why=why
    )
    identity = f"{watch.incident_id}/relapse/{watch.since.timestamp():.6f}"
    owed = notices(identity, message, dict.fromkeys(channels))
    await context.store.enqueue(owed, now=context.clock.now())


async def _clear_up(context: Context, watch: Watch, event: e.Relapsed) -> None:
    """The release does not serve well after all where it got worse, and the watch is over."""
    worse = event.services or (watch.service,)
    for one in watch.services:
        if one.service in worse:
            await releases.forget(context, one.service, one.release)
    await context.store.delete(KIND, watch.incident_id)
