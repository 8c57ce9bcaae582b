"""``schema``: the schemas and the page that are made from the models."""

from __future__ import annotations

import json

from bot.config.reference import catalog_reference
from bot.config.schema import catalog_schema
from bot.views.report import report_schema


def page() -> str:
    """The catalog's keys, as a page for people."""
    return catalog_reference()


def schema(*, of_report: bool) -> str:
    """The JSON Schema of the catalog, or of a report."""
    return json.dumps(report_schema() if of_report else catalog_schema(), indent=2)
