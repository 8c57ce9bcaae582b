"""Every message and form of what comes after a verdict, beside the incidents, and of its own.

``words`` stand wherever a person or a machine may write; the rest is the ``Story`` of the examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bot.alerts import inbox as cards_
from bot.assessment import modals as modals_
from bot.communication import announcements, external, modals, outcomes
from bot.communication.blocks import Message
from bot.communication.frame import Frame
from bot.core.values import Actor
from bot.execution import reminders
from bot.freeze import cards
from bot.home import home, replies
from bot.home.model import (
    ActionToDo,
    DraftToSend,
    Ledger,
    PlanToApprove,
    Waiting,
    outcome_of,
    statistics_of,
)
from bot.incident import events as e
from bot.incident.alerts import Alert, Episode, taken_in
from bot.incident.assessment import Draft
from bot.incident.freeze import Freeze
from bot.incident.state import Incident, OutsideMessage, OutsideState, Phase
from bot.judge.counts import Judgement, RecoveryVerdict
from bot.paperwork import actions, post_mortem
from bot.paperwork.actions import issue_gone
from bot.proof import relapse
from tests.communication.examples import ANA, BEN, CARA, T0, history_of, incident_in, plan, step

WORDS = "checkout-green"
"""What machines call things in the plain examples."""


def concluded(words: str = WORDS, **parts: Any) -> Incident:
    """A resolved incident with one corrective action, a meeting and a freeze."""
    action = e.CorrectiveAction(text=words or "Test it", owner=words)
    conclusion = e.Conclusion(
        root_cause=words, corrective_actions=(action,), follow_up=e.FollowUp.DEFER
    )
    extra = (meeting(), freezes(words), e.ActionFiled(index=0, url=words))
    return incident_in(Phase.RESOLVED, **{"conclusion": conclusion, "extra": extra, **parts})


def meeting(**changes: Any) -> e.PostMortemScheduled:
    """The post-mortem, in a zone of half hours."""
    start = T0 + timedelta(hours=30)
    given = {"start": start, "minutes": 90, "zone": "Asia/Kolkata", "people": (ANA, BEN, CARA)}
    return e.PostMortemScheduled.model_validate({**given, **changes})


def freezes(words: str = WORDS, *, marked: bool = True) -> e.FreezeSet:
    """Deploys of one service wait."""
    one = Freeze(
        service="checkout",
        incident_id="INC-2026-001",
        plan_hash="f" * 64,
        release=words,
        until=T0 + timedelta(days=7),
    )
    marks = (f"Deployment shop/{words}",) if marked else ()
    return e.FreezeSet(marks=marks, problems=() if marked else (words,), freezes=(one,))


def relapsed(words: str = WORDS) -> e.Relapsed:
    """It got worse again."""
    judgement = Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED, reasons=(words,), requests=10, errors=9, limit=0.01
    )
    return e.Relapsed(since=T0, judgement=judgement)


def episode(words: str = WORDS, *, over: bool = False) -> Episode:
    """One alert about one service."""
    told = Alert(
        fingerprint="1", name=words, severity=words, summary=words, values=words, started_at=T0
    )
    found = Episode(id="e" * 24, service="checkout", group="g", began_at=T0, heard_at=T0)
    found = taken_in(found, [told], T0)
    end = T0 + timedelta(minutes=4)
    ended = told.model_copy(update={"ended_at": end})
    return taken_in(found, [ended], end) if over else found


def outside(words: str = WORDS, **changes: Any) -> OutsideMessage:
    """A message to customers that waits."""
    given = {
        "number": 1,
        "message": e.ExternalMessage.IDENTIFIED,
        "text": words,
        "state": OutsideState.WAITING,
        "at": T0,
    }
    return OutsideMessage.model_validate({**given, **changes})


def messages_after(frame: Frame, words: str = WORDS) -> Iterator[Message]:
    """What is said once there is a verdict."""
    incident = concluded(words)
    lifted = e.FreezeLifted(by=BEN, why=words)
    for frozen in (freezes(words), freezes(words, marked=False)):
        yield cards.frozen_post(frozen, incident)
    yield cards.lifted_post(lifted, incident, services=("checkout",))
    yield cards.lifted_post(e.FreezeLifted(), incident, services=())
    yield cards.unfrozen_reply(freezes(words).freezes[0])
    yield actions.changes(compared(words))
    yield actions.changes(compared(words, pulls=0))
    yield actions.release_plan_updated(e.ReleasePlanUpdated(where=words))
    yield actions.ask_after(incident, 0)
    for deleted in (True, False):
        yield issue_gone(incident, e.IssueGone(index=0, url=words, deleted=deleted))
    yield post_mortem.invited(incident, meeting())
    yield post_mortem.invited(incident, meeting(late=True, by=Actor(id=words, name=words)))
    yield post_mortem.reminder(incident)
    yield outcomes.report_missing(incident)
    for here in (True, False):
        yield relapse.relapse_post(incident, frame, relapsed(words), here=here)
    for other in ("INC-2026-002", ""):
        yield relapse.relapsed_elsewhere("checkout", incident.id, other, relapsed(words), why=words)


def compared(words: str, pulls: int = 2) -> e.ChangesCompared:
    """What the bad release brought."""
    return e.ChangesCompared(
        base=words,
        head=words,
        url=words,
        commits=(e.Commit(sha=words, title=words, author=words),) * 3,
        pull_requests=(e.PullRequest(number=1, title=words, author=words),) * pulls,
        total_commits=3,
    )


def messages_beside(incident: Incident, words: str = WORDS) -> Iterator[Message]:
    """What is said of alerts, of releases that come back, and of messages to customers."""
    for over in (False, True):
        found = episode(words, over=over)
        for open_now, here in ((None, False), (incident, False), (incident, True)):
            yield cards_.alert_card(found, incident=open_now, here=here)
    yield announcements.came_back("checkout", words, incident.id, seen=words)
    left = step(words, words, reminder=words)
    for one in (left, left.model_copy(update={"inverse": None})):
        yield reminders.left_behind("checkout", incident.id, one, seen=words, since=T0)
    yield replies.history_reply(
        [incident],
        T0,
        outcomes={incident.id: outcome_of(incident.id, history_of(Phase.RESOLVED))},
        statistics=_statistics(words),
    )
    yield replies.history_reply([], T0, statistics=_statistics(words))
    yield replies.status_reply([], T0)


def outside_cards(incident: Incident, words: str = WORDS) -> Iterator[Message]:
    """A message to customers, waiting and decided upon."""
    for state in OutsideState:
        by = None if state is OutsideState.WAITING else BEN
        yield external.draft_card(incident, outside(words, state=state, by=by), (words,))


def forms_after(draft: Draft, words: str = WORDS) -> Iterator[dict[str, Any]]:
    """The forms that the examples of an incident's course do not come to."""
    loses = plan(data_loss=words, downtime=words, typed_confirmation=words, approvers=2)
    incident = concluded(words)
    yield modals.confirm_form(incident.id, loses)
    yield external.edit_external_form(incident, outside(words))
    yield modals.replan_form(incident, parts=["payments/canary", "rolling"])
    yield modals_.assessment_form(
        draft.model_copy(update={"assessment": None, "alerts": ()}), problem=words
    )
    yield post_mortem.move_form(incident, meeting())


