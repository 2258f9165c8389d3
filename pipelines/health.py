"""How the platform does, read from the warehouse and the broker: sources, what waits, how far readers are behind."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from contracts.address import DOCUMENTS_TOPIC, worker_group
from contracts.errors import BrokerUnavailable, TopicMissing
from pipelines import publishing
from pipelines.limits import VendorState, state_of
from pipelines.memory import waiting
from resources import kafka
from resources.profile import Profile
from resources.warehouse import Warehouse
from transforms import rows

_LANDINGS = """
SELECT SPLIT_PART(ADDRESS, '/', 1) AS SOURCE, LANDED_AT, CHANGED
FROM SOPHIA_CORE.LOADS
WHERE ORIGIN <> 'enrichment'
QUALIFY ROW_NUMBER() OVER (PARTITION BY SPLIT_PART(ADDRESS, '/', 1) ORDER BY LANDED_AT DESC) = 1
"""
_PULLS = """
SELECT POSITION_KEY, UPDATED_AT FROM SOPHIA_CORE.POSITIONS WHERE STARTSWITH(POSITION_KEY, 'pull:') AND VALUE <> ''
"""
_DOCUMENTS = """
SELECT SOURCE_SYSTEM AS SOURCE, COUNT(*) AS DOCUMENTS, COUNT_IF(ERROR IS NOT NULL) AS FAILED
FROM SOPHIA_CORE.CATALOG_ENTRIES
WHERE DELETED_AT IS NULL
GROUP BY SOURCE_SYSTEM
"""
_DEAD_LETTERS = """
SELECT ORIGIN, DOCUMENT_ID, COUNT(*) AS LETTERS
FROM SOPHIA_CORE.DEAD_LETTERS
WHERE REPLAYED_AT IS NULL
GROUP BY ORIGIN, DOCUMENT_ID
"""
_KPIS = "SELECT MAX(DATE_KEY) AS DAY, MAX(COMPUTED_AT) AS COMPUTED_AT FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS"


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A source. Times are UTC, None where there was none."""

    source: str
    landed_at: datetime | None
    """When rows last changed, by a pull or a webhook."""
    landed_rows: int
    """Rows that the last landing changed."""
    pulled_at: datetime | None
    """When a pull last landed, even where nothing had changed."""
    age_s: float | None
    """Since the later of both."""
    is_late: bool
    """Whether that is longer than SOPHIA_AUTOMATION_FRESHNESS_MINUTES, or there is none."""
    documents: int
    """That have not been deleted, private ones included."""
    waiting: int
    """Public documents whose present revision is not in memory yet; failed ones are not counted."""
    failed: int
    """Documents that could not be embedded and wait for a replay."""
    dead_letters: int
    """That were not replayed."""
    vendor: VendorState


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that wait on a topic."""

    documents: int
    """documents.v1, behind the workers."""
    memory: int
    """memory.v1 and the workers' dead letters, behind what the warehouse holds."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the platform does."""

    sources: list[SourceHealth]
    dead_letters: int
    """That were not replayed, those that no source can be told of included."""
    lag: Lag | None
    """None: see `broker`."""
    broker: str | None
    """Why the broker could not tell its lag; None where it did."""
    kpi_day: date | None
    """The last day that KPI_ROLLUPS has."""
    kpis_computed_at: datetime | None
    """When a day of it was last computed or restated, UTC."""


def health(profile: Profile, warehouse: Warehouse, now: datetime) -> Health:
    """Read all of it; a broker that is down is told, not raised.

    Raises:
        WarehouseUnavailable, StatementFailed: no warehouse, or one that was never migrated.
    """
    lag, reason = None, None
    try:
        lag = Lag(documents=documents_lag(profile), memory=memory_lag(profile, warehouse))
    except (BrokerUnavailable, TopicMissing) as error:
        reason = str(error)
    letters = _dead_letters(warehouse)
    [kpis] = warehouse.query(_KPIS).to_pylist()
    return Health(
        sources=_sources(profile, warehouse, letters, now),
        dead_letters=sum(letters.values()),
        lag=lag,
        broker=reason,
        kpi_day=kpis["day"],
        kpis_computed_at=_utc(kpis["computed_at"]),
    )


def documents_lag(profile: Profile) -> int:
    """Messages of documents.v1 that no worker has done.

    Raises:
        BrokerUnavailable, TopicMissing
    """
    group = worker_group(kafka.topic_id(profile.kafka, DOCUMENTS_TOPIC))
    starts = kafka.start_offsets(profile.kafka, DOCUMENTS_TOPIC)
    ends = kafka.end_offsets(profile.kafka, DOCUMENTS_TOPIC)
    done = kafka.committed_offsets(profile.kafka, group, DOCUMENTS_TOPIC)
    return sum(end - max(done.get(partition, 0), starts[partition]) for partition, end in ends.items())


def memory_lag(profile: Profile, warehouse: Warehouse) -> int:
    """Messages of the workers that have not landed, by the positions that land with the rows.

    Raises:
        BrokerUnavailable
    """
    return sum(end - landed for landed, end in waiting(profile, warehouse).values())


def _dead_letters(warehouse: Warehouse) -> dict[str, int]:
    """Source → letters; those that name none stand under the empty text."""
    found: dict[str, int] = {}
    for row in warehouse.query(_DEAD_LETTERS).to_pylist():
        # gong/calls of a record; a document's id, gong:call:…, where it is a document or a message that failed
        name = row["origin"] if "/" in row["origin"] else row["document_id"] or ""
        source = name.partition("/")[0].partition(":")[0]
        found[source] = found.get(source, 0) + row["letters"]
    return found


def _sources(profile: Profile, warehouse: Warehouse, letters: dict[str, int], now: datetime) -> list[SourceHealth]:
    landings = {row["source"]: row for row in warehouse.query(_LANDINGS).to_pylist()}
    counts = {row["source"]: row for row in warehouse.query(_DOCUMENTS).to_pylist()}
    backlogs = publishing.backlogs(profile, warehouse)
    pulled: dict[str, datetime] = {}
    for row in warehouse.query(_PULLS).to_pylist():
        source = row["position_key"].removeprefix("pull:").partition("/")[0]
        pulled[source] = max(row["updated_at"], pulled.get(source, row["updated_at"]))
    allowed = timedelta(minutes=profile.automation.freshness_minutes)
    found = []
    for source in rows.sources():
        landed = landings.get(source, {"landed_at": None, "changed": 0})
        landed_at, pulled_at = _utc(landed["landed_at"]), _utc(pulled.get(source))
        last = max(filter(None, [landed_at, pulled_at]), default=None)
        found.append(
            SourceHealth(
                source=source,
                landed_at=landed_at,
                landed_rows=landed["changed"],
                pulled_at=pulled_at,
                age_s=(now - last).total_seconds() if last else None,
                is_late=last is None or now - last > allowed,
                documents=counts[source]["documents"] if source in counts else 0,
                waiting=backlogs.get(source, 0),
                failed=counts[source]["failed"] if source in counts else 0,
                dead_letters=letters.get(source, 0),
                vendor=state_of(source, warehouse, now),
            )
        )
    return found


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
