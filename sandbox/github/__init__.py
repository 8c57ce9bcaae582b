"""A stand-in for GitHub's REST API, written from its public documentation (2022-11-28)."""

from sandbox.github.faults import Fault
from sandbox.github.model import Account, Commit, Issue, Pull, Release, Repository, Token
from sandbox.github.server import GitHubServer

__all__ = [
    "Account",
    "Commit",
    "Fault",
    "GitHubServer",
    "Issue",
    "Pull",
    "Release",
    "Repository",
    "Token",
]
