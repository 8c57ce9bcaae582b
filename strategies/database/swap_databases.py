"""Step: give one database the name of another, which is kept aside under a third name."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from datetime import timedelta

from bot.core.errors import PermanentError, RollbackBotError, TemporaryError, WorldMovedError
from bot.core.values import Value, amount
from bot.engine.world import Observed, StepState, World
from bot.incident.plan import Step
from strategies.database.client import MOVED, Session, SqlError, identifier, listed, literal
from strategies.database.server import Found, databases

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.3
_RENAME = timedelta(seconds=30)


class SwapDatabasesParams(Value):
    """Names, and the identity of the database that was live when the plan was made."""

    maintenance: Session
    database: str
    """The name that the application connects to."""
    incoming: str
    aside: str
    old_oid: int
    back: bool
    """Whether the old database comes back instead of going aside."""
    end_sessions: bool
    """Otherwise whoever is connected must have gone."""


class SwapDatabases:
    """Both renames in one transaction: at no time is there no database of this name.

    Sessions are shut out before and let in by the same transaction. Should somebody have renamed
    only one of the two, the other rename is made up for.
    """

    name = "swap-databases"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the databases' identities."""
        params = SwapDatabasesParams.model_validate(step.action.params)
        found = await databases(params.maintenance, world)
        state = _state(params, found)
        live = found.get(params.database)
        sessions = amount(len(live.sessions), "session") if live else ""
        summary = (
            f"Database {params.database} is number {live.oid}, {sessions}."
            if live
            else f"There is no database {params.database}."
        )
        changed_by = "somebody who renamed databases" if state is StepState.OTHER else ""
        return Observed(state=state, summary=summary, changed_by=changed_by)

    async def act(self, step: Step, world: World) -> None:
        """Raises PermanentError naming who is connected; then the live database is open again."""
        params = SwapDatabasesParams.model_validate(step.action.params)
        found = await databases(params.maintenance, world)
        live = found.get(params.database)
        if live is not None and live.sessions and not params.end_sessions:
            raise PermanentError(
                f"Still connected to {params.database}: {listed(live.sessions)}.",
                "The catalog names no writers to stop: stop the application, then plan again.",
            )
        try:
            await self._swap(params, live, world)
        except RollbackBotError:
            if live is not None:
                await self._reopen(params, world)
            raise

    async def confirm(self, step: Step, world: World) -> str:
        """Raises WorldMovedError when somebody has renamed them again."""
        params = SwapDatabasesParams.model_validate(step.action.params)
        found = await databases(params.maintenance, world)
        if _state(params, found) is not StepState.AFTER:
            raise WorldMovedError("Somebody has renamed the databases again.", "Plan again.")
        if not found[params.database].open:
            await self._reopen(params, world)
        return (
            f"{params.incoming} is {params.database} now; the one before is kept as "
            f"{params.aside}, closed to connections."
        )

    @staticmethod
    async def _swap(params: SwapDatabasesParams, live: Found | None, world: World) -> None:
        session = params.maintenance
        name = identifier(params.database)
        if live is not None:
            await session.bare(world, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        for attempt in range(1, _ATTEMPTS + 1):
            await session.bare(world, _end_sessions(params))
            try:
                await session.change(
                    world,
                    _renames(params, live),
                    statement_timeout=_RENAME,
                    lock_timeout=_RENAME,
                )
            except SqlError as error:
                if error.state == MOVED:
                    raise WorldMovedError(error.what, "Plan again.") from error
                raise
            except TemporaryError:
                # Somebody is connected still, or came between by the incoming one's name.
                if attempt == _ATTEMPTS:
                    raise
                await world.clock.sleep(_PAUSE_SECONDS)
            else:
                return

    @staticmethod
    async def _reopen(params: SwapDatabasesParams, world: World) -> None:
        name = identifier(params.database)
        await params.maintenance.bare(world, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


def _state(params: SwapDatabasesParams, found: dict[str, Found]) -> StepState:
    def is_old(name: str) -> bool:
        return name in found and found[name].oid == params.old_oid

    live = params.database in found
    if params.back:
        after = is_old(params.database)
        whole = is_old(params.incoming) and live and params.aside not in found
        half = is_old(params.incoming) and not live and params.aside in found
    else:
        after = is_old(params.aside) and live
        whole = is_old(params.database) and params.incoming in found and params.aside not in found
        half = is_old(params.aside) and not live and params.incoming in found
    if after:
        return StepState.AFTER
    return StepState.BEFORE if whole or half else StepState.OTHER


def _end_sessions(params: SwapDatabasesParams) -> str:
    names = f"{literal(params.database)}, {literal(params.incoming)}"
    return (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname IN ({names}) AND pid <> pg_backend_pid()"
    )


def _renames(params: SwapDatabasesParams, live: Found | None) -> str:
    database, incoming = identifier(params.database), identifier(params.incoming)
    old_name = params.incoming if params.back else params.database if live else params.aside
    guard = (
        "DO $rollback_bot$ BEGIN IF (SELECT oid FROM pg_database WHERE datname = "
        f"{literal(old_name)}) IS DISTINCT FROM {params.old_oid}::oid THEN RAISE EXCEPTION "
        f"'the databases are not those approved' USING ERRCODE = '{MOVED}'; "
        "END IF; END $rollback_bot$"
    )
    statements = [guard]
    if live is not None:
        statements.append(f"ALTER DATABASE {database} RENAME TO {identifier(params.aside)}")
    statements += [
        f"ALTER DATABASE {incoming} RENAME TO {database}",
        f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true",
    ]
    return ";\n".join(statements)


def swap_script(params: SwapDatabasesParams) -> str:
    """psql input for people, with the same effect."""
    database, incoming = identifier(params.database), identifier(params.incoming)
    return (
        f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false;\n{_end_sessions(params)};\n"
        f"BEGIN;\nALTER DATABASE {database} RENAME TO {identifier(params.aside)};\n"
        f"ALTER DATABASE {incoming} RENAME TO {database};\n"
        f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true;\nCOMMIT;\n"
    )
