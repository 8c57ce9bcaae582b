"""MONITOR declares nothing: it watches, and comes back to the person when things worsen."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.domain.assessment import Figures, Verdict, VerdictKind, decide
from bot.domain.draft import Draft
from bot.domain.values import Instant, Value
from bot.errors import RefusedError
from bot.pipeline.context import Context
from bot.pipeline.figures import measure
from bot.pipeline.rounds import each
from bot.ports.deliveries import Action, Delivery
from bot.ports.store import Document
from bot.views import posts
from bot.views.message import Message

log = structlog.get_logger()

KIND = "watch"


class Watch(Value):
    """A service that somebody wants to hear of if it gets worse."""

    draft: Draft
    until: Instant


async def start(context: Context, draft: Draft) -> Watch:
    """Watch a service for the person who assessed it; once more for the same draft is a no-op."""
    until = context.clock.now() + context.catalog.assessment.watch_for
    watch = Watch(draft=draft, until=until)
    await context.store.put(Document(kind=KIND, id=draft.id, body=watch.model_dump(mode="json")))
    return watch


async def look(context: Context) -> None:
    """Look at every watched service once; called by the scheduler. One failing stops no other."""
    await each(context, KIND, Watch, _look_at)


async def _look_at(context: Context, watch: Watch) -> None:
    draft, now = watch.draft, context.clock.now()
    if draft.service not in context.catalog.services:
        await context.store.delete(KIND, draft.id)
        return
    if await context.store.incidents(service=draft.service, open_only=True, limit=1):
        await context.store.delete(KIND, draft.id)
        return
    figures = await measure(context, draft.service)
    verdict = _judge(context, draft, figures)
    if verdict.kind is not VerdictKind.MONITOR:
        said = posts.worsened(draft.service, verdict, figures, since=draft.opened_at)
        await _tell(context, draft, said, now)
    elif now >= watch.until:
        await _tell(context, draft, posts.still_fine(draft.service, figures), now)


def _judge(context: Context, draft: Draft, figures: Figures) -> Verdict:
    if draft.assessment is None:
        raise RefusedError(f"Draft {draft.id} has no assessment.", "Type `/rollback` again.")
    news: dict[str, object] = {"figures": figures}
    if figures.business_shortfall is not None:
        # What is measured now outweighs what a person knew at the beginning.
        news["business_drop"] = figures.business_shortfall
    assessment = draft.assessment.model_copy(update=news)
    return decide(assessment, context.service(draft.service).thresholds)


async def _tell(context: Context, draft: Draft, message: Message, now: datetime) -> None:
    # The delivery's id is the watch's: telling twice is impossible even if the next line fails.
    delivery = Delivery(
        id=f"watch/{draft.id}",
        destination=f"slack:{draft.by.id}",
        action=Action.POST,
        payload=message.payload(),
    )
    await context.store.enqueue([delivery], now=now)
    await context.store.delete(KIND, draft.id)
    log.info("watch ended", service=draft.service)
