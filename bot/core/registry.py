"""What can be added to the bot without changing it: registered by name, in pyproject.toml.

A package registers under an entry-point group (https://packaging.python.org/specifications/entry-points/).
The bot's own strategies, metrics providers, destinations, flag services and alert sources are
registered in the same way, so that an extension is nothing special.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, TypeVar, get_args

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from bot.core.errors import ConfigurationError


class Named(Protocol):
    """What every registered thing has."""

    @property
    def name(self) -> str:
        """What the catalog calls it; the name of its entry point."""


class Configured(Named, Protocol):
    """What everything has that is described in the catalog."""

    @property
    def settings(self) -> Any:
        """The pydantic type of its entry in the catalog."""


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Everything that is registered under one group. Loaded when it is first asked for."""

    def __init__(self, group: str, what: str) -> None:
        """``what`` names one of them in messages: ``strategy``, ``metrics provider``."""
        self.group = f"rollback_bot.{group}"
        self.what = what

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            other = found.setdefault(point.name, point)
            if other.value != point.value:
                raise ConfigurationError(
                    f"Two packages register the {self.what} “{point.name}”: "
                    f"{other.value} and {point.value}.",
                    "Uninstall one of them, or rename its entry point.",
                )
        return found

    @cached_property
    def _loaded(self) -> dict[str, T]:
        return {name: self._load(point) for name, point in sorted(self._points.items())}

    def _load(self, point: EntryPoint) -> T:
        try:
            item: T = point.load()
            name = item.name
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"The {self.what} “{point.name}” ({point.value}) cannot be loaded: {error}.",
                "Install the package that registers it again, or uninstall it.",
            ) from error
        if name != point.name:
            raise ConfigurationError(
                f"The {self.what} “{name}” is registered as “{point.name}” ({point.value}).",
                "Give the entry point the name that the object has.",
            )
        return item

    def __iter__(self) -> Iterator[T]:
        """All of them, by name. Raises ConfigurationError for one that cannot be loaded."""
        return iter(self._loaded.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the catalog may use, in alphabetical order. Loads nothing."""
        return tuple(sorted(self._points))

    def get(self, name: str) -> T:
        """The one of this name; raises ConfigurationError for a name that nobody registered."""
        if name not in self._points:
            near = difflib.get_close_matches(name, self.names, n=1)
            meant = f"Did you mean “{near[0]}”? " if near else ""
            raise ConfigurationError(
                f"There is no {self.what} “{name}”.",
                f"{meant}There are: {', '.join(self.names)}. An extension must be installed "
                "beside the bot.",
            )
        return self._loaded[name]


@dataclass(frozen=True)
class OneOf:
    """Marks a field of the catalog as one of a registry's settings, told apart by ``key``.

    Where the key is left out, the settings are meant whose model has a default for it, if any.
    The model that has the field needs ``defer_build=True``: what is registered may import it.
    """

    registry: Registry[Any]
    key: str

    @classmethod
    def choices(cls, annotation: Any) -> tuple[Any, ...]:
        """The settings that a field with this annotation takes; empty for any other field."""
        marks = (mark for mark in get_args(annotation)[1:] if isinstance(mark, cls))
        return tuple(one.settings for mark in marks for one in mark.registry)

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices = {one.name: handler.generate_schema(one.settings) for one in self.registry}
        return core_schema.no_info_before_validator_function(
            self._told_apart,
            core_schema.tagged_union_schema(choices=choices, discriminator=self.key),
        )

    def _told_apart(self, value: Any) -> Any:
        """With the key, and an error at the key's own line where nobody registered the name."""
        if not isinstance(value, dict):
            return value
        name = value.get(self.key, self._usual)
        if name is None or name in self.registry.names:
            return value if name is None else {**value, self.key: name}
        near = difflib.get_close_matches(str(name).lower(), self.registry.names, n=1, cutoff=0.5)
        meant = f"; did you mean “{near[0]}”?" if near else ""
        known = ", ".join(self.registry.names)
        wrong = PydanticCustomError(
            "unknown_name",
            "{said}",
            {"said": f"“{name}” is no {self.registry.what}: {known}{meant}"},
        )
        raise ValidationError.from_exception_data(
            self.registry.what, [InitErrorDetails(type=wrong, loc=(self.key,), input=name)]
        )

    @cached_property
    def _usual(self) -> str | None:
        for one in self.registry:
            field = getattr(one.settings, "model_fields", {}).get(self.key)
            if field is not None and not field.is_required():
                return str(field.default)
        return None
