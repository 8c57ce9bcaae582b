"""The home tab: drawn when somebody opens it, and again for them when something changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.communication import ids
from bot.communication.blocks import (
    actions,
    button,
    context,
    divider,
    facts,
    header,
    listing,
    section,
)
from bot.communication.frame import Frame, frame_of
from bot.communication.markup import channel, day, escape, inline, moment
from bot.communication.next_action import next_action
from bot.communication.state import eta, headline
from bot.core.errors import RollbackBotError, TemporaryError
from bot.core.values import Actor, Instant, Value
from bot.engine.context import Context
from bot.home.model import (
    ActionToDo,
    DraftToSend,
    Outcome,
    PlanToApprove,
    Statistics,
    Waiting,
    actions_for,
    drafts_for,
    owners_of,
    plans_for,
    recovery_told,
)
from bot.home.records import Records
from bot.home.statistics import figures, title
from bot.incident.approval import Right
from bot.incident.state import Incident, Phase
from bot.paperwork.model import open_actions
from bot.store.values import Document

# Looks up what waits for a person: who they are to each incident.

PEOPLE_KEPT = timedelta(minutes=5)
"""So long a membership is believed here, where nothing is decided; every click looks it up anew."""
MOST_OWNERS = 20
"""Addresses looked up in one go."""


class Memberships:
    """Remembers for a little while who stands behind a reference: many people look at once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._people: dict[str, tuple[datetime, frozenset[str]]] = {}

    async def waiting(
        self,
        user_id: str,
        *,
        open_now: Sequence[Incident],
        recent: Sequence[Incident],
        now: Instant,
    ) -> Waiting:
        """What waits for a person in the open and the newest incidents, with what is missing."""
        context, actor = self._context, Actor(id=user_id, name=user_id)
        incidents = {i.id: i for i in (*open_now, *recent)}.values()
        problems: list[str] = []
        rights: frozenset[Right] = frozenset()
        names = frozenset({user_id.casefold()})
        try:
            if any(i.phase is Phase.AWAITING_APPROVAL for i in open_now):
                rights = await self._rights(user_id)
            names |= await self._names(user_id, incidents)
        except RollbackBotError as error:
            problems.append(f"Something that waits for you may be missing here: {error.what}")
        return Waiting(
            plans=plans_for(
                open_now,
                actor,
                rights=rights,
                policy_of=context.catalog.approval_of,
                now=now,
            ),
            drafts=drafts_for(incidents, actor),
            actions=actions_for(incidents, names),
            problems=tuple(problems),
        )

    async def _rights(self, user_id: str) -> frozenset[Right]:
        people = self._context.catalog.people
        named = {
            Right.RELEASE_MANAGER: people.release_managers,
            Right.ON_CALL_LEAD: people.on_call_leads,
        }
        return frozenset(
            [
                right
                for right, references in named.items()
                if user_id in await self._ids(f"right {right.value}", references)
            ]
        )

    async def _names(self, user_id: str, incidents: Iterable[Incident]) -> frozenset[str]:
        """The owners' references that mean this person, and the person's name, in lower case."""
        owners = {
            owner: None
            for incident in incidents
            for _, action, _ in open_actions(incident)
            for owner in owners_of(action)
        }
        if not owners:
            return frozenset()
        found = {actor.name for actor in (await self._context.chat.resolve((user_id,))).people}
        for owner in [owner for owner in owners if "@" in owner][:MOST_OWNERS]:
            if user_id in await self._ids(f"owner {owner}", (owner,)):
                found.add(owner)
        return frozenset(name.casefold() for name in found)

    async def _ids(self, key: str, references: Sequence[str]) -> frozenset[str]:
        """Ids of the people behind references, asked for rarely: many people look at this tab."""
        now = self._context.clock.now()
        kept = self._people.get(key)
        if kept is not None and now - kept[0] < PEOPLE_KEPT:
            return kept[1]
        resolution = await self._context.chat.resolve(references)
        found = frozenset(person.id for person in resolution.people)
        self._people[key] = (now, found)
        return found


# The home tab: what is open, what waits for the person, what was, and where to begin.

SHOWN_OPEN = 15
ROW = 25
"""Buttons in one row."""
ROWS = 3
MOST_BLOCKS = 100
"""Slack's limit for a view; what is above cannot come near it."""


class OpenIncident(Value):
    """An open incident with the settings of its service."""

    incident: Incident
    frame: Frame


class PastIncident(Value):
    """An incident that is over."""

    incident: Incident
    outcome: Outcome


class Home(Value):
    """Everything on one person's home tab."""

    waiting: Waiting
    open: tuple[OpenIncident, ...]
    more_open: int = 0
    past: tuple[PastIncident, ...]
    statistics: Statistics
    services: tuple[str, ...]


