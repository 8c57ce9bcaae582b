"""Channels and people in Slack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.communication.slack.client import SlackRefusedError, call
from bot.communication.slack.history import find_channel
from bot.core.clock import Clock
from bot.core.errors import FeatureUnavailableError, PermanentError, TemporaryError
from bot.core.values import Actor
from bot.engine.context import Resolution, Room

NAME_LIMIT = 80
MOST_SUFFIXES = 9
NAMES_KEPT = timedelta(minutes=10)
"""Names and addresses change rarely; memberships of groups are never kept."""
CLOCK_SKEW = timedelta(minutes=2)
"""Slack's clock and ours may differ by this much."""


class SlackChat:
    """Implements ``bot.engine.context.Chat``."""

    def __init__(
        self, client: AsyncWebClient, *, bot_user_id: Callable[[], Awaitable[str]], clock: Clock
    ) -> None:
        self._client = client
        self._bot_user_id = bot_user_id
        self._clock = clock
        self._names: dict[str, tuple[datetime, Actor]] = {}

    async def open_channel(self, name: str, *, since: datetime) -> Room:
        """Create a channel, or find the one that an earlier attempt of ours created."""
        base = name[: NAME_LIMIT - 3]
        for number in range(1, MOST_SUFFIXES + 1):
            wanted = base if number == 1 else f"{base}-{number}"
            room = await self._create(wanted) or await self._ours(wanted, since)
            if room:
                return room
        raise FeatureUnavailableError(
            f"Every channel name like #{base} is taken.", "Archive or rename old channels."
        )

    async def resolve(self, references: Sequence[str]) -> Resolution:
        """People named by user id, user group id or e-mail address."""
        people: dict[str, Actor] = {}
        problems: list[str] = []
        for reference in references:
            try:
                for actor in await self._people(reference):
                    people[actor.id] = actor
            except PermanentError as error:
                problems.append(f"{reference}: {error.what}")
        return Resolution(people=tuple(people.values()), problems=tuple(problems))

    async def addresses(self, people: Sequence[Actor]) -> dict[str, str]:
        """Addresses from people's profiles, which Slack shows with ``users:read.email``."""
        members = [person.id for person in people if person.id[:1] in {"U", "W"}]
        found = await asyncio.gather(*(self._address(member) for member in members))
        return {member: one for member, one in zip(members, found, strict=True) if one}

    async def _create(self, name: str) -> Room | None:
        try:
            answer = await call(
                self._client.conversations_create, subject=f"creating #{name}", name=name
            )
        except SlackRefusedError as error:
            if error.code == "name_taken":
                return None
            raise FeatureUnavailableError(error.what, error.remedy) from error
        made = answer.get("channel") or {}
        if not made.get("id"):
            raise FeatureUnavailableError(
                f"Slack did not say which channel #{name} is.", "Look for it, and archive it."
            )
        return Room(id=str(made["id"]), name=str(made.get("name") or name))

    async def _ours(self, name: str, since: datetime) -> Room | None:
        try:
            channel = await find_channel(self._client, name)
        except FeatureUnavailableError:
            return None
        if channel is None or channel.get("is_archived"):
            return None
        bot = await self._bot_user_id()
        ours = bool(bot) and channel.get("creator") == bot
        young = float(channel.get("created", 0)) >= (since - CLOCK_SKEW).timestamp()
        return Room(id=str(channel["id"]), name=name) if ours and young else None

    async def _people(self, reference: str) -> list[Actor]:
        if reference.startswith("S") and "@" not in reference:
            answer = await call(
                self._client.usergroups_users_list,
                subject=f"reading user group {reference}",
                usergroup=reference,
            )
            return [await self._named(str(user)) for user in answer.get("users", [])]
        return [await self._named(reference)]

    async def _named(self, reference: str) -> Actor:
        """A person by id or e-mail address, remembered for a while."""
        kept = self._names.get(reference)
        if kept and self._clock.now() - kept[0] < NAMES_KEPT:
            return kept[1]
        try:
            actor = await self._look_up(reference)
        except TemporaryError:
            if "@" in reference:
                raise
            # A rollback must not wait for names; the next time Slack may know it.
            return Actor(id=reference, name=kept[1].name if kept else reference)
        self._names[reference] = (self._clock.now(), actor)
        return actor

    async def _address(self, user_id: str) -> str:
        try:
            answer = await call(
                self._client.users_info, subject=f"looking up {user_id}", user=user_id
            )
        except PermanentError:
            # Whoever has left, or may not be looked up, is invited in the channel alone.
            return ""
        user = answer.get("user") or {}
        return str((user.get("profile") or {}).get("email") or "")

    async def _look_up(self, reference: str) -> Actor:
        if "@" in reference:
            answer = await call(
                self._client.users_lookupByEmail,
                subject=f"looking up {reference}",
                email=reference,
            )
            user = answer.get("user") or {}
            if not user.get("id"):
                raise PermanentError("Slack did not say who that is.", "Name the person by id.")
            return _actor(user)
        try:
            answer = await call(
                self._client.users_info, subject=f"looking up {reference}", user=reference
            )
        except FeatureUnavailableError:
            # An id is enough to be invited and to have a right; only the name is missing.
            return Actor(id=reference, name=reference)
        return _actor({"id": reference, **(answer.get("user") or {})})


def _actor(user: dict[str, Any]) -> Actor:
    if user.get("deleted"):
        raise PermanentError(f"{user['id']} is deactivated.", "Name somebody else in rollback.yml.")
    profile = user.get("profile") or {}
    names = (profile.get("display_name"), user.get("real_name"), user.get("name"), user["id"])
    return Actor(id=str(user["id"]), name=str(next(name for name in names if name)))


# Publishes home tabs.


def publisher(client: AsyncWebClient) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    """Shows a view on a person's home tab; the newest one holds.

    What it gives raises FeatureUnavailableError where the app has no home tab, and otherwise what
    ``call`` raises.
    """

    async def publish(user_id: str, view: dict[str, Any]) -> None:
        try:
            await call(
                client.views_publish, subject="showing the home tab", user_id=user_id, view=view
            )
        except SlackRefusedError as error:
            if error.code != "not_enabled":
                raise
            raise FeatureUnavailableError(
                "The app has no home tab.", "Switch it on as in manifest.yml."
            ) from error

    return publish
