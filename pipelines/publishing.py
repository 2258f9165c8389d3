"""What must be embedded goes to documents.v1.

A document is due when its current revision has not landed under the current fingerprint (model, chunker, header) and it
is not already on its way; after a lease it is due again. A document whose embedding failed waits for a replay. When a
topic was lost and made anew, what was on its way is lost too, and the lease is not waited for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC
from contracts.records import PUBLIC, Document, Section
from contracts.tables import Column, ColumnType, Table
from pipelines.landing import new_load_id
from resources import kafka
from resources.profile import Profile
from resources.warehouse import Advance, Warehouse, advance_positions
from transforms.chunking import fingerprint

log = structlog.get_logger()

BATCH_DOCUMENTS = 200
"""Documents that are produced before they are marked; a crash between the two publishes at most these again."""
ROADS = "roads:documents-memory"
"""The position that remembers which topics, by the broker's ids, carried what was published, and for which model."""

PUBLISHED = Table(
    "STAGED_PUBLISHED",
    ("data_id",),
    (Column("data_id", ColumnType.TEXT, nullable=False), Column("revision", ColumnType.INTEGER, nullable=False)),
)

_DUE = f"""
    DELETED_AT IS NULL AND ACCESS_SCOPE = '{PUBLIC}' AND ERROR IS NULL
    AND NOT (COALESCE(LANDED_REVISION, 0) = REVISION AND COALESCE(LANDED_FINGERPRINT, '') = ?)
"""


def publish(profile: Profile, warehouse: Warehouse) -> int:
    """Publish what is due.

    Returns:
        Documents published.
    Raises:
        BrokerUnavailable: what was not acknowledged is not marked, and is due again at once.
    """
    kafka.ensure_topics(profile.kafka, (DOCUMENTS_TOPIC, MEMORY_TOPIC), dead_letters=True)
    current = fingerprint(profile.embedding.model_id)
    _remember_roads(profile, warehouse, current)
    producer = kafka.producer(profile.kafka)
    published = 0
    while due := _due(profile, warehouse, current):
        for document in due:
            kafka.send(producer, DOCUMENTS_TOPIC, wire.encode_document(document))
        kafka.flush(producer)
        _mark(due, current, warehouse)
        published += len(due)
    log.info("published", documents=published)
    return published


def backlog(profile: Profile, warehouse: Warehouse) -> int:
    """Documents whose current revision has not landed under the current fingerprint; failed ones are not counted."""
    return sum(backlogs(profile, warehouse).values())


def backlogs(profile: Profile, warehouse: Warehouse) -> dict[str, int]:
    """Source → its part of the backlog; without those that have none."""
    counted = warehouse.query(
        f"""
        SELECT SOURCE_SYSTEM, COUNT(*) AS DOCUMENTS FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE {_DUE}
        GROUP BY SOURCE_SYSTEM
        """,
        [fingerprint(profile.embedding.model_id)],
    )
    return {row["source_system"]: int(row["documents"]) for row in counted.to_pylist()}


def _remember_roads(profile: Profile, warehouse: Warehouse, current: str) -> None:
    """Notice other topics or another model than those of the last publishing.

    What was on its way on lost topics is due again at once. A model's table that was not the current one has missed
    deletes meanwhile; they are made good.
    """
    topics = [kafka.topic_id(profile.kafka, topic) for topic in (DOCUMENTS_TOPIC, MEMORY_TOPIC)]
    roads = " ".join([*topics, current])
    known = warehouse.position(ROADS)
    if known is not None and known.value == roads:
        return
    held = warehouse.claim(ROADS, new_load_id())
    with warehouse.transaction() as transaction:
        advance_positions(transaction, [Advance(held, roads)], datetime.now(UTC))
        transaction.execute(
            f"UPDATE SOPHIA_CORE.CATALOG_ENTRIES SET PUBLISHED_REVISION = NULL, PUBLISHED_AT = NULL WHERE {_DUE}",
            [current],
        )
        transaction.execute(
            f"""
            DELETE FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5
            WHERE DOCUMENT_ID NOT IN (
                SELECT DATA_ID FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = '{PUBLIC}'
            )
            """
        )


def _due(profile: Profile, warehouse: Warehouse, current: str) -> list[Document]:
    lease_start = datetime.now(UTC) - timedelta(seconds=profile.publish_lease_s)
    due = warehouse.query(
        f"""
        SELECT DATA_ID, REVISION, SOURCE_SYSTEM, DATA_TYPE, ACCESS_SCOPE, TITLE, HEADER, SECTIONS, METADATA, OCCURRED_AT
        FROM SOPHIA_CORE.CATALOG_ENTRIES
        WHERE {_DUE} AND (
            COALESCE(PUBLISHED_REVISION, 0) <> REVISION OR COALESCE(PUBLISHED_FINGERPRINT, '') <> ? OR PUBLISHED_AT < ?
        )
        ORDER BY OCCURRED_AT DESC, DATA_ID
        LIMIT {BATCH_DOCUMENTS}
        """,
        [current, current, lease_start],
    )
    return [_document(row) for row in due.to_pylist()]


def _document(row: dict[str, Any]) -> Document:
    return Document(
        document_id=row["data_id"],
        revision=row["revision"],
        source_system=row["source_system"],
        data_type=row["data_type"],
        access_scope=row["access_scope"],
        title=row["title"],
        header=row["header"],
        sections=msgspec.json.decode(row["sections"], type=tuple[Section, ...]),
        metadata=msgspec.json.decode(row["metadata"]),
        occurred_at=row["occurred_at"].replace(tzinfo=UTC),
    )


def _mark(documents: list[Document], current: str, warehouse: Warehouse) -> None:
    staged = PUBLISHED.rows([{"data_id": d.document_id, "revision": d.revision} for d in documents])
    with warehouse.transaction(published=(PUBLISHED, staged)) as transaction:
        transaction.execute(
            """
            MERGE INTO SOPHIA_CORE.CATALOG_ENTRIES AS t
            USING (SELECT DATA_ID, REVISION FROM STAGED_PUBLISHED) AS s ON t.DATA_ID = s.DATA_ID
            WHEN MATCHED THEN UPDATE SET
                PUBLISHED_REVISION = s.REVISION, PUBLISHED_FINGERPRINT = ?, PUBLISHED_AT = ?
            """,
            [current, datetime.now(UTC)],
        )
