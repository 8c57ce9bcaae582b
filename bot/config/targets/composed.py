"""Several ways at once, in one plan, for one service or for several."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from bot.domain.values import Value


class ComposedPart(Value):
    """One of the ways; written as its strategy's name alone where it is the service's own."""

    service: str | None = None
    """Another service of the catalog, whose ``rollback`` describes the strategy; None for this."""
    strategy: str

    def __str__(self) -> str:
        return f"{self.service}/{self.strategy}" if self.service else self.strategy


def _written_short(given: Any) -> Any:
    return {"strategy": given} if isinstance(given, str) else given


Part = Annotated[ComposedPart, BeforeValidator(_written_short, json_schema_input_type=str | Any)]
"""``rolling``, or ``{service: payments, strategy: rolling}``."""


class ComposedTarget(Value):
    """One plan over several ways to roll back, cheapest and most reversible first."""

    strategy: Literal["composed"]
    parts: tuple[Part, ...] = Field(min_length=2)
    """Strategies that stand beside this one in the service's ``rollback``, and those of other
    services as ``{service: …, strategy: …}``."""
    order: Literal["cost", "listed"] = "cost"
    """``cost``: flag, traffic, application, database, and among equals those first that need the
    others (``dependencies``). ``listed``: as ``parts`` has them."""

    @model_validator(mode="after")
    def _each_once_and_one_of_its_own(self) -> ComposedTarget:
        if len(set(self.parts)) < len(self.parts):
            raise ValueError("parts must be different strategies, or those of different services")
        if any(part.strategy == "composed" for part in self.parts):
            raise ValueError("none of the parts may be composed itself")
        if all(part.service for part in self.parts):
            raise ValueError("parts must have a strategy of the service itself")
        return self

    @property
    def others(self) -> tuple[str, ...]:
        """The other services that the plan is about, each once."""
        return tuple(dict.fromkeys(part.service for part in self.parts if part.service))
