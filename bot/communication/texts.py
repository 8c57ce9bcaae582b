"""The texts that a team can replace: Jinja2 templates, one file a text, escaped per surface.

Templates run in Jinja's sandbox and know only the variables that they are given; a name that does
not exist is an error. A file's ending names its surface: ``.mrkdwn.j2`` (Slack), ``.txt.j2``
(status pages, subjects, plain mail) and ``.html.j2``.
"""

from __future__ import annotations

import difflib
import html
import re
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateSyntaxError,
)
from jinja2.filters import do_mark_safe
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.communication.markup import clean, clip, code, inline, one_line, quote
from bot.core.errors import ConfigurationError
from bot.core.values import Actor, Value
from bot.incident.state import Incident

# How a template's values are written for Slack, for plain text and for HTML.

LONGEST_VALUE = 3_000
"""Characters of one value; what is left out is counted."""


class Written(str):
    """Text that is finished for its surface: it is not escaped again."""

    __slots__ = ()


def environments(loader: BaseLoader) -> dict[str, ImmutableSandboxedEnvironment]:
    """One for each surface, by the ending of its templates."""
    common: dict[str, Any] = {
        "loader": loader,
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    mrkdwn = ImmutableSandboxedEnvironment(**common, autoescape=False, finalize=_mrkdwn)
    mrkdwn.filters.update(
        quote=lambda value, limit=600: Written(quote(str(value), limit)),
        code=lambda value: Written(code(str(value), 80)),
    )
    txt = ImmutableSandboxedEnvironment(**common, autoescape=False, finalize=_plain)
    txt.filters.update(lines=lambda value: Written(_lines_of(value)))
    page = ImmutableSandboxedEnvironment(**common, autoescape=True, finalize=_html)
    page.filters.update(lines=_paragraphs)
    return {"mrkdwn": mrkdwn, "txt": txt, "html": page}


def _mrkdwn(value: object) -> str:
    if isinstance(value, Written):
        return value
    return inline(str(value), LONGEST_VALUE, empty="") if value is not None else ""


def _plain(value: object) -> str:
    if isinstance(value, Written):
        return value
    return clip(one_line(str(value)), LONGEST_VALUE) if value is not None else ""


def _html(value: object) -> object:
    return value if hasattr(value, "__html__") else _plain(value)


def _lines_of(value: object) -> str:
    kept = [line.rstrip() for line in clean(str(value)).splitlines()]
    return clip("\n".join(kept).strip(), LONGEST_VALUE)


def _paragraphs(value: object) -> object:
    """Somebody's words as HTML: line breaks stay, nothing else of them is markup."""
    escaped = html.escape(_lines_of(value)).replace("\n", "<br>\n")
    return do_mark_safe(f"<p>{escaped}</p>")


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
        package = PackageLoader("bot", "communication/templates")
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


# Finished mrkdwn for readers who are not in Slack.

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")
_CHANNEL = re.compile(r"<#([CG][A-Z0-9]+)>")
_DATE = re.compile(r"<!date\^\d+\^[^|>]*\|([^>]*)>")
_BOLD = re.compile(r"\*([^*\n]+)\*")


def unmarked(value: object, names: dict[str, str]) -> object:
    """Finished mrkdwn as plain text; anything else as it is."""
    if isinstance(value, list):
        return [unmarked(item, names) for item in value]
    if not isinstance(value, Written):
        return value
    text = _MENTION.sub(lambda found: names.get(found[1], found[1]), str(value))
    text = _CHANNEL.sub(lambda found: f"#{names.get(found[1], found[1])}", text)
    text = _DATE.sub(r"\1", text)
    text = _BOLD.sub(r"\1", text).replace("`", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def names_in(incident: Incident) -> dict[str, str]:
    """Everybody and every channel that a message may mention."""
    people: list[Actor] = [incident.declared.by]
    people += [person for role in incident.team or () for person in role.people]
    people += [who for who in (incident.resolved_by, incident.paused_by, incident.abort_by) if who]
    people += [approval.by for approval in incident.approvals]
    found = {person.id: person.name for person in people}
    if incident.channel is not None:
        found[incident.channel.channel_id] = incident.channel.channel_name
    return found
