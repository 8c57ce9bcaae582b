"""Step: wait until a target group has enough healthy targets."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.plan import Step
from bot.domain.values import Value, spoken
from bot.errors import PermanentError
from bot.ports.world import Observed, StepState, World
from strategies.planning.elbv2.targets import Target, read_targets


class Elbv2AwaitHealthyParams(Value):
    """Which group, how many targets, for how long."""

    region: str
    group_arn: str
    colour: str
    needed: int
    patience_seconds: float
    interval_seconds: float


class Elbv2AwaitHealthy:
    """Reads the targets' health until it is enough; changes nothing.

    A load balancer sends requests to all targets of a group when none is healthy, so the
    weights alone do not protect anybody.
    """

    name = "elbv2-await-healthy"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when enough targets are healthy, else BEFORE."""
        params = Elbv2AwaitHealthyParams.model_validate(step.action.params)
        targets = await read_targets(world.aws, params.region, params.group_arn)
        healthy = _healthy(targets)
        state = StepState.AFTER if healthy >= params.needed else StepState.BEFORE
        return Observed(state=state, summary=_said(params, targets), facts={"healthy": healthy})

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when too few targets are left or become healthy in time."""
        params = Elbv2AwaitHealthyParams.model_validate(step.action.params)
        start = world.clock.now()
        while True:
            targets = await read_targets(world.aws, params.region, params.group_arn)
            if _healthy(targets) >= params.needed:
                return f"{_said(params, targets)}."
            if sum(target.possible for target in targets) < params.needed:
                raise PermanentError(
                    f"{_said(params, targets)}: too few are left to become healthy"
                    f"{_trouble(targets)}.",
                    "Register or start targets, or choose another release.",
                )
            if (world.clock.now() - start).total_seconds() >= params.patience_seconds:
                raise PermanentError(
                    f"After {spoken(params.patience_seconds)} {_said(params, targets)}"
                    f"{_trouble(targets)}.",
                    "Look at the health check of the target group and at the targets.",
                )
            await world.clock.sleep(params.interval_seconds)


def _healthy(targets: Sequence[Target]) -> int:
    return sum(target.healthy for target in targets)


def _said(params: Elbv2AwaitHealthyParams, targets: Sequence[Target]) -> str:
    return (
        f"{params.colour} has {_healthy(targets)} healthy targets of {len(targets)}, "
        f"{params.needed} are needed"
    )


def _trouble(targets: Sequence[Target]) -> str:
    problems = [f"{target.name}: {target.problem}" for target in targets if target.problem]
    return f" ({problems[0]})" if problems else ""
