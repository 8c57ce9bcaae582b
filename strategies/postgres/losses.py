"""What a down script would destroy, read from its text.

Conservative: whatever is not known to be harmless is named as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from bot.domain.values import Value
from strategies.postgres.client import identifier
from strategies.postgres.sql import Script, Statement, Token

_HARMLESS = frozenset({"CREATE", "COMMENT", "GRANT", "REVOKE", "SET", "RESET", "ANALYZE", "LOCK"})
_DROPPED_ALONE = frozenset(
    {"INDEX", "VIEW", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TRIGGER", "RULE", "POLICY"}
    | {"SEQUENCE", "TYPE", "DOMAIN", "CAST", "COLLATION", "OPERATOR", "STATISTICS", "MATERIALIZED"}
)
"""Without CASCADE their removal takes no stored values along."""


_ALTERED_ALONE = _DROPPED_ALONE | {"DEFAULT", "ROLE", "USER", "GROUP", "DATABASE"}
"""Changing them changes no stored value, and no table's name."""


class Loss(Value):
    """One thing that a script destroys."""

    kind: Literal["table", "column", "rows", "unknown"]
    name: tuple[str, ...] = ()
    """Of the table, with or without schema."""
    column: str = ""
    how: str
    """What happens to it."""

    @property
    def table(self) -> str:
        """For people."""
        return ".".join(self.name)

    @property
    def sql(self) -> str:
        """For SQL."""
        return ".".join(map(identifier, self.name))


def losses(script: Script) -> tuple[Loss, ...]:
    """Everything that a script destroys or may destroy."""
    return tuple(loss for statement in script.statements for loss in _of(statement))


def _of(statement: Statement) -> Iterator[Loss]:
    if statement.starts("DROP", "TABLE"):
        for name in _names(statement.tokens[2:]):
            yield Loss(kind="table", name=name, how="dropped")
    elif statement.starts("ALTER", "TABLE"):
        yield from _altered(statement)
    elif statement.starts("TRUNCATE"):
        for name in _names(_after(statement.tokens[1:], "TABLE")):
            yield Loss(kind="rows", name=name, how="emptied")
        if "CASCADE" in statement.words:
            yield _unknown(statement, "it empties the tables that refer to it too")
    elif statement.starts("DELETE", "FROM"):
        yield from _rows(statement.tokens[2:], "deleted, as its condition says")
    elif statement.starts("UPDATE"):
        yield from _rows(statement.tokens[1:], "overwritten, as its condition says")
    elif not _harmless(statement):
        yield _unknown(statement, "the bot cannot see what it does to the data")


def _harmless(statement: Statement) -> bool:
    first = statement.tokens[0].text
    second = statement.tokens[1].text if len(statement.tokens) > 1 else ""
    if "SEARCH_PATH" in statement.words:
        return False
    if first == "INSERT":
        return "DO UPDATE" not in statement.words
    if first == "DROP":
        return second in _DROPPED_ALONE and "CASCADE" not in statement.words
    if first == "ALTER":
        # An attribute of a type is a column of every table with that type.
        inside = second == "TYPE" and "ATTRIBUTE" in statement.words
        return second in _ALTERED_ALONE and not inside
    return first in _HARMLESS


def _altered(statement: Statement) -> Iterator[Loss]:
    name, rest = _name(_after(statement.tokens[2:], "IF", "EXISTS", "ONLY"))
    for action in _split(rest):
        words = [token.text for token in action]
        if words[:1] == ["DROP"] and words[1:2] != ["CONSTRAINT"]:
            column, _ = _name(_after(action[1:], "COLUMN", "IF", "EXISTS"))
            yield Loss(kind="column", name=name, column=column[-1], how="dropped")
        elif words[:1] == ["ALTER"] and "TYPE" in words:
            column, _ = _name(_after(action[1:], "COLUMN"))
            yield Loss(kind="column", name=name, column=column[-1], how="converted to another type")
        elif words[:1] in (["RENAME"], ["DETACH"], ["ATTACH"], ["INHERIT"], ["NO"]):
            yield _unknown(statement, "what follows may concern a table under another name")


def _rows(tokens: Sequence[Token], how: str) -> Iterator[Loss]:
    name, _ = _name(_after(tokens, "ONLY"))
    yield Loss(kind="rows", name=name, how=how)


def _unknown(statement: Statement, why: str) -> Loss:
    return Loss(kind="unknown", how=f"“{statement.words[:60].strip()}”: {why}")


def _after(tokens: Sequence[Token], *words: str) -> Sequence[Token]:
    """Without these words at the beginning, in this order, each if it is there."""
    for word in words:
        if tokens and tokens[0].kind == "word" and tokens[0].text == word:
            tokens = tokens[1:]
    return tokens


def _name(tokens: Sequence[Token]) -> tuple[tuple[str, ...], Sequence[Token]]:
    parts: list[str] = []
    for place, token in enumerate(tokens):
        dot = token.kind == "mark" and token.text == "."
        if place % 2 == 0:
            parts.append(token.as_name)
        elif not dot:
            return tuple(parts), tokens[place:]
    return tuple(parts) or ("?",), ()


def _names(tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    for part in _split(_after(tokens, "IF", "EXISTS")):
        name, _ = _name(_after(part, "ONLY"))
        yield name


def _split(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """At the commas that stand in no parenthesis."""
    depth, start = 0, 0
    for place, token in enumerate(tokens):
        if token.kind == "mark":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and depth == 0:
                yield tokens[start:place]
                start = place + 1
    if start < len(tokens):
        yield tokens[start:]
