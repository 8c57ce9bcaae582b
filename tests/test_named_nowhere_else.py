"""What is registered is registered by one line of pyproject.toml, and nothing else names it.

Providers of metrics, kinds of destination, services of feature flags, sources of alerts: the code
around them asks the registered object. The strategies have a test of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import pytest

from bot.alerts.source import ALERT_SOURCES
from bot.catalog.metrics import METRICS
from bot.core.registry import Registry
from bot.incident.external import DESTINATIONS
from bot.metrics.port import MetricsProvider
from strategies.feature_flag.target import FLAGS
from tests.docs.pages import ROOT, Page

REGISTRIES: tuple[Registry[Any], ...] = (METRICS, DESTINATIONS, FLAGS, ALERT_SOURCES)
REGISTERED = [
    pytest.param(registry, name, id=f"{registry.what}-{name}")
    for registry in REGISTRIES
    for name in registry.names
]
HOMONYMS = {"http"}
"""Words that decide about other things too: a scheme of addresses."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its name."""
    found = {}
    for path in (
        path for top in ("bot", "handlers", "strategies") for path in (ROOT / top).rglob("*.py")
    ):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def imports() -> dict[str, frozenset[tuple[str, str]]]:
    """Each module of the product: what it imports, as pairs of module and name."""
    return {name: frozenset(_imported(tree)) for name, tree in modules().items()}


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, "") if inner in modules() else (node.module, alias.name)


@cache
def importers(module: str) -> frozenset[str]:
    """Modules of the product that import something of this one."""
    return frozenset(
        name for name, found in imports().items() if any(of == module for of, _ in found)
    )


@cache
def _home(registry: Registry[Any], name: str) -> tuple[str, str]:
    """Module and name of the registered object."""
    (point,) = entry_points(group=registry.group, name=name)
    return point.module, point.attr


def _parts(registry: Registry[Any], name: str) -> frozenset[tuple[str, str]]:
    """The object, its settings and its class where it has one of its own: module and name."""
    item, home = registry.get(name), _home(registry, name)
    found = {home}
    for one in (getattr(item, "settings", None), type(item)):
        if one is not None and (one is not type(item) or one.__module__ == home[0]):
            found.add((one.__module__, one.__name__))
    return frozenset(found)


@cache
def own_modules(registry: Registry[Any], name: str) -> frozenset[str]:
    """Those of the object and its settings, and whatever nobody but these imports."""
    own = {module for module, _ in _parts(registry, name)}
    while True:
        more = {
            of for module in own for of, _ in imports().get(module, ()) if of in modules()
        } - own
        if not (more := {one for one in more if importers(one) <= own}):
            return frozenset(own)
        own |= more


@cache
def deciding() -> frozenset[tuple[str, str, int]]:
    """Texts that code decides by, each with its module and line."""
    return frozenset(
        (str(text.value), name, text.lineno)
        for name, tree in modules().items()
        for text in _deciding(tree)
    )


def _deciding(tree: ast.Module) -> Iterator[ast.Constant]:
    """What is compared, matched, looked up, or the key of a mapping."""
    for node in ast.walk(tree):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict) and len(node.keys) > 1:
            parts = list(node.keys)
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        for part in parts:
            inner = part.elts if isinstance(part, ast.Tuple | ast.List | ast.Set) else [part]
            for one in inner:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one


@pytest.mark.parametrize(("registry", "name"), REGISTERED)
def test_nothing_else_decides_by_its_name(registry: Registry[Any], name: str) -> None:
    own = own_modules(registry, name)
    found = [
        f"{module}:{line}"
        for text, module, line in sorted(deciding())
        if text == name and module not in own and name not in HOMONYMS
    ]
    assert found == []


@pytest.mark.parametrize(("registry", "name"), REGISTERED)
def test_nothing_else_imports_it_or_its_settings(registry: Registry[Any], name: str) -> None:
    own = own_modules(registry, name)
    parts = _parts(registry, name) | {(_home(registry, name)[0], "")}
    found = [
        f"{module} imports {one or of}"
        for module, imported in imports().items()
        if module not in own
        for of, one in sorted(imported & parts)
    ]
    assert found == []


@pytest.mark.parametrize("provider", tuple(METRICS), ids=lambda one: one.name)
def test_the_page_that_a_provider_names_is_there(provider: MetricsProvider) -> None:
    path, _, anchor = provider.page.partition("#")
    page = Page(path=ROOT / path, text=(ROOT / path).read_text(encoding="utf-8"))
    assert anchor in page.anchors