def home_view(home: Home) -> dict[str, Any]:
    """The view as ``views.publish`` takes it; the same home gives the same view."""
    blocks = [
        *_waiting(home.waiting),
        *_open(home),
        *_services(home.services),
        *_statistics(home.statistics),
        *_past(home.past),
    ]
    drawn: dict[str, Any] = View(type="home", blocks=blocks[:MOST_BLOCKS]).to_dict()
    return drawn


def _waiting(waiting: Waiting) -> list[Block]:
    told = [
        *map(_plan, waiting.plans),
        *map(_draft, waiting.drafts),
        *map(_action, waiting.actions),
    ]
    blocks = [header("What waits for you")]
    if told:
        blocks += listing("You can act on", told, more="see the channels of the incidents")
    else:
        blocks.append(section("Nothing waits for you."))
    return [*blocks, *(context(f"⚠️ {inline(problem, 400)}") for problem in waiting.problems[:3])]


def _plan(item: PlanToApprove) -> str:
    plan = item.incident.plan
    way = f" {inline(plan.from_release, 60)} → {inline(plan.to_release, 60)}" if plan else ""
    told = f"• 🔵 {_named(item.incident)}: read the plan{way} and approve or reject it"
    if item.from_at is None:
        return f"{told}."
    return f"{told}; your approval counts from {moment(item.from_at)} on."


def _draft(item: DraftToSend) -> str:
    names = ", ".join(message.value for message in item.messages)
    return f"• ✉️ {_named(item.incident)}: read, send or discard the message to customers ({names})."


def _action(item: ActionToDo) -> str:
    return f"• 🔧 {_named(item.incident)}: {inline(item.action.spoken, 300)}"


def _named(incident: Incident) -> str:
    opened = incident.channel
    where = f" in {channel(opened.channel_id, opened.channel_name)}" if opened else ""
    return f"*{incident.id}* {inline(incident.declared.service, 60)}{where}"


def _open(home: Home) -> list[Block]:
    blocks: list[Block] = [divider(), header("Open incidents")]
    if not home.open:
        return [*blocks, section("No incident is open.")]
    for item in home.open[:SHOWN_OPEN]:
        incident = item.incident
        blocks.append(section(f"{_named(incident)}\n{escape(headline(incident))}"))
        since = f"Since {day(incident.opened_at)}. ETA: {eta(incident)}."
        blocks.append(context(f"Next: {next_action(incident, item.frame)}", since))
    more = len(home.open) - SHOWN_OPEN + home.more_open
    if more > 0:
        blocks.append(context(f"{more} more are open: type `{ids.COMMAND} status`."))
    return blocks


def _services(names: Sequence[str]) -> list[Block]:
    shown = names[: ROW * ROWS]
    blocks: list[Block] = [divider(), header("Assess a service")]
    for start in range(0, len(shown), ROW):
        row = shown[start : start + ROW]
        blocks += actions([button(name, f"{ids.ASSESS}_{name}", name) for name in row])
    rest = len(names) - len(shown)
    more = f" {rest} more can be typed: `{ids.COMMAND} SERVICE`." if rest else ""
    safe = "Assessing changes nothing. A rollback runs only after its plan was approved."
    return [*blocks, context(f"{safe}{more}")]


def _statistics(found: Statistics) -> list[Block]:
    blocks: list[Block] = [divider(), header("How releases fare"), context(inline(title(found)))]
    blocks += facts((name, escape(value)) for name, value in figures(found))
    unknown = [f"• {inline(reason, 250)}" for reason in found.unknown]
    return [*blocks, *listing("Not known", unknown, limit=1_500, more="see docs/home.md")]


def _past(past: Sequence[PastIncident]) -> list[Block]:
    blocks: list[Block] = [divider(), header("Past incidents")]
    if not past:
        return [*blocks, section("There has been none yet.")]
    told = [_over(item) for item in past]
    more = f"type `{ids.COMMAND} history`"
    return [*blocks, *listing("The last ones", told, most=3, more=more)]


def _over(item: PastIncident) -> str:
    incident = item.incident
    verdict = incident.declared.verdict
    return (
        f"• {_named(incident)}, {day(incident.opened_at)}, {verdict.kind.value} "
        f"({verdict.severity.priority}): {recovery_told(item.outcome)}. "
        f"{escape(headline(incident))}"
    )


log = structlog.get_logger()

KIND = "home_visit"
LATELY = timedelta(hours=8)
"""Who opened the tab within this time is kept up to date."""
MOST_VISITORS = 20
PAUSE = 15.0
"""Seconds between two rounds: 20 people every 15 s stay below 100 calls a minute (Tier 4)."""
TOGETHER = 2.0
"""Seconds in which changes are gathered into one round."""
MOST_OPEN, SHOWN_PAST, LOOKED_THROUGH = 50, 10, 100

