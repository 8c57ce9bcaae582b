"""Step: the target's pods must be ready to take the live side's traffic."""

from __future__ import annotations

from bot.domain.plan import Step
from bot.domain.revisions import doomed_reason
from bot.domain.values import Value
from bot.domain.workloads import is_terminating, name_of, ready_names, selector_text
from bot.errors import PermanentError
from bot.ports.cluster import PODS
from bot.ports.world import Observed, StepState, World
from strategies.waiting import Objects, Pending, Selection, wait_until


class CheckReadyParams(Value):
    """Which pods take over from which."""

    namespace: str
    live: dict[str, str]
    """Selector of the pods that serve now."""
    target: dict[str, str]
    colour: str
    at_least: int = 1
    """So many pods are needed however few serve now."""
    patience_seconds: float


class CheckReady:
    """Waits until the target has at least the live side's ready capacity; changes nothing."""

    name = "check-ready"

    async def observe(self, step: Step, world: World) -> Observed:
        """AFTER when the target is ready, else BEFORE."""
        params = CheckReadyParams.model_validate(step.action.params)
        objects = [
            await world.cluster.list(PODS, one.namespace, labels=one.labels)
            for one in _selections(params)
        ]
        verdict = _check(params, objects)
        if isinstance(verdict, str):
            return Observed(state=StepState.AFTER, summary=verdict)
        return Observed(state=StepState.BEFORE, summary=verdict.summary)

    async def act(self, step: Step, world: World) -> None:
        """Nothing to do."""

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when the target does not become ready in time."""
        params = CheckReadyParams.model_validate(step.action.params)

        def check(objects: Objects) -> Pending | str:
            for pod in objects[0]:
                if reason := doomed_reason(pod):
                    raise PermanentError(
                        f"Pod {name_of(pod)} of {params.colour} cannot start: {reason}.",
                        "Repair the target or choose another one; traffic was not switched.",
                    )
            return _check(params, objects)

        return await wait_until(
            world, _selections(params), check, patience_seconds=params.patience_seconds
        )


def _selections(params: CheckReadyParams) -> tuple[Selection, Selection]:
    return (
        Selection(kind=PODS, namespace=params.namespace, labels=selector_text(params.target)),
        Selection(kind=PODS, namespace=params.namespace, labels=selector_text(params.live)),
    )


def _check(params: CheckReadyParams, objects: Objects) -> Pending | str:
    target, live = objects
    ready, needed = len(ready_names(target)), max(params.at_least, len(ready_names(live)))
    running = len([pod for pod in target if not is_terminating(pod)])
    summary = f"{ready} of {running} pods of {params.colour} are ready, {needed} needed"
    return f"{summary}." if ready >= needed else Pending(summary=summary, progress=str(ready))
