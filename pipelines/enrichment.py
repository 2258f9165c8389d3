"""Enrichment: what calls, issues and documents say, worked out once for each content and each version of the rules.

    calls with transcripts ──► GONG_INTELLIGENCE.CALL_ENRICHMENT                 sentiment, competitors, points, outcome
    issues × company names ──► SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT        the customers that an issue names
    public documents       ──► COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS      a row a mention

Each step takes what is new, changed, or was worked out by other rules, and removes what belongs to nothing any more. A
row that comes out as it was keeps its load id, so that no KPI is computed again for it. A call that has lost its
transcript or has become private keeps an empty row, so that the days that counted it are computed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import msgspec
import structlog

from contracts import identity
from contracts.records import PUBLIC
from contracts.tables import ColumnType, Table
from pipelines.landing import enter_load, new_load_id
from resources.profile import IntelligenceSettings
from resources.sentiment import Sentiment
from resources.warehouse import Warehouse
from resources.warehouse.tables import CALL_ENRICHMENT, COMPETITOR_MENTIONS, DOCUMENT_ENRICHMENT, ISSUE_ENRICHMENT
from transforms import competitors
from transforms.competitors import Competitors, threat_level
from transforms.names import Names, fold

log = structlog.get_logger()

BATCH = 200
"""Calls or documents that one transaction holds."""
BATCH_ISSUES = 10_000

Row = dict[str, Any]


class Enriched(msgspec.Struct, frozen=True, kw_only=True):
    """How many were worked out; what had been worked out before is not counted."""

    calls: int
    issues: int
    documents: int
    mentions: int
    """In these documents."""


def enrich(settings: IntelligenceSettings, sentiment: Sentiment, warehouse: Warehouse) -> Enriched:
    """All three steps.

    Raises:
        InvalidSetting: the list of competitors cannot be read.
    """
    documents, mentions = find_mentions(settings, sentiment, warehouse)
    done = Enriched(
        calls=enrich_calls(settings, sentiment, warehouse),
        issues=enrich_issues(warehouse),
        documents=documents,
        mentions=mentions,
    )
    log.info("enriched", **msgspec.structs.asdict(done))
    return done


# ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_CALLS = """
    SELECT
        CALLS.CALL_ID,
        CONCAT(CALLS._CONTENT_HASH, TRANSCRIPTS._CONTENT_HASH) AS CONTENT_HASH,
        CALLS.PAYLOAD AS CALL,
        TRANSCRIPTS.PAYLOAD AS TRANSCRIPT,
        HELD.SENTIMENT_SCORE,
        HELD.COMPETITIVE_MENTIONS,
        HELD.TALKING_POINTS_USED,
        HELD.OUTCOME_CATEGORY,
        HELD.LOAD_ID
    FROM GONG_INTEGRATION.CALLS AS CALLS
    INNER JOIN GONG_INTEGRATION.TRANSCRIPTS AS TRANSCRIPTS ON CALLS.CALL_ID = TRANSCRIPTS.CALL_ID
    LEFT JOIN GONG_INTELLIGENCE.CALL_ENRICHMENT AS HELD ON CALLS.CALL_ID = HELD.CALL_ID
    WHERE CALLS._DELETED_AT IS NULL AND TRANSCRIPTS._DELETED_AT IS NULL AND NOT COALESCE(CALLS.IS_PRIVATE, TRUE)
        AND (
            HELD.CALL_ID IS NULL OR HELD.ENRICHER <> ?
            OR HELD.CONTENT_HASH <> CONCAT(CALLS._CONTENT_HASH, TRANSCRIPTS._CONTENT_HASH)
        )
        AND CALLS.CALL_ID > ?
    ORDER BY CALLS.CALL_ID
    LIMIT ?
"""
_EMPTY_CALLS = """
    UPDATE GONG_INTELLIGENCE.CALL_ENRICHMENT
    SET
        CONTENT_HASH = '',
        ENRICHER = '',
        SENTIMENT_SCORE = NULL,
        COMPETITIVE_MENTIONS = PARSE_JSON('[]'),
        TALKING_POINTS_USED = PARSE_JSON('[]'),
        OUTCOME_CATEGORY = NULL,
        ENRICHED_AT = ?,
        LOAD_ID = ?
    WHERE CONTENT_HASH <> '' AND CALL_ID NOT IN (
        SELECT CALLS.CALL_ID
        FROM GONG_INTEGRATION.CALLS AS CALLS
        INNER JOIN GONG_INTEGRATION.TRANSCRIPTS AS TRANSCRIPTS ON CALLS.CALL_ID = TRANSCRIPTS.CALL_ID
        WHERE CALLS._DELETED_AT IS NULL AND TRANSCRIPTS._DELETED_AT IS NULL AND NOT COALESCE(CALLS.IS_PRIVATE, TRUE)
    )
