"""A company whose code is on GitHub, and incidents that are brought to their end."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.catalog.catalog import Catalog
from bot.core.errors import TemporaryError
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from sandbox.github.model import Release, Repository, Token
from sandbox.github.server import GitHubServer
from tests.company.deeds import CONCLUSION, approved, planned
from tests.company.forge import TOKEN
from tests.company.harness import Process, catalog_of
from tests.company.shop import BAD, GOOD

SHOP = "acme/shop"
RIGHTS = frozenset({"contents", "issues"})
ACTIONS = (
    e.CorrectiveAction(text="Test two currencies", owner="ana"),
    e.CorrectiveAction(text="Alert on refunds"),
)


def stock(server: GitHubServer, *, now: datetime) -> Repository:
    """A repository with both releases, and a token that may do everything."""
    shop = Repository(name=SHOP, members=("ana",))
    shop.commit("Before", at=now - timedelta(days=3), tag=GOOD)
    shop.commit("Prices with currencies (#12)", at=now - timedelta(days=1), tag=BAD)
    shop.releases.append(Release(id=7, tag=BAD, body="Prices with currencies."))
    server.repositories[SHOP] = shop
    server.tokens[TOKEN] = Token(value=TOKEN, repositories=frozenset({SHOP}), writes=RIGHTS)
    return shop


def catalog_with(server: GitHubServer, plan: Path | None = None, **parts: Any) -> Catalog:
    """The usual catalog, with the code on GitHub and the release plan there or in a file."""
    where = {"provider": "file", "path": str(plan)} if plan else {"provider": "github"}
    known = catalog_of().model_dump(mode="json", exclude_unset=True)
    for entry in known["services"].values():
        entry["github"] = {
            "repository": SHOP,
            "token": "GITHUB_TOKEN",
            "api_url": server.url,
            "issues": {},
        }
        entry["release_plan"] = where
    return Catalog.model_validate(
        {**known, "paperwork": {"patience": "2s", "retry_for": "6h"}, **parts}
    )


async def recovered(process: Process) -> Incident:
    """An incident whose service is proven well."""
    incident = await planned(process)
    await approved(process, incident)
    return await process.company.until(incident, lambda i: i.phase is Phase.RECOVERED)


async def abandoned(process: Process) -> Incident:
    """An incident that can be resolved although nothing was rolled back, and has no figures.

    Its report has no chart, whose drawing would take most of a test's time.
    """
    incident = await planned(process)
    process.company.shop.script["series"] = [TemporaryError("No figures.")] * 20
    return incident


async def resolve(process: Process, incident: Incident, *actions: e.CorrectiveAction) -> Incident:
    """The incident with its report."""
    conclusion = CONCLUSION.model_copy(update={"corrective_actions": actions})
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=conclusion,
        actor=process.company.actor("ana"),
        request_id=f"view/{incident.id}/{incident.seq}",
    )
    return await process.company.until(incident, lambda i: i.report is not None)


def told(process: Process, incident: Incident, words: str) -> list[str]:
    """What the incident's channel was told with these words in it."""
    channel = process.company.incidents[incident.id].channel
    assert channel is not None
    return [said for said in process.company.said(channel.channel_id) if words in said]
