"""The home tab: drawn when somebody opens it, and again for them when something changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.domain.incident import Incident
from bot.domain.statistics import Statistics
from bot.domain.values import Instant, Value
from bot.errors import RollbackBotError, TemporaryError
from bot.pipeline.context import Context
from bot.pipeline.frames import frame_of
from bot.pipeline.lookout import Lookout
from bot.pipeline.records import Records
from bot.ports.store import Document
from bot.views.home import Home, OpenIncident, PastIncident, home_view

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
        self._lookout = Lookout(context)

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
