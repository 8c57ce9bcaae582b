"""What every phase is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.adapters.store import Store
from bot.config.catalog import Catalog, ServiceEntry
from bot.domain.incident import Incident
from bot.errors import RefusedError
from bot.pipeline.journal import Journal
from bot.ports.chat import Chat
from bot.ports.clock import Clock
from bot.ports.files import TextFiles
from bot.ports.forge import Forge
from bot.ports.freeze import Freezer
from bot.ports.metrics import Metrics
from bot.ports.world import StepKind, Strategy, World


@dataclass(frozen=True, kw_only=True)
class Context:
    """The ports and the catalog, put together once by ``bot.app``."""

    catalog: Catalog
    clock: Clock
    store: Store
    journal: Journal
    chat: Chat
    metrics: Metrics
    world: World
    strategy: Callable[[str], Strategy]
    step_kind: Callable[[str], StepKind]
    freezer: Freezer
    forge: Forge
    files: TextFiles

    def service(self, name: str) -> ServiceEntry:
        """The catalog's entry; raises RefusedError for a name that it does not have."""
        entry = self.catalog.services.get(name)
        if entry is None:
            known = ", ".join(sorted(self.catalog.services))
            raise RefusedError(
                f"There is no service “{name}” in the catalog.", f"Known services: {known}."
            )
        return entry

    def strategy_for(self, service: str, wanted: str | None) -> Strategy:
        """The strategy asked for, or the one that the catalog prefers.

        Raises RefusedError for one that the catalog does not offer for this service.
        """
        offered = [target.strategy for target in self.service(service).rollback]
        if wanted is not None and wanted not in offered:
            raise RefusedError(
                f"The catalog does not roll {service} back by “{wanted}”.",
                f"It offers: {', '.join(offered)}.",
            )
        return self.strategy(wanted or offered[0])

    def strategy_of(self, incident: Incident) -> Strategy:
        """The strategy that the incident's plan uses, or will use."""
        entry = self.service(incident.declared.service)
        name = incident.declared.strategy or entry.rollback[0].strategy
        return self.strategy(incident.plan.strategy if incident.plan else name)
