"""What could not be read: kept with its reason and its original bytes, and put back by `replay`.

a pulled record     → SOPHIA_CORE.DEAD_LETTERS; replay reads it again by today's rules, with its own version
a document          → the same, with the rows it was to be built from; replay has its source catalogued again
a Kafka message     → <topic>.dlq, mirrored to the table; replay publishes its document again

Nothing of an erased person is stored: a record loses what it has of them, of the others the body is not needed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import zstandard

from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, Address
from contracts.records import DeadLetter
from pipelines.erased import Door
from pipelines.landing import catalogue_again, land_rows
from resources.warehouse import Warehouse, advance_positions
from resources.warehouse.tables import DEAD_LETTERS
from transforms import rows
from transforms.erasure import Erased
from transforms.raw import Entity, Rejected, Row, to_row

COMPOSED = ":documents"
"""Behind a source's name: the origin of a document that could not be built."""
REQUESTED_AT = "requested_at"
"""Header of a pulled record: its version when it is read again."""
_ZSTD = b"\x28\xb5\x2f\xfd"
"""What a compressed body begins with."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay did."""

    landed: int
    """Records that are rows now."""
    published: int
    """Documents that will be published again."""
    composed: int
    """Documents that the next refresh of the catalog tries to build again."""
    superseded: int
    """Records that still break a rule, and whose table holds what the vendor said later; their letters are closed."""
    failed: int
    """Records that still break a rule; their letters stay, with the new reason."""


def of_record(address: Address, rejected: Rejected, requested_at: datetime) -> DeadLetter:
    return DeadLetter.of(
        str(address),
        json.dumps(rejected.record).encode(),
        rejected.reason,
        failed_at=datetime.now(UTC),
        headers={REQUESTED_AT: requested_at.isoformat()},
    )


def of_document(source: str, document_id: str, parts: Mapping[str, Any], error: str) -> DeadLetter:
    """Of rows that make no document."""
    body = msgspec.json.encode(parts)
    return DeadLetter.of(
        source + COMPOSED, body, f"no document could be built: {error}", datetime.now(UTC), document_id
    )


def store(warehouse: Warehouse, letters: Sequence[DeadLetter]) -> None:
    """Mirror to the table; the same letter twice is one row. Its document is marked, so that only a replay publishes
    it.

    Raises:
        Fenced: somebody was erased meanwhile; nothing was stored.
    """
    if not letters:
        return
    door = Door(warehouse)
    kept = [one for letter in letters if (one := cleared(letter, door.people)) is not None]
    unique = {letter.dead_letter_id: letter for letter in kept}
    staged = DEAD_LETTERS.rows([as_row(letter) for letter in unique.values()])
    with warehouse.transaction(letters=(DEAD_LETTERS, staged)) as transaction:
        advance_positions(transaction, [door.fence], datetime.now(UTC))
        transaction.execute(
            """
            MERGE INTO SOPHIA_CORE.DEAD_LETTERS AS t
            USING (
                SELECT
                    DEAD_LETTER_ID, ORIGIN, DOCUMENT_ID, REVISION, REASON, BODY_BASE64,
                    PARSE_JSON(HEADERS) AS HEADERS, FAILED_AT
                FROM STAGED_LETTERS
            ) AS s ON t.DEAD_LETTER_ID = s.DEAD_LETTER_ID
            WHEN MATCHED THEN UPDATE SET REASON = s.REASON, FAILED_AT = s.FAILED_AT, REPLAYED_AT = NULL
            WHEN NOT MATCHED THEN
                INSERT (DEAD_LETTER_ID, ORIGIN, DOCUMENT_ID, REVISION, REASON, BODY_BASE64, HEADERS, FAILED_AT)
                VALUES (
                    s.DEAD_LETTER_ID, s.ORIGIN, s.DOCUMENT_ID, s.REVISION, s.REASON, s.BODY_BASE64,
                    s.HEADERS, s.FAILED_AT
                )
            """
        )
        transaction.execute(
            """
            MERGE INTO SOPHIA_CORE.CATALOG_ENTRIES AS t
            USING (
                SELECT DOCUMENT_ID, MAX(REVISION) AS REVISION, MAX(REASON) AS REASON
                FROM STAGED_LETTERS WHERE DOCUMENT_ID IS NOT NULL GROUP BY DOCUMENT_ID
            ) AS s ON t.DATA_ID = s.DOCUMENT_ID
            WHEN MATCHED AND COALESCE(s.REVISION, t.REVISION) = t.REVISION
                AND COALESCE(t.LANDED_REVISION, 0) <> t.REVISION
                THEN UPDATE SET ERROR = s.REASON
            """
        )


def as_row(letter: DeadLetter, replayed_at: datetime | None = None) -> dict[str, object]:
    """As it is staged."""
    return {
        "dead_letter_id": letter.dead_letter_id,
        "origin": letter.origin,
        "document_id": letter.document_id,
        "revision": letter.revision,
        "reason": letter.reason,
        "body_base64": base64.b64encode(letter.body).decode(),
        "headers": msgspec.json.encode(letter.headers).decode(),
        "failed_at": letter.failed_at,
        "replayed_at": replayed_at,
    }


