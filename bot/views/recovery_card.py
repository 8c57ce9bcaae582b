"""The proof, or what is missing for it: replicas, table, judgement, and what to try next."""

from __future__ import annotations

from slack_sdk.models.blocks import Block

from bot.domain.incident import Incident, Phase
from bot.views import buttons, figures
from bot.views.causes import possible_causes
from bot.views.frame import Frame
from bot.views.kit import actions, compose, context, header, listing, section
from bot.views.markup import code_block, escape, inline
from bot.views.measured import baseline_of, judgement_lines, limit_of, replicas, table
from bot.views.message import Message
from bot.views.state import headline, next_action

_UNPROVEN = frozenset({Phase.NOT_RECOVERED, Phase.INCONCLUSIVE})


def recovery_card(incident: Incident, frame: Frame) -> Message:
    """Whether the service is recovered, and on what evidence."""
    said = headline(incident)
    blocks = [
        header(said),
        section(f"*Next:* {next_action(incident, frame)}"),
        *listing("Service and replicas", replicas(incident), limit=2_400),
        section(f"*Error rate since the rollback*\n{code_block(table(incident, frame), 2_700)}"),
        *_judgement(incident, frame),
        *_causes(incident),
        context(_small_print(incident, frame)),
        *actions(buttons.after_the_fact(incident)),
    ]
    table_text = escape(table(incident, frame, limit=900))
    return compose(f"{incident.id}: {escape(said)}\n{table_text}", blocks)


def _judgement(incident: Incident, frame: Frame) -> list[Block]:
    if incident.judged is None:
        return [section("*Judgement*\nFollows after the last row. Until then nothing is proven.")]
    return listing("Judgement", judgement_lines(incident.judged.judgement))


def _causes(incident: Incident) -> list[Block]:
    if incident.phase not in _UNPROVEN:
        return []
    return listing("Possible causes, and what to do", possible_causes(incident), limit=2_900)


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
