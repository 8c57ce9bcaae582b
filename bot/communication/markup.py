"""Slack's mrkdwn: everything that a person or a machine wrote passes through here.

Lengths are counted on the escaped text, because that is what Slack counts. Nothing is ever cut
silently: what is missing is marked, and counted where there is room.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from bot.core.values import Actor
from bot.incident.state import Incident

_PERSON = re.compile(r"[UW][A-Z0-9]{2,}")
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,}")
_ESCAPED_CHANNEL = re.compile(r"&lt;(#[CG][A-Z0-9]{2,})&gt;")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad"  # control characters but tab and newline; soft hyphen
    "\u061c\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction, zero width
    "\u2028\u2029\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"  # breaks, surrogates, tags
)
"""What is not seen but changes what is: the joiner within emoji (U+200D) is not among it."""

_BROKEN_END = re.compile(r"(<[^>]*|&[a-z]{0,3})$")
"""A token or an entity that was cut in two."""
_ROOM_FOR_COUNT = 50
"""Under this limit, a name or a title, what is left out is marked but not counted."""

REPORT = "see the report"


def clean(text: str) -> str:
    """Without control and direction characters, which could hide or reorder what is said."""
    return _HIDDEN.sub("", text)


def escape(text: str) -> str:
    """Text that Slack shows as it is: no mention, no channel-wide ping, no link."""
    return _entities(clean(text))


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def one_line(text: str) -> str:
    """The text on one line: in a list, a line break could fake an entry."""
    return " ".join(clean(text).split())


def clip(text: str, limit: int) -> str:
    """The text within ``limit`` characters; the end says how much is left out."""
    return _clipped(text, limit, str)


def _clipped(text: str, limit: int, shown: Callable[[str], str]) -> str:
    """``shown`` turns the kept part into what is sent, which may be longer."""
    # Anything beyond the limit cannot fit, whatever it becomes.
    if len(text) <= limit and len(whole := shown(text)) <= limit:
        return whole
    if limit < _ROOM_FOR_COUNT:
        return shown(text[: _fit(text, limit - 1, shown)]) + "…"
    # The note cannot be longer than with the full count.
    kept = _fit(text, limit - len(_more(len(text))), shown)
    return shown(text[:kept]) + _more(len(text) - kept)


def _fit(text: str, room: int, shown: Callable[[str], str]) -> int:
    """How many characters of the text have room."""
    used = 0
    for count, character in enumerate(text):
        used += len(shown(character))
        if used > room:
            return count
    return len(text)


def _more(count: int) -> str:
    return f"… ({count} characters more)"


def inline(text: str, limit: int = 300, *, empty: str = "not stated") -> str:
    """Somebody's words within a line."""
    return _clipped(one_line(text) or empty, limit, _entities)


def paragraph(text: str, limit: int = 2_900, *, empty: str = "not stated") -> str:
    """Words with their line breaks, in which links to channels work; they notify nobody."""
    return with_channels(_clipped(clean(text).strip() or empty, limit, _entities))


def quote(text: str, limit: int = 600, *, empty: str = "not stated") -> str:
    """Somebody's words as a quotation, line by line."""
    lines = [line for line in clean(text).splitlines() if line.strip()]
    # Every line gains two characters of its own.
    shown = _clipped("\n".join(lines) or empty, limit - 2 * (len(lines) + 1), _entities)
    return "\n".join(f"> {line}" for line in shown.splitlines())


def plain(text: str, limit: int, *, empty: str = "not stated") -> str:
    """Text for a plain_text object, which knows no escapes: angle brackets are replaced."""
    bare = one_line(text).replace("<", "‹").replace(">", "›")
    return clip(bare or empty, limit)


def fitted(text: str, limit: int) -> str:
    """Finished mrkdwn within ``limit`` characters; the end says how much is left out."""
    if len(text) <= limit:
        return text
    kept = _BROKEN_END.sub("", text[: limit - len(_more(len(text)))])
    return kept + _more(len(text) - len(kept))


def bold(text: str) -> str:
    """Emphasis for words of our own."""
    return f"*{text}*"


def code(text: str, limit: int = 300) -> str:
    """A name or a short command within a line."""
    bare = inline(text, limit - 2)
    # A backtick inside would end the code early.
    return bare if "`" in bare else f"`{bare}`"


