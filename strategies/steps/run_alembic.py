"""Step: let Alembic take one revision down, or up again."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from bot.config.targets.postgres import VersionTable
from bot.domain.plan import Step
from bot.domain.values import Facts, Value
from bot.errors import PermanentError, RollbackBotError, WorldMovedError
from bot.ports.world import Observed, StepState, World
from strategies.postgres.alembic import Alembic
from strategies.postgres.client import Session, literal
from strategies.postgres.locks import connected, held_elsewhere, lock_holders, take_lock
from strategies.postgres.versions import read_applied

_POLL_SECONDS = 0.05


class RunAlembicParams(Value):
    """From one revision to its neighbour."""

    session: Session
    table: VersionTable
    alembic: Alembic
    way: Literal["down", "up"]
    version: str
    goal: str
    """The revision that is the newest afterwards."""
    before: str
    after: str
    further: tuple[str, ...] = ()
    """Digests that the same plan leads to later: there this step is done."""
    sha256: str
    """Of the SQL that was approved; empty for the way up."""
    lock: int
    seconds: float


class RunAlembic:
    """Alembic runs the revision in a transaction of its own; a session beside it keeps the lock."""

    name = "run-alembic"

    async def observe(self, step: Step, world: World) -> Observed:
        """By Alembic's version table."""
        params = RunAlembicParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        summary = f"{params.session.database} is at revision {', '.join(applied.stored)}."
        facts: Facts = {"revisions": list(applied.stored)}
        if applied.digest in {params.after, *params.further}:
            return Observed(state=StepState.AFTER, summary=summary, facts=facts)
        if applied.digest == params.before:
            return Observed(state=StepState.BEFORE, summary=summary, facts=facts)
        others = ", ".join(await connected(params.session, world)) or "nobody"
        return Observed(
            state=StepState.OTHER,
            summary=summary,
            facts=facts,
            changed_by=f"somebody; PostgreSQL does not record who (connected now: {others})",
        )

    async def act(self, step: Step, world: World) -> None:
        """Raises TemporaryError while somebody holds the lock, WorldMovedError for other SQL."""
        params = RunAlembicParams.model_validate(step.action.params)
        alembic = params.alembic
        async with _locked(params, world):
            applied = await read_applied(params.session, params.table, world)
            if applied.digest != params.before:
                raise WorldMovedError("Somebody else has migrated meanwhile.", "Plan again.")
            if params.sha256:
                shown = await alembic.offline(
                    params.session, world, "downgrade", params.version, params.goal
                )
                if shown.sha256 != params.sha256:
                    raise WorldMovedError(
                        f"The SQL of revision {params.version} was changed after the approval.",
                        "Plan again.",
                    )
            verb = "downgrade" if params.way == "down" else "upgrade"
            await alembic.run(params.session, world, verb, params.goal, seconds=params.seconds)

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when Alembic has not arrived."""
        params = RunAlembicParams.model_validate(step.action.params)
        applied = await read_applied(params.session, params.table, world)
        if applied.digest not in {params.after, *params.further}:
            raise PermanentError(
                f"Alembic ended well, but the database is at {', '.join(applied.stored)} instead "
                f"of {params.goal}.",
                "Compare its env.py with the catalog: is it the same database?",
            )
        return f"Revision {params.version} was taken {params.way} by Alembic."


@asynccontextmanager
async def _locked(params: RunAlembicParams, world: World) -> AsyncIterator[None]:
    """Hold the advisory lock by a sleeping session, which ends by itself should the bot die."""
    session = params.session
    token = f"rollback-bot lock {params.lock} {params.before[:16]}"
    holding = asyncio.create_task(
        session.bare(
            world,
            f"BEGIN;\n{take_lock(params.lock)}\nSELECT pg_sleep({params.seconds}) /* {token} */",
            seconds=params.seconds,
        )
    )
    try:
        while not holding.done() and not await _sleeping(session, token, world):
            await world.clock.sleep(_POLL_SECONDS)
        if holding.done():
            holders = await lock_holders(session, world, params.lock)
            raise held_elsewhere(params.lock, holders) from holding.exception()
        yield
    finally:
        if not holding.done():
            await session.bare(
                world, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_is(token)}"
            )
        with suppress(RollbackBotError):  # its end was our wish
            await holding


async def _sleeping(session: Session, token: str, world: World) -> bool:
    query = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND {_is(token)}"
    return await session.text(world, query) != "0"


def _is(token: str) -> str:
    """Only the sleeping statement holds the token as its comment, after taking the lock."""
    return (
        f"query LIKE 'SELECT pg_sleep(%' AND strpos(query, {literal(token)}) > 0 "
        "AND pid <> pg_backend_pid()"
    )
