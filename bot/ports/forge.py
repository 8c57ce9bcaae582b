"""Where the code lives: what was changed, the notes of a release, and issues."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.config.paperwork import GitHubSettings
from bot.domain.events import Commit, PullRequest
from bot.domain.values import Value


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
