"""The prose of a Slack message: a template's text as blocks, within Slack's limits."""

from __future__ import annotations

import re

from slack_sdk.models.blocks import Block

from bot.views.kit import SECTION, context, section
from bot.views.markup import escape, pages
from bot.views.telling import Variables
from bot.views.texts import Texts, built_in

MOST_SECTIONS = 3
_BROKEN_END = re.compile(r"(<[^>]*|&[a-z]{0,3})$")
"""A token or an entity that was cut in two."""


def prose(name: str, variables: Variables, texts: Texts | None) -> list[Block]:
    """The text's sections; a team's template that failed after all is named below the built-in."""
    rendered = (texts or built_in()).render(name, variables)
    paragraphs = [_short(line) for line in rendered.text.splitlines()]
    told = [page.strip() for page in pages(paragraphs, SECTION, most=MOST_SECTIONS)]
    blocks: list[Block] = [section(page) for page in told if page]
    if rendered.problem:
        said = escape(f"⚠️ Your own text could not be used: {rendered.problem}")
        blocks.append(context(said[:500]))
    return blocks


def _short(line: str) -> str:
    """One line of finished mrkdwn within a section; the end says how much is left out."""
    most = SECTION - 60
    if len(line) <= most:
        return line
    kept = _BROKEN_END.sub("", line[:most])
    return f"{kept}… ({len(line) - len(kept)} characters more)"
