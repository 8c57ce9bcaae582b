"""What came of it: rollback complete, stopped or unproven, and the end of the incident."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.models.blocks import Block

from bot.communication import figures
from bot.communication.announcements import newest_words, words_blocks
from bot.communication.blocks import Message, compose, context, facts, header, listing, section
from bot.communication.figures import (
    current,
    health,
    impact,
    judgement_lines,
    latest,
    replica_status,
    replicas,
)
from bot.communication.frame import Frame
from bot.communication.markup import code, day, escape, inline, people, quote
from bot.communication.next_action import next_action
from bot.communication.recovery_card import possible_causes
from bot.communication.state import called, freeze_blocks, headline, journey
from bot.communication.template_values import in_slack, prose
from bot.communication.texts import Texts
from bot.core.values import seconds_between, spoken
from bot.incident.events import Conclusion, ExecutionOutcome, Role, WordsAdded
from bot.incident.plan import Milestone
from bot.incident.state import Incident, Phase

_TITLES = {
    Phase.RECOVERED: "✅ Rollback complete, recovery proven",
    Phase.NOT_RECOVERED: "🔴 Rollback done, but the service is not recovered",
    Phase.INCONCLUSIVE: "🟠 Rollback done, recovery not proven",
    Phase.STOPPED: "🔴 Rollback stopped before its end",
}
_THANKS = {Phase.RECOVERED: "Thank you, team, for the quick response."}


def completion_post(incident: Incident, frame: Frame, *, texts: Texts | None = None) -> Message:
    """The outcome of the rollback (procedure 5.1), no better than it is."""
    if incident.phase is Phase.RESOLVED:
        return resolved_post(incident, frame, texts=texts)
    title = _TITLES.get(incident.phase)
    said = f"{title}: {journey(incident)}" if title else headline(incident)
    outcome = replica_status(incident)
    action = next_action(incident, frame)
    thanks = _THANKS.get(incident.phase, "Thank you, team. It is not over yet.")
    blocks = [
        header(said),
        *prose("complete.mrkdwn.j2", in_slack(incident, frame), texts),
        *facts(_facts(incident)),
        *_break_glass(incident),
        *_stopped(incident),
        *listing("Metrics", latest(incident, frame)),
        *_proof(incident),
        *listing("Impact", impact(incident)),
        section("*Root cause:* not known yet; it is written down when the incident is resolved."),
        section(f"*Next:* {action}"),
        context(f"{incident.id} · {thanks}"),
    ]
    return compose(f"{escape(said)}\n{outcome}\nNext: {action}", blocks)


def resolved_post(
    incident: Incident,
    frame: Frame,
    *,
    words: Sequence[WordsAdded] = (),
    texts: Texts | None = None,
) -> Message:
    """The last post: what it was and what follows.

    ``words`` are those that still waited for an update: none follows.
    """
    said = headline(incident)
    measured = listing("Last figures", latest(incident, frame)) if incident.samples else []
    by = people((incident.resolved_by,)) if incident.resolved_by else "the team"
    blocks = [
        header(said),
        *prose("resolved.mrkdwn.j2", in_slack(incident, frame, words=words), texts),
        *words_blocks(words),
        *facts(_facts(incident)),
        *_break_glass(incident),
        *listing("Impact", impact(incident)),
        *measured,
        *(_concluded(incident.conclusion) if incident.conclusion else []),
        *freeze_blocks(incident),
        section(f"*Next:* {next_action(incident, frame)}"),
        context(f"{incident.id} · resolved by {by} · updates end here, the report follows"),
    ]
    cause = incident.conclusion.root_cause if incident.conclusion else ""
    text = (
        f"{escape(said)}{newest_words(words)}\nRoot cause: {inline(cause, 400)}\nUpdates end here."
    )
    return compose(text, blocks)


def report_comment(incident: Incident) -> str:
    """What is said with the report's files; finished mrkdwn."""
    return (
        f"{escape(headline(incident))}\n{incident.id}: the report with timeline, figures, script "
        f"and logs. {_post_mortem(incident)} It asks what the process made possible, not who did "
        f"it.{_undrawn(incident)}"
    )


