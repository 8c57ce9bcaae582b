"""The rollback report as Markdown."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bot.domain.report import Report
from bot.views import markdown


def render_markdown(report: Report) -> str:
    """Write a report down as GitHub-flavoured Markdown."""
    return _template().render(report=report)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("bot", "templates"),
        undefined=StrictUndefined,
        # HTML's escaping is not Markdown's: `finalize` escapes whatever no filter has written.
        autoescape=False,  # noqa: S701
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        cell=markdown.cell,
        lines=markdown.lines,
        quoted=markdown.quoted,
        row=markdown.row,
        fenced=markdown.fenced,
    )
    return environment.get_template("report.md.j2")


def _written(value: object) -> str:
    return value if isinstance(value, markdown.Written) else markdown.cell(str(value))
