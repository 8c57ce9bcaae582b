"""The rollback summary in the release plan (procedure 6.4), written once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from bot.catalog.paperwork import FileReleasePlan, ReleasePlanSettings
from bot.core.errors import NotFoundError
from bot.engine.context import Context, ReleaseNotes
from bot.incident import events as e
from bot.incident.state import Incident
from bot.paperwork import actions, papers, post_mortem
from bot.paperwork.papers import Paper, attempt, place_of, record_if
from bot.reporting.pages import release_plan_summary
from bot.reporting.publish import counts
from bot.store.values import Lease

_MENTION = re.compile(r"(?<![A-Za-z0-9_])@(?=[A-Za-z0-9])")


def plan_of(context: Context, incident: Incident) -> ReleasePlanSettings | None:
    """Where the service's release plan is kept."""
    entry = context.catalog.services.get(incident.declared.service)
    return entry.release_plan if entry else None


def is_owed(context: Context, incident: Incident) -> bool:
    """Whether the summary of a resolved incident is not in the release plan."""
    return (
        plan_of(context, incident) is not None
        and not incident.is_open
        and incident.release_plan is None
    )


async def write(context: Context, incident: Incident, lease: Lease | None) -> None:
    """Append the summary to the release's notes or to the file, and record where it stands."""
    settings = plan_of(context, incident)
    if settings is None:
        return
    recorded = await context.journal.events(incident.id)
    counted = await counts(context, incident)
    summary = release_plan_summary(incident, recorded, counted=counted)
    if isinstance(settings, FileReleasePlan):
        where = await _into_file(context, incident, settings, summary)
    else:
        where = await _into_release(context, incident, summary)
    updated = e.ReleasePlanUpdated(where=where)
    await record_if(
        context,
        incident,
        updated,
        lambda now: not now.is_open and now.release_plan is None,
        lease=lease,
    )


async def _into_file(
    context: Context, incident: Incident, settings: FileReleasePlan, summary: str
) -> str:
    path = settings.file_of(incident.declared.service, incident.bad_release)
    text = await context.files.read(path)
    changed = with_summary(text, incident.id, summary)
    if changed != text:
        await context.files.replace(path, changed)
    return str(path)


async def _into_release(context: Context, incident: Incident, summary: str) -> str:
    place = place_of(context, incident)
    if place is None:
        raise NotFoundError(
            f"{incident.declared.service} has no repository.", "Name it in rollback.yml."
        )
    notes = await context.forge.release(place, place.tag_of(incident.bad_release))
    changed = with_summary(notes.body, incident.id, _naming_nobody(summary))
    if changed != notes.body:
        await context.forge.write_release(
            place, ReleaseNotes(id=notes.id, url=notes.url, body=changed)
        )
    return notes.url


def _naming_nobody(summary: str) -> str:
    """The summary with a break in every name that GitHub would notify.

    What people and machines wrote may hold ``@names`` that belong to strangers there. An @ inside
    a word, as in an image's digest or a mail address, mentions nobody.
    """
    return _MENTION.sub("@\u200b", summary)


def with_summary(text: str, incident_id: str, summary: str) -> str:
    """The text with the incident's summary at its end, or in the place where it stood before.

    Comments that readers do not see mark where it begins and ends.
    """
    begin, end = (f"<!-- rollback-bot {incident_id} {edge} -->" for edge in ("begins", "ends"))
    part = f"{begin}\n{summary.strip()}\n{end}"
    old = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if old.search(text):
        return old.sub(lambda _: part, text, count=1)
    before = text.rstrip("\n")
    return f"{before}\n\n{part}\n" if before else f"{part}\n"


PAPER = Paper(name="Release plan", is_owed=is_owed, write=write)


# The paperwork at the end: tried once before the report, and again until it is done.
#
# Nothing here may hold up the report by more than a few seconds: what others have to take part in
# is tried within a time limit, each piece alone.

STAGES: tuple[tuple[Paper, ...], ...] = (
    (papers.PAPER, actions.PAPER, post_mortem.PAPER),
    # The summary names the meeting and the issues.
    (PAPER,),
)


def owed_papers(context: Context, incident: Incident) -> Iterator[Paper]:
    """What is not done yet."""
    for stage in STAGES:
        yield from (paper for paper in stage if paper.is_owed(context, incident))


async def do_round(context: Context, incident: Incident, lease: Lease | None) -> Incident:
    """Try everything that is owed once, stage by stage; returns the incident afterwards.

    Raises LeaseLostError when another process has taken the incident over.
    """
    for stage in STAGES:
        owed = [paper for paper in stage if paper.is_owed(context, incident)]
        done = await asyncio.gather(
            *(attempt(context, incident, paper, lease=lease) for paper in owed),
            return_exceptions=True,
        )
        for result in done:
            if isinstance(result, BaseException):
                raise result
        if owed:
            incident = await context.journal.load(incident.id)
    return incident
