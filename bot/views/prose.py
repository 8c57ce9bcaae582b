"""The prose of a Slack message: a template's text as blocks, within Slack's limits."""

from __future__ import annotations

from slack_sdk.models.blocks import Block

from bot.views.kit import SECTION, context, section
from bot.views.markup import escape, fitted, pages
from bot.views.telling import Variables
from bot.views.texts import Texts, built_in

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
