"""Enrichment: what was worked out keeps to its scale, and is about what is there and may be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from contracts.records import PUBLIC
from pipelines.quality.checks import Check, Look, Suite

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

CALLS = ("intelligence", "call_enrichment")
ISSUES = ("intelligence", "issue_enrichment")
MENTIONS = ("intelligence", "competitor_mentions")


def suites() -> Iterator[Suite]:
    yield Suite(
        (Check(CALLS, "rows", "Of a call that is there; sentiment from -1 to 1; competitors of the settings alone."),),
        ("call_id",),
        _read_calls,
        _call_rules,
    )
    yield Suite(
        (Check(ISSUES, "rows", "Of an issue that is there; it names companies that are there."),),
        ("issue_id",),
        _read_issues,
        _issue_rules,
    )
    yield Suite(
        (
            Check(MENTIONS, "rows", "Sentiment from -1 to 1, threat from 1 to 5, a competitor of the settings."),
            Check(MENTIONS, "documents", "A mention's document lives and everybody may read it."),
        ),
        ("mention_id",),
        _read_mentions,
        _mention_rules,
    )


def _read_calls(look: Look) -> pd.DataFrame:
    frame = look.warehouse.query(
        """
        SELECT
            ENRICHMENT.CALL_ID,
            ENRICHMENT.SENTIMENT_SCORE,
            ENRICHMENT.COMPETITIVE_MENTIONS,
            CALLS.CALL_ID IS NOT NULL AS HAS_CALL
        FROM GONG_INTELLIGENCE.CALL_ENRICHMENT AS ENRICHMENT
        LEFT JOIN GONG_INTEGRATION.CALLS AS CALLS ON ENRICHMENT.CALL_ID = CALLS.CALL_ID
        WHERE ENRICHMENT.ENRICHED_AT >= ?
        """,
        [look.since],
    ).to_pandas()
    named = look.profile.intelligence.named().keys()
    mentions = frame.pop("competitive_mentions")
    return frame.assign(are_known=[set(msgspec.json.decode(names)) <= named for names in mentions])


def _call_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between, true

    return {
        "rows": [
            true("has_call", "an enriched call is there"),
            true("are_known", "the competitors named are in the settings"),
            between("sentiment_score", -1, 1, "sentiment is from -1 to 1"),
        ]
    }


def _read_issues(look: Look) -> pd.DataFrame:
    frame = look.warehouse.query(
        """
        SELECT ENRICHMENT.ISSUE_ID, ENRICHMENT.COMPANY_IDS, ISSUES.ISSUE_ID IS NOT NULL AS HAS_ISSUE
        FROM SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT AS ENRICHMENT
        LEFT JOIN LINEAR_INTEGRATION.ISSUES AS ISSUES ON ENRICHMENT.ISSUE_ID = ISSUES.ISSUE_ID
        WHERE ENRICHMENT.ENRICHED_AT >= ?
        """,
        [look.since],
    ).to_pandas()
    companies = set(
        look.warehouse.query("SELECT COMPANY_ID FROM HUBSPOT_INTEGRATION.COMPANIES")["company_id"].to_pylist()
    )
    named = frame.pop("company_ids")
    return frame.assign(are_known=[set(msgspec.json.decode(ids)) <= companies for ids in named])


def _issue_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import true

    return {
        "rows": [
            true("has_issue", "an enriched issue is there"),
            true("are_known", "the companies named are there"),
        ]
    }


def _read_mentions(look: Look) -> pd.DataFrame:
    """Every mention: what became of its document has left no time on it."""
    frame = look.warehouse.query(
        """
        SELECT
            MENTIONS.MENTION_ID,
            MENTIONS.COMPETITOR,
            MENTIONS.SENTIMENT_SCORE,
            MENTIONS.THREAT_LEVEL,
            COALESCE(CATALOG.DELETED_AT IS NULL AND CATALOG.ACCESS_SCOPE = ?, FALSE) AS IS_PUBLIC
        FROM COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS AS MENTIONS
        LEFT JOIN SOPHIA_CORE.CATALOG_ENTRIES AS CATALOG ON MENTIONS.DOCUMENT_ID = CATALOG.DATA_ID
        """,
        [PUBLIC],
    ).to_pandas()
    return frame.assign(is_known=frame.pop("competitor").isin(look.profile.intelligence.named()))


def _mention_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between, true, unique

    return {
        "rows": [
            unique("mention_id", "an id stands once"),
            true("is_known", "the competitor is in the settings"),
            between("sentiment_score", -1, 1, "sentiment is from -1 to 1"),
            between("threat_level", 1, 5, "threat is from 1 to 5"),
        ],
        "documents": [true("is_public", "a mention's document lives and is public")],
    }
