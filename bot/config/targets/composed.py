"""Several ways at once, in one plan."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bot.domain.values import Value


class ComposedTarget(Value):
    """One plan over several of the service's other ways, cheapest and most reversible first."""

    strategy: Literal["composed"]
    parts: tuple[str, ...] = Field(min_length=2)
    """Strategies that stand beside this one in the service's ``rollback``."""

    @field_validator("parts")
    @classmethod
    def _each_once(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(parts)) != len(parts) or "composed" in parts:
            raise ValueError("parts must be different strategies, and none of them composed")
        return parts
