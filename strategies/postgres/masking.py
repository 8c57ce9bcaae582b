"""What programs say, without the passwords that they quote.

Programs that connect to a database repeat what they were given: a traceback holds the URL, a
failed statement its options, and an env.py may print its whole environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.mask import INSTEAD, Mask

_USER_INFO = re.compile(r"://[^\s'\"<>]*@")
"""Up to the last @: a password that nobody encoded may hold one itself."""
_NAMED = re.compile(
    r"""
    (?P<name>\b\w*(?:password|passwd|passphrase|pwd)\b)
    (?P<between>['"]?\s*[=:]\s*|\s+(?='))
    (?P<value>'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.)*"?|[^\s,;)}\]]+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""``password=x`` of a DSN, ``PGPASSWORD=x``, ``'password': 'x'`` of a dict, ``PASSWORD 'x'``."""


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Without the secrets that are known, and without whatever is written as passwords are."""
    text = Mask(secrets).hide(text)
    text = _USER_INFO.sub(f"://{INSTEAD}@", text)
    return _NAMED.sub(rf"\g<name>\g<between>{INSTEAD}", text)
