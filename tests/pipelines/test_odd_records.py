"""Records of a shape that nobody foresaw: each stops itself alone; what may be private is not readable meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

import sandbox
from contracts import wire
from contracts.address import MEMORY_TOPIC, Address
from contracts.records import Chunk, DeadLetter, MemoryBatch, memory_rows
from pipelines import dead_letters, landing
from pipelines.landing import land_rows
from pipelines.memory import Lander
from pipelines.pull import pull
from resources import kafka
from tests.pipelines.rig import Rig
from tests.pipelines.test_changes import assert_memory_is_whole
from transforms import rows
from transforms.raw import to_row


def call_of(control: sandbox.Control, rig: Rig) -> dict[str, Any]:
    """A call with a transcript that is in the catalog."""
    return next(c for c in control.dump()["gong.calls"] if f"gong:call:{c['metaData']['id']}" in rig.revisions())


def land(rig: Rig, address: Address, record: dict[str, Any]) -> None:
    row = to_row(rows.entity(address), record, version=datetime.now(UTC), origin="pull")
    assert isinstance(row, dict)
    land_rows(rows.entity(address), [row], "pull", rig.warehouse)
    rig.catalogue()


@pytest.mark.parametrize("title", ["[External] Renewal", "{draft}", "[1]", ""])
def test_a_title_may_begin_with_anything(rig: Rig, title: str) -> None:
    rig.pull()
    rig.catalogue()
    call = call_of(rig.control, rig)
    for text in (title, "plain", title):
        land(rig, Address("gong", "calls"), call | {"metaData": call["metaData"] | {"title": text}})
    [held] = rig.rows(
        f"SELECT TITLE FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = 'gong:call:{call['metaData']['id']}'"
    )
    assert held["title"] == title or (title == "" and held["title"].startswith("Call of"))


@pytest.mark.parametrize(
    "fields",
    [
        {"started": None},
        {"started": "yesterday"},
        {"scheduled": "0001-01-01T00:00:00+05:00"},
        {"duration": 2**63},
        {"title": "half a \ud800 pair"},
        {"id": None},
    ],
)
def test_an_odd_call_stops_no_other(rig: Rig, fields: dict[str, Any]) -> None:
    """Landed as it is where a column allows it, a dead letter else; the pulls go on, today and after."""
    rig.pull()
    odd = rig.control.dump()["gong.calls"][0]
    record = odd | {"metaData": odd["metaData"] | fields}
    row = to_row(rows.entity(Address("gong", "calls")), record, version=datetime.now(UTC), origin="pull")
    if isinstance(row, dict):
        land_rows(rows.entity(Address("gong", "calls")), [row], "pull", rig.warehouse)
    else:
        dead_letters.store(rig.warehouse, [dead_letters.of_record(Address("gong", "calls"), row, datetime.now(UTC))])
    rig.pull()
    rig.catalogue()
    assert len(rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")) == rig.control.counts()["gong.calls"]


def test_a_call_of_the_future_does_not_take_the_window_along(rig: Rig) -> None:
    rig.control.create("gong.calls", title="Misdated", started="2031-01-01T00:00:00Z")
    rig.control.set_clock("2031-02-01T00:00:00Z")
    pull("gong", rig.profile, rig.warehouse)
    position = rig.warehouse.position("pull:gong/calls")
    assert position is not None
    assert datetime.fromisoformat(position.value) < datetime.now(UTC) + timedelta(minutes=1)


def test_what_cannot_be_read_and_may_be_private_is_withdrawn_until_it_can(rig: Rig) -> None:
    with rig.worker():
        rig.load()
        private, public = [c["metaData"]["id"] for c in rig.control.dump()["gong.calls"] if _is_loaded(rig, c)][:2]
        rig.control.edit("gong.calls", private, isPrivate=True, duration="long")
        rig.control.edit("gong.calls", public, duration="long")
        landed = rig.pull()
        rig.catalogue()
        assert landed["gong/calls"].rejected == 2
        held = rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")
        assert (private in held, public in held) == (False, True)
        assert f"gong:call:{private}" not in rig.memory()
        assert f"gong:call:{public}" in rig.memory()

        rig.control.edit("gong.calls", private, isPrivate=False, duration=60)
        rig.load()
        assert f"gong:call:{private}" in rig.memory()
        assert_memory_is_whole(rig)


def _is_loaded(rig: Rig, call: dict[str, Any]) -> bool:
    return f"gong:call:{call['metaData']['id']}" in rig.memory()


def test_a_call_without_word_of_its_privacy_is_not_public(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    call = call_of(rig.control, rig)
    unsaid = {name: value for name, value in call["metaData"].items() if name != "isPrivate"}
    land(rig, Address("gong", "calls"), call | {"metaData": unsaid})
    [entry] = rig.rows(
        f"SELECT ACCESS_SCOPE FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = 'gong:call:{unsaid['id']}'"
    )
    assert entry["access_scope"] == f"gong:call:{unsaid['id']}"


def test_a_document_with_a_field_of_another_type_stops_no_publishing(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    call = call_of(rig.control, rig)
    call_id = call["metaData"]["id"]
    monologue = {"speakerId": 7, "sentences": [{"start": 0, "end": 1, "text": "A number for a speaker."}]}
    land(rig, Address("gong", "transcripts"), {"callId": call_id, "transcript": [monologue]})
    assert [r["origin"] for r in rig.rows("SELECT ORIGIN FROM SOPHIA_CORE.DEAD_LETTERS")] == ["gong:documents"]
    assert rig.publish() > 0


def test_a_letter_of_an_older_revision_holds_nothing_up(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    call = call_of(rig.control, rig)
    document_id = f"gong:call:{call['metaData']['id']}"
    land(rig, Address("gong", "calls"), call | {"parties": []})
    assert rig.revisions()[document_id] == 2
    dead_letters.store(
        rig.warehouse, [DeadLetter.of("documents.v1", b"old", "failed", datetime.now(UTC), document_id, {}, 1)]
    )
    with rig.worker():
        rig.publish()
        rig.land()
    assert document_id in rig.memory()
    assert_memory_is_whole(rig)


def test_batches_of_another_model_are_refused_and_the_lander_goes_on(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    rig.publish()
    document_id = next(iter(rig.revisions()))
    chunk = Chunk(ordinal=0, text="x", header="", section_start=0, section_end=1)
    other = MemoryBatch(
        document_id=document_id,
        revision=1,
        fingerprint="another/fp32|turns-1|facts-1",
        dimension=4,
        rows=memory_rows([chunk], [1], np.full((1, 4), 0.5, np.float32)),
        tokens=1,
        tokens_from_cache=0,
        chunks_from_cache=0,
        compute_s=0.0,
    )
    producer = kafka.producer(rig.profile.kafka)
    kafka.send(producer, MEMORY_TOPIC, wire.encode_memory(other))
    kafka.flush(producer)
    with rig.worker():
        lander = Lander(rig.profile, rig.warehouse)
        lander.run(until=lambda: lander.done.refused >= 1)
        rig.land()
    assert_memory_is_whole(rig)


def test_a_replay_that_dies_half_way_is_repeated_whole(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    document_id = next(iter(rig.revisions()))
    dead_letters.store(rig.warehouse, [DeadLetter.of("documents.v1", b"x", "failed", datetime.now(UTC), document_id)])
    landing.catalogue_again("gong", rig.warehouse)  # as far as the one that died had come
    assert dead_letters.replay(rig.warehouse).published == 1
    [entry] = rig.rows(f"SELECT ERROR FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = '{document_id}'")
    assert entry["error"] is None
