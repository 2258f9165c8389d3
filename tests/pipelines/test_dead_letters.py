"""What could not be read is kept with its bytes, stops nothing, and is put back by replay."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, Address
from contracts.records import DeadLetter
from pipelines import dead_letters, publishing
from pipelines.landing import land_rows
from pipelines.memory import Lander
from resources import kafka
from tests.pipelines.rig import Rig
from tests.pipelines.test_changes import assert_memory_is_whole
from transforms import rows
from transforms.raw import Rejected, to_row

AT = datetime(2026, 11, 1, tzinfo=UTC)


def letters(rig: Rig) -> list[tuple[str, bool]]:
    found = rig.rows("SELECT REASON, REPLAYED_AT FROM SOPHIA_CORE.DEAD_LETTERS ORDER BY ORIGIN, REASON")
    return [(row["reason"], row["replayed_at"] is not None) for row in found]


def test_a_record_is_read_again_by_todays_rules_with_its_own_version(rig: Rig) -> None:
    """It was rejected by a rule that has been mended since."""
    stale = {"metaData": {"id": "1", "title": "as it was"}}
    fresh = {"metaData": {"id": "2", "title": "as it is"}}
    calls = Address("gong", "calls")
    dead_letters.store(
        rig.warehouse,
        [dead_letters.of_record(calls, Rejected(record, "a rule of yesterday"), AT) for record in (stale, fresh)],
    )
    done = dead_letters.replay(rig.warehouse, "gong/calls")
    assert (done.landed, done.published, done.failed) == (2, 0, 0)
    held = rig.rows("SELECT CALL_ID, TITLE, _VERSION FROM GONG_INTEGRATION.CALLS ORDER BY CALL_ID")
    assert [(r["call_id"], r["title"], r["_version"]) for r in held] == [
        ("1", "as it was", AT.replace(tzinfo=None)),
        ("2", "as it is", AT.replace(tzinfo=None)),
    ]
    assert letters(rig) == [("a rule of yesterday", True)] * 2
    assert dead_letters.replay(rig.warehouse).landed == 0


def test_a_letter_that_the_vendor_has_overtaken_is_closed(rig: Rig) -> None:
    """The record was mended there, and its new state has landed; or it was deleted."""
    entity = rows.entity(Address("gong", "calls"))
    odd = {"metaData": {"id": "1", "duration": "long"}}
    letter = dead_letters.of_record(entity.address, Rejected(odd, "an older rule"), AT)
    dead_letters.store(rig.warehouse, [letter])
    same_time = to_row(entity, {"metaData": {"id": "1"}}, version=AT, origin="pull")
    assert isinstance(same_time, dict)
    land_rows(entity, [same_time], "pull", rig.warehouse)
    done = dead_letters.replay(rig.warehouse)
    assert (done.superseded, done.failed) == (0, 1), "a row of the same request is not newer"
    land_rows(entity, [same_time | {"_version": AT + timedelta(seconds=1)}], "pull", rig.warehouse)
    done = dead_letters.replay(rig.warehouse)
    assert (done.landed, done.superseded, done.failed) == (0, 1, 0)
    assert [replayed for _, replayed in letters(rig)] == [True]


def test_a_record_that_still_breaks_a_rule_stays_with_the_rule_of_today(rig: Rig) -> None:
    record = {"metaData": {"id": "1", "duration": "long"}}
    letter = dead_letters.of_record(Address("gong", "calls"), Rejected(record, "an older rule"), AT)
    dead_letters.store(rig.warehouse, [letter, letter])
    done = dead_letters.replay(rig.warehouse)
    assert (done.landed, done.failed) == (0, 1)
    assert letters(rig) == [("gong/calls duration_s: expected a whole number, received text", False)]
    [body] = rig.rows("SELECT BODY_BASE64 FROM SOPHIA_CORE.DEAD_LETTERS")
    assert msgspec.json.decode(base64.b64decode(body["body_base64"])) == record


def test_a_document_that_failed_waits_for_its_replay(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    document_id = next(d for d in rig.revisions() if d.startswith("gong:call:"))
    failed = DeadLetter.of(DOCUMENTS_TOPIC, b"what the worker could not read", "no vector", AT, document_id)
    dead_letters.store(rig.warehouse, [failed])
    with rig.worker():
        rig.publish()
        rig.land()
        assert document_id not in rig.memory()
        assert rig.memory(), "the rest has landed"
        [entry] = rig.rows(
            f"SELECT ERROR, AI_PROCESSED FROM SOPHIA_CORE.UNIFIED_DATA_CATALOG WHERE DATA_ID = '{document_id}'"
        )
        assert (entry["error"], entry["ai_processed"]) == ("no vector", False)

        assert dead_letters.replay(rig.warehouse, DOCUMENTS_TOPIC).published == 1
        assert publishing.backlog(rig.profile, rig.warehouse) == 1
        assert rig.publish() == 1
        rig.land()
        assert_memory_is_whole(rig)
    assert letters(rig) == [("no vector", True)]


def test_a_workers_dead_letter_reaches_the_table_with_its_document(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    document_id = next(d for d in rig.revisions() if d.startswith("gong:call:"))
    producer = kafka.producer(rig.profile.kafka)
    kafka.ensure_topics(rig.profile.kafka, [DOCUMENTS_TOPIC], dead_letters=True)
    kafka.send(producer, DOCUMENTS_TOPIC, wire.Message(document_id.encode(), {"schema": "document.v1"}, b"\x00torn"))
    kafka.flush(producer)
    with rig.worker():
        lander = Lander(rig.profile, rig.warehouse)
        lander.run(until=lambda: lander.done.dead_letters > 0)
    [row] = rig.rows("SELECT ORIGIN, DOCUMENT_ID, BODY_BASE64 FROM SOPHIA_CORE.DEAD_LETTERS")
    assert (row["origin"], row["document_id"]) == (DOCUMENTS_TOPIC, document_id)
    assert base64.b64decode(row["body_base64"]) == b"\x00torn"


def test_a_document_that_cannot_be_built_stops_no_other(rig: Rig) -> None:
    """Its rows are fine; a payload has a shape that no rule of ours foresaw."""
    rig.pull()
    rig.catalogue()
    document_id = next(d for d in rig.revisions() if d.startswith("gong:call:"))
    call_id = document_id.rpartition(":")[2]
    [record] = [c for c in rig.control.dump()["gong.calls"] if c["metaData"]["id"] == call_id]
    calls = rows.entity(Address("gong", "calls"))

    def land(payload: dict[str, Any]) -> None:
        row = to_row(calls, payload, version=datetime.now(UTC), origin="pull")
        assert isinstance(row, dict)
        land_rows(calls, [row], "pull", rig.warehouse)
        rig.catalogue()

    land(record | {"parties": 5})
    assert letters(rig) == [("no document could be built: TypeError", False)]
    assert document_id not in rig.revisions(), "its rows may say that it is private now: it is taken for gone"
    assert dead_letters.replay(rig.warehouse).composed == 1
    rig.catalogue()
    assert letters(rig) == [("no document could be built: TypeError", False)]
    land(record | {"parties": []})
    assert rig.revisions()[document_id] == 3
