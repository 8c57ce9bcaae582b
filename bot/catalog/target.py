"""What every way to roll back says in the catalog, and which ways there are."""

from __future__ import annotations

from typing import Any

from bot.core.registry import Registry
from bot.core.values import Value

STRATEGIES: Registry[Any] = Registry("strategies", "strategy")
"""Each is a ``bot.engine.world.Strategy``, a protocol that knows the catalog and so cannot be named
here."""


class ComposedPart(Value):
    """One of the ways; written as its strategy's name alone where it is the service's own."""

    service: str | None = None
    """Another service of the catalog, whose ``rollback`` describes the strategy; None for this."""
    strategy: str

    def __str__(self) -> str:
        return f"{self.service}/{self.strategy}" if self.service else self.strategy


class Target(Value):
    """One way to roll a service back; ``strategy`` tells which."""

    strategy: str

    @property
    def is_in_cluster(self) -> bool:
        """Whether this way itself takes a Kubernetes cluster."""
        return True

    @property
    def composed_of(self) -> tuple[ComposedPart, ...]:
        """The ways, described elsewhere, that this one puts together."""
        return ()

    @property
    def others(self) -> tuple[str, ...]:
        """The other services that it is about, each once."""
        return tuple(dict.fromkeys(part.service for part in self.composed_of if part.service))
