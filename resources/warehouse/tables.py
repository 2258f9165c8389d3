"""The tables of `sql/migrations/V0001__core.sql` and `R__memory_records.sql` that code stages rows for.

A test holds names, types, nullability and keys equal to the DDL.
"""

from __future__ import annotations

from contracts.tables import Column, ColumnType, Table

CATALOG_ENTRIES = Table(
    "SOPHIA_CORE.CATALOG_ENTRIES",
    key=("data_id",),
    columns=(
        Column("data_id", ColumnType.TEXT, nullable=False),
        Column("base_id", ColumnType.TEXT, nullable=False),
        Column("source_system", ColumnType.TEXT, nullable=False),
        Column("data_type", ColumnType.TEXT, nullable=False),
        Column("access_scope", ColumnType.TEXT, nullable=False),
        Column("title", ColumnType.TEXT, nullable=False),
        Column("header", ColumnType.TEXT, nullable=False),
        Column("sections", ColumnType.VARIANT, nullable=False),
        Column("metadata", ColumnType.VARIANT, nullable=False),
        Column("occurred_at", ColumnType.TIMESTAMP, nullable=False),
        Column("content_hash", ColumnType.TEXT, nullable=False),
        Column("revision", ColumnType.INTEGER, nullable=False),
        Column("published_revision", ColumnType.INTEGER),
        Column("published_fingerprint", ColumnType.TEXT),
        Column("published_at", ColumnType.TIMESTAMP),
        Column("landed_revision", ColumnType.INTEGER),
        Column("landed_fingerprint", ColumnType.TEXT),
        Column("error", ColumnType.TEXT),
        Column("created_at", ColumnType.TIMESTAMP, nullable=False),
        Column("updated_at", ColumnType.TIMESTAMP, nullable=False),
        Column("deleted_at", ColumnType.TIMESTAMP),
    ),
)

DEAD_LETTERS = Table(
    "SOPHIA_CORE.DEAD_LETTERS",
    key=("dead_letter_id",),
    columns=(
        Column("dead_letter_id", ColumnType.TEXT, nullable=False),
        Column("origin", ColumnType.TEXT, nullable=False),
        Column("document_id", ColumnType.TEXT),
        Column("revision", ColumnType.INTEGER),
        Column("reason", ColumnType.TEXT, nullable=False),
        Column("body_base64", ColumnType.TEXT, nullable=False),
        Column("headers", ColumnType.VARIANT, nullable=False),
        Column("failed_at", ColumnType.TIMESTAMP, nullable=False),
        Column("replayed_at", ColumnType.TIMESTAMP),
    ),
)

