"""Reading SQL scripts: statements, and what must not be in a migration.

No grammar of PostgreSQL: words and marks, with strings, comments and dollar quotes told apart.
Whoever reads the result must treat what it does not know as possibly dangerous.
"""

from __future__ import annotations

import re
from typing import Literal

from bot.domain.values import Value

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
