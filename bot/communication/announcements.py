"""The first words of an incident: to the team, to the stakeholders, to those who may approve."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.models.blocks import Block

from bot.communication import figures, ids, markup
from bot.communication import figures as words
from bot.communication.blocks import (
    Message,
    actions,
    button,
    compose,
    context,
    facts,
    header,
    listing,
    section,
)
from bot.communication.figures import ADVICE, LABELS, judgement_lines, latest
from bot.communication.frame import Frame
from bot.communication.markup import channel, day, escape, inline, moment, people, plain, quote
from bot.communication.next_action import next_action, until_when, who_approves
from bot.communication.state import (
    affected,
    eta,
    headline,
    journey,
    lead,
    members,
    severity,
    target_release,
    unfilled,
)
from bot.communication.template_values import in_slack, interval, prose
from bot.communication.texts import Texts
from bot.core.values import Instant, spoken
from bot.incident.assessment import Figures, Verdict
from bot.incident.duties import next_update_at
from bot.incident.events import ChannelOpened, Role, WordsAdded
from bot.incident.state import Incident, Phase


def announcement(
    incident: Incident,
    frame: Frame,
    *,
    eta_seconds: float | None = None,
    texts: Texts | None = None,
) -> Message:
    """The declaration in the incident's channel (procedure 1.2 and 1.3)."""
    said = _title(incident)
    promise = f"All hands on deck. {_rhythm(frame)}"
    blocks = [
        header(said),
        *facts(_facts(incident, eta_seconds)),
        *prose("announcement.mrkdwn.j2", in_slack(incident, frame), texts),
        *_decision(incident),
        *_seen(incident),
        *_where(incident.channel),
        context(f"{incident.id} · what happens next: {next_action(incident, frame)}"),
    ]
    return compose(f"{escape(said)}\n{_reason(incident)}\n{promise}", blocks)


def stakeholder_announcement(
    incident: Incident,
    frame: Frame,
    *,
    eta_seconds: float | None = None,
    texts: Texts | None = None,
) -> Message:
    """The declaration for those who are informed."""
    said = _title(incident)
    blocks = [
        header(said),
        *facts(_facts(incident, eta_seconds)),
        *prose("stakeholder_announcement.mrkdwn.j2", in_slack(incident, frame), texts),
        context(incident.id),
    ]
    return compose(f"{escape(said)}\n{_reason(incident)}\n{_rhythm(frame)}", blocks)


def team_assembled(incident: Incident, frame: Frame, *, texts: Texts | None = None) -> Message:
    """Who fills which role, and what to do about roles that nobody fills."""
    said = "Incident team assembled. Beginning the rollback."
    missing = unfilled(incident)
    if missing:
        said = "Incident team assembled, not complete. Beginning the rollback."
    told = [f"• *{role.value}*: {members(incident, role) or 'nobody yet'}" for role in Role]
    blocks = [
        *prose("team.mrkdwn.j2", in_slack(incident, frame), texts),
        *listing("Roles", told),
    ]
    if missing:
        names = ", ".join(role.value for role in missing)
        blocks.append(
            section(
                f"*Nobody yet:* {names}. {lead(incident)}: name somebody here and invite them "
                "with `/invite`; for the next time, add them to `people.roles` in `rollback.yml`."
            )
        )
    blocks.append(context(f"{incident.id} · next: {next_action(incident, frame)}"))
    gap = f" Nobody yet: {', '.join(role.value for role in missing)}." if missing else ""
    return compose(f"{said}{gap}", blocks)


def escalated(incident: Incident, frame: Frame) -> Message:
    """Nobody approved in time: on-call leads may do so from now on."""
    said = f"⏰ Still no approval for {journey(incident)}: on-call leads may approve now."
    asked = f"{who_approves(incident, frame)} {until_when(incident, frame)}".strip()
    minutes = spoken(frame.approval.escalate_after_seconds)
    blocks = [
        section(f"*{escape(said)}*"),
        section(asked),
        context(f"{incident.id} · release managers did not answer within {minutes}"),
    ]
    return compose(f"{escape(said)}\n{asked}", blocks)


def _title(incident: Incident) -> str:
    service = plain(incident.declared.service, 40)
    return f"🚨 INCIDENT: initiating rollback of {service} {plain(incident.bad_release, 60)}"


def _reason(incident: Incident) -> str:
    reason = inline(incident.declared.decision.reason, 400)
    return f"{severity(incident)}. Reason: {reason}"


def _rhythm(frame: Frame) -> str:
    return f"Updates every {interval(frame)}."


def _facts(incident: Incident, eta_seconds: float | None) -> list[tuple[str, str]]:
    target = target_release(incident)
    action = (
        f"Rolling back to {figures.release(target)}"
        if target
        else "Rolling back to the last known good release"
    )
    expected = f"about {spoken(eta_seconds)} of steps" if eta_seconds is not None else eta(incident)
    return [
        ("Severity", severity(incident)),
        ("Affected", affected(incident)),
        ("Action", action),
        ("ETA", expected),
        ("Incident lead", lead(incident)),
        ("Time", day(incident.opened_at)),
    ]


def _decision(incident: Incident) -> list[Block]:
    decision = incident.declared.decision
    told = [
        f"• Decided by: {people((incident.declared.by,))}",
        f"• Alternatives considered: {inline(decision.alternatives, 400, empty='none')}",
        f"• Why a rollback: {inline(decision.rationale, 800)}",
    ]
    return listing("Decision", told)


