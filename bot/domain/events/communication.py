"""What is said to those who wait."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from bot.domain.events.base import Event
from bot.domain.values import Actor


class WordsAdded(Event):
    """A person's words for the next update."""

    kind: Literal["words_added"] = "words_added"
    by: Actor
    text: str


class UpdatePosted(Event):
    """The stakeholders are owed update number ``number``; its deliveries stand beside it."""

    kind: Literal["update_posted"] = "update_posted"
    number: int


class ExternalHeld(Event):
    """From now on messages to customers wait for a person; internal ones never do."""

    kind: Literal["external_held"] = "external_held"
    by: Actor


class ExternalFreed(Event):
    """Messages to customers go out by themselves again."""

    kind: Literal["external_freed"] = "external_freed"
    by: Actor


class ExternalMessage(StrEnum):
    """The messages that leave the company."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class ExternalDrafted(Event):
    """A message to customers is written and waits for a person's word."""

    kind: Literal["external_drafted"] = "external_drafted"
    message: ExternalMessage
    text: str
    """As it would be sent."""


class ExternalSent(Event):
    """A message to customers may go out, in these words."""

    kind: Literal["external_sent"] = "external_sent"
    message: ExternalMessage
    text: str = ""
    """A person's own words; empty for those of the template."""
    by: Actor | None = None
    """None when nobody had to be asked."""


class ExternalDiscarded(Event):
    """A drafted message is not sent."""

    kind: Literal["external_discarded"] = "external_discarded"
    message: ExternalMessage
    by: Actor


class Told(Event):
    """A destination beside Slack took a message."""

    kind: Literal["told"] = "told"
    destination: str
    """``statuspage:public``: the kind, and the name that the catalog gives it."""
    what: str
    """What it was, in a word or two: ``identified``, ``update 3``."""
    reference: str = ""
    """The destination's receipt: an incident's id there, a mail's Message-ID."""
