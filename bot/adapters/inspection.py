"""Look whether the places of the paperwork can be reached, without writing anything to them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.adapters.files import LocalFiles, check_writable
from bot.adapters.github_api import GitHubApi
from bot.config.paperwork import FileReleasePlan, GitHubSettings
from bot.domain.findings import Finding, passed, warned
from bot.errors import ForbiddenError, PermanentError
from bot.ports.outside import Secrets

_RELEASE = "{release}"


async def inspect_github(
    place: GitHubSettings, subject: str, secrets: Secrets
) -> tuple[Finding, ...]:
    """Whether the repository and what is compared in it can be read. Raises GitHub's refusals."""
    api = GitHubApi(secrets)
    repository = await api.get(place, "")
    found = [passed(subject, f"{place.repository} can be read.")]
    try:
        await api.get(place, "/pulls", {"state": "closed", "per_page": "1"})
    except ForbiddenError as error:
        what = "Pull requests cannot be read; commits' titles tell instead."
        found.append(warned(f"{subject}, pull requests", what, error.remedy))
    if place.issues is not None:
        if isinstance(repository, dict) and repository.get("has_issues") is False:
            raise PermanentError(
                f"{place.repository} has no issues.",
                "Switch them on in its settings, or leave “issues” out of rollback.yml.",
            )
        await api.get(place, "/issues", {"per_page": "1"})
        said = "They can be read; whether the token may write them, only writing can tell."
        found.append(passed(f"{subject}, issues", said))
    return tuple(found)


async def inspect_plan_file(service: str, plan: FileReleasePlan, subject: str) -> Finding:
    """Whether the summary could be written; nothing is."""
    folder = Path(plan.path).parent
    if _RELEASE in str(folder):
        return warned(
            subject,
            f"Every release has a folder of its own ({folder}), which must be there at the end of "
            "an incident.",
            "Let the release process make it; the bot makes no folders.",
        )
    path = plan.file_of(service, "any")
    await asyncio.to_thread(check_writable, path)
    if _RELEASE not in plan.path:
        await LocalFiles().read(path)
    return passed(subject, f"Files can be written to {path.parent}.")