def _seen(incident: Incident) -> list[Block]:
    declared = incident.declared
    found = declared.assessment.figures
    told = [
        f"• Error rate: {figures.error_rate(found)}",
        f"• Response time: {figures.latency(found)}",
        *figures.reasons(declared.verdict),
        *figures.unmeasured(found),
    ]
    if declared.assessment.description.strip():
        told.append(quote(declared.assessment.description, 700))
    return listing("What is seen", told)


def _where(opened: ChannelOpened | None) -> list[Block]:
    if opened is None or opened.dedicated:
        return []
    return [section(f"⚠️ *This incident has no channel of its own.* {inline(opened.note, 600)}")]


# The ten-minute update, from live state.


def update_post(
    incident: Incident,
    frame: Frame,
    *,
    number: int,
    words: Sequence[WordsAdded] | None = None,
    texts: Texts | None = None,
) -> Message:
    """One update. ``words`` are those to be told; by default the ones that wait.

    The event ``UpdatePosted`` empties the incident's waiting words: who draws the update from the
    state after it must pass the words from before.
    """
    said = headline(incident)
    action = next_action(incident, frame)
    told = incident.words if words is None else words
    variables = in_slack(incident, frame, number=number, words=told)
    blocks = [
        header(said),
        *prose("update.mrkdwn.j2", variables, texts),
        *words_blocks(told),
        *facts(_update_facts(incident)),
        *listing("Figures", latest(incident, frame)),
        *_judgement(incident),
        section(f"*Next:* {action}"),
        context(f"{incident.id} · {_following(incident, frame)}{_update_channels(incident)}"),
    ]
    text = f"{incident.id}, update {number}: {escape(said)}{newest_words(told)}\nNext: {action}"
    return compose(text, blocks)


def newest_words(words: Sequence[WordsAdded]) -> str:
    """A line with what was said last, for a message's text; empty without words."""
    return f"\n{inline(words[-1].text, 300)}" if words else ""


def words_blocks(words: Sequence[WordsAdded]) -> list[Block]:
    """What people say, with their names."""
    # The newest are kept when there are more than fit; all of them are in the report.
    shown = words[-4:]
    blocks: list[Block] = [
        section(f"{people((word.by,))} says:\n{quote(word.text, 900)}") for word in shown
    ]
    if len(words) > len(shown):
        blocks.append(context(f"{len(words) - len(shown)} earlier remarks — see the report"))
    return blocks


def _update_facts(incident: Incident) -> list[tuple[str, str]]:
    way = f"{figures.release(incident.bad_release)} → {figures.release(target_release(incident))}"
    return [
        ("Severity", severity(incident)),
        ("Release", way),
        ("Affected users", affected(incident)),
        ("ETA", eta(incident)),
    ]


def _judgement(incident: Incident) -> list[Block]:
    if incident.judged is None or incident.phase is Phase.VERIFYING:
        return []
    return listing("Judgement", judgement_lines(incident.judged.judgement))


def _following(incident: Incident, frame: Frame) -> str:
    due = next_update_at(incident, frame.update_every)
    if due is None:
        return "this is the last update"
    return f"next update {moment(due)}"


def _update_channels(incident: Incident) -> str:
    opened = incident.channel
    return f" · {channel(opened.channel_id, opened.channel_name)}" if opened else ""


# Messages of a watch: nothing is declared, and the bot comes back to whoever asked.


def worsened(service: str, verdict: Verdict, figures: Figures, *, since: Instant) -> Message:
    """A watched service got worse: what the procedure says now, and a button to assess it."""
    name = plain(service, 40)
    said = f"⚠️ {name} got worse: {LABELS[verdict.kind]}"
    blocks = [
        header(said),
        section(f"You asked for a watch at {moment(since)}. {ADVICE[verdict.kind]}"),
        *listing("Why", words.reasons(verdict)),
        *listing("Figures", _figures(figures)),
        context("Nothing is declared yet: the assessment opens with these figures."),
        *actions([button(markup.ASSESS, ids.ASSESS, service, style="primary")]),
    ]
    reasons = "; ".join(inline(reason.text, 150) for reason in verdict.reasons[:5])
    return compose(f"⚠️ {inline(service, 80)} got worse. {reasons}. Assess it now.", blocks)


def still_fine(service: str, figures: Figures) -> Message:
    """A watch ended quietly."""
    name = inline(service, 80)
    said = f"✅ The watch of {name} has ended: nothing got worse."
    blocks = [
        section(f"*{said}*"),
        *listing("Figures", _figures(figures)),
        context("Nothing was declared. If something looks wrong, assess it again."),
        *actions([button(markup.ASSESS, ids.ASSESS, service)]),
    ]
    return compose(f"{said} If something looks wrong, assess it again.", blocks)


def came_back(service: str, release: str, incident_id: str, *, seen: str) -> Message:
    """The release that an incident withdrew is live again."""
    name, withdrawn = plain(service, 40), plain(release, 60)
    said = f"⚠️ {name}: the withdrawn release {withdrawn} is live again"
    blocks = [
        header(said),
        section(
            f"It was withdrawn in {incident_id}. If somebody released it on purpose, with a fix "
            "under the same name, nothing needs to be done. If not, assess it now: perhaps a "
            "pipeline or a GitOps tool brought it back."
        ),
        context(f"Seen: {inline(seen, 300)}"),
        *actions([button(markup.ASSESS, ids.ASSESS, service, style="primary")]),
    ]
    return compose(f"{escape(said)}. Assess it now, or ignore this if it was on purpose.", blocks)


def _figures(figures: Figures) -> tuple[str, ...]:
    return (
        f"• Error rate: {words.error_rate(figures)}",
        f"• Response time: {words.latency(figures)}",
        f"• Release: {words.releases(figures)}",
        *words.unmeasured(figures),
    )