def code_block(text: str, limit: int) -> str:
    """Preformatted text."""
    bare = clean(text).replace("```", "`\u200b`\u200b`").strip("\n") or "(empty)"
    return f"```\n{_clipped(bare, limit - 8, _entities)}\n```"


def person(actor: Actor) -> str:
    """A mention for a Slack user; the name for anybody else."""
    if _PERSON.fullmatch(actor.id):
        return f"<@{actor.id}>"
    return inline(actor.name, 80, empty="somebody")


def people(actors: Iterable[Actor], *, limit: int = 10) -> str:
    """Several people, separated by commas."""
    everybody = list(actors)
    names = [person(actor) for actor in everybody[:limit]]
    if len(everybody) > limit:
        names.append(f"and {len(everybody) - limit} more")
    return ", ".join(names)


def channel(channel_id: str, name: str = "") -> str:
    """A link to a channel; its name when the id is none of Slack's."""
    if _CHANNEL.fullmatch(channel_id):
        return f"<#{channel_id}>"
    return f"#{inline(name or channel_id, 80)}"


def with_channels(escaped: str) -> str:
    """Escaped text in which links to channels work again; they notify nobody."""
    return _ESCAPED_CHANNEL.sub(r"<\1>", escaped)


def moment(at: datetime, form: str = "{time}") -> str:
    """A moment in every reader's own time zone; UTC where Slack cannot tell the zone.

    ``form`` is a format of Slack's date token: ``{time}``, ``{time_secs}``, ``{date_short}``.
    """
    return f"<!date^{int(at.timestamp())}^{form}|{clock(at)} UTC>"


def day(at: datetime) -> str:
    """A moment with its date."""
    utc = at.astimezone(UTC)
    form = "{date_short_pretty} {time}"
    return f"<!date^{int(at.timestamp())}^{form}|{utc:%Y-%m-%d %H:%M} UTC>"


def clock(at: datetime) -> str:
    """The time of day in UTC, for texts in which Slack expands nothing."""
    return f"{at.astimezone(UTC):%H:%M}"


def lines(items: Sequence[str], limit: int, *, more: str = REPORT) -> str:
    """One finished line each within ``limit`` characters; the rest is counted, not dropped."""
    return next(pages(items, limit, most=1, more=more))


def pages(items: Sequence[str], limit: int, *, most: int, more: str = REPORT) -> Iterator[str]:
    """Lines spread over at most ``most`` texts; the last one counts what did not fit."""
    rest = list(items)
    for number in range(1, most + 1):
        taken = _fitting(rest, limit)
        if taken < len(rest) and number == most:
            note = f"… and {{}} more — {more}"
            taken = _fitting(rest, limit - len(note.format(len(rest))) - 1)
            yield "\n".join([*rest[:taken], note.format(len(rest) - taken)])
            return
        yield "\n".join(rest[:taken])
        rest = rest[taken:]
        if not rest:
            return


def _fitting(items: Sequence[str], limit: int) -> int:
    """How many lines fit."""
    used = -1
    for count, item in enumerate(items):
        used += len(item) + 1
        if used > limit:
            return count
    return len(items)


# The words on the buttons, as sentences elsewhere quote them.

APPROVE = "Approve"
REJECT = "Reject"
REPLAN = "Other target / plan again"
PLAN_AGAIN = "Plan again"
PAUSE = "Pause"
RESUME = "Resume"
ABORT = "Abort"
VERIFY_AGAIN = "Verify again"
UNDO = "Undo the rollback"
ADD_WORDS = "Add words to the next update"
RESOLVE = "Resolve"
ASSESS = "Assess now"
MOVE_MEETING = "Another time"
ACTION_DONE = "Done"
HOLD_EXTERNAL = "Hold customer messages"
FREE_EXTERNAL = "Let customer messages go"
SEND_EXTERNAL = "Send"
EDIT_EXTERNAL = "Edit"
DISCARD_EXTERNAL = "Discard"


# Links into Slack, for texts that are read outside of it.


def channel_link(incident: Incident) -> str:
    """Leads to the incident's channel in whatever workspace the reader is signed in to.

    Empty for an incident at a terminal.
    """
    if incident.channel is None:
        return ""
    return f"https://slack.com/app_redirect?channel={incident.channel.channel_id}"
