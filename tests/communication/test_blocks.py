"""Blocks are drawn as the library draws them."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models import JsonObject
from slack_sdk.models.blocks import HeaderBlock, RichTextBlock, RichTextSectionElement

from bot.communication import blocks, cards, recovery_card
from bot.communication.blocks import as_json
from bot.incident.state import Phase
from tests.communication.examples import frame, incident_in


@pytest.mark.parametrize("phase", Phase)
def test_every_card_is_drawn_as_the_library_draws_it(
    phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(element: JsonObject) -> dict[str, Any]:
        drawn = as_json(element)
        assert drawn == element.to_dict()
        compared.append(drawn)
        return drawn

    monkeypatch.setattr(blocks, "as_json", compare)
    incident = incident_in(phase)
    drawings = [cards.status_card]
    if incident.plan:
        drawings.append(cards.plan_card)
    if incident.execution_started_at:
        drawings.append(cards.progress_card)
    if incident.verification:
        drawings.append(recovery_card.recovery_card)
    for draw in drawings:
        draw(incident, frame())
    assert compared


def test_what_slack_would_refuse_is_refused() -> None:
    with pytest.raises(SlackObjectFormationError, match="150"):
        as_json(HeaderBlock(text="x" * 151))


def test_an_empty_list_is_kept_where_slack_wants_one() -> None:
    block = RichTextBlock(elements=[RichTextSectionElement(elements=[])])
    assert as_json(block) == block.to_dict()
    assert as_json(block)["elements"] == [{"elements": [], "type": "rich_text_section"}]
