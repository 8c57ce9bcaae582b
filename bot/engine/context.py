"""What every phase is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import structlog

from bot.catalog.catalog import Catalog
from bot.catalog.paperwork import GitHubSettings
from bot.catalog.service import ServiceEntry
from bot.clouds.commands import TextFiles
from bot.core.clock import Clock
from bot.core.errors import RefusedError
from bot.core.values import Actor, Value
from bot.engine.journal import Journal
from bot.engine.world import StepKind, Strategy, World
from bot.incident.events import Commit, PullRequest
from bot.incident.freeze import Freeze, MarkedObject
from bot.incident.state import Incident
from bot.metrics.port import Metrics
from bot.store.store import Store

# The parts of the chat platform that cannot be a delivery, because the answer is needed.


class Room(Value):
    """A channel."""

    id: str
    name: str


class Resolution(Value):
    """The people behind references of the catalog."""

    people: tuple[Actor, ...]
    problems: tuple[str, ...] = ()
    """References that nobody could be found for, one sentence each."""


class Chat(Protocol):
    """Channels and people."""

    async def open_channel(self, name: str, *, since: datetime) -> Room:
        """Create a channel, or find it when an earlier attempt of ours, after ``since``, did.

        When the name belongs to somebody or something else, a number is added to it.
        Raises FeatureUnavailableError when the workspace does not let the bot create channels,
        TemporaryError when Slack does not answer.
        """

    async def resolve(self, references: Sequence[str]) -> Resolution:
        """People named by user id, user group id or e-mail address.

        Raises TemporaryError when Slack does not answer.
        """

    async def addresses(self, people: Sequence[Actor]) -> dict[str, str]:
        """E-mail addresses by the ids of those people whose address may be known.

        Raises TemporaryError when Slack does not answer.
        """


# Marks of a deploy freeze on the live system, where CI can read them.


class Freezer(Protocol):
    """Writes and takes away marks; both repeat harmlessly and start no rollout."""

    async def objects(
        self, service: ServiceEntry, strategy: str, world: World
    ) -> tuple[MarkedObject, ...]:
        """What a deployment of the service changes, as far as this strategy knows it.

        Empty where nothing of that kind exists, as behind a feature flag: the freeze then stands
        in the bot alone. Raises what reading the live system raises.
        """

    async def mark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Write the mark, over an older one; raises what the ports raise."""

    async def unmark(self, marked: MarkedObject, freeze: Freeze, world: World) -> None:
        """Take exactly this freeze's mark away; harmless when it is gone or another one's."""


# Where the code lives: what was changed, the notes of a release, and issues.


class Comparison(Value):
    """What lies between two tags."""

    url: str
    commits: tuple[Commit, ...]
    """The oldest first; fewer than ``total_commits`` when there are very many."""
    pull_requests: tuple[PullRequest, ...]
    total_commits: int


class ReleaseNotes(Value):
    """A release, as far as its text goes."""

    id: int
    url: str
    body: str


class Issue(Value):
    """An issue."""

    url: str
    body: str
    is_open: bool


class IssueState(StrEnum):
    """How an issue stands."""

    OPEN = "open"
    CLOSED = "closed"
    DELETED = "deleted"
    """Somebody deleted it, says the host."""


class Draft(Value):
    """An issue to be filed."""

    title: str
    body: str
    """Markdown."""
    owners: tuple[str, ...] = ()
    """Logins; those who cannot be assigned in this repository are left out."""
    labels: tuple[str, ...] = ()


class Forge(Protocol):
    """The part of a code host's API that the paperwork needs.

    Every method raises TemporaryError when the host does not answer or asks to slow down
    (OutcomeUnknownError when a change may have arrived), ForbiddenError for a token that is wrong
    or lacks a right, NotFoundError for what is not there or may not be seen, PermanentError for
    any other refusal, ConfigurationError when the token's variable is not set.
    """

    async def compare(self, place: GitHubSettings, base: str, head: str) -> Comparison:
        """Commits and merged pull requests that ``head`` has and ``base`` has not."""

    async def release(self, place: GitHubSettings, tag: str) -> ReleaseNotes:
        """The published release of a tag."""

    async def write_release(self, place: GitHubSettings, notes: ReleaseNotes) -> None:
        """Replace the release's text."""

    async def issues(self, place: GitHubSettings, *, since: datetime) -> tuple[Issue, ...]:
        """All issues, open and closed, that were created since then, whoever did."""

    async def file(self, place: GitHubSettings, draft: Draft) -> Issue:
        """Create an issue. Never safe to repeat without looking first."""

    async def issue_state(self, place: GitHubSettings, url: str) -> IssueState:
        """How an issue stands that was filed with these settings, wherever it was moved since.

        Raises NotFoundError for one that is hidden, or was moved or deleted out of sight.
        """


@dataclass(frozen=True, kw_only=True)
class Context:
    """The ports and the catalog, put together once by ``bot.entry.serve``."""

    catalog: Catalog
    clock: Clock
    store: Store
    journal: Journal
    chat: Chat
    metrics: Metrics
    world: World
    strategy: Callable[[str], Strategy]
    step_kind: Callable[[str], StepKind]
    freezer: Freezer
    forge: Forge
    files: TextFiles

    def service(self, name: str) -> ServiceEntry:
        """The catalog's entry; raises RefusedError for a name that it does not have."""
        entry = self.catalog.services.get(name)
        if entry is None:
            known = ", ".join(sorted(self.catalog.services))
            raise RefusedError(
                f"There is no service “{name}” in the catalog.", f"Known services: {known}."
            )
        return entry

    def strategy_for(self, service: str, wanted: str | None) -> Strategy:
        """The strategy asked for, or the one that the catalog prefers.

        Raises RefusedError for one that the catalog does not offer for this service.
        """
        offered = [target.strategy for target in self.service(service).rollback]
        if wanted is not None and wanted not in offered:
            raise RefusedError(
                f"The catalog does not roll {service} back by “{wanted}”.",
                f"It offers: {', '.join(offered)}.",
            )
        return self.strategy(wanted or offered[0])

    def strategy_of(self, incident: Incident) -> Strategy:
        """The strategy that the incident's plan uses, or will use."""
        entry = self.service(incident.declared.service)
        name = incident.declared.strategy or entry.rollback[0].strategy
        return self.strategy(incident.plan.strategy if incident.plan else name)


# Tells the parts of this process that an incident has changed.

log = structlog.get_logger()

Listener = Callable[[Incident], None]


class Changes:
    """A hub: listeners are called at once, waiters are woken when their condition holds."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._waiters: list[tuple[str, Callable[[Incident], bool], asyncio.Future[Incident]]] = []

    def listen(self, listener: Listener) -> None:
        """Call a listener after every change; it must not block."""
        self._listeners.append(listener)

    def notify(self, incident: Incident) -> None:
        """An incident has a new state."""
        for listener in self._listeners:
            try:
                listener(incident)
            except Exception:
                # What has changed is written: neither whoever wrote it nor the others may suffer.
                log.exception("a listener failed", incident=incident.id)
        for incident_id, condition, future in self._waiters:
            if incident_id == incident.id and not future.done() and condition(incident):
                future.set_result(incident)

    async def wait(
        self, incident: Incident, condition: Callable[[Incident], bool], *, seconds: float
    ) -> Incident:
        """The first later state that fulfils the condition.

        Raises TimeoutError after so many seconds.
        """
        if condition(incident):
            return incident
        future: asyncio.Future[Incident] = asyncio.get_running_loop().create_future()
        waiter = (incident.id, condition, future)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await future
        finally:
            self._waiters.remove(waiter)
