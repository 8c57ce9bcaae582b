"""docs/texts.md names every text and every variable, and no other."""

from __future__ import annotations

import re

from bot.communication.template_samples import samples
from bot.communication.template_values import Public
from bot.communication.texts import INSIDE, NAMES, OUTSIDE, SLACK
from tests.docs.pages import page

PAGE = page("docs/texts.md")


def _known(names: tuple[str, ...]) -> set[str]:
    every = samples(Public(service="Checkout", company="Example"))
    return {key for name, variables in every if name in names for key in variables}


def _told(title: str) -> set[str]:
    """The words in backticks of the paragraph that begins with this title."""
    [paragraph] = re.findall(rf"^\*\*{title}\*\*.*$", PAGE.text, re.MULTILINE)
    # In parentheses stands what a variable is, and what its parts are called.
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", paragraph)))


def test_the_variables_of_each_surface() -> None:
    assert _told("Slack and stakeholders") == _known(SLACK) | _known(INSIDE)
    assert _told("Customers") == _known(OUTSIDE)


def test_every_text_is_named() -> None:
    shown = set(re.findall(r"`([\w.]+\.j2)`", PAGE.prose))
    shown |= {f"external{ending}.txt.j2" for ending in re.findall(r"`(_\w+)`", PAGE.prose)}
    assert shown == set(NAMES)
