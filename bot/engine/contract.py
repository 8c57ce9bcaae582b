"""What every strategy promises, as a check for the tests of whoever writes one.

The bot itself never calls it; it needs no test framework. It changes the live system that it is
given and brings it back, so give it one that is made for tests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.catalog.service import ServiceEntry
from bot.core.errors import RefusedError, WorldMovedError
from bot.engine.world import StepKind, StepState, Strategy, World
from bot.incident.plan import Plan, Step
from bot.incident.state import Undoing
from bot.incident.transitions import undo_steps

Look = Callable[[], Awaitable[object]]
"""The live system as it is now, without what changes by itself."""


class BrokenPromiseError(AssertionError):
    """What the strategy does not keep, in a sentence."""


async def check_strategy(
    strategy: Strategy,
    service: ServiceEntry,
    world: World,
    *,
    live: Look,
    move: Callable[[], Awaitable[object]],
) -> None:
    """Plan, run, run again, undo; then plan, let ``move`` change what was planned upon, and run.

    The bad release must be live. Raises BrokenPromiseError for the first promise that does not
    hold, and whatever the strategy raises.
    """
    before = await live()
    plan = await _planned(strategy, service, world)
    await strategy.instances(service, world)
    await strategy.evidence(service, world, release=plan.from_release)
    _hold(await live() == before, "Observing or planning changed the live system.")
    kinds = {kind.name: kind for kind in strategy.steps}
    specs = [spec for step in plan.steps for spec in (step.action, step.inverse) if spec]
    unknown = sorted({spec.kind for spec in specs} - kinds.keys())
    _hold(not unknown, f"Its plan has kinds of step that it does not name: {unknown}.")

    for step in plan.steps:
        await _run(kinds[step.action.kind], step, world, live)
    _hold(await live() != before, "Its steps changed nothing.")
    done = tuple(index for index, step in enumerate(plan.steps) if step.changes)
    if all(plan.steps[index].inverse for index in done):
        for step in undo_steps(Undoing(plan=plan, done=done)):
            await _run(kinds[step.action.kind], step, world, live)
        _hold(await live() == before, "Taking its steps back does not restore what was there.")
        await _refuses(await _planned(strategy, service, world), kinds, world, live, move)


async def _planned(strategy: Strategy, service: ServiceEntry, world: World) -> Plan:
    """The plan as another process reads it."""
    plan, same = [
        await strategy.plan(
            "service", service, world, target=None, marked_bad=frozenset(), known_good=()
        )
        for _ in range(2)
    ]
    read = Plan.model_validate_json(plan.model_dump_json())
    _hold(plan.hash == same.hash == read.hash, "The same facts give another plan each time.")
    _hold(plan.is_safe, f"Its plan is blocked: {plan.blocks}.")
    return read


async def _run(kind: StepKind, step: Step, world: World, live: Look) -> None:
    """As the executor does, with a process that is killed after the change and one that repeats."""
    found = (await kind.observe(step, world)).state
    _hold(found is StepState.BEFORE, f"“{step.title}” begins {found}, not before.")
    if step.changes:
        await kind.act(step, world)
    await kind.confirm(step, world)
    end = await live()
    if not step.changes:
        return
    for _ in range(2):
        found = (await kind.observe(step, world)).state
        _hold(found is StepState.AFTER, f"“{step.title}” is {found}, not after, once it is done.")
    with suppress(WorldMovedError, RefusedError):  # a refusal is harmless too
        await kind.act(step, world)
    _hold(await live() == end, f"“{step.title}” done twice does more than once.")


async def _refuses(
    plan: Plan,
    kinds: dict[str, StepKind],
    world: World,
    live: Look,
    move: Callable[[], Awaitable[object]],
) -> None:
    await move()
    moved = await live()
    step = next(step for step in plan.steps if step.changes)
    kind = kinds[step.action.kind]
    found = (await kind.observe(step, world)).state
    _hold(found is StepState.OTHER, f"“{step.title}” does not see that the world moved.")
    try:
        await kind.act(step, world)
    except (WorldMovedError, RefusedError):
        pass
    else:
        raise BrokenPromiseError(f"“{step.title}” acts although the world moved.")
    _hold(await live() == moved, f"“{step.title}” changed a world that moved.")


def _hold(promise: bool, broken: str) -> None:
    if not promise:
        raise BrokenPromiseError(broken)
