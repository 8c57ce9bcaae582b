"""Looks up what waits for a person: who they are to each incident."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.domain.approval import Right
from bot.domain.corrective_actions import open_actions
from bot.domain.incident import Incident, Phase
from bot.domain.values import Actor, Instant
from bot.domain.waiting import Waiting, actions_for, drafts_for, owners_of, plans_for
from bot.errors import RollbackBotError
from bot.pipeline.context import Context

PEOPLE_KEPT = timedelta(minutes=5)
"""So long a membership is believed here, where nothing is decided; every click looks it up anew."""
MOST_OWNERS = 20
"""Addresses looked up in one go."""


class Lookout:
    """Remembers for a little while who stands behind a reference: many people look at once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._people: dict[str, tuple[datetime, frozenset[str]]] = {}

    async def waiting(
        self,
        user_id: str,
        *,
        open_now: Sequence[Incident],
        recent: Sequence[Incident],
        now: Instant,
    ) -> Waiting:
        """What waits for a person in the open and the newest incidents, with what is missing."""
        context, actor = self._context, Actor(id=user_id, name=user_id)
        incidents = {i.id: i for i in (*open_now, *recent)}.values()
        problems: list[str] = []
        rights: frozenset[Right] = frozenset()
        names = frozenset({user_id.casefold()})
        try:
            if any(i.phase is Phase.AWAITING_APPROVAL for i in open_now):
                rights = await self._rights(user_id)
            names |= await self._names(user_id, incidents)
        except RollbackBotError as error:
            problems.append(f"Something that waits for you may be missing here: {error.what}")
        return Waiting(
            plans=plans_for(
                open_now,
                actor,
                rights=rights,
                policy_of=context.catalog.approval_of,
                now=now,
            ),
            drafts=drafts_for(incidents, actor),
            actions=actions_for(incidents, names),
            problems=tuple(problems),
        )

    async def _rights(self, user_id: str) -> frozenset[Right]:
        people = self._context.catalog.people
        named = {
            Right.RELEASE_MANAGER: people.release_managers,
            Right.ON_CALL_LEAD: people.on_call_leads,
        }
        return frozenset(
            [
                right
                for right, references in named.items()
                if user_id in await self._ids(f"right {right.value}", references)
            ]
        )

    async def _names(self, user_id: str, incidents: Iterable[Incident]) -> frozenset[str]:
        """The owners' references that mean this person, and the person's name, in lower case."""
        owners = {
            owner: None
            for incident in incidents
            for _, action, _ in open_actions(incident)
            for owner in owners_of(action)
        }
        if not owners:
            return frozenset()
        found = {actor.name for actor in (await self._context.chat.resolve((user_id,))).people}
        for owner in [owner for owner in owners if "@" in owner][:MOST_OWNERS]:
            if user_id in await self._ids(f"owner {owner}", (owner,)):
                found.add(owner)
        return frozenset(name.casefold() for name in found)

    async def _ids(self, key: str, references: Sequence[str]) -> frozenset[str]:
        """Ids of the people behind references, asked for rarely: many people look at this tab."""
        now = self._context.clock.now()
        kept = self._people.get(key)
        if kept is not None and now - kept[0] < PEOPLE_KEPT:
            return kept[1]
        resolution = await self._context.chat.resolve(references)
        found = frozenset(person.id for person in resolution.people)
        self._people[key] = (now, found)
        return found
