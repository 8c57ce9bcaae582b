"""The queue of owed deliveries: in order for each destination, one in flight, cards coalesced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.core.errors import NotFoundError
from bot.store.delivery import Action, Delivery, DeliveryRow, Receipt
from bot.store.documents import put_documents
from bot.store.schema import Param, Row, Session, Transactions, instant, micros, reads, writes
from bot.store.values import Document

# The waiting heads of their destinations. Looking each one up in the index stays quick when
# PostgreSQL's statistics do not yet know that the queue has grown; a join does not.
_HEADS = """state = 'owed' AND state IN ('owed', 'in_flight') AND ordinal = (
    SELECT MIN(ahead.ordinal) FROM deliveries AS ahead
    WHERE ahead.destination = deliveries.destination
        AND ahead.state IN ('owed', 'in_flight'))"""

_EXPIRED = "state = 'in_flight' AND claimed_at < :oldest"


class Deliveries(Transactions):
    """Deliveries, from being owed to how they end."""

    def __init__(self) -> None:
        # The number of each attempt that this process has claimed and not settled, by the
        # delivery's id: it tells our claim from that of a process which took over.
        self._attempts: dict[str, int] = {}

    @writes
    async def enqueue(
        self,
        session: Session,
        deliveries: Sequence[Delivery],
        *,
        now: datetime,
        documents: Sequence[Document] = (),
    ) -> None:
        """Owe deliveries that belong to no event, and remember why, all or nothing."""
        await owe(session, deliveries, now=now)
        await put_documents(session, documents)

    async def claim_deliveries(
        self, *, owner: str, now: datetime, ttl: timedelta, limit: int = 50
    ) -> tuple[DeliveryRow, ...]:
        """Mark due deliveries as in flight and return them: the first of each destination.

        A destination with a delivery in flight is skipped. A delivery whose claim is older than
        ``ttl`` is claimed again and comes with ``unknown=True``. Of a card, only the newest
        version is returned, and the older ones lapse.
        """
        claimed = await self._write(
            lambda session: _claim(session, owner=owner, now=now, oldest=now - ttl, limit=limit)
        )
        self._attempts.update((row.delivery.id, row.attempts) for row in claimed)
        return claimed

    async def settle_sent(self, delivery_id: str, receipt: Receipt, *, now: datetime) -> None:
        """The delivery arrived; the first receipt stays, whoever's attempt it was.

        Raises NotFoundError for an id that was never owed.
        """

        async def sent(session: Session) -> None:
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

        await self._write(sent)
        self._attempts.pop(delivery_id, None)

    async def settle_retry(
        self, delivery_id: str, *, due_at: datetime, error: str, unknown: bool
    ) -> None:
        """The delivery is owed again from ``due_at`` on, unless another process has it now.

        A card that has a newer version lapses instead.
        """
        changes = "state = 'owed', due_at = :due_at, error = :error, unknown = :unknown"
        await self._settle(delivery_id, changes, error, due_at=micros(due_at), unknown=unknown)

    async def settle_failed(self, delivery_id: str, error: str, *, now: datetime) -> None:
        """The delivery will never arrive, unless another process is trying it now."""
        changes = "state = 'failed', settled_at = :now, error = :error"
        await self._settle(delivery_id, changes, error, now=micros(now))

    async def _settle(self, delivery_id: str, changes: str, error: str, **params: Param) -> None:
        # PostgreSQL keeps no NUL; a dump in an error may contain one.
        error = error.replace("\x00", "\N{REPLACEMENT CHARACTER}")
        attempt = self._attempts.get(delivery_id)

        async def settle(session: Session) -> None:
            await lock_queue(session)
            changed = await session.rows(
                f"""UPDATE deliveries SET {changes}
                WHERE id = :id AND state IN ('owed', 'in_flight')
                    AND attempts = COALESCE(:attempt, attempts)
                RETURNING id""",  # noqa: S608 - constants of this module
                id=delivery_id,
                attempt=attempt,
                error=error,
                **params,
            )
            if not changed:
                await _require(session, delivery_id)
            await lapse_old_cards(session)

        await self._write(settle)
        self._attempts.pop(delivery_id, None)

    @reads
    async def card_receipt(
        self, session: Session, destination: str, card: str, incident_id: str
    ) -> Receipt | None:
        """The receipt of the newest version of a card that arrived."""
        rows = await session.rows(
            """SELECT receipt FROM deliveries
            WHERE destination = :destination AND card = :card AND incident_id = :incident_id
                AND state = 'sent'
            ORDER BY ordinal DESC LIMIT 1""",
            destination=destination,
            card=card,
            incident_id=incident_id,
        )
        return Receipt.model_validate_json(rows[0]["receipt"]) if rows else None

    @reads
    async def series_receipt(
        self, session: Session, destination: str, series: str, incident_id: str
    ) -> Receipt | None:
        """The receipt of the newest delivery of a series that arrived.

        Nearly all that one incident sends to one destination is one series: the newest are
        enough, however many there are.
        """
        skipped = 0
        while rows := await session.rows(
            """SELECT * FROM deliveries
            WHERE incident_id = :incident_id AND destination = :destination AND state = 'sent'
            ORDER BY ordinal DESC LIMIT 5 OFFSET :skipped""",
            incident_id=incident_id,
            destination=destination,
            skipped=skipped,
        ):
            for row in map(_row, rows):
                if row.delivery.series == series:
                    return row.receipt
            skipped += len(rows)
        return None

    @reads
    async def deliveries(self, session: Session, incident_id: str) -> tuple[DeliveryRow, ...]:
        """Every delivery of an incident, in order."""
        rows = await session.rows(
            "SELECT * FROM deliveries WHERE incident_id = :incident_id ORDER BY ordinal",
            incident_id=incident_id,
        )
        return tuple(_row(row) for row in rows)

    @reads
    async def next_delivery_at(self, session: Session) -> datetime | None:
        """When the first head of a destination is due that has nothing in flight."""
        [row] = await session.rows(
            f"SELECT MIN(due_at) AS due_at FROM deliveries WHERE {_HEADS}"  # noqa: S608 - a constant
        )
        return None if row["due_at"] is None else instant(row["due_at"])


async def owe(session: Session, owed: Sequence[Delivery], *, now: datetime) -> None:
    """Put deliveries at the end of the queue; one whose id is there already changes nothing."""
    if not owed:
        return
    first = await lock_queue(session, len(owed)) - len(owed) + 1
    await session.many(
        """INSERT INTO deliveries
            (id, ordinal, incident_id, destination, card, body, state, due_at)
        VALUES (:id, :ordinal, :incident_id, :destination, :card, :body, 'owed', :now)
        ON CONFLICT (id) DO NOTHING""",
        [
            {
                "id": delivery.id,
                "ordinal": ordinal,
                "incident_id": delivery.incident_id,
                "destination": delivery.destination,
                "card": delivery.card if delivery.action is Action.CARD else None,
                "body": delivery.model_dump_json(),
                "now": micros(now),
            }
            for ordinal, delivery in enumerate(owed, start=first)
        ],
    )
    await lapse_old_cards(session)


async def _claim(
    session: Session, *, owner: str, now: datetime, oldest: datetime, limit: int
) -> tuple[DeliveryRow, ...]:
    # Look before locking: a worker with nothing to do then writes nothing to the disk.
    found = await session.rows(
        f"""SELECT 1 AS found WHERE
            EXISTS (SELECT 1 FROM deliveries WHERE {_HEADS} AND due_at <= :now)
            OR EXISTS (SELECT 1 FROM deliveries WHERE {_EXPIRED})""",  # noqa: S608 - constants
        now=micros(now),
        oldest=micros(oldest),
    )
    if not found:
        return ()
    await lock_queue(session)
    await session.rows(
        f"UPDATE deliveries SET state = 'owed', unknown = TRUE WHERE {_EXPIRED}",  # noqa: S608 - a constant
        oldest=micros(oldest),
    )
    await lapse_old_cards(session)
    # The plus keeps the databases from walking through all old deliveries in order of ordinal.
    claimed = await session.rows(
        f"""UPDATE deliveries SET
            state = 'in_flight', attempts = attempts + 1, claimed_by = :owner, claimed_at = :now
        WHERE state = 'owed' AND ordinal IN (
            SELECT ordinal FROM deliveries WHERE {_HEADS} AND due_at <= :now
            ORDER BY +ordinal LIMIT :limit)
        RETURNING *""",  # noqa: S608 - a constant
        owner=owner,
        now=micros(now),
        limit=limit,
    )
    return tuple(_row(row) for row in sorted(claimed, key=lambda row: int(row["ordinal"])))


async def _require(session: Session, delivery_id: str) -> None:
    if not await session.rows("SELECT id FROM deliveries WHERE id = :id", id=delivery_id):
        raise NotFoundError(f"There is no delivery {delivery_id}.")


async def lock_queue(session: Session, places: int = 0) -> int:
    """Let no other transaction change the queue's order until this one ends.

    Returns the last of so many new places. Without the lock, two PostgreSQL transactions could
    commit their places in the wrong order, or wait for each other's rows for ever.
    """
    [counted] = await session.rows(
        "UPDATE counters SET value = value + :places WHERE name = 'deliveries' RETURNING value",
        places=places,
    )
    return int(counted["value"])


async def lapse_old_cards(session: Session) -> None:
    """Drop owed versions of cards that have a newer one.

    A first version that may have arrived is kept: somebody must find out, or the next version
    would be posted beside it instead of replacing it. A wait that the destination asked for
    outlives the version that met it.
    """
    same_card = """other.destination = deliveries.destination AND other.card = deliveries.card
        AND other.incident_id = deliveries.incident_id"""
    lapsed = await session.rows(
        f"""UPDATE deliveries SET state = 'lapsed'
        WHERE state = 'owed' AND card IS NOT NULL
            AND EXISTS (SELECT 1 FROM deliveries AS other WHERE {same_card}
                AND other.ordinal > deliveries.ordinal
                AND other.state IN ('owed', 'in_flight', 'sent'))
            AND (NOT unknown OR EXISTS (SELECT 1 FROM deliveries AS other WHERE {same_card}
                AND other.state = 'sent'))
        RETURNING destination, due_at"""  # noqa: S608 - a constant
    )
    waits: dict[str, int] = {}
    for row in lapsed:
        waits[row["destination"]] = max(row["due_at"], waits.get(row["destination"], 0))
    await session.many(
        """UPDATE deliveries SET due_at = :due_at
        WHERE destination = :destination AND state IN ('owed', 'in_flight') AND state = 'owed'
            AND due_at < :due_at""",
        [{"destination": destination, "due_at": due_at} for destination, due_at in waits.items()],
    )


def _row(row: Row) -> DeliveryRow:
    receipt = row["receipt"]
    return DeliveryRow(
        delivery=Delivery.model_validate_json(row["body"]),
        state=row["state"],
        attempts=row["attempts"],
        due_at=instant(row["due_at"]),
        unknown=bool(row["unknown"]),
        receipt=None if receipt is None else Receipt.model_validate_json(receipt),
        error=row["error"],
    )
