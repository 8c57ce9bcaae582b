"""``python -m benchmarks.house``: how big the house is, and how far one walks in it.

Modules, lines, modules that one other imports, circles among packages, and the files that three
journeys pass: traced in the bot itself while a company on loopback lives an incident.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import io
import shutil
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.journeys import Journeys, trace

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "house"
PRODUCT = ("bot", "handlers", "strategies")
SANDBOX = ("sandbox",)
LONGEST = 10

_WITHOUT_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

Edge = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file with code."""

    path: Path
    """From the repository's root."""
    lines: int
    """Of code: without blank lines, comments, and docstrings of modules, classes, functions."""
    imports: frozenset[str]
    """Every name that is imported, wherever in the file."""

    @property
    def name(self) -> str:
        """As it is imported."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """The folder in which it lies."""
        return self.path.parent.as_posix()


@dataclass(frozen=True, kw_only=True)
class House:
    """All modules under some top-level folders."""

    modules: tuple[Module, ...]

    @classmethod
    def under(cls, *folders: str, root: Path = ROOT) -> House:
        """Read every Python file of these folders."""
        paths = (path for folder in folders for path in sorted((root / folder).rglob("*.py")))
        return cls(modules=tuple(_read(path, root) for path in paths))

    @property
    def lines(self) -> int:
        """Of code, altogether."""
        return sum(module.lines for module in self.modules)

    @cached_property
    def importers(self) -> Mapping[str, frozenset[str]]:
        """By whom each module is imported; those that nobody imports are not in it."""
        known = {module.name for module in self.modules}
        found: dict[str, set[str]] = defaultdict(set)
        for module in self.modules:
            for name in module.imports:
                target = _nearest(name, known)
                if target and target != module.name:
                    found[target].add(module.name)
        return {name: frozenset(others) for name, others in found.items()}

    @property
    def doors_of_one(self) -> list[Edge]:
        """Modules that exactly one other imports, and which."""
        return [
            (name, next(iter(others)))
            for name, others in sorted(self.importers.items())
            if len(others) == 1
        ]

    @property
    def longest(self) -> list[Module]:
        """The longest first."""
        return sorted(self.modules, key=lambda module: -module.lines)[:LONGEST]

    @cached_property
    def circles(self) -> list[Mapping[Edge, str]]:
        """Packages that import each other, directly or not: every import in between, by example.

        A package is a folder with its own files, without the folders in it.
        """
        homes = {module.name: module.package for module in self.modules}
        edges = {
            (homes[importer], homes[name]): f"{importer} imports {name}"
            for name, importers in sorted(self.importers.items())
            for importer in sorted(importers, reverse=True)
            if homes[importer] != homes[name]
        }
        reach = {home: _reach(home, edges) for home in homes.values()}
        rings = {
            frozenset(other for other in reach[home] if home in reach[other])
            for home in reach
            if home in reach[home]
        }
        return [
            {edge: edges[edge] for edge in sorted(edges) if ring.issuperset(edge)}
            for ring in sorted(rings, key=len, reverse=True)
        ]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure, and what it may be."""

    what: str
    figure: int
    limit: int | None = None
    hops: int | None = None
    """From file to file, where the figure counts files on a journey."""

    @property
    def is_over(self) -> bool:
        """Whether the budget is exceeded."""
        return self.limit is not None and self.figure > self.limit


def _read(path: Path, root: Path) -> Module:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    where = path.relative_to(root)
    package = where.parent.parts
    return Module(
        path=where,
        lines=len(_code(source) - set(_docstrings(tree))),
        imports=frozenset(_imported(tree, package)),
    )


def _code(source: str) -> set[int]:
    """The numbers of the lines with anything on them beside comments."""
    return {
        number
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _WITHOUT_CODE
        for number in range(token.start[0], token.end[0] + 1)
    }


def _docstrings(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def _imported(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    """Names as long as they can be: ``a.b.c`` of ``from a.b import c``, module or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _nearest(name: str, known: set[str]) -> str:
    """The module that a name means: itself, or the one in which it is defined."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def _reach(start: str, edges: Mapping[Edge, str]) -> frozenset[str]:
    """Everything that can be reached over at least one edge."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        here = ahead.pop()
        further = {end for begin, end in edges if begin == here} - found
        found |= further
        ahead.extend(further)
    return frozenset(found)


def lines_of(product: House, sandbox: House, journeys: Journeys | None) -> list[Line]:
    """The table; the journeys may be left out."""
    table = [
        Line(what="product modules", figure=len(product.modules), limit=330),
        Line(what="lines of code in them", figure=product.lines, limit=38_000),
        Line(what="modules with exactly one importer", figure=len(product.doors_of_one), limit=60),
    ]
    if journeys:
        passages = (
            ("files from the click on Approve to the patch", journeys.approve, 50),
            ("… without what is sent meanwhile", journeys.click, None),
            ("files from `/rollback` to the plan card", journeys.plan, 90),
            ("files from the beat to its `chat.postMessage`", journeys.update, 35),
        )
        table += [
            Line(what=what, figure=len(passage.files), hops=passage.hops, limit=limit)
            for what, passage, limit in passages
        ]
    return [
        *table,
        Line(what="circles among the product's packages", figure=len(product.circles), limit=0),
        Line(what="circles among the sandbox's packages", figure=len(sandbox.circles), limit=0),
    ]


def table_of(lines: list[Line]) -> str:
    """As Markdown."""
    rows = ["| what | now | at most |", "| --- | --- | --- |"]
    for line in lines:
        hops = "" if line.hops is None else f" (from file to file {line.hops:,} times)"
        limit = "" if line.limit is None else f"{line.limit:,}"
        rows.append(f"| {line.what} | {line.figure:,}{hops} | {limit} |")
    return "\n".join(rows)


def details_of(product: House, sandbox: House, journeys: Journeys | None) -> Iterator[str]:
    """What stands behind the figures, line by line."""
    yield "The longest modules:"
    yield from (f"  {module.lines:>5}  {module.path}" for module in product.longest)
    for house in (product, sandbox):
        for circle in house.circles:
            packages = sorted({package for edge in circle for package in edge})
            yield f"A circle among {len(packages)} packages: {', '.join(packages)}"
            yield from (f"  {a} → {b}: {example}" for (a, b), example in circle.items())
    if journeys:
        for name, passage in vars(journeys).items():
            yield f"Files of the journey “{name}”:"
            yield from (f"  {file}" for file in sorted(passage.files))


async def _traced() -> Journeys:
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    return await trace(PLACE)


def main() -> Literal[0, 1]:
    """The exit code: 1 with ``--check`` when a budget is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 over a budget")
    parser.add_argument("--markdown", action="store_true", help="the table alone, as Markdown")
    parser.add_argument("--no-journeys", action="store_true", help="do not trace: takes a second")
    asked = parser.parse_args()
    product, sandbox = House.under(*PRODUCT), House.under(*SANDBOX)
    journeys = None if asked.no_journeys else asyncio.run(_traced())
    lines = lines_of(product, sandbox, journeys)
    out = Console(width=100, highlight=False, soft_wrap=True, markup=False)
    if asked.markdown:
        out.print(table_of(lines))
    else:
        out.print(Markdown(table_of(lines)), *details_of(product, sandbox, journeys), sep="\n")
    told = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    over = [line for line in lines if line.is_over]
    for line in over:
        told.print(f"over budget: {line.what}: {line.figure:,} of {line.limit:,}")
    return 1 if asked.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
