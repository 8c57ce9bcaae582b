"""The texts that a team can replace: Jinja2 templates, one file a text, escaped per surface.

Templates run in Jinja's sandbox and know only the variables that they are given; a name that does
not exist is an error. A file's ending names its surface: ``.mrkdwn.j2`` (Slack), ``.txt.j2``
(status pages, subjects, plain mail) and ``.html.j2``.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import structlog
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    TemplateSyntaxError,
)

from bot.domain.values import Value
from bot.errors import ConfigurationError
from bot.views.markup import one_line
from bot.views.text_surfaces import environments

log = structlog.get_logger()

SLACK = (
    "announcement.mrkdwn.j2",
    "stakeholder_announcement.mrkdwn.j2",
    "team.mrkdwn.j2",
    "update.mrkdwn.j2",
    "complete.mrkdwn.j2",
    "resolved.mrkdwn.j2",
)
"""The prose of messages in Slack; facts and the next action stand beside it in any case."""
OUTSIDE = (
    "external_title.txt.j2",
    "external_investigating.txt.j2",
    "external_identified.txt.j2",
    "external_monitoring.txt.j2",
    "external_resolved.txt.j2",
    "customer_mail_subject.txt.j2",
    "customer_mail.txt.j2",
    "customer_mail.html.j2",
)
"""What customers read."""
INSIDE = (
    "stakeholder_mail_subject.txt.j2",
    "stakeholder_mail.txt.j2",
    "stakeholder_mail.html.j2",
)
"""What the company's own people are mailed."""
NAMES = (*SLACK, *OUTSIDE, *INSIDE)

_IGNORED = "README.md"


class Rendered(Value):
    """A text, and what was wrong with the team's own template, if it could not be used."""

    text: str
    problem: str = ""


class TextError(Exception):
    """A template cannot be used; the message names file, line and reason."""


class Texts:
    """All texts: those of a folder in place of the built-in ones."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises ConfigurationError for a folder that is not there or has a file of no use."""
        self.folder = folder
        self.replaced = _files(folder) if folder else ()
        package = PackageLoader("bot", "templates/words")
        own: list[BaseLoader] = [FileSystemLoader(folder)] if folder else []
        loader = ChoiceLoader([*own, package, PrefixLoader({"builtin": package})])
        self._environments = environments(loader)

    def render(self, name: str, variables: Mapping[str, object]) -> Rendered:
        """A text; the built-in one, and the problem, when the team's own fails after all."""
        try:
            return Rendered(text=self.strictly(name, variables))
        except TextError as error:
            if name not in self.replaced:
                raise
            log.warning("a text could not be rendered", problem=str(error))
            built_in = self.strictly(f"builtin/{name}", variables)
            return Rendered(text=built_in, problem=str(error))

    def strictly(self, name: str, variables: Mapping[str, object]) -> str:
        """A text without its outer line breaks; raises TextError when it cannot be rendered."""
        environment = self._environments[_surface(name)]
        try:
            text = environment.get_template(name).render(**variables)
        except TemplateSyntaxError as error:
            raise TextError(f"{self._place(error.name or name)}:{error.lineno}: {error}") from None
        except Exception as error:  # a team's template may raise anything
            where = f"{self._place(name)}:{_line(error, name, self._place(name))}"
            said = one_line(str(error)) or type(error).__name__
            raise TextError(f"{where}: {said}") from error
        if not text.strip() and name.rpartition("/")[2] not in SLACK:
            raise TextError(f"{self._place(name)}:1: it renders to nothing")
        return text.strip()

    def _place(self, name: str) -> str:
        own = self.folder if name in self.replaced else None
        return str(own / name) if own else f"built-in {name}"


@cache
def built_in() -> Texts:
    """The texts of a team that replaces none."""
    return Texts()


def _files(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise ConfigurationError(
            f"The folder {folder}, named by “texts” in the catalog, is not there.",
            "Create it, or remove the key.",
        )
    found = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name != _IGNORED
    )
    problems = []
    for name in found:
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.4)
            guess = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"  {folder / name}:1: no text has this name{guess}")
    if problems:
        listed = "\n".join(problems)
        raise ConfigurationError(
            f"The texts are wrong:\n{listed}\n", f"The names are: {', '.join(NAMES)}."
        )
    return tuple(found)


def _surface(name: str) -> str:
    return name.split(".")[-2]


def _line(error: BaseException, name: str, place: str) -> int:
    """The template's line that failed: Jinja puts it into the traceback."""
    base = name.rpartition("/")[2]
    lines = [
        frame.lineno or 1
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == place or frame.filename.endswith(f"/words/{base}")
    ]
    return lines[-1] if lines else 1


def problems(texts: Texts, samples: Iterator[tuple[str, Mapping[str, object]]]) -> dict[str, str]:
    """Render every sample, a text's name with variables; the first problem of each text."""
    found: dict[str, str] = {}
    for name, variables in samples:
        if name in found:
            continue
        try:
            texts.strictly(name, variables)
        except TextError as error:
            known = ", ".join(sorted(variables))
            found[name] = f"{error}; known variables: {known}"
    return found
