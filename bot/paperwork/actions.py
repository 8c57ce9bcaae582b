"""After the incident: what changed, where the paperwork is, and how the actions stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from bot.communication import ids, markdown, markup
from bot.communication.blocks import Message, actions, button, compose, context, listing, section
from bot.communication.markup import channel_link, clip, escape, inline, one_line, people
from bot.core.errors import NotFoundError, RollbackBotError
from bot.core.values import amount
from bot.engine.context import Context, Draft, IssueState
from bot.engine.journal import Decide, Decision
from bot.incident import events as e
from bot.incident.events import ChangesCompared, CorrectiveAction, IssueGone, ReleasePlanUpdated
from bot.incident.state import ActionState, Incident
from bot.paperwork.model import identity, involved, open_actions
from bot.paperwork.papers import Paper, place_of, record_if
from bot.store.values import Lease

# What became of the issues that corrective actions were filed as.

log = structlog.get_logger()

UNSEEN_FOR = timedelta(days=7)
"""GitHub hides alike what is not there and what the token may not see. So long it is asked on."""


async def see_issues(
    context: Context, incident: Incident, unseen: Mapping[int, datetime]
) -> dict[int, datetime]:
    """A closed issue is a done action, a deleted one is dropped; one out of sight is given up.

    What cannot be asked now is asked later. The answer is ``unseen`` as it is now: actions whose
    issue is not shown, and since when.
    """
    place = place_of(context, incident)
    if place is None:
        return {}
    now, still = context.clock.now(), dict(unseen)
    for index, _, state in open_actions(incident):
        if not state.url or state.gone_at is not None:
            continue
        try:
            found = await context.forge.issue_state(place, state.url)
        except NotFoundError:
            if now - still.setdefault(index, now) >= UNSEEN_FOR:
                del still[index]
                await _record(context, incident, index, _gone(index, state, deleted=False))
            continue
        except RollbackBotError as error:
            log.warning("issue not read", incident=incident.id, url=state.url, error=str(error))
            continue
        still.pop(index, None)
        if found is IssueState.CLOSED:
            await _record(context, incident, index, e.ActionDone(index=index))
        elif found is IssueState.DELETED:
            await _record(context, incident, index, _gone(index, state, deleted=True))
    return still


def _gone(index: int, state: ActionState, *, deleted: bool) -> e.IssueGone:
    return e.IssueGone(index=index, url=state.url, deleted=deleted)


async def _record(context: Context, incident: Incident, index: int, event: e.AnyEvent) -> None:
    await context.journal.record(incident.id, _while_open(index, event))


def _while_open(index: int, event: e.AnyEvent) -> Decide:
    """Somebody may have pressed the button meanwhile, or another process have told it."""

    def decide(incident: Incident) -> Decision | None:
        still_open = {place for place, _, state in open_actions(incident) if state.gone_at is None}
        return Decision(events=(event,)) if index in still_open else None

    return decide


# Corrective actions as issues: title and Markdown, and the mark by which one is found again.

TITLE = 200
"""Characters; GitHub takes 256."""


def marker(identity: str) -> str:
    """A comment that readers do not see."""
    return f"<!-- rollback-bot action {identity} -->"


def issue_title(action: CorrectiveAction) -> str:
    """What is to be done."""
    return clip(one_line(action.text), TITLE)


def issue_body(incident: Incident, action: CorrectiveAction, mark: str) -> str:
    """Where it comes from, who does it and by when."""
    declared = incident.declared
    release = f"{declared.service} {incident.bad_release}"
    due = f"{action.due:%Y-%m-%d}" if action.due else "no day named"
    link = channel_link(incident)
    told = [
        f"**Action:** {_text(action.text)}",
        f"**Owner:** {_text(action.owner or 'nobody yet')}",
        f"**Due:** {due}",
        f"**From:** the rollback of {_text(release)}, incident {incident.id}",
        *([f"**Incident channel:** {link}"] if link else []),
        f"**Root cause:** {_text(incident.conclusion.root_cause if incident.conclusion else '')}",
        "The bot asks after it in the incident's channel until this issue is closed.",
    ]
    return "\n\n".join([*told, mark]) + "\n"


def _text(text: str) -> str:
    """Somebody's words; a name behind an @ would notify a stranger who bears it on GitHub."""
    return markdown.cell(text).replace("@", "@\u200b")


# Corrective actions as issues of the service's repository, each filed once.

CLOCK_SKEW = timedelta(hours=1)
"""GitHub's clock and ours may differ; looking back further costs nothing."""


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether an open action has no issue yet."""
    place = place_of(context, incident)
    if place is None or place.issues is None:
        return False
    return any(not state.url for _, _, state in open_actions(incident))


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """File what is not filed; each is recorded at once.

    What an earlier attempt left without an answer is found by its mark: GitHub has no key that
    would make filing repeatable.
    """
    place = place_of(context, incident)
    if place is None or place.issues is None:
        return
    known = await context.forge.issues(place, since=incident.opened_at - CLOCK_SKEW)
    for index, action, state in open_actions(incident):
        if state.url:
            continue
        mark = marker(identity(incident, action))
        issue = next((one for one in known if mark in one.body), None)
        if issue is None:
            draft = Draft(
                title=issue_title(action),
                body=issue_body(incident, action, mark),
                owners=tuple(one for one in action.owner.split(", ") if one and "@" not in one),
                labels=place.issues.labels,
            )
            issue = await context.forge.file(place, draft)
        filed = e.ActionFiled(index=index, url=issue.url)
        await record_if(context, incident, filed, _has_none(index), lease=lease)


def _has_none(index: int) -> Callable[[Incident], bool]:
    return lambda now: not now.is_open and not now.actions.get(index, ActionState()).url


PAPER = Paper(name="Issues for corrective actions", is_owed=is_owed, write=write)


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
            f"Owner: {_owner_line(incident, action)}{due}{issue}"
        ),
        *actions([button(markup.ACTION_DONE, ids.ACTION_DONE, value, style="primary")]),
        context(
            f"{incident.id} · press “{markup.ACTION_DONE}”{closing} when it is; otherwise the bot "
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


def _owner_line(incident: Incident, action: CorrectiveAction) -> str:
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


# A corrective action whose issue is not there any more: said once, with what follows.


def issue_gone(incident: Incident, event: IssueGone) -> Message:
    """What became of the issue, and what the bot does from now on."""
    if incident.conclusion is None:
        raise ValueError(f"{incident.id} is not concluded")
    action = incident.conclusion.corrective_actions[event.index]
    if event.deleted:
        what = "Somebody deleted the issue of a corrective action"
        then = (
            "The bot takes the action for dropped and does not ask again. If it is still to be "
            "done, make an issue for it by hand."
        )
    else:
        what = "The issue of a corrective action is not to be seen any more"
        then = (
            "It was moved or deleted, or the bot's token has lost the right to see it. The bot "
            "does not look at it again; here it asks on how the action stands."
        )
    value = f"{incident.id} {event.index} {identity(incident, action)}"
    blocks = [
        section(f"*{what}:* {linked(event.url, event.url)}\n> {inline(action.text, 600)}\n{then}"),
        *actions([button(markup.ACTION_DONE, ids.ACTION_DONE, value)]),
        context(f"{incident.id} · press “{markup.ACTION_DONE}” if it is done."),
    ]
    return compose(f"{what}: {inline(action.text, 300)}", blocks)
