"""Look at everything that the catalog names beside the cluster: secrets, texts, places, forges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bot.alerts.source import ALERT_SOURCES, path_of
from bot.catalog.catalog import Catalog, People
from bot.catalog.destination import Destination
from bot.catalog.paperwork import FileReleasePlan, GitHubSettings
from bot.catalog.settings import Settings
from bot.catalog.types import variables_of
from bot.clouds.commands import LocalFiles, check_writable
from bot.clouds.http import HttpClient
from bot.clouds.outside import Secrets
from bot.communication.destinations.base import DestinationKind
from bot.communication.slack.inspection import inspect_channels, inspect_people
from bot.communication.template_samples import check_texts
from bot.core.errors import ConfigurationError, ForbiddenError, PermanentError, RollbackBotError
from bot.core.findings import Finding, failed, passed, warned
from bot.doctor.checkup import Check
from bot.incident.external import DESTINATIONS
from bot.paperwork.github import GitHubApi

# Look whether the places of the paperwork can be reached, without writing anything to them.

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


_MOST_PLACES = 3


def outside_checks(settings: Settings, catalog: Catalog, secrets: Secrets) -> Iterator[Check]:
    """One check a place; what several services share is looked at once."""

    async def look_at_texts() -> list[Finding]:
        return [_texts(catalog)]

    async def look_at_alerts() -> list[Finding]:
        return [_alerts(settings, catalog)]

    async def look_at_channels() -> list[Finding]:
        return await inspect_channels(settings, _channels(catalog))

    async def look_at_people() -> list[Finding]:
        return await inspect_people(settings, _people(catalog.people))

    yield Check(subject="Texts", look=look_at_texts)
    yield Check(subject="Alerts", look=look_at_alerts)
    yield Check(subject="Slack channels", look=look_at_channels)
    yield Check(subject="Slack people", look=look_at_people)
    for name, destination in catalog.destinations.items():
        yield _place(name, destination, secrets)
    yield from _paperwork(catalog, secrets)


def _place(name: str, destination: Destination, secrets: Secrets) -> Check:
    subject = f"Destination {name}"
    kind: DestinationKind = DESTINATIONS.get(destination.kind)

    async def look() -> list[Finding]:
        return [await kind.check(name, destination, subject, HttpClient(), secrets)]

    return Check(subject=subject, look=look)


def variables(catalog: Catalog, secrets: Secrets) -> list[Finding]:
    """The environment variables that the catalog names; their values are never shown."""
    subject, wanted = "Variables", variables_of(catalog)
    found = []
    for name, places in wanted.items():
        try:
            secrets.read(name)
        except RollbackBotError as error:
            more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
            where = ", ".join(places[:_MOST_PLACES]) + more
            missing = ConfigurationError(f"{name} is not set; {where} needs it.", error.remedy)
            found.append(failed(subject, missing))
    if found:
        return found
    said = f"All that the catalog names are set: {', '.join(wanted)}."
    return [passed(subject, said if wanted else "The catalog names none.")]


def _texts(catalog: Catalog) -> Finding:
    check_texts(catalog)
    own = f", with those of {catalog.texts}" if catalog.texts else ""
    return passed("Texts", f"They render on sample incidents{own}.")


def _alerts(settings: Settings, catalog: Catalog) -> Finding:
    if settings.alerts_token is not None and settings.alerts_token.get_secret_value():
        paths = ", ".join(map(path_of, ALERT_SOURCES.names))
        return passed("Alerts", f"They are taken in at {paths}, with the token.")
    off = "They are switched off: ROLLBACK_ALERTS_TOKEN is not set."
    if "alerts" in catalog.model_fields_set:
        return warned("Alerts", off, "The catalog speaks of alerts: set it, see docs/alerts.md.")
    return passed("Alerts", off)


def _channels(catalog: Catalog) -> frozenset[str]:
    """Every channel that the bot is to post in, beside those that it opens itself."""
    named = {*catalog.updates.channels, *filter(None, [catalog.alerts.channel])}
    named |= {name for entry in catalog.services.values() for name in entry.stakeholder_channels}
    named |= {name for one in catalog.destinations.values() for name in one.slack_channels}
    return frozenset(named)


def _people(people: People) -> frozenset[str]:
    named = {*people.release_managers, *people.on_call_leads, *people.requesters}
    return frozenset(named.union(*people.roles.values()))


def _paperwork(catalog: Catalog, secrets: Secrets) -> Iterator[Check]:
    repositories: dict[GitHubSettings, str] = {}
    for name, entry in catalog.services.items():
        if entry.github is not None:
            repositories.setdefault(entry.github, f"{name}, GitHub")
        if isinstance(entry.release_plan, FileReleasePlan):
            yield _plan_file(name, entry.release_plan)
    for place, subject in repositories.items():
        yield Check(subject=subject, look=partial(inspect_github, place, subject, secrets))


def _plan_file(service: str, plan: FileReleasePlan) -> Check:
    subject = f"{service}, release plan"

    async def look() -> list[Finding]:
        return [await inspect_plan_file(service, plan, subject)]

    return Check(subject=subject, look=look)
