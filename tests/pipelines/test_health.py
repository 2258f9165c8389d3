"""What `sophia status` reads, against a warehouse and a broker whose state the test has made."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from contracts.address import Address
from pipelines import dead_letters
from pipelines.health import Health, Lag, SourceHealth, health
from pipelines.limits import VendorState
from resources.broker import free_port
from tests.conftest import open_migrated, profile_for
from tests.pipelines.rig import Rig
from transforms import rows
from transforms.raw import Rejected

SOON = timedelta(seconds=30)
LATER = timedelta(hours=1)


def read(rig: Rig, after: timedelta = SOON) -> tuple[Health, dict[str, SourceHealth]]:
    found = health(rig.profile, rig.warehouse, datetime.now(UTC) + after)
    assert tuple(one.source for one in found.sources) == rows.sources()
    return found, {one.source: one for one in found.sources}


def test_it_follows_the_way_of_the_data(rig: Rig) -> None:
    found, sources = read(rig)
    nothing = SourceHealth(
        source="gong",
        landed_at=None,
        landed_rows=0,
        pulled_at=None,
        age_s=None,
        is_late=True,
        documents=0,
        waiting=0,
        failed=0,
        dead_letters=0,
        vendor=VendorState(circuit="closed", tried_again_at=None, requests_today=0),
    )
    assert sources["gong"] == nothing
    assert (found.lag, found.kpi_day) == (None, None)
    assert "no topic documents.v1" in str(found.broker)

    before = datetime.now(UTC)
    landed = rig.pull()
    rig.catalogue()
    published = rig.publish()
    found, sources = read(rig)
    assert (found.lag, found.broker) == (Lag(documents=published, memory=0), None)
    gong = sources["gong"]
    assert gong.landed_at is not None
    assert before <= gong.landed_at <= datetime.now(UTC)
    assert gong.landed_rows == landed["gong/transcripts"].changed, "the last of its tables"
    assert gong.age_s == pytest.approx(SOON.total_seconds(), abs=20)
    assert not gong.is_late
    assert gong.waiting == sum(source == "gong" for source in public_documents(rig)) > 0
    assert gong.documents >= gong.waiting
    assert sources["hubspot"] == msgspec.structs.replace(nothing, source="hubspot")

    with rig.worker():
        rig.land()
    found, sources = read(rig)
    assert found.lag == Lag(documents=0, memory=0)
    assert {name: one.waiting for name, one in sources.items()} == dict.fromkeys(rows.sources(), 0)
    assert read(rig, LATER)[1]["gong"].is_late


def public_documents(rig: Rig) -> list[str]:
    sql = "SELECT SOURCE_SYSTEM FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = 'public'"
    return [row["source_system"] for row in rig.rows(sql)]


def test_a_pull_that_finds_nothing_new_is_fresh_all_the_same(rig: Rig) -> None:
    rig.pull()
    first = read(rig)[1]["slack"]
    rig.pull()
    second = read(rig)[1]["slack"]
    assert (second.landed_at, second.landed_rows) == (first.landed_at, first.landed_rows)
    assert first.pulled_at is not None
    assert second.pulled_at is not None
    assert second.pulled_at > first.pulled_at


def test_what_failed_is_counted_at_its_source(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    failing = next(name for name in rig.revisions() if name.startswith("slack:"))
    at = datetime.now(UTC)
    record = dead_letters.of_record(Address("gong", "calls"), Rejected({"id": "1"}, "a rule"), at)
    document = dead_letters.of_document("gong", "gong:call:1", {}, "a rule")
    message = dead_letters.DeadLetter.of("documents.v1", b"1", "a rule", at, failing)
    nameless = dead_letters.DeadLetter.of("memory.v1", b"2", "a rule", at)
    waiting = read(rig)[1]["slack"].waiting
    dead_letters.store(rig.warehouse, [record, document, message, nameless])
    found, sources = read(rig)
    assert {name: one.dead_letters for name, one in sources.items()} == {
        "gong": 2,
        "hubspot": 0,
        "linear": 0,
        "slack": 1,
    }
    assert found.dead_letters == 4
    assert (sources["slack"].failed, sources["slack"].waiting) == (1, waiting - 1)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something listens, and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_broker_that_is_down_is_told(tmp_path: Path, silent_port: int) -> None:
    for port in (free_port(), silent_port):
        profile = profile_for(tmp_path, bootstrap=f"127.0.0.1:{port}")
        with open_migrated(profile) as warehouse:
            found = health(profile, warehouse, datetime.now(UTC))
        assert found.lag is None
        assert f"no Kafka broker answers at 127.0.0.1:{port}" in str(found.broker)


def test_the_days_of_the_kpis_are_told(rig_of_all: Rig) -> None:
    from pipelines import enrichment, kpis
    from resources.sentiment import Vader

    rig_of_all.pull()
    enrichment.enrich_calls(rig_of_all.profile.intelligence, Vader(), rig_of_all.warehouse)
    today = datetime.now(UTC).date()
    kpis.refresh(rig_of_all.profile.intelligence, rig_of_all.warehouse, today)
    found, _ = read(rig_of_all)
    assert found.kpi_day == today
    assert found.kpis_computed_at is not None
    assert abs(found.kpis_computed_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_it_speaks_json(rig: Rig) -> None:
    found, _ = read(rig)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Health) == found
