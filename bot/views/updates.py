"""The ten-minute update, from live state."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.models.blocks import Block

from bot.domain.events import WordsAdded
from bot.domain.incident import Incident, Phase
from bot.domain.updates import next_update_at
from bot.views import figures
from bot.views.frame import Frame
from bot.views.kit import compose, context, facts, header, listing, section
from bot.views.markup import channel, escape, inline, moment, people, quote
from bot.views.measured import judgement_lines, latest
from bot.views.message import Message
from bot.views.prose import prose
from bot.views.state import affected, eta, headline, next_action, severity, target_release
from bot.views.telling import in_slack
from bot.views.texts import Texts


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
        *facts(_facts(incident)),
        *listing("Figures", latest(incident, frame)),
        *_judgement(incident),
        section(f"*Next:* {action}"),
        context(f"{incident.id} · {_following(incident, frame)}{_where(incident)}"),
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


def _facts(incident: Incident) -> list[tuple[str, str]]:
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


def _where(incident: Incident) -> str:
    opened = incident.channel
    return f" · {channel(opened.channel_id, opened.channel_name)}" if opened else ""
