"""The model as GitHub's JSON objects; only documented members."""

from __future__ import annotations

from sandbox.github.model import Account, Commit, Issue, Json, Pull, Release, Repository, moment

WEB = "https://github.com"


def account(login: str | None) -> Json | None:
    """A simple user; null for a deleted one."""
    return Account(login=login).to_api() if login else None


def repository(one: Repository) -> Json:
    """A repository."""
    return {
        "name": one.name.partition("/")[2],
        "full_name": one.name,
        "html_url": f"{WEB}/{one.name}",
        "private": one.private,
        "has_issues": one.has_issues,
    }


def commit(repository: Repository, one: Commit) -> Json:
    """A commit."""
    person = {"name": one.author, "email": "dev@example.com", "date": moment(one.at)}
    return {
        "sha": one.sha,
        "html_url": f"{WEB}/{repository.name}/commit/{one.sha}",
        "commit": {"message": one.message, "author": person, "committer": person},
        "author": account(one.login),
        "committer": account(one.login),
    }


def pull(repository: Repository, one: Pull) -> Json:
    """A pull request in a list."""
    return {
        "number": one.number,
        "title": one.title,
        "state": "closed" if one.merged_at else "open",
        "html_url": f"{WEB}/{repository.name}/pull/{one.number}",
        "user": account(one.login),
        "updated_at": moment(one.updated_at),
        "merged_at": moment(one.merged_at) if one.merged_at else None,
        "merge_commit_sha": one.merge_commit_sha,
    }


def release(repository: Repository, one: Release) -> Json:
    """A release."""
    return {
        "id": one.id,
        "tag_name": one.tag,
        "name": one.tag,
        "body": one.body,
        "draft": one.draft,
        "html_url": f"{WEB}/{repository.name}/releases/tag/{one.tag}",
    }


def issue(repository: Repository, one: Issue) -> Json:
    """An issue; a pull request says so with a member of its own."""
    kind = "pull" if one.is_pull else "issues"
    drawn: Json = {
        "number": one.number,
        "title": one.title,
        "body": one.body,
        "state": one.state,
        "html_url": f"{WEB}/{repository.name}/{kind}/{one.number}",
        "created_at": moment(one.created_at),
        "labels": [{"name": name} for name in one.labels],
        "assignees": [account(login) for login in one.assignees],
    }
    if one.is_pull:
        drawn["pull_request"] = {"html_url": drawn["html_url"]}
    return drawn
