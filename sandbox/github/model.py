"""Repositories with their commits, tags, pull requests, releases and issues."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Token:
    """A fine-grained token: what it may read and write in every repository that it sees."""

    value: str
    repositories: frozenset[str]
    writes: frozenset[str] = frozenset()
    """``contents`` and ``issues``."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person on GitHub."""

    login: str

    def to_api(self) -> Json:
        """The simple user object."""
        return {"login": self.login, "type": "User", "html_url": f"https://github.com/{self.login}"}


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit of the only branch; merge commits have no second parent here."""

    sha: str
    message: str
    author: str
    """The name that git knows."""
    login: str | None
    at: datetime


@dataclass(kw_only=True)
class Pull:
    """A pull request."""

    number: int
    title: str
    login: str | None
    updated_at: datetime
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None


@dataclass(kw_only=True)
class Release:
    """A release; drafts are not found by their tag."""

    id: int
    tag: str
    body: str | None = None
    draft: bool = False


@dataclass(kw_only=True)
class Issue:
    """An issue."""

    number: int
    title: str
    body: str | None
    created_at: datetime
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    is_pull: bool = False


@dataclass(kw_only=True)
class Repository:
    """A repository with one branch; tags point to its commits."""

    name: str
    """``owner/name``."""
    private: bool = True
    has_issues: bool = True
    members: tuple[str, ...] = ()
    """Logins that issues can be assigned to."""
    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: list[Pull] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def commit(
        self,
        message: str,
        *,
        at: datetime,
        author: str = "Anna Schmidt",
        login: str | None = "anna",
        tag: str = "",
    ) -> Commit:
        """Add a commit to the branch."""
        told = f"{self.name}|{len(self.commits)}|{message}"
        sha = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        made = Commit(sha=sha, message=message, author=author, login=login, at=at)
        self.commits.append(made)
        if tag:
            self.tags[tag] = sha
        return made

    def merged(self, commit: Commit, number: int, title: str, login: str | None = "anna") -> Pull:
        """A pull request that came in with this commit."""
        pull = Pull(
            number=number,
            title=title,
            login=login,
            updated_at=commit.at,
            merged_at=commit.at,
            merge_commit_sha=commit.sha,
        )
        self.pulls.append(pull)
        return pull

    def place_of(self, ref: str) -> int | None:
        """How many commits a tag or a commit's id stands at; None for an unknown one."""
        sha = self.tags.get(ref, ref)
        return next((n for n, one in enumerate(self.commits) if one.sha.startswith(sha)), None)

    def next_number(self) -> int:
        """Issues and pull requests share their numbers."""
        numbers = [one.number for one in self.issues] + [one.number for one in self.pulls]
        return max(numbers, default=0) + 1


def moment(at: datetime) -> str:
    """A moment as GitHub writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
