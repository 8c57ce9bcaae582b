"""``check`` and ``schema``: the catalog and its texts, without any network."""

from __future__ import annotations

import json
from pathlib import Path

from bot.catalog.load import load_catalog
from bot.catalog.reference import catalog_reference, catalog_schema
from bot.catalog.types import variables_of
from bot.communication.template_samples import check_texts
from bot.reporting.pages import report_schema
from bot.terminal.keyboard import make_console


def check(config: Path) -> None:
    """Say that they are right, and what they need; raises ConfigurationError when they are not."""
    catalog = load_catalog(config)
    check_texts(catalog)
    names = ", ".join(sorted(catalog.services))
    console = make_console()
    console.print(f"{config} is right. Services: {names}.", soft_wrap=True)
    if wanted := variables_of(catalog):
        console.print(f"The bot will need: {', '.join(wanted)}.", soft_wrap=True)


def page() -> str:
    """The catalog's keys, as a page for people."""
    return catalog_reference()


def schema(*, of_report: bool) -> str:
    """The JSON Schema of the catalog, or of a report."""
    return json.dumps(report_schema() if of_report else catalog_schema(), indent=2)
