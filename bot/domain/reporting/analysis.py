"""The rest of chapter 4: why did it happen, and what follows."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.events import ChangesCompared, Conclusion
from bot.domain.incident import ActionState, Incident
from bot.domain.reporting import figures
from bot.domain.reporting.document import (
    Block,
    Item,
    Section,
    clock_time,
    items,
    linked,
    paragraph,
    quote,
    sentence,
)
from bot.domain.values import spoken


def root_cause(incident: Incident) -> Section:
    """4.2: what people found, and what the withdrawn release had changed."""
    conclusion = incident.conclusion
    found = conclusion.root_cause.strip() if conclusion else ""
    block: Block = (
        quote(found, incident.resolved_by)
        if found
        else paragraph("Nobody has entered a root cause yet.")
    )
    changes = (
        _changes(incident.compared)
        if incident.compared
        else (paragraph("What the withdrawn release changed was not looked up."),)
    )
    return Section(number="4.2", title="Root Cause Analysis (Initial)", blocks=(block, *changes))


def _changes(compared: ChangesCompared) -> Iterator[Block]:
    total = max(compared.total_commits, len(compared.commits))
    yield paragraph(
        f"What {compared.head} changed since {compared.base}: {figures.changed(compared)}."
    )
    yield items(linked(f"Comparison of {compared.base} with {compared.head}", compared.url))
    if compared.pull_requests:
        yield paragraph("Pull requests:")
        yield items(
            *(linked(f"#{p.number} {p.title} — {p.author}", p.url) for p in compared.pull_requests)
        )
    if compared.commits:
        yield paragraph("Commits:")
        yield items(
            *(linked(f"{c.sha[:10]} {c.title} — {c.author}", c.url) for c in compared.commits)
        )
    if total > len(compared.commits):
        more = total - len(compared.commits)
        yield paragraph(f"{more} more commits are in the comparison and not in this list.")


def corrective_actions(incident: Incident) -> Section:
    """4.3: what will be done by whom, and what becomes of the withdrawn release."""
    conclusion = incident.conclusion
    blocks: list[Block] = []
    if conclusion and conclusion.corrective_actions:
        blocks.append(items(*action_items(incident), ordered=True))
    else:
        blocks.append(paragraph("Nobody has entered a corrective action yet."))
    blocks.append(items(sentence(hotfix_plan(conclusion)), *_next(incident)))
    return Section(number="4.3", title="Corrective Actions", blocks=tuple(blocks))


def action_items(incident: Incident, *, checklist: bool = False) -> tuple[Item, ...]:
    """The corrective actions with owner, date and issue, and how each stands."""
    actions = incident.conclusion.corrective_actions if incident.conclusion else ()
    found = []
    for index, action in enumerate(actions):
        state = incident.actions.get(index, ActionState())
        gaps = [] if action.owner else ["no owner yet"]
        gaps += [] if action.due else ["no date yet"]
        gaps += [f"done on {state.done_at:%Y-%m-%d}"] if state.done_at else []
        gaps += ["its issue was deleted: taken for dropped"] if state.dropped else []
        text = f"{action.spoken} [{', '.join(gaps)}]" if gaps else action.spoken
        done = state.done_at is not None if checklist else None
        found.append(linked(text, state.url, done=done))
    return tuple(found)


def hotfix_plan(conclusion: Conclusion | None) -> str:
    """What becomes of the withdrawn release, and when."""
    if conclusion is None:
        return "What becomes of the withdrawn release is not decided yet"
    when = conclusion.follow_up_timeline or "no date was given"
    return f"The withdrawn release: {conclusion.follow_up.value}. Timeline: {when}"


def post_mortem(incident: Incident) -> str:
    """When people meet to learn from it."""
    meeting = incident.post_mortem
    if meeting is None:
        return "No post-mortem is scheduled yet"
    people = ", ".join(person.name for person in meeting.people) or "nobody yet"
    return f"{clock_time(meeting.start)}, {spoken(meeting.minutes * 60)}, with {people}"


def _next(incident: Incident) -> Iterator[Item]:
    meeting = post_mortem(incident)
    yield Item(text=sentence(f"Post-mortem: {meeting}" if incident.post_mortem else meeting))
    if incident.freeze:
        where = ", ".join(incident.freeze.marks) or "no object, because of the problems below"
        yield Item(text=f"A deploy freeze holds, marked on {where}.")
        yield from (Item(text=sentence(problem)) for problem in incident.freeze.problems)
    else:
        yield Item(text="No deploy freeze holds.")
    if incident.release_plan:
        yield linked("The rollback summary in the release plan", incident.release_plan.where)
    else:
        yield Item(text="The rollback summary is not in a release plan yet.")


def lessons(incident: Incident) -> Section:
    """4.4: what went well, and what could be better."""
    conclusion, by = incident.conclusion, incident.resolved_by
    blocks: list[Block] = []
    for heading, text, missing in (
        ("What went well:", conclusion.went_well if conclusion else "", "what went well"),
        ("What could be improved:", conclusion.to_improve if conclusion else "", "what to improve"),
    ):
        if text.strip():
            blocks += [paragraph(heading), quote(text, by)]
        else:
            blocks.append(paragraph(f"Nobody has entered {missing} yet."))
    return Section(number="4.4", title="Lessons Learned", blocks=tuple(blocks))
