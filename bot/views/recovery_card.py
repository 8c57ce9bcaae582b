"""The proof, or what is missing for it: replicas, table, judgement, and what to try next."""

from __future__ import annotations

from slack_sdk.models.blocks import Block

from bot.domain.incident import Incident, Phase
from bot.domain.values import spoken
from bot.views import buttons, figures
from bot.views.causes import assess_others, possible_causes
from bot.views.frame import Frame
from bot.views.kit import actions, compose, context, header, listing, section
from bot.views.markup import code_block, escape, inline, moment
from bot.views.measured import baseline_of, judgement_lines, limit_of, replicas, table
from bot.views.message import Message
from bot.views.relapse import relapse_lines
from bot.views.smoke import smoke_lines
from bot.views.state import headline, next_action

_UNPROVEN = frozenset({Phase.NOT_RECOVERED, Phase.INCONCLUSIVE})


def recovery_card(incident: Incident, frame: Frame) -> Message:
    """Whether the service is recovered, and on what evidence."""
    said = headline(incident)
    blocks = [
        header(said),
        section(f"*Next:* {next_action(incident, frame)}"),
        *listing("Service and replicas", replicas(incident), limit=2_400),
        *listing("Users' tasks (smoke tests)", smoke_lines(incident), limit=2_000),
        section(f"*Error rate since the rollback*\n{code_block(table(incident, frame), 2_700)}"),
        *_extended(incident),
        *_judgement(incident, frame),
        *_relapse(incident),
        *_causes(incident),
        context(_small_print(incident, frame)),
        *actions(buttons.after_the_fact(incident)),
    ]
    table_text = escape(table(incident, frame, limit=900))
    return compose(f"{incident.id}: {escape(said)}\n{table_text}", blocks)


def _extended(incident: Incident) -> list[Block]:
    """Why the verdict comes later than planned."""
    event = incident.extended
    if event is None:
        return []
    goes_on = "measured" if incident.judged else "measures"
    return [
        section(
            f"⏱️ For {spoken(event.unread_seconds)} nothing could be read, so the bot {goes_on} on "
            f"until {moment(event.until)} before judging."
        )
    ]


def _relapse(incident: Incident) -> list[Block]:
    """The newest relapse; the judgement above it is older."""
    if not incident.relapses or incident.phase not in _UNPROVEN:
        return []
    newest = incident.relapses[-1]
    if incident.judged_at is None or newest.at < incident.judged_at:
        return []
    return listing(f"🔴 Worse again at {moment(newest.at)}", relapse_lines(newest.event))


def _judgement(incident: Incident, frame: Frame) -> list[Block]:
    if incident.judged is None:
        return [section("*Judgement*\nFollows after the last row. Until then nothing is proven.")]
    told = list(judgement_lines(incident.judged.judgement))
    if incident.judged.watched_until and incident.phase is Phase.RECOVERED:
        until = moment(incident.judged.watched_until)
        told.append(f"• The bot watches until {until} and opens the incident again if it relapses")
    return listing("Judgement", told)


def _causes(incident: Incident) -> list[Block]:
    if incident.phase not in _UNPROVEN:
        return []
    causes = listing("Possible causes, and what to do", possible_causes(incident), most=2)
    return [*causes, *actions(assess_others(incident))]


def _small_print(incident: Incident, frame: Frame) -> str:
    limit, baseline = limit_of(incident, frame), baseline_of(incident)
    note = incident.verification.baseline_note if incident.verification else incident.baseline_note
    said = inline(note, 200, empty="")
    if limit is None or baseline is None or baseline.error_rate is None:
        return f"{incident.id} · no baseline, so no limit: recovery cannot be proven · {said}"
    return (
        f"{incident.id} · normal {figures.rate(baseline.error_rate)} · limit {figures.rate(limit)} "
        f"· {said}"
    )
