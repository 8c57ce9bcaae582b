"""``doctor``: everything is looked at, and each finding said as soon as it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from bot.catalog.catalog import Catalog
from bot.catalog.load import load_catalog
from bot.catalog.settings import Settings, read_settings
from bot.cli.work.options import Exit
from bot.cli.work.starting import forget_secrets, quiet, run_to_exit
from bot.clouds.commands import EnvironmentSecrets
from bot.communication.slack.inspection import inspect_slack
from bot.core.errors import RollbackBotError
from bot.core.findings import Finding, Health, failed, passed, warned
from bot.core.mask import masked
from bot.doctor.checkup import Check, examine, line
from bot.doctor.outside import outside_checks, variables
from bot.doctor.services import service_checks
from bot.entry.offline import onlooker
from bot.store.open import open_untouched
from bot.store.sqlite import UntouchedSqlite
from bot.terminal.keyboard import make_console

_STORE = "Store"


def doctor(config: Path) -> None:
    """Say every finding; ends with 1 when something failed."""

    async def work() -> Exit:
        console, code = make_console(), Exit.DONE
        async for finding in _findings(config):
            console.print(line(_without_secrets(finding)), soft_wrap=True)
            if finding.health is Health.FAIL:
                code = Exit.ERROR
        return code

    run_to_exit(work())


def _without_secrets(finding: Finding) -> Finding:
    """What others answer is told here, and may repeat what they were given."""
    told = {"what": masked(finding.what), "remedy": masked(finding.remedy)}
    return finding.model_copy(update=told)


async def _findings(config: Path) -> AsyncIterator[Finding]:
    try:
        settings = read_settings()
    except RollbackBotError as error:
        yield failed("Settings", error)
        return
    forget_secrets()
    quiet(settings)
    yield passed("Settings", "The environment can be read.")
    has_store = True
    async for finding in examine(_installation(settings)):
        yield finding
        has_store &= finding.subject != _STORE or finding.health is not Health.FAIL
    try:
        catalog = load_catalog(config)
    except RollbackBotError as error:
        yield failed("Catalog", error)
        return
    quiet(settings, catalog)
    yield passed("Catalog", f"{config} is right: {', '.join(sorted(catalog.services))}.")
    secrets = EnvironmentSecrets()
    for finding in variables(catalog, secrets):
        yield finding
    async for finding in examine(outside_checks(settings, catalog, secrets)):
        yield finding
    if has_store:
        async for finding in _live(settings, catalog):
            yield finding


def _installation(settings: Settings) -> tuple[Check, ...]:
    """What needs no catalog."""

    async def look_at_store() -> list[Finding]:
        return [await _store(settings)]

    return (
        Check(subject="Slack", look=lambda: inspect_slack(settings)),
        Check(subject=_STORE, look=look_at_store),
    )


async def _store(settings: Settings) -> Finding:
    store = open_untouched(settings.database_url)
    await store.start()
    try:
        heads = await store.incidents(open_only=True, limit=1000)
    finally:
        await store.close()
    if isinstance(store, UntouchedSqlite) and not store.is_there:
        what = "The SQLite file is not there yet; “serve” and “run” create it."
        return warned(_STORE, what, "If there should be one, check ROLLBACK_DATABASE_URL.")
    kind = settings.database_url.partition(":")[0]
    return passed(_STORE, f"It can be read ({kind}); open incidents: {len(heads)}.")


async def _live(settings: Settings, catalog: Catalog) -> AsyncIterator[Finding]:
    """Everything that needs the store and the cluster."""
    try:
        async with onlooker(settings, catalog) as context:
            async for finding in examine(service_checks(context)):
                yield finding
    except RollbackBotError as error:
        yield failed("Cluster", error)
