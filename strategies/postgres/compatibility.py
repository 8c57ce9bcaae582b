"""Can an application that was written for the older schema run on the newer one?

Judged by what the up scripts did: expanding is compatible, contracting is not (the
expand-and-contract pattern). A script may say it itself, by a comment
``-- rollback-bot: compatible`` or ``-- rollback-bot: breaking``: its author knows more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.domain.values import Value
from strategies.postgres.sql import Statement, parse

_SAID = re.compile(r"^\s*--\s*rollback-bot:\s*(compatible|breaking)\b", re.MULTILINE)
_LOOSENING = frozenset({"COMMENT", "GRANT", "SET", "RESET", "ANALYZE", "INSERT", "LOCK"})
_NEW = re.compile(
    r"^CREATE (OR REPLACE )?(TEMP |TEMPORARY |UNLOGGED )?"
    r"(TABLE|INDEX|SEQUENCE|VIEW|MATERIALIZED|TYPE|SCHEMA|EXTENSION|FUNCTION|DOMAIN|STATISTICS)\b"
)
_UNIQUE = re.compile(r"^CREATE UNIQUE INDEX")


class Compatibility(Value):
    """What one up script means for the older application."""

    breaking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def compatible(self) -> bool | None:
        """None when it cannot be told."""
        if self.breaking:
            return False
        return None if self.unknown else True


def compatibility(text: str) -> Compatibility:
    """Judge one up script."""
    said = _SAID.search(text)
    if said:
        return Compatibility(breaking=("its author says so",) if said[1] == "breaking" else ())
    script = parse(text)
    breaking: list[str] = []
    unknown = [script.problem] if script.problem else []
    created = {_object(one) for one in script.statements if one.starts("CREATE", "TABLE")}
    for statement in script.statements:
        for verdict, why in _judged(statement, created):
            (breaking if verdict == "breaking" else unknown).append(why)
    return Compatibility(breaking=tuple(breaking), unknown=tuple(unknown))


def _judged(statement: Statement, created: set[str]) -> Iterator[tuple[str, str]]:
    words = statement.words
    first = statement.tokens[0].text
    shown = f"“{words[:60].strip()}”"
    if statement.starts("ALTER", "TABLE"):
        if _object(statement) not in created:
            yield from _altered(words, shown)
    elif _UNIQUE.match(words):
        if not any(name in words.split() for name in created):
            yield "breaking", f"{shown} refuses rows that the older application may write"
    elif (
        _NEW.match(words)
        or first in _LOOSENING
        or statement.starts("DROP", "INDEX")
        or statement.starts("DROP", "TRIGGER")
    ):
        return
    elif first in {"DROP", "TRUNCATE", "DELETE", "UPDATE", "REVOKE"}:
        yield "breaking", f"{shown} takes away what the older application may use"
    else:
        yield "unknown", f"{shown} cannot be judged"


def _altered(words: str, shown: str) -> Iterator[tuple[str, str]]:
    if re.search(r"\bRENAME\b|\bTYPE\b|\bSET NOT NULL\b|\bSET SCHEMA\b|\bDETACH\b", words):
        yield "breaking", f"{shown} changes what the older application uses"
    elif re.search(r"\bDROP (?!CONSTRAINT\b|DEFAULT\b|NOT NULL\b|EXPRESSION\b|IDENTITY\b)", words):
        yield "breaking", f"{shown} takes away a column"
    elif re.search(r"\bADD (CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b", words):
        yield "breaking", f"{shown} refuses rows that the older application may write"
    elif re.search(r"\bNOT NULL\b", re.sub(r"\bDROP NOT NULL\b", "", words)) and (
        words.count("NOT NULL") > words.count("DEFAULT")
    ):
        yield "breaking", f"{shown} demands a value that the older application does not write"
    elif re.search(r"\b(UNIQUE|CHECK|REFERENCES)\b", words):
        yield "unknown", f"{shown} may refuse rows that the older application writes"
    elif not re.search(r"\b(ADD|DROP|ALTER|OWNER|SET|VALIDATE|ENABLE|DISABLE)\b", words):
        yield "unknown", f"{shown} cannot be judged"


def _object(statement: Statement) -> str:
    """The name after CREATE or ALTER TABLE, in capitals; enough to tell tables apart."""
    skipped = {"CREATE", "ALTER", "TABLE", "IF", "NOT", "EXISTS", "ONLY"}
    names = [token.text for token in statement.tokens if token.text not in skipped]
    return names[0].upper() if names else ""
