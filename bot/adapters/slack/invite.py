"""Invites people so that one who cannot be invited does not keep the others out."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import SlackRefusedError, call
from bot.ports.deliveries import Receipt

BATCH = 100
"""Most users that one call of conversations.invite takes."""
_FINE = {"already_in_channel", "cant_invite_self"}


async def invite(client: AsyncWebClient, channel: str, people: Sequence[str]) -> Receipt:
    """Invite everybody; the receipt's note names those who could not be.

    Raises TemporaryError and FeatureUnavailableError as they come, because they concern all.
    """
    problems: list[str] = []
    for start in range(0, len(people), BATCH):
        batch = people[start : start + BATCH]
        try:
            await _invite(client, channel, batch)
        except SlackRefusedError:
            # One bad id fails the whole call: find out which by asking one by one.
            problems += await _one_by_one(client, channel, batch)
    return Receipt(reference="invited", channel_id=channel, note=" ".join(problems))


async def _one_by_one(client: AsyncWebClient, channel: str, people: Sequence[str]) -> list[str]:
    problems = []
    for person in people:
        try:
            await _invite(client, channel, [person])
        except SlackRefusedError as error:
            if error.code not in _FINE:
                problems.append(f"{person} could not be invited ({error.code}); invite by hand.")
    return problems


async def _invite(client: AsyncWebClient, channel: str, people: Sequence[str]) -> None:
    await call(
        client.conversations_invite,
        subject=f"inviting to {channel}",
        channel=channel,
        users=",".join(people),
    )