"""


def enrich_calls(settings: IntelligenceSettings, sentiment: Sentiment, warehouse: Warehouse) -> int:
    """Calls that were worked out."""
    named = settings.named()
    looked_for = Competitors(named)
    enricher = _enricher(sentiment, named)
    _empty_calls(warehouse)
    enriched, last_id = 0, ""
    while calls := warehouse.query(_CALLS, [enricher, last_id, BATCH]).to_pylist():
        rows = []
        for call in calls:
            try:
                said = _said(call, looked_for, sentiment)
            except (AttributeError, KeyError, TypeError, ValueError) as error:  # no odd record may stop the others
                log.warning("call_not_enriched", call_id=call["call_id"], error=type(error).__name__)
                said = _NOTHING_SAID
            rows.append({name: call[name] for name in ("call_id", "content_hash")} | said | {"enricher": enricher})
        _write(CALL_ENRICHMENT, rows, _unchanged(CALL_ENRICHMENT, calls, rows, tuple(_NOTHING_SAID)), warehouse)
        enriched, last_id = enriched + len(rows), calls[-1]["call_id"]
    return enriched


_NOTHING_SAID: Row = {
    "sentiment_score": None,
    "competitive_mentions": "[]",
    "talking_points_used": "[]",
    "outcome_category": None,
}


def _empty_calls(warehouse: Warehouse) -> None:
    now, load_id = datetime.now(UTC), new_load_id()
    with warehouse.transaction() as transaction:
        emptied = transaction.execute(_EMPTY_CALLS, [now, load_id])
        if emptied:
            enter_load(transaction, load_id, _address(CALL_ENRICHMENT), emptied, emptied, now)


def _said(call: Row, looked_for: Competitors, sentiment: Sentiment) -> Row:
    """Gong cuts what was said into sentences; the score is their mean."""
    record, transcript = msgspec.json.decode(call["call"]), msgspec.json.decode(call["transcript"])
    people = [party["name"] for party in record.get("parties") or [] if party.get("name")]
    turns = [
        [sentence["text"] for sentence in monologue.get("sentences") or [] if sentence.get("text")]
        for monologue in transcript.get("transcript") or []
    ]
    content = record.get("content") or {}
    points = {topic.get("name") for topic in content.get("topics") or [] if topic.get("duration")}
    points |= {tracker.get("name") for tracker in content.get("trackers") or [] if tracker.get("count")}
    outcome = (content.get("callOutcome") or {}).get("name")
    scores = [sentiment.score(sentence) for sentences in turns for sentence in sentences]
    return {
        "sentiment_score": fmean(scores) if scores else None,
        "competitive_mentions": _json(
            sorted({m.competitor for turn in turns for m in looked_for.mentions(" ".join(turn), people)})
        ),
        "talking_points_used": _json(sorted(filter(None, points))),
        "outcome_category": outcome if isinstance(outcome, str) else None,
    }


# ── issues ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_COMPANIES = "SELECT COMPANY_ID, NAME FROM HUBSPOT_INTEGRATION.COMPANIES WHERE _DELETED_AT IS NULL ORDER BY COMPANY_ID"
_ISSUES = """
    SELECT
        ISSUES.ISSUE_ID,
        ISSUES._CONTENT_HASH AS CONTENT_HASH,
        ISSUES.TITLE,
        ISSUES.DESCRIPTION,
        HELD.COMPANY_IDS,
        HELD.LOAD_ID
    FROM LINEAR_INTEGRATION.ISSUES AS ISSUES
    LEFT JOIN SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT AS HELD ON ISSUES.ISSUE_ID = HELD.ISSUE_ID
    WHERE ISSUES._DELETED_AT IS NULL
        AND (HELD.ISSUE_ID IS NULL OR HELD.ENRICHER <> ? OR HELD.CONTENT_HASH <> ISSUES._CONTENT_HASH)
        AND ISSUES.ISSUE_ID > ?
    ORDER BY ISSUES.ISSUE_ID
    LIMIT ?
"""
_FORGET_ISSUES = """
    DELETE FROM SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT
    WHERE ISSUE_ID NOT IN (SELECT ISSUE_ID FROM LINEAR_INTEGRATION.ISSUES WHERE _DELETED_AT IS NULL)
