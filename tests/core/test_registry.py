"""What is registered is found by name, and a name that is not says what there is."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

from bot.core.errors import ConfigurationError
from bot.core.registry import Registry

THINGS = SimpleNamespace(
    name="tin-can",
    settings=int,
    carrier=SimpleNamespace(name="carrier-pigeon", settings=str),
)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[Any]:
    installed: list[EntryPoint] = []
    monkeypatch.setattr("bot.core.registry.entry_points", lambda group: tuple(installed))
    made: Registry[Any] = Registry("messengers", "messenger")
    made.installed = installed  # type: ignore[attr-defined]
    return made


def register(registry: Any, name: str, where: str) -> None:
    registry.installed.append(EntryPoint(name=name, value=where, group=registry.group))


def test_what_a_package_registers_can_be_named(registry: Registry[Any]) -> None:
    register(registry, "tin-can", f"{__name__}:THINGS")
    register(registry, "carrier-pigeon", f"{__name__}:THINGS.carrier")
    assert registry.names == ("carrier-pigeon", "tin-can")
    assert registry.get("tin-can").settings is int
    assert [one.name for one in registry] == ["carrier-pigeon", "tin-can"]


def test_an_unknown_name_is_an_error_that_says_what_there_is(registry: Registry[Any]) -> None:
    register(registry, "carrier-pigeon", f"{__name__}:THINGS.carrier")
    with pytest.raises(ConfigurationError) as refused:
        registry.get("carier-pigeon")
    assert "no messenger “carier-pigeon”" in refused.value.what
    assert "Did you mean “carrier-pigeon”?" in refused.value.remedy


def test_two_packages_cannot_have_one_name(registry: Registry[Any]) -> None:
    register(registry, "tin-can", f"{__name__}:THINGS")
    register(registry, "tin-can", "somewhere.other:THING")
    with pytest.raises(ConfigurationError, match="Two packages register the messenger “tin-can”"):
        registry.get("tin-can")


def test_what_is_registered_under_another_name_than_its_own_is_refused(
    registry: Registry[Any],
) -> None:
    register(registry, "can", f"{__name__}:THINGS")
    with pytest.raises(ConfigurationError, match="“tin-can” is registered as “can”"):
        registry.get("can")


def test_what_cannot_be_loaded_is_named_with_where_it_should_be(registry: Registry[Any]) -> None:
    register(registry, "smoke", "no.such.place:SMOKE")
    with pytest.raises(ConfigurationError, match=r"\(no.such.place:SMOKE\) cannot be loaded"):
        list(registry)
