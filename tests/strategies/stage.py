"""A service in any cluster as the contract suite sees it; knows nothing of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from bot.catalog.service import ServiceEntry
from bot.core.errors import WorldMovedError
from bot.engine.world import StepState, World
from bot.incident.plan import Plan, Step
from strategies.registry import step_kind, strategy


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A service with the bad release v2.1.0 live, wherever it runs, and the bot's view of it."""

    world: World
    strategy: str
    service: ServiceEntry

    async def live(self) -> object:
        """What the strategy changes, as it is now."""
        raise NotImplementedError

    async def sabotage(self) -> None:
        """Somebody else, kubectl-edit, changes what the plan was decided upon."""
        raise NotImplementedError

    def changes(self) -> list[str]:
        """Every request of the bot so far that could change something, in order."""
        raise NotImplementedError

    async def plan(
        self,
        target: str | None = None,
        *,
        bad: frozenset[str] = frozenset({"v2.1.0"}),
        good: tuple[str, ...] = ("v2.0.0",),
    ) -> Plan:
        return await strategy(self.strategy).plan(
            "shop", self.service, self.world, target=target, marked_bad=bad, known_good=good
        )

    async def run(self, step: Step) -> str:
        """What the pipeline does with one step."""
        kind = step_kind(step.action.kind)
        observed = await kind.observe(step, self.world)
        if observed.state is StepState.OTHER:
            raise WorldMovedError(f"{observed.summary} Changed by {observed.changed_by}.")
        if observed.state is StepState.BEFORE:
            await kind.act(step, self.world)
        return await kind.confirm(step, self.world)

    async def run_all(self, plan: Plan) -> list[str]:
        return [await self.run(step) for step in plan.steps]

    async def serving_release(self) -> str:
        """The release that serves, when all instances agree; else what they disagree on."""
        instances = await strategy(self.strategy).instances(self.service, self.world)
        return ", ".join(sorted({instance.release for instance in instances}))
