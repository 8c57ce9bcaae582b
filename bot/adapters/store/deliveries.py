"""The queue of owed deliveries: in order for each destination, one in flight, cards coalesced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.adapters.store.mapping import instant, micros
from bot.adapters.store.session import Row, Session
from bot.ports.deliveries import Action, Delivery, DeliveryRow, Receipt

# The waiting heads of their destinations. Looking each one up in the index stays quick when
# PostgreSQL's statistics do not yet know that the queue has grown; a join does not.
_HEADS = """state = 'owed' AND state IN ('owed', 'in_flight') AND ordinal = (
    SELECT MIN(ahead.ordinal) FROM deliveries AS ahead
    WHERE ahead.destination = deliveries.destination
        AND ahead.state IN ('owed', 'in_flight'))"""

_EXPIRED = "state = 'in_flight' AND claimed_at < :oldest"


async def owe(session: Session, owed: Sequence[Delivery], *, now: datetime) -> None:
    """Put deliveries at the end of the queue; one whose id is there already changes nothing."""
    if not owed:
        return
    ordinal = await lock_queue(session, len(owed)) - len(owed)
    for delivery in owed:
        ordinal += 1
        await session.rows(
            """INSERT INTO deliveries
                (id, ordinal, incident_id, destination, card, body, state, due_at)
            VALUES (:id, :ordinal, :incident_id, :destination, :card, :body, 'owed', :now)
            ON CONFLICT (id) DO NOTHING""",
            id=delivery.id,
            ordinal=ordinal,
            incident_id=delivery.incident_id,
            destination=delivery.destination,
            card=delivery.card if delivery.action is Action.CARD else None,
            body=delivery.model_dump_json(),
            now=micros(now),
        )
    await lapse_old_cards(session)


async def claim(
    session: Session, *, owner: str, now: datetime, ttl: timedelta, limit: int
) -> tuple[DeliveryRow, ...]:
    """Mark the due head of each destination as in flight; see ``Store.claim_deliveries``."""
    oldest = micros(now - ttl)
    if not await _anything_to_claim(session, now, oldest):
        return ()
    await lock_queue(session)
    await session.rows(
        f"UPDATE deliveries SET state = 'owed', unknown = TRUE WHERE {_EXPIRED}",  # noqa: S608 - a constant
        oldest=oldest,
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


async def next_due(session: Session) -> datetime | None:
    """When the first head of a destination that is not in flight is due."""
    rows = await session.rows(
        f"SELECT MIN(due_at) AS due_at FROM deliveries WHERE {_HEADS}"  # noqa: S608 - a constant
    )
    due_at = rows[0]["due_at"]
    return None if due_at is None else instant(due_at)


async def card_receipt(
    session: Session, destination: str, card: str, incident_id: str
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


async def series_receipt(
    session: Session, destination: str, series: str, incident_id: str
) -> Receipt | None:
    """The receipt of the newest delivery of a series that arrived.

    Nearly all that one incident sends to one destination is one series: the newest are enough,
    however many there are.
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


async def of_incident(session: Session, incident_id: str) -> tuple[DeliveryRow, ...]:
    """Every delivery of an incident, in order."""
    rows = await session.rows(
        "SELECT * FROM deliveries WHERE incident_id = :incident_id ORDER BY ordinal",
        incident_id=incident_id,
    )
    return tuple(_row(row) for row in rows)


async def _anything_to_claim(session: Session, now: datetime, oldest: int) -> bool:
    """Look before locking: a worker with nothing to do then writes nothing to the disk."""
    rows = await session.rows(
        f"""SELECT 1 AS found WHERE
            EXISTS (SELECT 1 FROM deliveries WHERE {_HEADS} AND due_at <= :now)
            OR EXISTS (SELECT 1 FROM deliveries WHERE {_EXPIRED})""",  # noqa: S608 - constants
        now=micros(now),
        oldest=oldest,
    )
    return bool(rows)


async def lock_queue(session: Session, places: int = 0) -> int:
    """Let no other transaction change the queue's order until this one ends.

    Returns the last of so many new places. Without the lock, two PostgreSQL transactions could
    commit their places in the wrong order, or wait for each other's rows for ever.
    """
    rows = await session.rows(
        "UPDATE counters SET value = value + :places WHERE name = 'deliveries' RETURNING value",
        places=places,
    )
    value: int = rows[0]["value"]
    return value


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
