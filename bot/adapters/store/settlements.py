"""How deliveries end: sent, to be tried again, or failed.

``attempt`` is the number of the attempt that the caller made, when it is known. A caller whose
claim was taken over has an older number than the row and changes nothing, unless it knows that
the delivery arrived: that is a fact, whoever made it one.
"""

from __future__ import annotations

from datetime import datetime

from bot.adapters.store.deliveries import lapse_old_cards, lock_queue
from bot.adapters.store.mapping import micros, plain
from bot.adapters.store.session import Param, Session
from bot.errors import NotFoundError
from bot.ports.deliveries import Receipt


async def sent(session: Session, delivery_id: str, receipt: Receipt, *, now: datetime) -> None:
    """The delivery arrived; the first receipt stays."""
    changed = await session.rows(
        """UPDATE deliveries SET state = 'sent', receipt = :receipt, settled_at = :now,
            unknown = FALSE, error = ''
        WHERE id = :id AND state <> 'sent' RETURNING id""",
        id=delivery_id,
        receipt=receipt.model_dump_json(),
        now=micros(now),
    )
    if not changed:
        await _require(session, delivery_id)


async def retry(
    session: Session,
    delivery_id: str,
    *,
    attempt: int | None,
    due_at: datetime,
    error: str,
    unknown: bool,
) -> None:
    """The delivery is owed again; a card that has a newer version lapses instead."""
    await lock_queue(session)
    await _change(
        session,
        "state = 'owed', due_at = :due_at, error = :error, unknown = :unknown",
        delivery_id,
        attempt,
        due_at=micros(due_at),
        error=plain(error),
        unknown=unknown,
    )
    await lapse_old_cards(session)


async def failed(
    session: Session, delivery_id: str, *, attempt: int | None, error: str, now: datetime
) -> None:
    """The delivery will never arrive; the next of its destination may go."""
    await _change(
        session,
        "state = 'failed', settled_at = :now, error = :error",
        delivery_id,
        attempt,
        now=micros(now),
        error=plain(error),
    )


async def _change(
    session: Session, changes: str, delivery_id: str, attempt: int | None, **params: Param
) -> None:
    mine = "" if attempt is None else "AND attempts = :attempt"
    if attempt is not None:
        params["attempt"] = attempt
    changed = await session.rows(
        f"UPDATE deliveries SET {changes}"  # noqa: S608 - constants of this module
        f" WHERE id = :id AND state IN ('owed', 'in_flight') {mine} RETURNING id",
        id=delivery_id,
        **params,
    )
    if not changed:
        await _require(session, delivery_id)


async def _require(session: Session, delivery_id: str) -> None:
    if not await session.rows("SELECT id FROM deliveries WHERE id = :id", id=delivery_id):
        raise NotFoundError(f"There is no delivery {delivery_id}.")
