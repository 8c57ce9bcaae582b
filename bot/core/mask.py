"""Takes secrets out of finished text: lines of the log, and errors at a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs, quote, quote_plus, unquote, urlsplit

import structlog

INSTEAD = "(secret)"
_SHORT = 4
"""Characters. A shorter secret is hidden where it stands alone: as a part of words and numbers it
would take half of every line with it, and tell what it is."""
_LINE = 16
"""Characters from which on a line of a secret is one by itself: the last line of a key is not."""
_ANYBODYS = (
    r"\b(?:xox[a-z]|xapp)-[\w-]+",  # every token of Slack
    r"(?<=[Bb]earer )[\w.~+/=-]{16,}",
    r"(?<=[Bb]asic )[\w+/=-]{16,}",
    r"(?<=://)[^\s/:@\"']*:[^\s/@\"']+(?=@)",  # user and password of an address
)
"""What a secret looks like that nobody has told us."""


class Mask:
    """Knows secrets by their values, also as other programs write them down.

    As a processor of structlog it stands behind the renderer: a library's exception may quote
    what it was given, anywhere in the line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        told = {part for secret in secrets for part in _parts(secret)}
        written = {form for part in told for form in _forms(part)}
        # The longest first: one may begin as another does.
        known = [_sought(form) for form in sorted(written, key=lambda one: (-len(one), one))]
        self._pattern = re.compile("|".join([*known, *_ANYBODYS]))

    def hide(self, text: str) -> str:
        """The text with a mask in place of each secret."""
        return self._pattern.sub(INSTEAD, text)

    def __call__(self, _: object, __: str, line: structlog.typing.EventDict) -> str:
        """The same for a rendered line of the log."""
        return self.hide(str(line))


def masked(text: str) -> str:
    """The text without the secrets that the log hides; while no log is set up, as it is."""
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, Mask):
            return processor.hide(text)
    return text


def passwords_in(url: str) -> tuple[str, ...]:
    """What is secret in an address: its user's password, and one among its parameters."""
    try:
        parts = urlsplit(url)
        given = parse_qs(parts.query)
        found = (unquote(parts.password or ""), *given.get("password", ()))
    except ValueError:
        return ()
    return tuple(filter(None, found))


def _parts(secret: str) -> Iterator[str]:
    """The secret, and what of it is one by itself: an address's password, a line of a key."""
    whole = secret.strip()
    if not whole:
        return
    yield whole
    if "://" in whole:
        yield from passwords_in(whole)
    yield from (line for line in whole.splitlines() if len(line) >= _LINE)


def _forms(secret: str) -> Iterator[str]:
    """A secret as addresses, Python and JSON write it."""
    plain = {
        secret,
        repr(secret)[1:-1],
        repr(secret.encode())[2:-1],
        quote(secret, safe=""),
        quote(secret, safe="!$&'()*+,;=:@/"),
        quote_plus(secret),
    }
    for form in plain:
        yield form
        yield json.dumps(form)[1:-1]
        yield json.dumps(form, ensure_ascii=False)[1:-1]


def _sought(form: str) -> str:
    alone = len(form) < _SHORT
    return rf"(?<!\w){re.escape(form)}(?!\w)" if alone else re.escape(form)
