"""The end at the terminal: what to do after the judgement, and the words for the report."""

from __future__ import annotations

from collections.abc import Collection

from bot.domain import events as e
from bot.domain.corrective_actions import NotAnActionError, parse_actions
from bot.domain.incident import Incident, Phase
from bot.domain.transitions import is_allowed
from bot.pipeline import approve, conclude, undo
from bot.terminal.seat import Seat, request_id


async def ask_what_next(seat: Seat, incident: Incident, *, target: str | None) -> Incident:
    """Plan or verify again, as the operator wishes; unchanged when they only press Enter."""
    choices = {"plan": "plan again"}
    if incident.phase in {Phase.NOT_RECOVERED, Phase.INCONCLUSIVE}:
        choices["verify"] = "measure and judge again"
    if is_allowed(incident, e.UndoRequested):
        choices["undo"] = "take the steps back that were done"
    choices["close"] = "resolve the incident as it is"
    told = ", ".join(f"“{word}” to {meaning}" for word, meaning in choices.items())
    answer = await _one_of(seat, choices, f"What next? Type {told} (Enter: leave it open):")
    if answer == "plan":
        return await approve.request_plan(
            seat.context,
            incident.id,
            actor=seat.operator,
            target=target,
            request_id=request_id(),
        )
    if answer == "undo":
        return await undo.request_undo(
            seat.context, incident.id, actor=seat.operator, request_id=request_id()
        )
    if answer == "verify":
        return await conclude.request_verification(
            seat.context, incident.id, actor=seat.operator, request_id=request_id()
        )
    if answer == "close":
        return await ask_for_conclusion(seat, incident)
    return incident


async def ask_for_conclusion(seat: Seat, incident: Incident) -> Incident:
    """Resolve the incident with the operator's words; unchanged without a root cause."""
    seat.say("\nThe incident stays open, and its service claimed, until it is resolved.")
    cause = await seat.ask("Root cause, as far as it is known (Enter: leave the incident open):")
    if not cause:
        return incident
    actions = await _actions(seat)
    follow_up = await ask_for_follow_up(seat)
    conclusion = e.Conclusion(
        root_cause=cause,
        corrective_actions=actions,
        follow_up=follow_up,
    )
    return await conclude.resolve(
        seat.context,
        incident.id,
        conclusion=conclusion,
        actor=seat.operator,
        request_id=request_id(),
    )


async def _actions(seat: Seat) -> tuple[e.CorrectiveAction, ...]:
    """What is typed, asked for again until it can be understood."""
    seat.say("Corrective actions, for example: Add a test @anna 2026-12-01; Alert on refunds @ben")
    while True:
        typed = await seat.ask("All of them, separated by “;” (Enter: none yet):")
        lines = (typed or "").replace(";", "\n")
        try:
            return parse_actions(lines, today=seat.context.clock.now().date())
        except NotAnActionError as error:
            seat.say(str(error), style="yellow")


async def ask_for_follow_up(seat: Seat) -> e.FollowUp:
    """What becomes of the withdrawn release."""
    words = {"hotfix": e.FollowUp.HOTFIX, "defer": e.FollowUp.DEFER, "replan": e.FollowUp.REPLAN}
    told = ", ".join(f"“{word}” ({one.value})" for word, one in words.items())
    answer = await _one_of(seat, words, f"The withdrawn release: {told} (Enter: replan):")
    return words.get(answer, e.FollowUp.REPLAN)


async def _one_of(seat: Seat, words: Collection[str], question: str) -> str:
    """One of the words, asked for again after a slip; empty for Enter and when nobody is there."""
    while True:
        answer = (await seat.ask(question) or "").lower()
        if not answer or answer in words:
            return answer
        seat.say(f"“{answer}” is none of these.", style="yellow")
