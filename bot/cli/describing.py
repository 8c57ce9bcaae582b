"""``schema``: what can stand in the catalog, for editors and for people."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bot.config.reference import catalog_reference
from bot.config.schema import catalog_schema


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(schema)


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The same as a page for people.")
    ] = False,
) -> None:
    """Print the JSON Schema of rollback.yml, with which editors complete and explain it."""
    text = catalog_reference() if markdown else json.dumps(catalog_schema(), indent=2) + "\n"
    typer.echo(text, nl=False)
