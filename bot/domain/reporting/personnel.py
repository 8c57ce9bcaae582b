"""Chapter 3, last part: who was there, and what they did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.reporting.document import Block, Section, paragraph, table
from bot.domain.values import Actor


def personnel(incident: Incident, recorded: Sequence[e.Recorded]) -> Section:
    """3.4: everybody with a role or a deed."""
    names: dict[str, str] = {}
    roles: dict[str, list[str]] = defaultdict(list)
    deeds: dict[str, list[str]] = defaultdict(list)
    unfilled = []
    for assigned in incident.team or ():
        if not assigned.people:
            unfilled.append(assigned.role.value)
        for person in assigned.people:
            names[person.id] = person.name
            roles[person.id].append(assigned.role.value)
    for item in recorded:
        for actor, deed in _deeds(item.event):
            names[actor.id] = actor.name
            if deed not in deeds[actor.id]:
                deeds[actor.id].append(deed)
    rows: list[tuple[str, ...]] = [
        (name, ", ".join(roles[key]) or "–", ", ".join(deeds[key]) or "–")
        for key, name in names.items()
    ]
    blocks: list[Block] = [table("Person", "Role", "Did", rows=rows)]
    if unfilled:
        blocks.append(paragraph(f"Nobody was found for: {', '.join(unfilled)}."))
    return Section(number="3.4", title="Personnel Involved", blocks=tuple(blocks))


_DEEDS: dict[type[e.Event], str] = {
    e.Declared: "declared the incident",
    e.PlanRequested: "asked for a new plan",
    e.UndoRequested: "asked to undo the rollback",
    e.BreakGlassUsed: "took an approval at the terminal (break-glass)",
    e.PlanRejected: "rejected a plan",
    e.PauseRequested: "paused the execution",
    e.ResumeRequested: "resumed the execution",
    e.AbortRequested: "aborted the execution",
    e.VerificationRequested: "asked to judge again",
    e.WordsAdded: "wrote to the stakeholders",
    e.ExternalHeld: "held the messages to customers",
    e.ExternalFreed: "freed the messages to customers",
    e.ExternalSent: "sent a message to customers",
    e.ExternalDiscarded: "discarded a message to customers",
    e.Resolved: "resolved the incident",
    e.ActionDone: "finished a corrective action",
    e.FreezeLifted: "lifted the deploy freeze",
}


def _deeds(event: e.AnyEvent) -> Iterator[tuple[Actor, str]]:
    if isinstance(event, e.ApprovalGiven):
        yield event.approval.by, "approved the plan"
        return
    deed, by = _DEEDS.get(type(event)), getattr(event, "by", None)
    if deed and isinstance(by, Actor) and not by.is_bot:
        yield by, deed