def _post_mortem(incident: Incident) -> str:
    """When it is, where a slot was found by now; else who has to find one."""
    if incident.post_mortem is not None:
        return f"Come to the post-mortem at {day(incident.post_mortem.start)}."
    commander = called(incident, Role.INCIDENT_COMMANDER)
    return f"{commander}: hold the post-mortem within 24 to 48 hours."


def report_missing(incident: Incident) -> Message:
    """Not one file of the report could be drawn; the incident is closed all the same."""
    said = f"⚠️ The report of {incident.id} could not be drawn"
    service = inline(incident.declared.service, 80)
    text = (
        f"The incident is closed and {service} is free for a new one. Everything is kept in the "
        f"bot's record.{_undrawn(incident)}"
    )
    return compose(
        f"{escape(said)}. {text}",
        [header(said), section(text), section(f"*Next:* {_post_mortem(incident)}")],
    )


def _undrawn(incident: Incident) -> str:
    """What of the report is missing and how to get it; empty when nothing is."""
    missing = incident.report.missing if incident.report else ()
    if not missing:
        return ""
    again = code(f"rollback-bot report {incident.id}", 200)
    return (
        f"\n⚠️ Could not be drawn: {inline(', '.join(missing), 600)}. The bot's log says why; "
        f"{again} draws everything again."
    )


def _facts(incident: Incident) -> list[tuple[str, str]]:
    ran = seconds_between(incident.execution_started_at, incident.execution_finished_at)
    ended = incident.resolved_at or incident.judged_at or incident.execution_finished_at
    whole = seconds_between(incident.declared.assessed_at, ended)
    running = "still runs" if incident.execution_started_at else "no rollback ran"
    return [
        ("Rollback took", spoken(ran) if ran is not None else running),
        ("Since the assessment", spoken(whole) if whole is not None else "not ended"),
        ("Current version", current(incident)),
        ("Health", health(incident)),
    ]


def _break_glass(incident: Incident) -> list[Block]:
    told = [
        f"• The approval of {inline(used.approver.name, 80)} ({inline(used.standing, 120)}) was "
        f"typed at the terminal of {inline(used.by.name, 80)}; who typed it is not proven"
        for used in incident.break_glass
    ]
    return listing("⚠️ Approved without Slack (break-glass)", told) if told else []


def _stopped(incident: Incident) -> list[Block]:
    ended = incident.execution
    if ended is None or ended.outcome is ExecutionOutcome.SUCCEEDED:
        return []
    done = sum(record.finished_at is not None for record in incident.steps)
    told = [
        f"• {inline(ended.what, 600, empty='No reason was recorded.')}",
        f"• {done} of {len(incident.steps)} steps are done",
        f"• {_traffic(incident)}",
    ]
    return listing("What happened", told)


def _traffic(incident: Incident) -> str:
    """Who gets the users' requests, as far as the journal tells."""
    target = figures.release(incident.plan.to_release if incident.plan else None)
    bad = figures.release(incident.bad_release)
    if Milestone.DRAINED in incident.milestones:
        return f"Users reach {target}; {bad} serves nobody"
    if Milestone.SWITCHED in incident.milestones:
        return f"New requests reach {target}; {bad} may still serve open connections"
    return f"{bad} still gets requests, as far as the bot knows"


def _proof(incident: Incident) -> list[Block]:
    if incident.judged is None:
        return []
    told = [*judgement_lines(incident.judged.judgement), *replicas(incident)]
    blocks = listing("Proof", told)
    if incident.phase is Phase.NOT_RECOVERED:
        blocks += listing("Possible causes, and what to do", possible_causes(incident))
    return blocks


def _concluded(conclusion: Conclusion) -> list[Block]:
    corrective = [f"• {inline(action.spoken, 250)}" for action in conclusion.corrective_actions]
    timeline = inline(conclusion.follow_up_timeline, 200, empty="no date yet")
    lessons = [
        f"• {title}: {inline(text, 500)}"
        for title, text in (
            ("Went well", conclusion.went_well),
            ("To improve", conclusion.to_improve),
        )
        if text.strip()
    ]
    return [
        section(f"*Root cause*\n{quote(conclusion.root_cause, 1_000)}"),
        *listing("Corrective actions", corrective, limit=2_000),
        *listing("Lessons", lessons),
        section(f"*The withdrawn release:* {conclusion.follow_up.value}, {timeline}"),
    ]
