"""After the incident: what changed, where the paperwork is, and how the actions stand."""

from __future__ import annotations

import re

from bot.domain.corrective_actions import identity
from bot.domain.events import ChangesCompared, CorrectiveAction, ReleasePlanUpdated
from bot.domain.incident import ActionState, Incident
from bot.domain.post_mortem import involved
from bot.domain.values import amount
from bot.views import ids, labels
from bot.views.kit import actions, button, compose, context, listing, section
from bot.views.markup import escape, inline, people
from bot.views.message import Message

_LISTED = 10
"""Pull requests or commits that the channel is shown; the link leads to all."""
_URL = re.compile(r"https?://[^\s<>|]+")


def changes(compared: ChangesCompared) -> Message:
    """What the withdrawn release brought: the newest first, where causes are likelier."""
    pulls, commits = compared.pull_requests, compared.commits
    count = amount(compared.total_commits, "commit")
    base, head = inline(compared.base, 120), inline(compared.head, 120)
    said = f"What changed from {base} to {head}: {count}"
    if pulls:
        title = "Pull requests, the newest first"
        told = [
            f"• {linked(f'#{one.number}', one.url)} {inline(one.title, 160)} "
            f"({inline(one.author, 40, empty='somebody')})"
            for one in reversed(pulls)
        ]
    else:
        title = "Commits, the newest first"
        told = [
            f"• {linked(one.sha[:8], one.url)} {inline(one.title, 160)} "
            f"({inline(one.author, 40, empty='somebody')})"
            for one in reversed(commits)
        ]
    rest = [f"… and {len(told) - _LISTED} more"] if len(told) > _LISTED else []
    blocks = [
        section(f"*{said}* · {linked('see all', compared.url)}"),
        *listing(title, [*told[:_LISTED], *rest]),
        context("Is the cause among them? Say so in “Root cause” when you resolve the incident."),
    ]
    return compose(f"{said}. Is the cause among them?", blocks)


def release_plan_updated(event: ReleasePlanUpdated) -> Message:
    """Where the summary stands."""
    said = "The rollback summary stands in the release plan"
    return compose(
        f"{said}: {inline(event.where, 400)}",
        [
            section(f"{said}: {linked(event.where, event.where)}"),
            context("Nothing has to be done. What it lacks can be added there by hand."),
        ],
    )


def ask_after(incident: Incident, index: int) -> Message:
    """How does an action stand?"""
    if incident.conclusion is None:
        raise ValueError(f"{incident.id} is not concluded")
    action = incident.conclusion.corrective_actions[index]
    state = incident.actions.get(index, ActionState())
    due = f", due {action.due:%Y-%m-%d}" if action.due else ""
    url = state.url if state.gone_at is None else ""
    issue = f"\nIssue: {linked(url, url)}" if url else ""
    closing = " or close the issue" if url else ""
    value = f"{incident.id} {index} {identity(incident, action)}"
    blocks = [
        section(
            f"*How does this corrective action stand?*\n> {inline(action.text, 600)}\n"
            f"Owner: {_owner(incident, action)}{due}{issue}"
        ),
        *actions([button(labels.ACTION_DONE, ids.ACTION_DONE, value, style="primary")]),
        context(
            f"{incident.id} · press “{labels.ACTION_DONE}”{closing} when it is; otherwise the bot "
            "asks again later."
        ),
    ]
    said = f"How does this corrective action stand? {inline(action.text, 300)}"
    return compose(said, blocks)


def linked(text: str, url: str) -> str:
    """A link, when the address is one; the text alone otherwise."""
    shown = inline(text, 200)
    if not _URL.fullmatch(url):
        return shown
    return f"<{escape(url)}|{shown.replace('|', '¦')}>"


def _owner(incident: Incident, action: CorrectiveAction) -> str:
    """A mention where the name is that of somebody who had a part; the name otherwise."""
    if not action.owner:
        return "nobody yet; who takes it?"
    addresses = incident.post_mortem.addresses if incident.post_mortem else {}
    known = {
        name.casefold(): person
        for person in involved(incident)
        for name in (person.name, person.id, addresses.get(person.id, ""))
    }
    return ", ".join(
        people((known[name.casefold()],)) if name.casefold() in known else inline(name, 80)
        for name in action.owner.split(", ")
    )
