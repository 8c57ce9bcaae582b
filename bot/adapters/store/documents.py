"""Documents, and the files kept with incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.adapters.store.mapping import FACTS, instant, micros
from bot.adapters.store.session import Row, Session
from bot.ports.store import Attachment, Document


async def put(session: Session, documents: Sequence[Document]) -> None:
    """Write or replace documents."""
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


async def get(session: Session, kind: str, document_id: str) -> Document | None:
    """Read a document."""
    rows = await session.rows(
        "SELECT * FROM documents WHERE kind = :kind AND id = :id", kind=kind, id=document_id
    )
    return _document(rows[0]) if rows else None


async def of_kind(session: Session, kind: str) -> tuple[Document, ...]:
    """All documents of a kind, by id."""
    rows = await session.rows("SELECT * FROM documents WHERE kind = :kind ORDER BY id", kind=kind)
    return tuple(_document(row) for row in rows)


async def delete(session: Session, kind: str, document_id: str) -> bool:
    """Remove a document; whether it was there."""
    rows = await session.rows(
        "DELETE FROM documents WHERE kind = :kind AND id = :id RETURNING id",
        kind=kind,
        id=document_id,
    )
    return bool(rows)


async def prune(session: Session, now: datetime) -> None:
    """Remove expired documents."""
    await session.rows("DELETE FROM documents WHERE expires_at <= :now", now=micros(now))


async def attach(session: Session, incident_id: str, attachments: Sequence[Attachment]) -> None:
    """Keep files with an incident; one of the same name is replaced."""
    await session.many(
        """INSERT INTO attachments (incident_id, name, media_type, content)
        VALUES (:incident_id, :name, :media_type, :content)
        ON CONFLICT (incident_id, name) DO UPDATE SET
            media_type = excluded.media_type, content = excluded.content""",
        [{"incident_id": incident_id, **attachment.model_dump()} for attachment in attachments],
    )


async def attachment(session: Session, incident_id: str, name: str) -> Attachment | None:
    """Read a file kept with an incident."""
    rows = await session.rows(
        """SELECT name, media_type, content FROM attachments
        WHERE incident_id = :incident_id AND name = :name""",
        incident_id=incident_id,
        name=name,
    )
    return Attachment(**rows[0]) if rows else None


async def attachments(session: Session, incident_id: str) -> tuple[str, ...]:
    """Names of the files kept with an incident, in order."""
    rows = await session.rows(
        "SELECT name FROM attachments WHERE incident_id = :incident_id ORDER BY name",
        incident_id=incident_id,
    )
    return tuple(row["name"] for row in rows)


def _document(row: Row) -> Document:
    expires_at = row["expires_at"]
    return Document(
        kind=row["kind"],
        id=row["id"],
        body=FACTS.validate_json(row["body"]),
        expires_at=None if expires_at is None else instant(expires_at),
    )
