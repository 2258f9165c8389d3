"""The vendor changes; exactly what changed there changes here."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from contracts import identity
from pipelines import catalog, publishing
from tests.pipelines.rig import Rig
from tests.pipelines.truth import assert_raw_equals_the_world


def test_raw_equals_the_world_and_memory_is_whole(rig_of_all: Rig) -> None:
    rig = rig_of_all
    with rig.worker():
        first = rig.load()
        assert_raw_equals_the_world(rig)
        assert_memory_is_whole(rig)
        assert first.rows_written == len(rig.rows("SELECT 1 AS X FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS"))
        before = rig.memory()

        again = rig.load()
        assert (again.chunks_embedded, again.rows_written, again.rows_deleted, again.documents) == (0, 0, 0, 0)
        assert rig.memory() == before
        assert_raw_equals_the_world(rig)


def test_exactly_the_documents_that_changed_change(rig: Rig) -> None:
    with rig.worker():
        rig.load()
        before, memory_before = rig.revisions(), rig.memory()
        dump = rig.control.dump()
        calls = [c for c in dump["gong.transcripts"] if f"gong:call:{c['callId']}" in before]
        edited_call, deleted_call = calls[0]["callId"], calls[1]["callId"]
        public = {c["id"] for c in dump["slack.channels"] if not c["is_private"] and not c["is_archived"]}
        parents = [m for m in dump["slack.messages"] if m.get("reply_count") and m["channel"] in public]
        parent = min(parents, key=lambda m: m["ts"])
        loose = next(
            m
            for m in dump["slack.messages"]
            if "thread_ts" not in m and "subtype" not in m and m["channel"] in public and m["text"]
        )

        rig.control.edit("gong.transcripts", edited_call, sentence=0, text="We have decided to renew for three years.")
        rig.control.delete("gong.calls", deleted_call)
        created = rig.control.create("gong.calls", title="A new call")
        rig.control.advance(60)
        rig.control.create("slack.messages", channel=parent["channel"], thread_ts=parent["ts"], text="A late reply.")
        rig.control.edit("slack.messages", {"channel": loose["channel"], "ts": loose["ts"]}, text="Edited text.")

        rig.load()
        assert_raw_equals_the_world(rig)
        assert_memory_is_whole(rig)
        after = rig.revisions()
        changed = {d for d in before.keys() | after.keys() if before.get(d) != after.get(d)}
        thread = f"slack:thread:{parent['channel']}/{parent['ts']}"
        day = next(d for d in changed if d.startswith(f"slack:day:{loose['channel']}/"))
        new_call = f"gong:call:{created['metaData']['id']}"
        assert changed == {f"gong:call:{edited_call}", f"gong:call:{deleted_call}", new_call, thread, day}
        memory = rig.memory()
        assert f"gong:call:{deleted_call}" not in memory
        assert "renew for three years" in memory[f"gong:call:{edited_call}"][0]["content"]
        assert memory[thread][-1]["content"].rstrip().endswith("A late reply.")
        assert {d: rows for d, rows in memory.items() if d not in changed} == {
            d: rows for d, rows in memory_before.items() if d not in changed
        }


def test_a_thread_whose_last_reply_goes_loses_it(rig: Rig) -> None:
    channel = next(c["id"] for c in rig.control.dump()["slack.channels"] if c["is_general"])
    root = rig.control.create("slack.messages", channel=channel, text="Is the export bug fixed?")
    rig.control.advance(5)
    reply = rig.control.create("slack.messages", channel=channel, thread_ts=root["ts"], text="A reply that goes again.")
    thread = f"slack:thread:{channel}/{root['ts']}"
    with rig.worker():
        rig.load()
        assert "goes again" in "".join(row["content"] for row in rig.memory()[thread])
        revision = rig.revisions()[thread]

        rig.control.delete("slack.messages", {"channel": channel, "ts": reply["ts"]})
        rig.load()
        assert_raw_equals_the_world(rig)
        assert_memory_is_whole(rig)
        assert thread not in rig.memory()
        assert "goes again" not in str(rig.memory())
        day = next(
            d for d in rig.memory() if d.startswith(f"slack:day:{channel}/") and "export bug" in str(rig.memory()[d])
        )
        assert day in rig.revisions()

        rig.control.advance(5)
        rig.control.create("slack.messages", channel=channel, thread_ts=root["ts"], text="Another reply.")
        rig.load()
        assert rig.revisions()[thread] > revision, "a document that comes back goes on counting"
        assert_memory_is_whole(rig)


def test_what_becomes_private_leaves_memory_at_once_and_comes_back(rig: Rig) -> None:
    with rig.worker():
        rig.load()
        channel = next(
            c["id"]
            for c in rig.control.dump()["slack.channels"]
            if not c["is_private"]
            and any(d.startswith((f"slack:day:{c['id']}", f"slack:thread:{c['id']}")) for d in rig.memory())
        )
        rig.control.edit("slack.channels", channel, is_private=True)
        rig.pull()
        rig.catalogue()
        assert not any(f":{channel}/" in document for document in rig.memory()), "gone without a worker's help"
        assert any(f":{channel}/" in document for document in rig.revisions())
        members = rig.rows(
            f"SELECT COUNT(*) AS N FROM SOPHIA_CORE.ACCESS_MEMBERS WHERE ACCESS_SCOPE = 'slack:channel:{channel}'"
        )
        assert members[0]["n"] > 0

        rig.control.edit("slack.channels", channel, is_private=False)
        rig.load()
        assert_memory_is_whole(rig)
        assert any(f":{channel}/" in document for document in rig.memory())


def test_a_bad_record_is_a_dead_letter_and_replay_puts_it_back(rig: Rig) -> None:
    call_id = rig.control.dump()["gong.calls"][0]["metaData"]["id"]
    rig.control.edit("gong.calls", call_id, duration="long")
    landed = rig.pull()
    assert landed["gong/calls"].rejected == 1
    assert landed["gong/calls"].received > 1
    [letter] = rig.rows("SELECT ORIGIN, REASON, BODY_BASE64, REPLAYED_AT FROM SOPHIA_CORE.DEAD_LETTERS")
    assert (letter["origin"], letter["reason"]) == (
        "gong/calls",
        "gong/calls duration_s: expected a whole number, received text",
    )
    assert rig.pull()["gong/calls"].deleted == 0, "a dead record is not taken for deleted"
    assert len(rig.rows("SELECT 1 AS X FROM SOPHIA_CORE.DEAD_LETTERS")) == 1


def assert_memory_is_whole(rig: Rig) -> None:
    """Every live public document has its chunks, in order, of unit length; no orphan, no duplicate."""
    catalogued = rig.rows(
        "SELECT DATA_ID, SECTIONS, REVISION, LANDED_REVISION, AI_PROCESSED FROM SOPHIA_CORE.UNIFIED_DATA_CATALOG "
        "WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = 'public'"
    )
    assert catalogued
    physical = rig.rows(
        "SELECT DOCUMENT_ID, MEMORY_ID, ORDINAL, CONTENT, EMBEDDING "
        "FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5 ORDER BY DOCUMENT_ID, ORDINAL"
    )
    by_document: dict[str, list[dict[str, Any]]] = {}
    for row in physical:
        by_document.setdefault(row["document_id"], []).append(row)
    assert by_document.keys() == {entry["data_id"] for entry in catalogued}
    for entry in catalogued:
        rows = by_document[entry["data_id"]]
        lines = [
            f"{s['speaker']}: {s['text']}" if s["speaker"] else s["text"]
            for s in msgspec.json.decode(entry["sections"])
        ]
        assert "".join(row["content"] for row in rows) == "\n".join(lines)
        assert [row["ordinal"] for row in rows] == list(range(len(rows)))
        assert [row["memory_id"] for row in rows] == [identity.memory_id(entry["data_id"], n) for n in range(len(rows))]
        assert entry["landed_revision"] == entry["revision"]
        assert entry["ai_processed"] is True
    vectors = np.array([row["embedding"] for row in physical])
    assert vectors.shape == (len(physical), rig.profile.embedding.dimension)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-3
    assert publishing.backlog(rig.profile, rig.warehouse) == 0


def test_another_version_of_the_documents_builds_them_all_and_revises_none(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    before = rig.revisions()
    assert catalog.refresh("gong", rig.warehouse).looked_at == 0
    rig.warehouse.execute("UPDATE SOPHIA_CORE.POSITIONS SET VALUE = '0' WHERE POSITION_KEY = 'catalog:gong'")
    again = catalog.refresh("gong", rig.warehouse)
    assert (again.looked_at > 0, again.revised, again.deleted) == (True, 0, 0)
    assert catalog.refresh("gong", rig.warehouse).looked_at == 0
    assert rig.revisions() == before
