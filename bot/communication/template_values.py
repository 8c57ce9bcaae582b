"""What the texts may speak of: the variables of every template, by their readers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from slack_sdk.models.blocks import Block

from bot.communication import figures
from bot.communication.blocks import SECTION, context, section
from bot.communication.figures import (
    current,
    downtime,
    health,
    impact,
    latest,
    loss,
    replica_status,
)
from bot.communication.frame import Frame
from bot.communication.markup import channel, clock, escape, fitted, moment, pages
from bot.communication.next_action import next_action
from bot.communication.state import (
    affected,
    eta,
    headline,
    lead,
    severity,
    target_release,
    unfilled,
)
from bot.communication.texts import Texts, Written, built_in, names_in, unmarked
from bot.core.values import Value, seconds_between, spoken
from bot.incident.assessment import Thresholds
from bot.incident.duties import is_proven, next_update_at
from bot.incident.events import ExternalMessage, WordsAdded
from bot.incident.state import Incident

Variables = dict[str, object]


class Public(Value):
    """How customers know the company and the service."""

    service: str
    company: str = ""
    thresholds: Thresholds = Thresholds()

    @property
    def signature(self) -> str:
        """Who signs."""
        return f"The {self.company} team" if self.company else "Your service team"


def in_slack(
    incident: Incident, frame: Frame, *, number: int = 0, words: Sequence[WordsAdded] = ()
) -> Variables:
    """For the templates of Slack messages; ``Written`` values are finished mrkdwn."""
    declared, decision = incident.declared, incident.declared.decision
    due = next_update_at(incident, frame.update_every)
    opened = incident.channel
    conclusion = incident.conclusion
    return {
        "incident_id": incident.id,
        "service": declared.service,
        "severity": severity(incident),
        "phase": incident.phase.value,
        "headline": headline(incident),
        "bad_release": incident.bad_release,
        "target_release": target_release(incident) or "",
        "reason": decision.reason,
        "affected": decision.affected_users or "not estimated yet",
        "lead": Written(lead(incident)),
        "missing": [role.value for role in unfilled(incident)],
        "channel": Written(channel(opened.channel_id, opened.channel_name) if opened else ""),
        "elapsed": spoken(max(0.0, (frame.now - incident.opened_at).total_seconds())),
        "interval": interval(frame),
        "eta": Written(eta(incident)),
        "number": number,
        "words": [{"by": word.by.name, "text": word.text} for word in words],
        "figures": [Written(line.removeprefix("• ")) for line in latest(incident, frame)],
        "error_rate": figures.error_rate(declared.assessment.figures),
        "response_time": figures.latency(declared.assessment.figures),
        "status": replica_status(incident),
        "proven": is_proven(incident),
        "ran": incident.execution is not None,
        "duration": _duration(incident, frame.now),
        "current_version": Written(current(incident)),
        "health": health(incident),
        "downtime": Written(downtime(incident)),
        "data_loss": Written(loss(incident)),
        "root_cause": conclusion.root_cause if conclusion else "",
        "follow_up": conclusion.follow_up.value if conclusion else "",
        "next_action": Written(next_action(incident, frame)),
        "next_update": Written(moment(due) if due else ""),
    }


def by_mail(
    incident: Incident,
    frame: Frame,
    *,
    kind: str,
    number: int = 0,
    words: Sequence[WordsAdded] = (),
) -> Variables:
    """For mails to stakeholders: the same in plain text.

    ``kind`` is ``announcement``, ``update``, ``complete`` or ``resolved``.
    """
    told = in_slack(incident, frame, number=number, words=words)
    names = names_in(incident)
    plain = {name: unmarked(value, names) for name, value in told.items()}
    way = f"{plain['bad_release']} → {plain['target_release'] or 'the last known good release'}"
    facts = [
        ("Severity", plain["severity"]),
        ("Service", plain["service"]),
        ("Release", way),
        ("Affected users", affected_plain(incident)),
        ("Incident lead", plain["lead"]),
        ("ETA", plain["eta"]),
    ]
    if kind in {"complete", "resolved"}:
        facts += [
            ("Duration", plain["duration"]),
            ("Current version", plain["current_version"]),
            ("Health", plain["health"]),
        ]
    ended = kind in {"complete", "resolved"}
    hit = [unmarked(Written(line.removeprefix("• ")), names) for line in impact(incident)]
    return {**plain, "kind": kind, "facts": facts, "impact": hit if ended else []}


def for_customers(
    incident: Incident,
    public: Public,
    now: datetime,
    *,
    message: ExternalMessage,
    words: str = "",
) -> Variables:
    """For texts that leave the company: no release, no figure, nobody's name."""
    found = incident.declared.assessment
    began, ended = incident.declared.assessed_at, incident.judged_at or now
    figures_seen, limits = found.figures, public.thresholds
    slow = (figures_seen.latency_ratio or 0.0) >= limits.degraded_latency_ratio
    failing = (figures_seen.error_rate or 0.0) >= limits.discuss_error_rate
    slow = slow and not failing and not found.core_feature_broken
    # The message itself may be among those sent. Only who was told of a fix learns that it failed.
    of_a_fix = set(incident.external_sent) - {ExternalMessage.INVESTIGATING}
    lost = incident.plan is not None and incident.plan.data_loss.strip().lower() not in {"", "none"}
    return {
        "service": public.service,
        "company": public.company,
        "signature": public.signature,
        "message": message.value,
        "again": bool(of_a_fix) and message is ExternalMessage.INVESTIGATING,
        "down": found.service_down,
        "slow": slow,
        "experience": _experience(down=found.service_down, slow=slow),
        "data_lost": lost,
        "date": f"{began.astimezone(UTC):%d %B %Y}",
        "started_at": f"{clock(began)} UTC",
        "ended_at": f"{clock(ended)} UTC",
        "duration": spoken(max(60.0, round((ended - began).total_seconds() / 60) * 60)),
        "words": words,
    }


def interval(frame: Frame) -> str:
    """How often updates come: ``10 minutes``."""
    said = spoken(frame.update_every.total_seconds())
    number, _, unit = said.partition(" ")
    if unit != "min":
        return said
    return "minute" if number == "1" else f"{number} minutes"


def affected_plain(incident: Incident) -> str:
    """Who is affected, without escapes."""
    return str(unmarked(Written(affected(incident)), {}))


def _experience(*, down: bool, slow: bool) -> str:
    if down:
        return "It could not be reached."
    if slow:
        return "Answers took longer than usual."
    return "Some requests failed or had to be repeated."


def _duration(incident: Incident, now: datetime) -> str:
    ended = incident.resolved_at or incident.judged_at or incident.execution_finished_at or now
    return spoken(max(0.0, seconds_between(incident.declared.assessed_at, ended) or 0.0))


# The prose of a Slack message: a template's text as blocks, within Slack's limits.

MOST_SECTIONS = 3


def prose(name: str, variables: Variables, texts: Texts | None) -> list[Block]:
    """The text's sections; a team's template that failed after all is named below the built-in."""
    rendered = (texts or built_in()).render(name, variables)
    paragraphs = [fitted(line, SECTION) for line in rendered.text.splitlines()]
    told = [page.strip() for page in pages(paragraphs, SECTION, most=MOST_SECTIONS)]
    blocks: list[Block] = [section(page) for page in told if page]
    if rendered.problem:
        said = escape(f"⚠️ Your own text could not be used: {rendered.problem}")
        blocks.append(context(fitted(said, 500)))
    return blocks
