"""What breaks on the way ends in the tables of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sandbox
from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, Address
from contracts.errors import Fenced
from pipelines import catalog
from pipelines.landing import land_rows
from pipelines.memory import Lander
from pipelines.pull import pull
from resources import kafka
from resources.broker import LocalBroker, free_port
from resources.profile import Profile
from resources.warehouse import Advance
from tests.conftest import profile_for
from tests.pipelines.rig import CALLS_AND_CHATS, Rig, open_rig
from tests.pipelines.test_changes import assert_memory_is_whole
from tests.pipelines.truth import assert_raw_equals_the_world
from transforms import rows
from transforms.raw import Row, to_row

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def undisturbed(tmp_path: Path, small_world: sandbox.Control) -> Callable[[], dict[str, Any]]:
    """What memory holds after a run of its own, over the world as it is when asked."""

    def run() -> dict[str, Any]:
        port = free_port()
        with (
            LocalBroker(port),
            open_rig(
                profile_for(tmp_path / "undisturbed", small_world, f"127.0.0.1:{port}"), small_world, CALLS_AND_CHATS
            ) as rig,
        ):
            with rig.worker():
                rig.load()
            return {"memory": rig.memory(), "documents": set(rig.revisions())}

    return run


def state(rig: Rig) -> dict[str, Any]:
    return {"memory": rig.memory(), "documents": set(rig.revisions())}


def test_a_stale_pull_after_a_newer_row_changes_nothing(rig: Rig, undisturbed: Callable[[], dict[str, Any]]) -> None:
    """A page that was asked for before an edit and a delete arrives after the pull that saw them."""
    asked_at = datetime.now(UTC)
    old = rig.control.dump()["slack.messages"]
    with rig.worker():
        rig.load()
        edited, deleted = [m for m in old if "subtype" not in m and "thread_ts" not in m and m["text"]][:2]
        rig.control.edit("slack.messages", {"channel": edited["channel"], "ts": edited["ts"]}, text="The newer text.")
        rig.control.delete("slack.messages", {"channel": deleted["channel"], "ts": deleted["ts"]})
        rig.load()

        messages = rows.entity(Address("slack", "messages"))
        stale = [to_row(messages, record, version=asked_at, origin="pull") for record in old]
        assert land_rows(messages, [r for r in stale if isinstance(r, dict)], "pull", rig.warehouse) == 0
        rig.catalogue()
        rig.publish()
        rig.land()
        assert_raw_equals_the_world(rig)
        assert_memory_is_whole(rig)
        assert state(rig) == undisturbed()


def test_two_refreshes_of_one_source_at_once_end_as_one(rig: Rig) -> None:
    """A pull's beside a lander's: the later one does what the first has left, and neither fails."""
    rig.pull()
    with ThreadPoolExecutor(2) as both:
        for source in rig.sources:
            list(both.map(lambda _, source=source: catalog.refresh(source, rig.warehouse), range(2)))
    left = rig.rows("SELECT COUNT(*) AS N FROM SOPHIA_CORE.LOADS WHERE CATALOGUED_AT IS NULL")
    assert left == [{"n": 0}]
    revisions = rig.revisions()
    assert set(revisions.values()) == {1}
    rig.catalogue()
    assert rig.revisions() == revisions


def test_a_second_pull_fences_the_first(rig: Rig) -> None:
    position = rig.warehouse.claim("pull:gong/calls", "first")
    pull("gong", rig.profile, rig.warehouse)
    calls = rows.entity(Address("gong", "calls"))
    record = {"metaData": {"id": "1", "title": "from a pull that was overtaken"}}
    row = to_row(calls, record, version=datetime.now(UTC) + timedelta(hours=1), origin="pull")
    assert isinstance(row, dict)
    with pytest.raises(Fenced, match="a newer writer has taken over"):
        land_rows(calls, [row], "pull", rig.warehouse, [Advance(position, "2030-01-01T00:00:00+00:00")])
    assert "1" not in rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")


@pytest.mark.long
def test_topics_that_are_lost_are_published_again(
    tmp_path: Path, small_world: sandbox.Control, undisturbed: Callable[[], dict[str, Any]]
) -> None:
    """The broker comes back empty: once before anything was embedded, once between the worker and the lander."""
    port = free_port()
    with open_rig(profile_for(tmp_path, small_world, f"127.0.0.1:{port}"), small_world, CALLS_AND_CHATS) as rig:
        with LocalBroker(port):
            rig.pull()
            rig.catalogue()
            assert rig.publish() > 0
        with LocalBroker(port):
            assert rig.publish() > 0, "another topic under the same name: what was on its way is lost"
            with rig.worker():
                wait_for_batches(rig.profile, len([1 for d in rig.revisions()]) // 2)
        with LocalBroker(port), rig.worker():
            rig.publish()
            rig.land()
            assert_memory_is_whole(rig)
            small_world.create("gong.calls", title="After the loss")
            rig.load()
            assert_memory_is_whole(rig)
            assert state(rig) == undisturbed()


def test_a_straggling_batch_after_a_delete_is_refused(rig: Rig, undisturbed: Callable[[], dict[str, Any]]) -> None:
    rig.pull()
    rig.catalogue()
    rig.publish()
    with rig.worker():
        wait_for_batches(rig.profile, 10)  # embedded, not landed
        deleted = next(d for d in rig.revisions() if d.startswith("gong:call:"))
        rig.control.delete("gong.calls", deleted.rpartition(":")[2])
        rig.pull()
        rig.catalogue()
        landed = rig.land()
        assert landed.refused >= 1
        assert deleted not in rig.memory()
        assert_memory_is_whole(rig)
        assert state(rig) == undisturbed()


def test_a_lander_that_was_stopped_is_fenced(
    rig: Rig, undisturbed: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    """SIGSTOP between reading a batch and landing it, for longer than the session timeout; a second lander does the
    work.
    """
    rig.pull()
    rig.catalogue()
    rig.publish()
    with rig.worker():
        wait_for_batches(rig.profile, 10)
        with process(rig, "stopped_lander.py") as lander:
            wait_for_line(lander, "holding a batch")
            os.kill(lander.pid, signal.SIGSTOP)
            time.sleep(rig.profile.kafka.session_timeout_s + 1)
            rig.land()
            before = state(rig)
            os.kill(lander.pid, signal.SIGCONT)
            output, _ = lander.communicate(timeout=60)
        assert "fenced" in output.splitlines(), output
        assert state(rig) == before
        assert_memory_is_whole(rig)
        assert state(rig) == undisturbed()


def test_a_worker_that_is_killed_in_a_batch_leaves_no_trace(
    rig: Rig, undisturbed: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    rig.pull()
    rig.catalogue()
    rig.publish()
    for _ in range(2):
        with process(rig, "slow_worker.py") as worker:
            wait_for_line(worker, "in a batch")
            worker.kill()
            worker.wait(10)
    with rig.worker():
        rig.land()
        assert_memory_is_whole(rig)
        assert state(rig) == undisturbed()


def test_a_pull_that_dies_between_two_tables_is_finished_by_the_next(
    rig: Rig, undisturbed: Callable[[], dict[str, Any]]
) -> None:
    """Calls have landed, the run is gone before transcripts and the catalog."""
    calls = rows.entity(Address("gong", "calls"))
    position = rig.warehouse.claim("pull:gong/calls", "the one that dies")
    records = rig.control.dump()["gong.calls"]
    staged: list[Row] = []
    for record in records:
        row = to_row(calls, record, version=datetime.now(UTC), origin="pull")
        assert isinstance(row, dict)
        staged.append(row)
    newest = max(r["metaData"]["started"] for r in records)
    land_rows(
        calls,
        staged,
        "pull",
        rig.warehouse,
        [Advance(position, datetime.fromisoformat(newest).astimezone(UTC).isoformat())],
    )
    with rig.worker():
        rig.load()
        assert_raw_equals_the_world(rig)
        assert state(rig) == undisturbed()


def test_malformed_messages_become_dead_letters_and_the_rest_lands(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    rig.publish()
    producer = kafka.producer(rig.profile.kafka)
    kafka.send(producer, MEMORY_TOPIC, wire.Message(b"gong:call:0", {"schema": "memory.v1"}, b"no arrow"))
    kafka.send(producer, DOCUMENTS_TOPIC, wire.Message(b"gong:call:0", {"schema": "document.v1"}, b"no document"))
    kafka.flush(producer)
    with rig.worker():
        lander = Lander(rig.profile, rig.warehouse)
        deadline = time.monotonic() + 60
        lander.run(until=lambda: lander.done.dead_letters >= 2 or time.monotonic() > deadline)
        rig.land()
    letters = rig.rows("SELECT ORIGIN, BODY_BASE64 FROM SOPHIA_CORE.DEAD_LETTERS ORDER BY ORIGIN")
    assert [(r["origin"], r["body_base64"]) for r in letters] == [
        ("documents.v1", "bm8gZG9jdW1lbnQ="),
        ("memory.v1", "bm8gYXJyb3c="),
    ]
    assert_memory_is_whole(rig)


def wait_for_batches(profile: Profile, at_least: int) -> None:
    """Until the worker has written that many batches to memory.v1."""
    deadline = time.monotonic() + 60
    while sum(kafka.end_offsets(profile.kafka, MEMORY_TOPIC).values()) < at_least:
        assert time.monotonic() < deadline, "the worker writes nothing"
        time.sleep(0.1)


@contextmanager
def process(rig: Rig, program: str) -> Iterator[subprocess.Popen[str]]:
    """A program of `programs/`, given the rig's profile; it is gone afterwards."""
    settings = msgspec.json.encode({"home": str(rig.profile.home), "bootstrap": rig.profile.kafka.bootstrap}).decode()
    running = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "programs" / program), settings],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGCONT)
            running.kill()
        running.wait(10)
        if running.stdout is not None:
            running.stdout.close()


def wait_for_line(running: subprocess.Popen[str], wanted: str) -> None:
    assert running.stdout is not None
    seen = []
    for line in running.stdout:
        seen.append(line)
        if line.strip() == wanted:
            return
    raise AssertionError(f"never said {wanted!r}: {''.join(seen)}")