def cleared(letter: DeadLetter, erased: Erased) -> DeadLetter | None:
    """The letter without erased people: the same object where nobody is in it, None for a record that is theirs.

    Of a document or a message, replay needs no body: one that names somebody, or that nobody can read, goes without.
    """
    if not erased:
        return letter
    if "/" not in letter.origin:
        return letter if _names_nobody(letter, erased) else msgspec.structs.replace(letter, body=b"")
    held, address = json.loads(letter.body), Address.parse(letter.origin)
    try:
        record = erased.judge(rows.entity(address), held).record
    except (KeyError, ModuleNotFoundError):  # of a table or a source that the project no longer has
        record = erased.clean(held)
    if record is None:
        return None
    if record is held:
        return letter
    body = json.dumps(record).encode()
    return DeadLetter.of(letter.origin, body, letter.reason, letter.failed_at, letter.document_id, letter.headers)


def _names_nobody(letter: DeadLetter, erased: Erased) -> bool:
    try:
        text = (zstandard.decompress(letter.body) if letter.body.startswith(_ZSTD) else letter.body).decode()
        content: Any = msgspec.json.decode(text) if text else {}
    except (zstandard.ZstdError, UnicodeDecodeError, msgspec.DecodeError):
        return False
    if letter.origin.endswith(COMPOSED):
        source = letter.origin.removesuffix(COMPOSED)
        parts = ((rows.entity(Address(source, name)), row["payload"]) for name in content for row in content[name])
        return all(erased.judge(entity, payload).record is payload for entity, payload in parts)
    source = (letter.document_id or "").partition(":")[0]
    return source in rows.sources() and erased.clean(content, source) is content


def replay(warehouse: Warehouse, origin: str | None = None) -> Replayed:
    """Put back every dead letter that has not been replayed, of one origin or of all.

    Raises:
        Fenced: somebody was erased meanwhile; replay again.
    """
    waiting = warehouse.query(
        """
        SELECT DEAD_LETTER_ID, ORIGIN, DOCUMENT_ID, BODY_BASE64, HEADERS
        FROM SOPHIA_CORE.DEAD_LETTERS
        WHERE REPLAYED_AT IS NULL AND (? IS NULL OR ORIGIN = ?)
        """,
        [origin, origin],
    ).to_pylist()
    pulled = [w for w in waiting if "/" in w["origin"]]
    messages = [w for w in waiting if w["origin"] in (DOCUMENTS_TOPIC, MEMORY_TOPIC)]
    composed = [w for w in waiting if w["origin"].endswith(COMPOSED)]
    landed, superseded, failed = _land_again(warehouse, pulled)
    for source in {w["origin"].removesuffix(COMPOSED) for w in composed}:
        catalogue_again(source, warehouse)
    documents = {w["document_id"] for w in [*messages, *composed] if w["document_id"]}
    for document_id in documents:
        warehouse.execute(
            """
            UPDATE SOPHIA_CORE.CATALOG_ENTRIES
            SET ERROR = NULL, PUBLISHED_REVISION = NULL, PUBLISHED_AT = NULL
            WHERE DATA_ID = ?
            """,
            [document_id],
        )
    # Last: a replay that dies before is repeated whole.
    _done(warehouse, [w["dead_letter_id"] for w in [*landed, *superseded, *messages, *composed]])
    published = sum(w["document_id"] in documents for w in messages)
    return Replayed(
        landed=len(landed), published=published, composed=len(composed), superseded=len(superseded), failed=failed
    )


Letter = dict[str, str]


def _land_again(warehouse: Warehouse, waiting: Sequence[Letter]) -> tuple[list[Letter], list[Letter], int]:
    """The letters whose records are rows now, those that the vendor has overtaken, and how many still break a rule.
    Erased people's stay as they are.
    """
    door = Door(warehouse)
    by_address: dict[Address, list[Letter]] = {}
    for letter in waiting:
        by_address.setdefault(Address.parse(letter["origin"]), []).append(letter)
    landed: list[Letter] = []
    superseded: list[Letter] = []
    failed: list[DeadLetter] = []
    for address, letters in by_address.items():
        entity = rows.entity(address)
        admitted = door.admit(entity, [json.loads(base64.b64decode(letter["body_base64"])) for letter in letters])
        good: list[Row] = []
        for letter, record in zip(letters, admitted, strict=True):
            if record is None:
                continue
            requested_at = datetime.fromisoformat(msgspec.json.decode(letter["headers"])[REQUESTED_AT])
            row = to_row(entity, record, version=requested_at, origin="pull")
            if not isinstance(row, Rejected):
                good.append(row)
                landed.append(letter)
            elif _is_superseded(entity, record, requested_at, warehouse):
                superseded.append(letter)
            else:
                failed.append(of_record(address, row, requested_at))
        land_rows(entity, good, "pull", warehouse, [door.fence])
    store(warehouse, failed)
    return landed, superseded, len(failed)


def _is_superseded(entity: Entity, record: dict[str, Any], requested_at: datetime, warehouse: Warehouse) -> bool:
    """Whether the record's row, or its tombstone, is newer than the record."""
    key = entity.key_of(record)
    if None in key:
        return False
    held = " AND ".join(f"{name} = ?" for name in entity.key)
    newer = warehouse.query(
        f"SELECT COUNT(*) AS N FROM {entity.table.name} WHERE _VERSION > ? AND {held}",
        [requested_at, *key],  # type: ignore[list-item]
    )
    return bool(newer["n"][0].as_py())


def _done(warehouse: Warehouse, dead_letter_ids: Sequence[str]) -> None:
    for dead_letter_id in dead_letter_ids:
        warehouse.execute(
            "UPDATE SOPHIA_CORE.DEAD_LETTERS SET REPLAYED_AT = ? WHERE DEAD_LETTER_ID = ?",
            [datetime.now(UTC), dead_letter_id],
        )