"""


def enrich_issues(warehouse: Warehouse) -> int:
    """Issues that were worked out."""
    ids: dict[str, list[str]] = {}
    for company in warehouse.query(_COMPANIES).to_pylist():
        if company["name"] and company["name"].strip():
            ids.setdefault(fold(company["name"]), []).append(company["company_id"])
    names = Names({name: [name] for name in ids})
    enricher = f"names-{competitors.VERSION}|{identity.record_hash(ids)}"
    warehouse.execute(_FORGET_ISSUES)
    enriched, last_id = 0, ""
    while issues := warehouse.query(_ISSUES, [enricher, last_id, BATCH_ISSUES]).to_pylist():
        rows = []
        for issue in issues:
            text = f"{issue['title'] or ''}\n{issue['description'] or ''}"
            company_ids = sorted({company_id for found in names.find(text) for company_id in ids[found.name]})
            rows.append(
                {
                    "issue_id": issue["issue_id"],
                    "content_hash": issue["content_hash"],
                    "enricher": enricher,
                    "company_ids": _json(company_ids),
                }
            )
        _write(ISSUE_ENRICHMENT, rows, _unchanged(ISSUE_ENRICHMENT, issues, rows, ("company_ids",)), warehouse)
        enriched, last_id = enriched + len(rows), issues[-1]["issue_id"]
    return enriched


# ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_DOCUMENTS = """
    SELECT
        CATALOG.DATA_ID AS DOCUMENT_ID,
        CATALOG.SOURCE_SYSTEM,
        CATALOG.DATA_TYPE,
        CATALOG.UPDATED_AT AS ENTRY_UPDATED_AT,
        CATALOG.SECTIONS,
        CATALOG.METADATA,
        CATALOG.OCCURRED_AT
    FROM SOPHIA_CORE.CATALOG_ENTRIES AS CATALOG
    LEFT JOIN COMPETITIVE_INTELLIGENCE.DOCUMENT_ENRICHMENT AS HELD ON CATALOG.DATA_ID = HELD.DOCUMENT_ID
    WHERE CATALOG.DELETED_AT IS NULL AND CATALOG.ACCESS_SCOPE = ?
        AND (HELD.DOCUMENT_ID IS NULL OR HELD.ENRICHER <> ? OR HELD.ENTRY_UPDATED_AT <> CATALOG.UPDATED_AT)
        AND CATALOG.DATA_ID > ?
    ORDER BY CATALOG.DATA_ID
    LIMIT ?
"""
_FORGET_DOCUMENTS = """
    DELETE FROM COMPETITIVE_INTELLIGENCE.DOCUMENT_ENRICHMENT
    WHERE DOCUMENT_ID NOT IN (
        SELECT DATA_ID FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = ?
    )
"""
_FORGET_MENTIONS = """
    DELETE FROM COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS
    WHERE DOCUMENT_ID NOT IN (
        SELECT DATA_ID FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = ?
    )
"""
_AS_READ = f"""
    SELECT READ_NOW.DOCUMENT_ID
    FROM STAGED_DOCUMENTS AS READ_NOW
    INNER JOIN SOPHIA_CORE.CATALOG_ENTRIES AS CATALOG ON READ_NOW.DOCUMENT_ID = CATALOG.DATA_ID
    WHERE CATALOG.UPDATED_AT = READ_NOW.ENTRY_UPDATED_AT
        AND CATALOG.DELETED_AT IS NULL AND CATALOG.ACCESS_SCOPE = '{PUBLIC}'
"""
_HOLD = f"UPDATE SOPHIA_CORE.CATALOG_ENTRIES SET UPDATED_AT = UPDATED_AT WHERE DATA_ID IN ({_AS_READ})"
"""Comes first: it takes the catalog's rows, so that a document cannot be deleted or become private until this commits.
What has changed since it was read is left out, and is read again by the next run."""
_DROP_MENTIONS = f"""
    DELETE FROM COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS
    WHERE DOCUMENT_ID IN ({_AS_READ}) AND MENTION_ID NOT IN (SELECT MENTION_ID FROM STAGED_MENTIONS)
