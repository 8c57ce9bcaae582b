"""What people see of an incident, and how they wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from sandbox.company import Company
from sandbox.slack.base.model import Channel, Message, View
from sandbox.slack.people.person import Person
from sandbox.slack.people.workspace import Workspace

T = TypeVar("T")
OTHERS = 0.2
"""Seconds between two looks at what is not in Slack."""


class Witness:
    """Sees everything that is in a company's Slack. Every wait ends, or raises TimeoutError."""

    def __init__(self, company: Company, *, patience: float = 60.0) -> None:
        self.company = company
        self.patience = patience
        self._channel_id = ""

    @property
    def workspace(self) -> Workspace:
        """The company's Slack."""
        return self.company.slack.workspace

    @property
    def channel(self) -> Channel:
        """The incident's channel; LookupError while there is none."""
        if self._channel_id:
            return self.workspace.channel(self._channel_id)
        for channel in self.workspace.channels:
            if channel.name.startswith("inc-"):
                self._channel_id = channel.id
                return channel
        raise LookupError("there is no incident channel yet")

    def goes_on_in(self, name: str) -> None:
        """The incident has no channel of its own; it goes on here."""
        self._channel_id = self.workspace.channel(name).id

    def person(self, name: str) -> Person:
        """Somebody of the company."""
        return self.workspace.user(name)

    def said(self, channel: Channel | str | None = None) -> list[str]:
        """Everything readable in a channel, oldest first."""
        place = channel or self.channel
        messages = self.workspace.messages(place)
        return [self.workspace.render(message) for message in messages]

    async def message(
        self, wanted: Callable[[Message], bool], channel: Channel | str | None = None
    ) -> Message:
        """The newest message that fulfils a condition."""

        def found() -> Message | None:
            try:
                place = channel or self.channel
                messages = self.workspace.messages(place)
            except LookupError:
                return None
            return next((m for m in reversed(messages) if wanted(m)), None)

        return await self.until(found)

    async def text(self, part: str, channel: Channel | str | None = None) -> Message:
        """The newest message that contains a text."""
        render = self.workspace.render
        return await self.message(lambda m: part in render(m), channel)

    async def view(self, person: Person, wanted: Callable[[View], bool]) -> View:
        """The person's modal once it fulfils a condition."""

        def found() -> View | None:
            return person.view if person.view and wanted(person.view) else None

        return await self.until(found)

    async def until(self, found: Callable[[], T | None]) -> T:
        """The first truthy value of ``found``; TimeoutError with what was said until then."""
        ending = asyncio.get_running_loop().time() + self.patience
        reached = None
        while not reached and asyncio.get_running_loop().time() < ending:
            with contextlib.suppress(TimeoutError):
                # Slack tells every change; the other stand-ins are asked now and then.
                reached = await self.workspace.wait_for(found, timeout=OTHERS)
        if not reached:
            log = self.company.bot.log
            tail = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            shown = "\n---\n".join(self._seen())
            raise TimeoutError(f"waited in vain. The channel:\n{shown}\nThe bot:\n{tail}")
        return reached

    def _seen(self) -> list[str]:
        try:
            return self.said()
        except LookupError:
            return [person.view.plain for person in self.workspace.people if person.view]

    async def file(self, ending: str) -> bytes:
        """Wait for a file in the channel whose name ends so; its content."""

        def found() -> bytes:
            for file in self.workspace.files:
                if file.name.endswith(ending):
                    return bytes(file.content)
            return b""

        return await self.until(found)


def buttons(message: Message) -> set[str]:
    """The action ids of a message's buttons."""
    return {
        element["action_id"]
        for block in message.blocks
        for element in [*block.get("elements", []), block.get("accessory") or {}]
        if element.get("type") == "button"
    }


def has_button(message: Message, action_id: str) -> bool:
    """Whether a message offers an action."""
    return action_id in buttons(message)
