"""Submitted modals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp

from bot.approval import approve
from bot.assessment import assess
from bot.assessment import modals as modals_
from bot.communication import ids, modals
from bot.core.errors import DuplicateRequestError, RollbackBotError
from bot.engine.rights import check_team
from bot.execution import multi_service
from bot.incident.assessment import VerdictKind
from bot.paperwork import conclude
from handlers import actions, forms
from handlers.desk import Ack, Body, Desk, actor_of, submission_id_of

log = structlog.get_logger()

Submit = Callable[[Desk, Body, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Carries out one submission and returns the answer to Slack, as arguments of ``ack``."""

SUBMIT_SECONDS = 2.5
"""Slack waits three for the answer to a submission, and shows an error after that."""


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to every modal's submission."""
    for callback_id, (submit, errors_at) in SUBMISSIONS.items():
        app.view(callback_id)(_listener(desk, submit, errors_at))


def _listener(desk: Desk, submit: Submit, errors_at: str) -> Callable[..., Awaitable[None]]:
    async def on_submit(ack: Ack, body: Body, view: dict[str, Any]) -> None:
        answer = await _answer(desk, body, view, submit)
        problem = answer.pop("problem", "")
        if problem and errors_at:
            # Shown beside an input, so that what was typed is not lost.
            answer = {"response_action": "errors", "errors": {errors_at: problem}}
        elif problem:
            answer = _shows(modals.message_view("Not possible now", problem))
        await ack(**answer)

    return on_submit


async def _answer(desk: Desk, body: Body, view: dict[str, Any], submit: Submit) -> dict[str, Any]:
    """Slack's answer, or under ``problem`` what to tell the person instead."""
    try:
        async with asyncio.timeout(SUBMIT_SECONDS):
            return await submit(desk, body, view)
    except TimeoutError:
        log.warning("a submission took too long", user=actor_of(body).id)
        return {"problem": "This takes too long just now. Submit again in a moment."}
    except forms.FormError as error:
        return {"response_action": "errors", "errors": error.errors}
    except DuplicateRequestError:
        # Carried out the first time; the person sees the same end.
        return {"response_action": "clear"}
    except RollbackBotError as error:
        log.info("refused", user=actor_of(body).id, error=str(error))
        return {"problem": f"{error.what} {error.remedy}".strip()}
    except Exception as error:
        log.exception("a submission failed unexpectedly")
        what = f"Something unexpected went wrong ({type(error).__name__}). Submit again; if it "
        return {"problem": f"{what}happens again, the bot's log has the details."}


def _shows(view: dict[str, Any]) -> dict[str, Any]:
    return {"response_action": "update", "view": view}


async def _assessment(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    draft = await assess.load(desk.context, view["private_metadata"])
    filled = forms.assessment(view, draft)
    judged = await assess.submit(desk.context, draft.id, filled)
    if judged.verdict and judged.verdict.kind is VerdictKind.MONITOR:
        watch_for = desk.context.catalog.assessment.watch_for
        return _shows(modals_.monitor_view(judged, watch_for=watch_for))
    return _shows(modals_.decision_form(judged))


async def _watch(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    draft = await assess.load(desk.context, view["private_metadata"])
    started = await assess.start(desk.context, draft)
    text = (
        f"*{draft.service}* is watched until {started.until:%H:%M} UTC. You get a message when it "
        "gets worse, and one when the watch ends. Nothing was declared."
    )
    return _shows(modals.message_view("Watching", text))


async def _reject(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    incident_id, _, plan_hash = view["private_metadata"].partition(" ")
    await approve.reject(
        desk.context,
        incident_id,
        plan_hash=plan_hash,
        actor=actor_of(body),
        reason=forms.field(view, ids.REASON),
        request_id=submission_id_of(view),
    )
    return {"response_action": "clear"}


async def _confirm(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    incident_id, _, plan_hash = view["private_metadata"].partition(" ")
    await approve.approve(
        desk.context,
        incident_id,
        plan_hash=plan_hash,
        actor=actor_of(body),
        request_id=submission_id_of(view),
        typed=forms.field(view, ids.TEXT),
    )
    return {"response_action": "clear"}


async def _replan(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    incident_id = view["private_metadata"]
    # Nothing in production changes, but what people have decided so far is void.
    incident = await desk.context.journal.load(incident_id)
    await check_team(desk.context, incident, actor_of(body))
    chosen = forms.chosen(view, ids.PARTS)
    # All of them is no choice: the form has them ticked.
    whole = chosen == frozenset(multi_service.parts_of(desk.context, incident))
    target = forms.field(view, ids.TEXT) or forms.field(view, ids.TARGET) or None
    await approve.request_plan(
        desk.context,
        incident_id,
        actor=actor_of(body),
        target=target,
        request_id=submission_id_of(view),
        parts=() if whole else tuple(sorted(chosen)),
    )
    return {"response_action": "clear"}


async def _words(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    await conclude.add_words(
        desk.context,
        view["private_metadata"],
        text=forms.field(view, ids.TEXT),
        actor=actor_of(body),
        request_id=submission_id_of(view),
    )
    return {"response_action": "clear"}


async def _resolve(desk: Desk, body: Body, view: dict[str, Any]) -> dict[str, Any]:
    incident = await desk.context.journal.load(view["private_metadata"])
    await check_team(desk.context, incident, actor_of(body))
    await conclude.resolve(
        desk.context,
        incident.id,
        conclusion=forms.conclusion(view, today=desk.context.clock.now().date()),
        actor=actor_of(body),
        request_id=submission_id_of(view),
    )
    return {"response_action": "clear"}


SUBMISSIONS: dict[str, tuple[Submit, str]] = {
    ids.ASSESSMENT: (_assessment, ids.DESCRIPTION),
    ids.DECISION: (forms.declare_incident, ids.REASON),
    ids.WATCH: (_watch, ""),
    ids.CONFIRM: (_confirm, ids.TEXT),
    ids.REJECT: (_reject, ids.REASON),
    ids.REPLAN: (_replan, ids.TEXT),
    ids.WORDS: (_words, ids.TEXT),
    ids.EDIT_EXTERNAL: (actions.submit_edit, ids.TEXT),
    ids.RESOLVE: (_resolve, ids.ROOT_CAUSE),
    ids.MOVE_MEETING: (actions.move, ids.MEETING_TIME),
}
"""By callback id: what to do, and the input beside which a problem is shown."""
