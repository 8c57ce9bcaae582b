"""How a template's values are written for Slack, for plain text and for HTML."""

from __future__ import annotations

import html
from typing import Any

from jinja2 import BaseLoader, StrictUndefined
from jinja2.filters import do_mark_safe
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.views.markup import clean, clip, code, inline, one_line, quote

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
    txt.filters.update(lines=lambda value: Written(_several(value)))
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


def _several(value: object) -> str:
    kept = [line.rstrip() for line in clean(str(value)).splitlines()]
    return clip("\n".join(kept).strip(), LONGEST_VALUE)


def _paragraphs(value: object) -> object:
    """Somebody's words as HTML: line breaks stay, nothing else of them is markup."""
    escaped = html.escape(_several(value)).replace("\n", "<br>\n")
    return do_mark_safe(f"<p>{escaped}</p>")
