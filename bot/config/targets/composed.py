"""Several ways at once, in one plan, for one service or for several."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from bot.config.targets.base import ComposedPart, Target


def _written_short(given: Any) -> Any:
    return {"strategy": given} if isinstance(given, str) else given


Part = Annotated[ComposedPart, BeforeValidator(_written_short, json_schema_input_type=str | Any)]
"""``rolling``, or ``{service: payments, strategy: rolling}``."""


class ComposedTarget(Target):
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
    def is_in_cluster(self) -> bool:
        """Its parts are where they are."""
        return False

    @property
    def composed_of(self) -> tuple[ComposedPart, ...]:
        """Its parts."""
        return self.parts
