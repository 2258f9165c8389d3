"""Enrichment and the KPIs that rest on it: odd records, what becomes private or goes away, what is worked out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.address import Address
from pipelines import enrichment, kpis
from pipelines.landing import land_rows
from resources.profile import IntelligenceSettings
from resources.sentiment import Vader
from resources.warehouse import Warehouse
from resources.warehouse.tables import CATALOG_ENTRIES
from tests.conftest import open_migrated, profile_for
from transforms import rows
from transforms.raw import Rejected, to_row

NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SETTINGS = IntelligenceSettings(competitors="Planora; ShiftHive")
VERSIONS = iter(NOW + timedelta(seconds=n) for n in range(10_000))

Row = dict[str, Any]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with open_migrated(profile_for(tmp_path)) as opened:
        yield opened


def land(warehouse: Warehouse, stream: str, *records: Row) -> None:
    entity = rows.entity(Address(*stream.split("/")))
    staged = []
    for record in records:
        row = to_row(entity, record, version=next(VERSIONS), origin="pull")
        assert not isinstance(row, Rejected), row.reason
        staged.append(row)
    land_rows(entity, staged, "pull", warehouse)


def bury(warehouse: Warehouse, stream: str, key: str) -> None:
    entity = rows.entity(Address(*stream.split("/")))
    at = next(VERSIONS)
    tombstone = dict.fromkeys(field.name for field in entity.fields) | {entity.key[0]: key}
    marks = {"payload": "{}", "_version": at, "_deleted_at": at, "_origin": "", "_content_hash": "", "_landed_at": at}
    land_rows(entity, [tombstone | marks | {"_load_id": ""}], "pull", warehouse)


def call(call_id: str, *, private: bool = False, days_ago: int = 1, **content: Any) -> Row:
    started = (NOW - timedelta(days=days_ago)).isoformat()
    facts = {"id": call_id, "title": "Renewal", "started": started, "duration": 60, "isPrivate": private}
    return {"metaData": facts, "parties": [{"name": "Ann Berg"}], "content": content}


def transcript(call_id: str, *sentences: str) -> Row:
    said = [{"start": 0, "end": 1000, "text": text} for text in sentences]
    return {"callId": call_id, "transcript": [{"speakerId": "1", "sentences": said}]}


def enriched(warehouse: Warehouse) -> dict[str, Row]:
    found = warehouse.query("SELECT * FROM GONG_INTELLIGENCE.CALL_ENRICHMENT").to_pylist()
    return {row["call_id"]: row for row in found}


def calls_analyzed(warehouse: Warehouse, days_ago: int = 1) -> int | None:
    day = (NOW - timedelta(days=days_ago)).date()
    found = warehouse.query("SELECT DATE_KEY, CALLS_ANALYZED FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS").to_pylist()
    count: int | None = {row["date_key"]: row["calls_analyzed"] for row in found}[day]
    return count


def roll_up(warehouse: Warehouse) -> None:
    enrichment.enrich(SETTINGS, Vader(), warehouse)
    kpis.refresh(SETTINGS, warehouse, NOW.date())


@pytest.mark.parametrize(
    "content",
    [
        {"trackers": [{"count": 2}]},
        {"topics": [{"name": None, "duration": 3}, {"name": "Pricing", "duration": 5}]},
        {"callOutcome": {"name": "[Lost] budget"}},
        {"callOutcome": {"name": 5}},
        {"topics": "none"},
    ],
)
def test_an_odd_call_stops_no_other(warehouse: Warehouse, content: Row) -> None:
    land(warehouse, "gong/calls", call("1", **content), call("2"))
    land(warehouse, "gong/transcripts", transcript("1", "Planora is great."), transcript("2", "ShiftHive failed."))
    roll_up(warehouse)
    assert msgspec.json.decode(enriched(warehouse)["2"]["competitive_mentions"]) == ["ShiftHive"]
    other = IntelligenceSettings(competitors="Planora")
    assert enrichment.enrich_calls(other, Vader(), warehouse) == 2, "other rules work everything out again"
    assert enrichment.enrich_calls(other, Vader(), warehouse) == 0


def test_what_comes_out_as_it_was_is_no_new_load(warehouse: Warehouse) -> None:
    land(warehouse, "gong/calls", call("1"), call("2"))
    land(warehouse, "gong/transcripts", transcript("1", "Planora is great."), transcript("2", "ShiftHive failed."))
    roll_up(warehouse)
    before = enriched(warehouse)
    enrichment.enrich_calls(IntelligenceSettings(competitors="Planora; Rotawise"), Vader(), warehouse)
    after = enriched(warehouse)
    assert after["1"]["load_id"] == before["1"]["load_id"]
    assert after["2"]["load_id"] != before["2"]["load_id"]


@pytest.mark.parametrize("how", ["private", "without a transcript", "deleted"])
def test_what_may_no_longer_be_said_leaves_numbers_and_views(warehouse: Warehouse, how: str) -> None:
    land(warehouse, "gong/calls", call("1", days_ago=40), call("2"))
    land(warehouse, "gong/transcripts", transcript("1", "Hello."), transcript("2", "Planora is great."))
    roll_up(warehouse)
    assert calls_analyzed(warehouse) == 1
    if how == "private":
        land(warehouse, "gong/calls", call("2", private=True))
    elif how == "deleted":
        bury(warehouse, "gong/calls", "2")
    else:
        bury(warehouse, "gong/transcripts", "2")
    kpis.refresh(SETTINGS, warehouse, NOW.date())
    if how == "private":
        assert calls_analyzed(warehouse) == 0, "before enrichment has seen it"
        shown = warehouse.query(
            "SELECT SUM(ARRAY_SIZE(COMPETITORS_MENTIONED)) AS NAMED, MAX(AVG_SENTIMENT) AS SENTIMENT "
            "FROM EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA"
        ).to_pylist()
        assert shown == [{"named": 0, "sentiment": None}]
    roll_up(warehouse)
    assert calls_analyzed(warehouse) == (None if how == "deleted" else 0)
    assert msgspec.json.decode(enriched(warehouse)["2"]["competitive_mentions"]) == []
    assert enriched(warehouse)["2"]["sentiment_score"] is None
    assert calls_analyzed(warehouse, 40) == 1


def test_companies_of_one_name_are_all_named(warehouse: Warehouse) -> None:
    names = {"1": "Acme", "2": "ACME ", "3": "Großmann AG", "4": "=", "5": "Mıgros", "6": "C++ Garage"}
    made = {"createdate": NOW.isoformat(), "hs_lastmodifieddate": NOW.isoformat()}
    land(
        warehouse,
        "hubspot/companies",
        *({"id": key, "properties": {"name": name} | made, "archived": False} for key, name in names.items()),
    )
    texts = {"a": "acme: export", "b": "Wartet auf GROSSMANN  AG.", "c": "mIGROS İ ŞHİFT", "d": "the c++ garage door"}
    land(
        warehouse,
        "linear/issues",
        *({"id": key, "title": text, "createdAt": NOW.isoformat(), "trashed": False} for key, text in texts.items()),
    )
    assert enrichment.enrich_issues(warehouse) == 4
    found = warehouse.query("SELECT ISSUE_ID, COMPANY_IDS FROM SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT").to_pylist()
    assert {row["issue_id"]: msgspec.json.decode(row["company_ids"]) for row in found} == {
        "a": ["1", "2"],
        "b": ["3"],
        "c": [],
        "d": ["6"],
    }


# ── mentions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def catalogue(warehouse: Warehouse, document_id: str, text: str, **more: Any) -> None:
    """Put an entry into the catalog, or another state of it."""
    source, data_type, _ = document_id.split(":")
    entry = dict.fromkeys(CATALOG_ENTRIES.column_names) | {
        "data_id": document_id,
        "base_id": document_id,
        "source_system": source,
        "data_type": data_type,
        "access_scope": "public",
        "title": "A call",
        "header": "",
        "sections": msgspec.json.encode([{"text": text}]).decode(),
        "metadata": "{}",
        "occurred_at": NOW,
        "content_hash": "",
        "revision": 1,
        "created_at": NOW,
        "updated_at": next(VERSIONS),
    }
    values = ", ".join(column.type.from_staged(column.name) for column in CATALOG_ENTRIES.columns)
    names = ", ".join(CATALOG_ENTRIES.column_names)
    with warehouse.transaction(entries=(CATALOG_ENTRIES, CATALOG_ENTRIES.rows([entry | more]))) as transaction:
        transaction.execute("DELETE FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = ?", [document_id])
        transaction.execute(f"INSERT INTO SOPHIA_CORE.CATALOG_ENTRIES ({names}) SELECT {values} FROM STAGED_ENTRIES")


def mentions(warehouse: Warehouse) -> list[Row]:
    return warehouse.query(
        "SELECT COMPETITOR, ACCOUNT_ID, SENTENCE, THREAT_LEVEL, DETECTED_AT "
        "FROM COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS ORDER BY SENTENCE"
    ).to_pylist()


class Interrupting(Vader):
    """Does something the first time that it is asked, as another process may."""

    def __init__(self, deed: Callable[[], None]) -> None:
        self._deed: Callable[[], None] | None = deed

    def score(self, sentence: str) -> float:
        if self._deed is not None:
            deed, self._deed = self._deed, None
            deed()
        return super().score(sentence)


@pytest.mark.parametrize("change", [{"access_scope": "gong:call:1"}, {"deleted_at": NOW}])
def test_what_becomes_private_while_it_is_read_leaves_no_sentence(warehouse: Warehouse, change: Row) -> None:
    secret = "Our plan against Planora."
    catalogue(warehouse, "gong:call:1", secret)
    catalogue(warehouse, "gong:call:2", "Planora called.")
    reading = Interrupting(lambda: catalogue(warehouse, "gong:call:1", secret, **change))
    enrichment.find_mentions(SETTINGS, reading, warehouse)
    assert [m["sentence"] for m in mentions(warehouse)] == ["Planora called."]
    assert enrichment.find_mentions(SETTINGS, Vader(), warehouse) == (0, 0)


def test_a_mention_keeps_its_first_time_and_follows_its_document(warehouse: Warehouse) -> None:
    catalogue(warehouse, "gong:call:1", "Planora offered a discount.")
    assert enrichment.find_mentions(SETTINGS, Vader(), warehouse) == (1, 1)
    [first] = mentions(warehouse)
    metadata = '{"account_id": "7", "opportunity_id": "8"}'
    catalogue(warehouse, "gong:call:1", "Now then. Planora offered a discount.", metadata=metadata)
    assert enrichment.find_mentions(SETTINGS, Vader(), warehouse) == (1, 1)
    [again] = mentions(warehouse)
    assert (again["account_id"], again["threat_level"]) == ("7", first["threat_level"] + 2)
    assert again["detected_at"] == first["detected_at"]
    catalogue(warehouse, "gong:call:1", "Nobody is named.")
    enrichment.find_mentions(SETTINGS, Vader(), warehouse)
    assert mentions(warehouse) == []


# ── what restates ─────────────────────────────────────────────────────────────────────────────────────────────────────


def deal(deal_id: str, created_days_ago: int) -> Row:
    made = (NOW - timedelta(days=created_days_ago)).isoformat()
    properties = {"createdate": made, "hs_lastmodifieddate": NOW.isoformat(), "amount": "100", "dealstage": "new"}
    return {"id": deal_id, "properties": properties, "archived": False}


def active_deals(warehouse: Warehouse) -> dict[date, int | None]:
    found = warehouse.query("SELECT DATE_KEY, ACTIVE_DEALS FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS").to_pylist()
    return {row["date_key"]: row["active_deals"] for row in found}


def test_a_deal_whose_creation_was_redated_restates_the_days_between(warehouse: Warehouse) -> None:
    land(warehouse, "hubspot/deals", deal("1", 12), deal("2", 10))
    roll_up(warehouse)
    day = (NOW - timedelta(days=8)).date()
    assert active_deals(warehouse)[day] == 2
    land(warehouse, "hubspot/deals", deal("2", 3))
    roll_up(warehouse)
    assert active_deals(warehouse)[day] == 1


def test_a_price_restates_every_day_also_after_a_crash(warehouse: Warehouse) -> None:
    land(warehouse, "hubspot/deals", deal("1", 12))
    roll_up(warehouse)
    priced = IntelligenceSettings(hosted_million_tokens=2.0, hardware_hour=1.0)
    kpis._set_prices(priced, {}, warehouse)  # and no further
    assert kpis.refresh(priced, warehouse, NOW.date()).days == 13
    assert kpis.refresh(priced, warehouse, NOW.date()).days == 1
