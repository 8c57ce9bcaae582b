"""Running a step as the pipeline does, for shops that need no journal."""

from __future__ import annotations

from bot.core.errors import WorldMovedError
from bot.engine.world import StepState, World
from bot.incident.plan import Step
from strategies.registry import step_kind


async def run_step(step: Step, world: World) -> str:
    """Observe, act where that is needed, confirm."""
    kind = step_kind(step.action.kind)
    observed = await kind.observe(step, world)
    if observed.state is StepState.OTHER:
        raise WorldMovedError(f"{observed.summary} Changed by {observed.changed_by}.")
    if step.changes and observed.state is StepState.BEFORE:
        await kind.act(step, world)
    return await kind.confirm(step, world)
