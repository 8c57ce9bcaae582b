"""What is kept beside the events: documents, the files of incidents, readings of counters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from bot.store.schema import FACTS, Row, Session, Transactions, instant, micros, reads, writes
from bot.store.values import Attachment, Document, ScrapePoint

_MORE = {"duration_buckets", "business", "saturation"}
"""Members of a reading that share one column."""


class Documents(Transactions):
    """Documents, attachments and readings."""

    @writes
    async def put(self, session: Session, document: Document) -> None:
        """Write or replace a document."""
        await put_documents(session, [document])

    @reads
    async def get(self, session: Session, kind: str, document_id: str) -> Document | None:
        """Read a document."""
        rows = await session.rows(
            "SELECT * FROM documents WHERE kind = :kind AND id = :id", kind=kind, id=document_id
        )
        return _document(rows[0]) if rows else None

    @reads
    async def documents(self, session: Session, kind: str) -> tuple[Document, ...]:
        """All documents of a kind, by id."""
        rows = await session.rows(
            "SELECT * FROM documents WHERE kind = :kind ORDER BY id", kind=kind
        )
        return tuple(_document(row) for row in rows)

    @writes
    async def delete(self, session: Session, kind: str, document_id: str) -> bool:
        """Remove a document; False when it was not there (so that only one of two wins)."""
        rows = await session.rows(
            "DELETE FROM documents WHERE kind = :kind AND id = :id RETURNING id",
            kind=kind,
            id=document_id,
        )
        return bool(rows)

    @reads
    async def attachment(self, session: Session, incident_id: str, name: str) -> Attachment | None:
        """Read a file kept with an incident."""
        rows = await session.rows(
            """SELECT name, media_type, content FROM attachments
            WHERE incident_id = :incident_id AND name = :name""",
            incident_id=incident_id,
            name=name,
        )
        return Attachment(**rows[0]) if rows else None

    @reads
    async def attachments(self, session: Session, incident_id: str) -> tuple[str, ...]:
        """Names of the files kept with an incident, in order."""
        rows = await session.rows(
            "SELECT name FROM attachments WHERE incident_id = :incident_id ORDER BY name",
            incident_id=incident_id,
        )
        return tuple(row["name"] for row in rows)

    @writes
    async def add_scrapes(self, session: Session, points: Sequence[ScrapePoint]) -> None:
        """Keep readings of counters; a second one of an instance and moment adds nothing."""
        await session.many(
            """INSERT INTO scrapes
                (service, instance, at, release, born_at, requests, errors,
                 duration_sum, duration_count, more)
            VALUES
                (:service, :instance, :at, :release, :born_at, :requests, :errors,
                 :duration_sum, :duration_count, :more)
            ON CONFLICT (service, instance, at) DO NOTHING""",
            [
                {
                    **point.model_dump(exclude=_MORE),
                    "at": micros(point.at),
                    "born_at": micros(point.born_at),
                    "more": point.model_dump_json(include=_MORE, exclude_defaults=True),
                }
                for point in points
            ],
        )

    @reads
    async def scrapes(
        self, session: Session, service: str, *, start: datetime, end: datetime
    ) -> tuple[ScrapePoint, ...]:
        """Readings with start ≤ at ≤ end, oldest first, and of each instance the last before."""
        rows = await session.rows(
            """SELECT * FROM scrapes WHERE service = :service AND at >= :start AND at <= :end
            UNION ALL
            SELECT scrapes.* FROM scrapes JOIN (
                SELECT instance, MAX(at) AS at FROM scrapes
                WHERE service = :service AND at < :start GROUP BY instance
            ) AS before ON before.instance = scrapes.instance AND before.at = scrapes.at
            WHERE service = :service
            ORDER BY at, instance""",
            service=service,
            start=micros(start),
            end=micros(end),
        )
        return tuple(_point(row) for row in rows)


async def put_documents(session: Session, documents: Sequence[Document]) -> None:
    """Write or replace documents inside a larger transaction."""
    await session.many(
        """INSERT INTO documents (kind, id, body, expires_at)
        VALUES (:kind, :id, :body, :expires_at)
        ON CONFLICT (kind, id) DO UPDATE SET
            body = excluded.body, expires_at = excluded.expires_at""",
        [
            {
                "kind": document.kind,
                "id": document.id,
                "body": FACTS.dump_json(document.body).decode(),
                "expires_at": micros(document.expires_at) if document.expires_at else None,
            }
            for document in documents
        ],
    )


async def attach(session: Session, incident_id: str, attachments: Sequence[Attachment]) -> None:
    """Keep files with an incident; one of the same name is replaced."""
    await session.many(
        """INSERT INTO attachments (incident_id, name, media_type, content)
        VALUES (:incident_id, :name, :media_type, :content)
        ON CONFLICT (incident_id, name) DO UPDATE SET
            media_type = excluded.media_type, content = excluded.content""",
        [{"incident_id": incident_id, **attachment.model_dump()} for attachment in attachments],
    )


def _document(row: Row) -> Document:
    expires_at = row["expires_at"]
    return Document(
        kind=row["kind"],
        id=row["id"],
        body=FACTS.validate_json(row["body"]),
        expires_at=None if expires_at is None else instant(expires_at),
    )


def _point(row: Row) -> ScrapePoint:
    counters = {key: value for key, value in row.items() if key != "more"}
    times = {"at": instant(row["at"]), "born_at": instant(row["born_at"])}
    return ScrapePoint(**{**counters, **times, **json.loads(row["more"])})