EMBEDDING_USAGE = Table(
    "SOPHIA_CORE.EMBEDDING_USAGE",
    key=(),
    columns=(
        Column("document_id", ColumnType.TEXT, nullable=False),
        Column("revision", ColumnType.INTEGER, nullable=False),
        Column("fingerprint", ColumnType.TEXT, nullable=False),
        Column("chunks", ColumnType.INTEGER, nullable=False),
        Column("tokens", ColumnType.INTEGER, nullable=False),
        Column("tokens_from_cache", ColumnType.INTEGER, nullable=False),
        Column("compute_s", ColumnType.FLOAT, nullable=False),
        Column("landed_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)
"""Append-only: a batch that is delivered twice has cost twice."""

MEMORY_RECORDS = Table(
    "SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5",
    key=("memory_id",),
    columns=(
        Column("memory_id", ColumnType.TEXT, nullable=False),
        Column("document_id", ColumnType.TEXT, nullable=False),
        Column("ordinal", ColumnType.INTEGER, nullable=False),
        Column("content", ColumnType.TEXT, nullable=False),
        Column("content_hash", ColumnType.TEXT, nullable=False),
        Column("section_start", ColumnType.INTEGER, nullable=False),
        Column("section_end", ColumnType.INTEGER, nullable=False),
        Column("token_count", ColumnType.INTEGER, nullable=False),
        Column("embedding", ColumnType.VECTOR, nullable=False),
        Column("revision", ColumnType.INTEGER, nullable=False),
        Column("fingerprint", ColumnType.TEXT, nullable=False),
        Column("created_at", ColumnType.TIMESTAMP, nullable=False),
        Column("updated_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)
"""Of the current model, whatever its name here: `dialect.shape` puts the profile's model in its place."""

CALL_ENRICHMENT = Table(
    "GONG_INTELLIGENCE.CALL_ENRICHMENT",
    key=("call_id",),
    columns=(
        Column("call_id", ColumnType.TEXT, nullable=False),
        Column("content_hash", ColumnType.TEXT, nullable=False),
        Column("enricher", ColumnType.TEXT, nullable=False),
        Column("sentiment_score", ColumnType.FLOAT),
        Column("competitive_mentions", ColumnType.ARRAY, nullable=False),
        Column("talking_points_used", ColumnType.ARRAY, nullable=False),
        Column("outcome_category", ColumnType.TEXT),
        Column("enriched_at", ColumnType.TIMESTAMP, nullable=False),
        Column("load_id", ColumnType.TEXT, nullable=False),
    ),
)

ISSUE_ENRICHMENT = Table(
    "SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT",
    key=("issue_id",),
    columns=(
        Column("issue_id", ColumnType.TEXT, nullable=False),
        Column("content_hash", ColumnType.TEXT, nullable=False),
        Column("enricher", ColumnType.TEXT, nullable=False),
        Column("company_ids", ColumnType.ARRAY, nullable=False),
        Column("enriched_at", ColumnType.TIMESTAMP, nullable=False),
        Column("load_id", ColumnType.TEXT, nullable=False),
    ),
)

DOCUMENT_ENRICHMENT = Table(
    "COMPETITIVE_INTELLIGENCE.DOCUMENT_ENRICHMENT",
    key=("document_id",),
    columns=(
        Column("document_id", ColumnType.TEXT, nullable=False),
        Column("entry_updated_at", ColumnType.TIMESTAMP, nullable=False),
        Column("enricher", ColumnType.TEXT, nullable=False),
        Column("enriched_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)

COMPETITOR_MENTIONS = Table(
    "COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS",
    key=("mention_id",),
    columns=(
        Column("mention_id", ColumnType.TEXT, nullable=False),
        Column("competitor", ColumnType.TEXT, nullable=False),
        Column("source_system", ColumnType.TEXT, nullable=False),
        Column("document_id", ColumnType.TEXT, nullable=False),
        Column("account_id", ColumnType.TEXT),
        Column("sentence", ColumnType.TEXT, nullable=False),
        Column("sentiment_score", ColumnType.FLOAT, nullable=False),
        Column("threat_level", ColumnType.INTEGER, nullable=False),
        Column("occurred_at", ColumnType.TIMESTAMP, nullable=False),
        Column("detected_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)

CHECKS_PASSED = Table(
    "MONITORING.CHECKS_PASSED",
    key=("asset", "check_name"),
    columns=(
        Column("asset", ColumnType.TEXT, nullable=False),
        Column("check_name", ColumnType.TEXT, nullable=False),
        Column("passed_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)

TABLE_ROWS = Table(
    "MONITORING.TABLE_ROWS",
    key=("table_name",),
    columns=(
        Column("table_name", ColumnType.TEXT, nullable=False),
        Column("live_rows", ColumnType.INTEGER, nullable=False),
        Column("counted_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)

ERASED_IDENTIFIERS = Table(
    "SOPHIA_CORE.ERASED_IDENTIFIERS",
    key=("identifier_hash",),
    columns=(
        Column("identifier_hash", ColumnType.TEXT, nullable=False),
        Column("kind", ColumnType.TEXT, nullable=False),
        Column("words", ColumnType.INTEGER, nullable=False),
        Column("first_word_hash", ColumnType.TEXT, nullable=False),
        Column("is_given", ColumnType.BOOLEAN, nullable=False),
        Column("erasure_id", ColumnType.TEXT, nullable=False),
        Column("entered_at", ColumnType.TIMESTAMP, nullable=False),
    ),
)

ALL = (
    CATALOG_ENTRIES,
    DEAD_LETTERS,
    EMBEDDING_USAGE,
    MEMORY_RECORDS,
    CALL_ENRICHMENT,
    ISSUE_ENRICHMENT,
    DOCUMENT_ENRICHMENT,
    COMPETITOR_MENTIONS,
    CHECKS_PASSED,
    TABLE_ROWS,
    ERASED_IDENTIFIERS,
)
