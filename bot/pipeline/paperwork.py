"""The paperwork at the end: tried once before the report, and again until it is done.

Nothing here may hold up the report by more than a few seconds: what others have to take part in
is tried within a time limit, each piece alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bot.domain.incident import Incident
from bot.pipeline import comparison, corrective_issues, post_mortem, release_plan
from bot.pipeline.attempts import Paper, attempt
from bot.pipeline.context import Context
from bot.ports.store import Lease

STAGES: tuple[tuple[Paper, ...], ...] = (
    (comparison.PAPER, corrective_issues.PAPER, post_mortem.PAPER),
    # The summary names the meeting and the issues.
    (release_plan.PAPER,),
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