Publish = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Shows a view to a person, by id. Raises TemporaryError to be tried again."""


class Picture(Value):
    """What is the same for everybody."""

    now: Instant
    open: tuple[Incident, ...]
    recent: tuple[Incident, ...]
    """The newest incidents, open or not."""
    past: tuple[PastIncident, ...]
    statistics: Statistics


class Homes:
    """Keeps home tabs up to date; everything about a person is looked up when it is drawn."""

    def __init__(self, context: Context, records: Records, publish: Publish) -> None:
        self._context = context
        self._records = records
        self._publish = publish
        self._changed = asyncio.Event()
        # One at a time: what was drawn first must not be shown last.
        self._drawing = asyncio.Lock()
        self._shown: dict[str, dict[str, Any]] = {}
        self._lookout = Memberships(context)

    async def opened(self, user_id: str) -> None:
        """Somebody looks at the tab: draw it, and keep it up to date for a while."""
        now = self._context.clock.now()
        visit = Document(
            kind=KIND, id=user_id, body={"at": now.isoformat()}, expires_at=now + LATELY
        )
        await self._context.store.put(visit)
        async with self._drawing:
            self._shown.pop(user_id, None)
            await self._show(user_id, await self._picture())

    def changed(self, _: Incident) -> None:
        """An incident changed: a round follows soon."""
        self._changed.set()

    async def run(self) -> None:
        """Refresh the tabs of recent visitors after changes, until cancelled."""
        clock = self._context.clock
        while True:
            await self._changed.wait()
            await clock.sleep(TOGETHER)
            self._changed.clear()
            try:
                wait = await self.refresh()
            except RollbackBotError as error:
                log.warning("home tabs were not refreshed", error=str(error))
                wait = PAUSE
            except Exception:
                # A defect in drawing must not end the refreshing for good.
                log.exception("home tabs were not refreshed")
                wait = PAUSE
            await clock.sleep(wait)

    async def refresh(self) -> float:
        """One round over the recent visitors; so many seconds later another may begin."""
        visitors = await self._visitors()
        if not visitors:
            return PAUSE
        async with self._drawing:
            picture = await self._picture()
            for user_id in visitors:
                try:
                    await self._show(user_id, picture)
                except TemporaryError as error:
                    log.info("a home tab was not refreshed", user=user_id, error=str(error))
                    self._changed.set()
                    if error.retry_after:
                        # The limit is everybody's; what ails one tab need not be.
                        return max(PAUSE, error.retry_after)
                except RollbackBotError as error:
                    log.warning("a home tab was not refreshed", user=user_id, error=str(error))
                except Exception:
                    log.exception("a home tab was not refreshed", user=user_id)
        return PAUSE

    async def _visitors(self) -> list[str]:
        now = self._context.clock.now()
        visits = [
            (datetime.fromisoformat(str(document.body["at"])), document.id)
            for document in await self._context.store.documents(KIND)
        ]
        recent = sorted((visit for visit in visits if now - visit[0] < LATELY), reverse=True)
        return [user_id for _, user_id in recent[:MOST_VISITORS]]

    async def _show(self, user_id: str, picture: Picture) -> None:
        view = home_view(await self._home(user_id, picture))
        if self._shown.get(user_id) == view:
            return
        await self._publish(user_id, view)
        if len(self._shown) >= 10 * MOST_VISITORS:
            self._shown.clear()
        self._shown[user_id] = view

    async def _picture(self) -> Picture:
        context = self._context
        store, journal = context.store, context.journal
        open_heads = await store.incidents(open_only=True, limit=MOST_OPEN)
        heads = await store.incidents(limit=LOOKED_THROUGH)
        recent = [await journal.at(head) for head in heads]
        over = [
            PastIncident(incident=incident, outcome=await self._records.outcome(context, head))
            for head, incident in zip(heads, recent, strict=True)
            if not incident.is_open
        ]
        return Picture(
            now=context.clock.now(),
            open=tuple([await journal.at(head) for head in open_heads]),
            recent=tuple(recent),
            past=tuple(over[:SHOWN_PAST]),
            statistics=await self._records.statistics(context),
        )

    async def _home(self, user_id: str, picture: Picture) -> Home:
        catalog = self._context.catalog
        return Home(
            waiting=await self._lookout.waiting(
                user_id, open_now=picture.open, recent=picture.recent, now=picture.now
            ),
            open=tuple(
                OpenIncident(
                    incident=incident,
                    # Drawn as it last changed: time alone must not make it another view.
                    frame=frame_of(catalog, incident.declared.service, incident.changed_at),
                )
                for incident in picture.open
                if incident.is_open
            ),
            past=picture.past,
            statistics=picture.statistics,
            services=tuple(sorted(catalog.services)),
        )
