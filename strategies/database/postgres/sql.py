"""Reading SQL scripts: statements, and what must not be in a migration.

No grammar of PostgreSQL: words and marks, with strings, comments and dollar quotes told apart.
Whoever reads the result must treat what it does not know as possibly dangerous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from bot.core.values import Value
from strategies.database.postgres.client import identifier

_LEXER = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<string>(?:[nNbBxX]|[uU]&)?'(?:[^']|'')*')
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?)\$)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<number>\d[\w.]*)
    | (?P<end>;)
    | (?P<open>['"])
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_TRANSACTION = frozenset(
    {"BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "START", "SAVEPOINT", "RELEASE", "PREPARE"}
)
_OUTSIDE = re.compile(
    r"\bINDEX CONCURRENTLY|\bDETACH PARTITION .*CONCURRENTLY|^REINDEX .*(CONCURRENTLY|DATABASE)"
    r"|^VACUUM|^ALTER SYSTEM|^(CREATE|DROP) (DATABASE|TABLESPACE)"
)


class Token(Value):
    """A word in capitals, a name, a string, or one mark."""

    kind: Literal["word", "name", "string", "mark"]
    text: str
    """Words in capitals, quoted names without their quotes."""

    @property
    def as_name(self) -> str:
        """As an identifier: words without quotes are folded to lower case."""
        return self.text.lower() if self.kind == "word" else self.text


class Statement(Value):
    """One statement."""

    tokens: tuple[Token, ...]

    @property
    def words(self) -> str:
        """In capitals, names and strings left out: for recognising what it does."""
        return " ".join(token.text for token in self.tokens if token.kind in {"word", "mark"})

    def starts(self, *words: str) -> bool:
        """Whether it begins with these words."""
        return tuple(token.text for token in self.tokens[: len(words)]) == words


class Script(Value):
    """A script's statements; with a problem it cannot run as one transaction."""

    statements: tuple[Statement, ...]
    problem: str = ""

    @property
    def empty(self) -> bool:
        """Nothing but comments and space."""
        return not self.statements


def parse(text: str) -> Script:
    """Split a script into statements."""
    statements: list[Statement] = []
    tokens: list[Token] = []
    problem = ""
    position = 0
    while position < len(text):
        match = _LEXER.match(text, position)
        if match is None:  # every character matches the last alternative
            raise AssertionError(position)
        end = match.end()
        kind = match.lastgroup if match.lastgroup != "tag" else "dollar"
        if kind == "block":
            end = _block_end(text, end)
        elif kind == "dollar":
            found = text.find(match["dollar"], end)
            end = len(text) + 1 if found < 0 else found + len(match["dollar"])
            tokens.append(Token(kind="string", text=""))
        elif kind == "open":
            end = len(text) + 1
        elif kind == "end":
            _finish(tokens, statements)
        elif token := _token(kind or "", match[0]):
            if token.text == "\\":
                problem = problem or "it holds commands of psql (a backslash outside of a string)"
            tokens.append(token)
        if end > len(text):
            problem = problem or "a string, comment or quoted name in it does not end"
        position = end
    _finish(tokens, statements)
    return Script(
        statements=tuple(statements), problem=problem or _outside_a_transaction(statements)
    )


def _token(kind: str, text: str) -> Token | None:
    if kind == "word":
        return Token(kind="word", text=text.upper())
    if kind == "quoted":
        return Token(kind="name", text=text[text.index('"') + 1 : -1].replace('""', '"'))
    if kind in {"string", "escaped"}:
        return Token(kind="string", text="")
    if kind in {"mark", "number"}:
        return Token(kind="mark", text=text)
    return None


def _finish(tokens: list[Token], statements: list[Statement]) -> None:
    if tokens:
        statements.append(Statement(tokens=tuple(tokens)))
    tokens.clear()


def _block_end(text: str, position: int) -> int:
    """After the end of a comment that may hold others; beyond the text when it has none."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text) + 1


def _outside_a_transaction(statements: list[Statement]) -> str:
    for statement in statements:
        first = statement.tokens[0].text
        if first in _TRANSACTION:
            return f"it ends or begins transactions by itself ({first})"
        if _OUTSIDE.search(statement.words):
            return "it holds a statement that PostgreSQL does not run inside of a transaction"
        if first == "COPY" and "STDIN" in statement.words:
            return "it copies from standard input"
    return ""


# What a down script would destroy, read from its text.
#
# Conservative: whatever is not known to be harmless is named as unknown.

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


# Can an application that was written for the older schema run on the newer one?
#
# Judged by what the up scripts did: expanding is compatible, contracting is not (the
# expand-and-contract pattern). A script may say it itself, by a comment
# ``-- rollback-bot: compatible`` or ``-- rollback-bot: breaking``: its author knows more.

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
            yield from _altered_column(words, shown)
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


def _altered_column(words: str, shown: str) -> Iterator[tuple[str, str]]:
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
