"""``doctor``: is everything as the bot needs it?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import typer

from bot.adapters.slack.inspection import inspect_slack
from bot.adapters.store import UntouchedSqlite, open_untouched
from bot.cli.options import ConfigOption, Exit, forget_secrets, quiet, run_to_exit
from bot.config.catalog import Catalog
from bot.config.load import load_catalog
from bot.config.settings import DEFAULT_CATALOG, Settings, read_settings
from bot.domain.findings import Finding, Health, failed, passed, warned
from bot.errors import RollbackBotError
from bot.offline import onlooker
from bot.terminal.checkup import check_services, line
from bot.terminal.printing import make_console


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(doctor)


def doctor(config: ConfigOption = DEFAULT_CATALOG) -> None:
    """Check settings, catalog, store, Slack, cluster, rights and metrics; changes nothing.

    One line each, with what to do next. Ends with 1 when something failed.
    """

    async def work() -> Exit:
        console, code = make_console(), Exit.DONE
        async for finding in _findings(config):
            console.print(line(finding), soft_wrap=True)
            if finding.health is Health.FAIL:
                code = Exit.ERROR
        return code

    run_to_exit(work())


async def _findings(config: Path) -> AsyncIterator[Finding]:
    try:
        settings = read_settings()
    except RollbackBotError as error:
        yield failed("Settings", error)
        return
    forget_secrets()
    quiet(settings)
    yield passed("Settings", "The environment can be read.")
    for finding in await inspect_slack(settings):
        yield finding
    store = await _store(settings)
    yield store
    try:
        catalog = load_catalog(config)
    except RollbackBotError as error:
        yield failed("Catalog", error)
        return
    yield passed("Catalog", f"{config} is right: {', '.join(sorted(catalog.services))}.")
    if store.health is not Health.FAIL:
        async for finding in _live(settings, catalog):
            yield finding


async def _store(settings: Settings) -> Finding:
    try:
        store = open_untouched(settings.database_url)
        await store.start()
        try:
            heads = await store.incidents(open_only=True, limit=1000)
        finally:
            await store.close()
    except RollbackBotError as error:
        return failed("Store", error)
    if isinstance(store, UntouchedSqlite) and not store.is_there:
        what = "The SQLite file is not there yet; “serve” and “run” create it."
        return warned("Store", what, "If there should be one, check ROLLBACK_DATABASE_URL.")
    kind = settings.database_url.partition(":")[0]
    return passed("Store", f"It can be read ({kind}); open incidents: {len(heads)}.")


async def _live(settings: Settings, catalog: Catalog) -> AsyncIterator[Finding]:
    try:
        async with onlooker(settings, catalog) as context:
            async for finding in check_services(context):
                yield finding
    except RollbackBotError as error:
        yield failed("Cluster", error)
