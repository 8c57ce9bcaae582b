"""``schema``: what can stand in the catalog, and in a report, for editors and programs."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli import work
from bot.errors import RefusedError


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(schema)


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The same as a page for people.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Of a report's JSON instead, for programs.")
    ] = False,
) -> None:
    """Print the JSON Schema of rollback.yml, with which editors complete and explain it."""
    if markdown and report:
        raise RefusedError("A report's schema has no page for people.", "Leave one option out.")
    if markdown:
        typer.echo(work.describing.page(), nl=False)
        return
    typer.echo(work.describing.schema(of_report=report))
