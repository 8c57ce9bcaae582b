"""The endpoints of a repository that the stand-in has, each as documented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from aiohttp import web

from sandbox.github import objects
from sandbox.github.faults import refusal
from sandbox.github.model import Issue, Json, Repository

T = TypeVar("T")

MOST_PER_PAGE = 100
LONGEST_TITLE = 256
LONGEST_BODY = 65_536
LONGEST_RELEASE = 125_000


class Endpoints:
    """Reads and changes repositories; who may do so was decided before."""

    def __init__(self, repositories: dict[str, Repository], *, clock: Callable[[], float]) -> None:
        self._repositories = repositories
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Route requests here."""
        place = "/repos/{owner}/{name}"
        router.add_get(place, self._read)
        router.add_get(f"{place}/compare/{{basehead}}", self._compare)
        router.add_get(f"{place}/pulls", self._pulls)
        router.add_get(f"{place}/releases/tags/{{tag}}", self._release)
        router.add_patch(f"{place}/releases/{{id}}", self._edit_release)
        router.add_get(f"{place}/issues", self._issues)
        router.add_post(f"{place}/issues", self._file)
        router.add_get(f"{place}/issues/{{number}}", self._issue)
        router.add_get(f"{place}/assignees/{{login}}", self._assignee)

    def _of(self, request: web.Request) -> Repository:
        return self._repositories[f"{request.match_info['owner']}/{request.match_info['name']}"]

    async def _read(self, request: web.Request) -> web.Response:
        return web.json_response(objects.repository(self._of(request)))

    async def _compare(self, request: web.Request) -> web.Response:
        repository = self._of(request)
        base, _, head = request.match_info["basehead"].partition("...")
        begin, end = repository.place_of(base), repository.place_of(head)
        if begin is None or end is None:
            return refusal(404, "Not Found")
        found = repository.commits[begin + 1 : end + 1]
        status = "ahead" if end > begin else "behind" if end < begin else "identical"
        return web.json_response(
            {
                "html_url": f"{objects.WEB}/{repository.name}/compare/{base}...{head}",
                "status": status,
                "ahead_by": len(found),
                "behind_by": max(0, begin - end),
                "total_commits": len(found),
                "commits": [objects.commit(repository, one) for one in _page(request, found)],
                "files": [],
            }
        )

    async def _pulls(self, request: web.Request) -> web.Response:
        repository, query = self._of(request), request.query
        wanted = query.get("state", "open")
        found = [
            one
            for one in repository.pulls
            if wanted == "all" or (one.merged_at is not None) == (wanted == "closed")
        ]
        newest_first = query.get("direction", "desc") == "desc"
        found.sort(key=lambda one: one.updated_at, reverse=newest_first)
        return web.json_response([objects.pull(repository, one) for one in _page(request, found)])

    async def _release(self, request: web.Request) -> web.Response:
        repository, tag = self._of(request), request.match_info["tag"]
        found = next((r for r in repository.releases if r.tag == tag and not r.draft), None)
        if found is None:
            return refusal(404, "Not Found")
        return web.json_response(objects.release(repository, found))

    async def _edit_release(self, request: web.Request) -> web.Response:
        repository, body = self._of(request), await request.json()
        wanted = request.match_info["id"]
        found = next((r for r in repository.releases if str(r.id) == wanted), None)
        if found is None:
            return refusal(404, "Not Found")
        text = body.get("body", found.body)
        if len(text or "") > LONGEST_RELEASE:
            return _invalid("Release", "body", f"is too long (maximum is {LONGEST_RELEASE})")
        found.body = text
        return web.json_response(objects.release(repository, found))

    async def _issues(self, request: web.Request) -> web.Response:
        repository, query = self._of(request), request.query
        if not repository.has_issues:
            return refusal(410, "Issues are disabled for this repo")
        wanted = query.get("state", "open")
        found = [one for one in repository.issues if wanted in {"all", one.state}]
        newest_first = query.get("direction", "desc") == "desc"
        found.sort(key=lambda one: (one.created_at, one.number), reverse=newest_first)
        return web.json_response([objects.issue(repository, one) for one in _page(request, found)])

    async def _issue(self, request: web.Request) -> web.Response:
        repository, number = self._of(request), request.match_info["number"]
        found = next((one for one in repository.issues if str(one.number) == number), None)
        if found is None:
            return refusal(404, "Not Found")
        return web.json_response(objects.issue(repository, found))

    async def _file(self, request: web.Request) -> web.Response:
        repository, body = self._of(request), await request.json()
        if not repository.has_issues:
            return refusal(410, "Issues are disabled for this repo")
        title = str(body.get("title") or "")
        if not title:
            return refusal(422, 'Invalid request.\n\n"title" wasn\'t supplied.')
        if len(title) > LONGEST_TITLE:
            return _invalid("Issue", "title", f"is too long (maximum is {LONGEST_TITLE})")
        if len(str(body.get("body") or "")) > LONGEST_BODY:
            return _invalid("Issue", "body", f"is too long (maximum is {LONGEST_BODY})")
        assignees = list(body.get("assignees") or ())
        if strangers := [login for login in assignees if login not in repository.members]:
            return _invalid("Issue", "assignees", f"{strangers[0]} cannot be assigned")
        filed = Issue(
            number=repository.next_number(),
            title=title,
            body=body.get("body"),
            created_at=datetime.fromtimestamp(self._clock(), tz=UTC),
            labels=list(body.get("labels") or ()),
            assignees=assignees,
        )
        repository.issues.append(filed)
        return web.json_response(objects.issue(repository, filed), status=201)

    async def _assignee(self, request: web.Request) -> web.Response:
        if request.match_info["login"] not in self._of(request).members:
            return refusal(404, "Not Found")
        return web.Response(status=204)


def _page(request: web.Request, found: Sequence[T]) -> Sequence[T]:
    size = min(int(request.query.get("per_page", "30")), MOST_PER_PAGE)
    start = (int(request.query.get("page", "1")) - 1) * size
    return found[start : start + size]


def _invalid(resource: str, field: str, what: str) -> web.Response:
    error: Json = {"resource": resource, "field": field, "code": "custom", "message": what}
    return refusal(422, "Validation Failed", errors=[error])
