"""How much a down script would destroy, counted on the live database."""

# ruff: noqa: S608 - psql takes no parameters: names and texts are quoted by postgres.client.

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.values import Value
from bot.errors import PermanentError
from bot.ports.world import World
from strategies.postgres.client import Session, identifier, literal
from strategies.postgres.losses import Loss
from strategies.postgres.refusals import QUERY_CANCELED, SqlError

COUNT_SECONDS = 15.0
"""A table that takes longer to count is estimated from the planner's statistics."""


class Counted(Value):
    """A loss with its size on the live database."""

    loss: Loss
    amount: int | None
    """Rows, or values that are not null; None when that could not be counted."""
    sentence: str


async def counted(session: Session, world: World, found: Sequence[Loss]) -> tuple[Counted, ...]:
    """Each loss once, with its size now."""
    return tuple([await _count(session, world, loss) for loss in dict.fromkeys(found)])


async def _count(session: Session, world: World, loss: Loss) -> Counted:
    if loss.kind == "unknown":
        return Counted(loss=loss, amount=None, sentence=f"unknown: {loss.how}")
    what = f"{loss.table}.{loss.column}" if loss.column else loss.table
    try:
        amount, about = await _amount(session, world, loss)
    except PermanentError as error:
        return Counted(
            loss=loss, amount=None, sentence=f"unknown: {what} ({loss.how}): {error.what}"
        )
    unit = "values" if loss.column else "rows"
    upto = "up to " if loss.kind == "rows" and "condition" in loss.how else ""
    sentence = f"{about}{upto}{amount} {unit} of {what} ({loss.how})"
    return Counted(loss=loss, amount=amount, sentence=sentence)


async def _amount(session: Session, world: World, loss: Loss) -> tuple[int, str]:
    # The column's name is qualified: else a missing one could mean something outside.
    what = f"counted_.{identifier(loss.column)}" if loss.column else "*"
    query = f"SELECT count({what}) FROM {loss.sql} AS counted_"
    try:
        return int(await session.text(world, query, seconds=COUNT_SECONDS)), ""
    except SqlError as error:
        if error.state != QUERY_CANCELED:
            raise
    estimate = int(
        await session.text(
            world,
            "SELECT coalesce(max(reltuples), -1)::bigint FROM pg_class "
            f"WHERE oid = to_regclass({literal(loss.sql)})",
        )
    )
    if estimate < 0:
        raise PermanentError("it takes too long to count, and the planner has no estimate.")
    return estimate, "about (by the planner's estimate) "
