"""The rollback report: a pure function of what was recorded.

The sections are those of the team's report template, with its numbers and titles. A section
without content says why; nothing is left blank.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import Recorded
from bot.domain.incident import Incident
from bot.domain.recovery import Bucket
from bot.domain.reporting import analysis, procedure, trigger
from bot.domain.reporting.appendix import appendix
from bot.domain.reporting.document import Image, Section
from bot.domain.reporting.history import History, Tally, alt_text, history_of, tallies
from bot.domain.reporting.personnel import personnel
from bot.domain.reporting.timeline import Moment, timeline
from bot.domain.timings import Timings, timings
from bot.domain.values import Instant, Value


class Report(Value):
    """Everything the report says, apart from how it is written down."""

    incident_id: str
    title: str
    as_of: Instant
    """The moment of the last event that went into it."""
    sections: tuple[Section, ...]
    timeline: tuple[Moment, ...]
    timings: Timings
    tallies: tuple[Tally, ...]
    history: History
    chart_file: str | None
    """Name of the chart beside the report; None when there is nothing to draw."""
    script_file: str | None
    """Name of the shell script beside the report; None without a plan."""


def chapter(number: str, title: str) -> Section:
    """A heading that only holds its parts together."""
    return Section(number=number, title=title, blocks=())


def build_report(
    incident: Incident, recorded: Sequence[Recorded], *, counted: Sequence[Bucket] = ()
) -> Report:
    """Fill every section from an incident and all its events.

    ``counted`` are request counts over the whole incident, oldest first, for the chart and for
    the failed requests before and during the rollback; without them, both show only what the
    assessment and the judge were given.
    """
    history = history_of(incident, counted)
    chart = None
    if any(bucket.requests for bucket in history.buckets):
        chart = Image(file=f"{incident.id}-error-rate.png", alt=alt_text(history))
    script_file = f"{incident.id}-rollback.sh" if incident.plan else None
    files = [name for name in (chart.file if chart else None, script_file) if name]
    moments = timeline(recorded)
    sums = tallies(incident, counted)
    return Report(
        incident_id=incident.id,
        title=history.title,
        as_of=incident.changed_at,
        sections=(
            trigger.summary(incident, sums),
            chapter("2", "Rollback Trigger"),
            trigger.reason(incident),
            trigger.severity(incident),
            trigger.impact(incident, sums),
            chapter("3", "Rollback Procedure"),
            procedure.plan_section(incident),
            procedure.execution(incident, recorded),
            procedure.times(incident),
            personnel(incident, recorded),
            chapter("4", "Post-Rollback Analysis"),
            analysis.verification(incident, chart),
            analysis.root_cause(incident),
            analysis.corrective_actions(incident),
            analysis.lessons(incident),
            *appendix(incident, recorded, moments, files),
        ),
        timeline=moments,
        timings=timings(incident),
        tallies=sums,
        history=history,
        chart_file=chart.file if chart else None,
        script_file=script_file,
    )