"""


def find_mentions(settings: IntelligenceSettings, sentiment: Sentiment, warehouse: Warehouse) -> tuple[int, int]:
    """Documents that were read, and the mentions in them. What is gone lost its mentions with its catalog entry."""
    named = settings.named()
    looked_for = Competitors(named)
    enricher = _enricher(sentiment, named)
    for forget in (_FORGET_DOCUMENTS, _FORGET_MENTIONS):
        warehouse.execute(forget, [PUBLIC])
    read, found, last_id = 0, 0, ""
    while documents := warehouse.query(_DOCUMENTS, [PUBLIC, enricher, last_id, BATCH]).to_pylist():
        last_id, now = documents[-1]["document_id"], datetime.now(UTC)
        mentions = [m for document in documents for m in _mentions(document, looked_for, sentiment, now)]
        looked_at = [
            {
                "document_id": document["document_id"],
                "entry_updated_at": document["entry_updated_at"],
                "enricher": enricher,
                "enriched_at": now,
            }
            for document in documents
        ]
        with warehouse.transaction(
            documents=(DOCUMENT_ENRICHMENT, DOCUMENT_ENRICHMENT.rows(looked_at)),
            mentions=(COMPETITOR_MENTIONS, COMPETITOR_MENTIONS.rows(mentions)),
        ) as transaction:
            transaction.execute(_HOLD)
            transaction.execute(_DROP_MENTIONS)
            for table, staged in ((COMPETITOR_MENTIONS, "STAGED_MENTIONS"), (DOCUMENT_ENRICHMENT, "STAGED_DOCUMENTS")):
                where = f"WHERE DOCUMENT_ID IN ({_AS_READ})"
                transaction.execute(_merge(table, staged, where, keep=("detected_at",)))
        read, found = read + len(documents), found + len(mentions)
    return read, found


def _mentions(document: Row, looked_for: Competitors, sentiment: Sentiment, now: datetime) -> list[Row]:
    metadata = msgspec.json.decode(document["metadata"])
    of_deal = document["data_type"] == "deal" or metadata.get("opportunity_id") is not None
    counted: Counter[str] = Counter()
    rows = []
    for section in msgspec.json.decode(document["sections"]):
        for mention in looked_for.mentions(section["text"], metadata.get("people") or ()):
            score = sentiment.score(mention.sentence)
            account_id = metadata.get("account_id")
            number = counted[mention.competitor]
            counted[mention.competitor] += 1
            rows.append(
                {
                    "mention_id": identity.mention_id(document["document_id"], mention.competitor, number),
                    "competitor": mention.competitor,
                    "source_system": document["source_system"],
                    "document_id": document["document_id"],
                    "account_id": account_id,
                    "sentence": mention.sentence,
                    "sentiment_score": score,
                    "threat_level": threat_level(
                        mention.sentence, score, of_account=account_id is not None, of_deal=of_deal
                    ),
                    "occurred_at": document["occurred_at"],
                    "detected_at": now,
                }
            )
    return rows


# ── what they share ───────────────────────────────────────────────────────────────────────────────────────────────────


def _enricher(sentiment: Sentiment, named: Mapping[str, Sequence[str]]) -> str:
    return f"{sentiment.model_id}|rules-{competitors.VERSION}|{identity.record_hash(named)}"


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _unchanged(table: Table, held: Sequence[Row], new: Sequence[Row], columns: Sequence[str]) -> list[str | None]:
    """The load id of each row that says what was held, None for the others."""
    arrays = {column.name for column in table.columns if column.type is ColumnType.ARRAY}

    def said(row: Row) -> list[object]:
        values = ((name, row[name]) for name in columns)
        return [msgspec.json.decode(v) if name in arrays and v is not None else v for name, v in values]

    return [
        before["load_id"] if before["load_id"] is not None and said(before) == said(after) else None
        for before, after in zip(held, new, strict=True)
    ]


def _write(table: Table, rows: Sequence[Row], load_ids: Sequence[str | None], warehouse: Warehouse) -> None:
    """Merge rows, and enter their load where one of them says something new, so that the KPIs take it in."""
    now, load_id = datetime.now(UTC), new_load_id()
    staged = [row | {"enriched_at": now, "load_id": kept or load_id} for row, kept in zip(rows, load_ids, strict=True)]
    changed = sum(kept is None for kept in load_ids)
    with warehouse.transaction(rows=(table, table.rows(staged))) as transaction:
        transaction.execute(_merge(table, "STAGED_ROWS"))
        if changed:
            enter_load(transaction, load_id, _address(table), len(rows), changed, now)


def _address(table: Table) -> str:
    return table.name.lower().replace(".", "/")


def _merge(table: Table, staged: str, where: str = "", keep: Sequence[str] = ()) -> str:
    """The staged rows replace those of their key; columns in `keep` stay as they were first written."""
    values = ", ".join(f"{c.type.from_staged(c.name)} AS {c.name}" for c in table.columns)
    written = [name for name in table.column_names if name not in (*table.key, *keep)]
    return f"""
        MERGE INTO {table.name} AS t USING (SELECT {values} FROM {staged} {where}) AS s
        ON {" AND ".join(f"t.{name} = s.{name}" for name in table.key)}
        WHEN MATCHED THEN UPDATE SET {", ".join(f"{name} = s.{name}" for name in written)}
        WHEN NOT MATCHED THEN INSERT ({", ".join(table.column_names)})
            VALUES ({", ".join(f"s.{name}" for name in table.column_names)})
    """
