"""Every strategy is registered by one line of pyproject.toml, and nothing else names it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.catalog.target import STRATEGIES
from bot.core.errors import ConfigurationError
from strategies import registry
from strategies.registry import step_kind, step_kinds
from tests.docs.pages import ROOT

PRODUCT = ("bot", "handlers", "strategies")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its name."""
    found = {}
    for path in (path for room in PRODUCT for path in (ROOT / room).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def imported(name: str) -> frozenset[str]:
    """Modules of the product that this one imports something of, at whatever place."""
    found = set()
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found & modules().keys() - {name})


def _absolute(node: ast.ImportFrom, name: str) -> str:
    if not node.level:
        return node.module or ""
    is_package = (ROOT / Path(*name.split("."), "__init__.py")).exists()
    package = name if is_package else name.rpartition(".")[0]
    return importlib.util.resolve_name("." * node.level + (node.module or ""), package)


@cache
def own_modules() -> dict[str, frozenset[str]]:
    """Of each strategy: its folder."""
    folders = {one.name: type(one).__module__.rpartition(".")[0] for one in STRATEGIES}
    return {
        name: frozenset(one for one in modules() if f"{one}.".startswith(f"{folder}."))
        for name, folder in folders.items()
    }


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Whole texts in the code; what stands in an f-string is prose."""
    prose = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def test_each_has_its_own_modules() -> None:
    for name, mine in own_modules().items():
        assert type(STRATEGIES.get(name)).__module__ in mine, name
        assert mine.isdisjoint({"bot.catalog.catalog", "bot.engine.world"}), name


def test_no_other_module_names_a_strategy() -> None:
    found = [
        f"{module}:{text.lineno}: {text.value!r}"
        for module, tree in modules().items()
        for text in texts(tree)
        if text.value in STRATEGIES.names and module not in own_modules()[str(text.value)]
    ]
    assert found == []


def test_no_other_module_imports_from_a_strategy() -> None:
    found = [
        f"{module} imports {other} of {name}"
        for name, mine in own_modules().items()
        for module in modules().keys() - mine
        for other in sorted(imported(module) & mine)
    ]
    assert found == []


def test_each_has_a_place_of_its_own_in_a_composed_plan() -> None:
    costs = sorted((one.cost, one.name) for one in STRATEGIES if one.name != "composed")
    assert [name for _, name in costs] == [
        "feature-flag",
        "blue-green",
        "blue-green-elbv2",
        "canary",
        "rolling",
        "recreate",
        "database",
    ]
    assert len({cost for cost, _ in costs}) == len(costs)


def test_an_unknown_step_kind_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="no step kind “beam-up”") as refused:
        step_kind("beam-up")
    assert "plan again" in refused.value.remedy


def test_two_step_kinds_cannot_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    one: Any = SimpleNamespace(name="turn")
    other = type("Other", (), {"name": "turn"})()
    ways = [SimpleNamespace(steps=(one,)), SimpleNamespace(steps=(one, other))]
    monkeypatch.setattr(registry, "STRATEGIES", ways)
    with pytest.raises(ConfigurationError, match="two step kinds “turn”"):
        step_kinds.__wrapped__()