def home_tabs(frame: Frame, words: str = WORDS) -> Iterator[dict[str, Any]]:
    """The home tab, empty and with one of everything."""
    nothing = home.Home(
        waiting=Waiting(),
        open=(),
        past=(),
        statistics=_statistics(words),
        services=("checkout",),
    )
    yield home.home_view(nothing)
    now, over = incident_in(Phase.AWAITING_APPROVAL), concluded(words)
    action = e.CorrectiveAction(text=words or "Test it", owner=words)
    waiting = Waiting(
        plans=(PlanToApprove(incident=now), PlanToApprove(incident=now, from_at=T0)),
        drafts=(DraftToSend(incident=now, messages=(e.ExternalMessage.IDENTIFIED,)),),
        actions=(ActionToDo(incident=over, action=action),),
        problems=(words,),
    )
    past = home.PastIncident(incident=over, outcome=outcome_of(over.id, history_of(Phase.RESOLVED)))
    opened = home.OpenIncident(incident=now, frame=frame)
    full = nothing.model_copy(update={"waiting": waiting, "open": (opened,), "past": (past,)})
    yield home.home_view(full)


def _statistics(words: str) -> Any:
    outcome = outcome_of("INC-2026-001", history_of(Phase.RESOLVED))
    ledger = Ledger(service="checkout", problem=words)
    return statistics_of(
        [outcome], [ledger], start=T0 - timedelta(days=89), end=T0 + timedelta(days=1)
    )
