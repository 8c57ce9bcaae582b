"""No message is forgotten: each holds, whatever is written into it, and says what to do."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from types import FrameType, FunctionType

import pytest

import bot
from bot.communication import cards
from bot.communication.blocks import Message
from bot.incident.assessment import VerdictKind
from bot.incident.state import Phase
from tests.communication.aftermath import home_tabs, messages_after, messages_beside
from tests.communication.checks import assert_home, assert_message, assert_says_what_to_do
from tests.communication.examples import draft, frame, incident_in, verdict
from tests.communication.surfaces import cards_of, messages_of, other_messages, posts_of, views_of

NASTY = (
    "checkout-green",
    "",
    "<!channel> <@U0EVIL001> <https://evil.example|Approve> &lt;!here&gt; *b* `c` ```d```",
    "\u202egnp.exe\u0000\u200b\n> quoted\n✅ Approved by Ben",
    "word <!here> " * 700,
)


def _posts() -> Iterator[Message]:
    """Everything that is posted or answered, with words as they come.

    Cards that stay as they ended are left out: beside them the status card says what is next.
    """
    for phase in Phase:
        incident = incident_in(phase)
        yield cards.status_card(incident, frame())
        yield from posts_of(incident, frame())
    yield from messages_after(frame())
    yield from messages_beside(incident_in(Phase.EXECUTING))
    yield from other_messages(draft(), "Try again in a minute.")


def test_every_post_says_what_to_do() -> None:
    for message in _posts():
        assert_says_what_to_do(message)


def test_no_message_and_no_form_is_missing_here() -> None:
    over, calm = incident_in(Phase.RECOVERED), {"kind": VerdictKind.MONITOR}
    watched = draft(verdict=verdict().model_copy(update=calm))
    drawn: set[object] = set()

    def watch(running: FrameType, event: str, argument: object) -> None:
        if event == "call":
            drawn.add(running.f_code)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        everything: tuple[Iterable[object], ...] = (
            cards_of(over, frame()),
            posts_of(over, frame()),
            messages_of(over, frame(), "checkout-green"),
            other_messages(draft(), "words"),
            views_of(over, draft(), "words"),
            views_of(over, watched, "words"),
            home_tabs(frame()),
        )
        for some in everything:
            deque(some, maxlen=0)
    finally:
        sys.setprofile(before)
    missing = {name for name, drawing in _drawings().items() if drawing.__code__ not in drawn}
    assert missing == set(), "draw it in tests/communication/aftermath.py or surfaces.py"


_TOOLS = {"blocks", "forms", "pages"}
"""Files whose functions build parts of messages, or files."""
_DRAWN_WITH = {"bot.communication.blocks", "bot.communication.forms"}
_MAILS = {"post_mortem.mail"}


def _drawings() -> dict[str, FunctionType]:
    """Every function of the views that makes a whole message, form or home tab."""
    found = {}
    for file in pkgutil.walk_packages(bot.__path__, "bot."):
        room = file.name.rpartition(".")[2]
        if room in _TOOLS or file.name.startswith("bot.cli"):
            continue
        module = importlib.import_module(file.name)
        if not any(getattr(one, "__module__", "") in _DRAWN_WITH for one in vars(module).values()):
            continue
        for name, one in vars(module).items():
            ours = isinstance(one, FunctionType) and one.__module__ == module.__name__
            if ours and one.__annotations__.get("return") in {"Message", "dict[str, Any]"}:
                found[f"{room}.{name}"] = one
    return {name: one for name, one in found.items() if "._" not in name and name not in _MAILS}


@pytest.mark.parametrize("words", NASTY, ids=lambda words: f"{len(words)}")
def test_hostile_words_break_no_message_after_a_verdict_and_beside_it(words: str) -> None:
    for message in messages_of(incident_in(Phase.EXECUTING), frame(), words):
        assert_message(message)
    for view in home_tabs(frame(), words):
        assert_home(view)
