"""What must hold after every scenario."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from sandbox.company import Company

EXPECTED_REFUSALS = {"name_taken", "exchanged_trigger_id", "already_pinned", "not_found"}


def nothing_was_refused(company: Company, *, allowed: frozenset[str] = frozenset()) -> None:
    """Slack took every call, but for refusals that are part of the way things work."""
    refused = [
        (call.method, call.answer.get("error"), call.answer.get("response_metadata"))
        for call in company.slack.calls
        if call.answer and not call.answer.get("ok")
        if call.answer.get("error") not in EXPECTED_REFUSALS | allowed
    ]
    assert refused == [], refused


def valid_by_slacks_own_models(company: Company) -> None:
    """Every message and view passes the checks of slack_sdk.models."""
    for call in company.slack.calls:
        for block in _parsed(call.args.get("blocks")) or []:
            parsed = Block.parse(block)
            assert parsed is not None
            parsed.validate_json()
        view = _parsed(call.args.get("view"))
        if view:
            View(**view).validate_json()


def said_once(company: Company) -> None:
    """No delivery arrived twice."""
    for channel in company.slack.workspace.channels:
        ids = Counter(
            message.metadata["event_payload"]["id"]
            for message in channel.messages.values()
            if message.metadata
        )
        doubled = {name: count for name, count in ids.items() if count > 1}
        assert doubled == {}, channel.name


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
