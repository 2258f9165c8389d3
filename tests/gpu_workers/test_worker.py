"""The worker on a real broker: it catches up, drains, survives kills, poison, and the loss of its topic."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic
from contracts.errors import BrokerUnavailable
from gpu_workers.cache import VectorCache
from gpu_workers.worker import Totals, Worker, _Reader
from resources import kafka
from resources.broker import LocalBroker, free_port
from resources.profile import Profile
from tests.gpu_workers.rig import (
    FussyEngine,
    a_document,
    batches,
    end_of,
    events,
    profile_at,
    publish,
    read_all,
    start_worker,
    wait_until,
)


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    """With a broker of its own, because the topics' names are fixed."""
    port = free_port()
    with LocalBroker(port) as broker:
        yield profile_at(tmp_path, broker.bootstrap)


def catch_up(profile: Profile) -> Totals:
    engine = FussyEngine(profile.embedding)
    with VectorCache(profile.cache_path, engine.model_id, engine.dimension) as cache:
        return Worker(profile, engine, cache).run(until_caught_up=True)


@contextmanager
def working(profile: Profile) -> Iterator[Future[Totals]]:
    """A worker that runs until the block ends, and must not have failed."""
    engine, stop = FussyEngine(profile.embedding), threading.Event()
    with (
        VectorCache(profile.cache_path, engine.model_id, engine.dimension) as cache,
        ThreadPoolExecutor() as pool,
    ):
        running = pool.submit(Worker(profile, engine, cache).run, stop=stop)
        try:
            yield running
        finally:
            stop.set()
        running.result(30)


def committed(profile: Profile) -> int:
    group = f"sophia-embed.{kafka.topic_id(profile.kafka, DOCUMENTS_TOPIC)}"
    return sum(kafka.committed_offsets(profile.kafka, group, DOCUMENTS_TOPIC).values())


def test_every_document_has_its_batch(profile: Profile) -> None:
    publish(profile.kafka, (a_document(number) for number in range(600)))
    totals = catch_up(profile)
    found = batches(profile.kafka)
    assert sorted(b.document_id for b in found) == sorted(f"gong:call:{n}" for n in range(600))
    assert totals.documents == 600
    assert totals.rounds > 1
    assert totals.tokens == sum(b.tokens for b in found)
    assert totals.chunks == sum(b.rows.num_rows for b in found)
    assert committed(profile) == 600
    assert {m.key() for m in read_all(profile.kafka, MEMORY_TOPIC)} == {b.document_id.encode() for b in found}
    assert catch_up(profile).documents == 0  # what is read is read

    publish(profile.kafka, (a_document(number, revision=2) for number in range(600)))
    again = catch_up(profile)
    assert (again.documents, again.padded_tokens, again.tokens_from_cache) == (600, 0, totals.tokens)
    vectors = {b.document_id: b.rows for b in found}
    assert all(b.rows.equals(vectors[b.document_id]) for b in batches(profile.kafka) if b.revision == 2)


def test_poison_goes_to_the_dead_letters_and_the_rest_passes(profile: Profile) -> None:
    broken = wire.Message(b"gong:call:90", {"schema": "document.v1", "x": "1"}, b"no zstd")
    publish(profile.kafka, [a_document(1), broken, a_document(91, text="poison"), a_document(2)])
    totals = catch_up(profile)
    assert (totals.documents, totals.rejected) == (2, 2)
    assert {b.document_id for b in batches(profile.kafka)} == {"gong:call:1", "gong:call:2"}
    assert committed(profile) == 4
    found = {}
    for message in read_all(profile.kafka, dead_letter_topic(DOCUMENTS_TOPIC)):
        headers = kafka.headers(message)
        found[headers["document_id"]] = headers, wire.decode_dead_letter(headers, message.value() or b"")
    assert set(found) == {"gong:call:90", "gong:call:91"}
    headers, letter = found["gong:call:90"]
    assert (letter.body, letter.headers, letter.origin) == (broken.body, broken.headers, DOCUMENTS_TOPIC)
    assert letter.document_id == "gong:call:90"
    origin = {(m.partition(), m.offset()): m.value() for m in read_all(profile.kafka, DOCUMENTS_TOPIC)}
    for headers, letter in found.values():
        at = (int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
        assert origin[at] == letter.body
        assert headers["__connect.errors.topic"] == DOCUMENTS_TOPIC
        assert headers["__connect.errors.exception.message"] == letter.reason


def test_a_body_that_is_too_long_for_a_dead_letter_leaves_its_place(profile: Profile) -> None:
    body = random.Random(0).randbytes(wire.MAX_MESSAGE_BYTES)
    publish(profile.kafka, [wire.Message(b"gong:call:1", {"schema": "document.v1"}, body), a_document(2)])
    assert catch_up(profile).documents == 1
    (message,) = read_all(profile.kafka, dead_letter_topic(DOCUMENTS_TOPIC))
    letter = wire.decode_dead_letter(kafka.headers(message), message.value() or b"")
    assert letter.body == b""
    assert letter.reason.endswith("; its 8,388,608 bytes are too many for a dead letter")


def test_a_topic_made_anew_between_runs_is_read_from_its_beginning(profile: Profile) -> None:
    publish(profile.kafka, (a_document(number) for number in range(20)))
    assert catch_up(profile).documents == 20
    admin = AdminClient({"bootstrap.servers": profile.kafka.bootstrap})
    admin.delete_topics([DOCUMENTS_TOPIC])[DOCUMENTS_TOPIC].result(5)
    publish(profile.kafka, (a_document(number) for number in range(100, 105)))
    assert catch_up(profile).documents == 5


@pytest.mark.parametrize("away_s", [0, 1])
def test_a_broker_that_comes_back_empty_is_read_from_its_beginning(tmp_path: Path, away_s: float) -> None:
    port = free_port()
    profile = profile_at(tmp_path, f"127.0.0.1:{port}")
    with ExitStack() as brokers:
        first = brokers.enter_context(LocalBroker(port))
        publish(profile.kafka, (a_document(number) for number in range(20)))
        with working(profile) as running:
            wait_until(lambda: committed(profile) == 20)
            first.stop()
            time.sleep(away_s)
            brokers.enter_context(LocalBroker(port))
            publish(profile.kafka, (a_document(number) for number in range(100, 105)))
            wait_until(lambda: running.done() or committed(profile) == 5)
        assert {b.document_id for b in batches(profile.kafka)} == {f"gong:call:{n}" for n in range(100, 105)}


def test_it_waits_for_work_and_stops_when_told(profile: Profile) -> None:
    with working(profile) as running:
        time.sleep(1)
        assert not running.done()
        publish(profile.kafka, [a_document(1)])
        wait_until(lambda: committed(profile) == 1)
    assert running.result().documents == 1


def test_a_broker_that_is_down_at_the_start_is_one_line(tmp_path: Path) -> None:
    profile = profile_at(tmp_path, f"127.0.0.1:{free_port()}")
    with pytest.raises(BrokerUnavailable):
        catch_up(profile)
    worker = start_worker(profile)
    assert worker.stderr is not None
    with worker.stderr:
        assert worker.stderr.read() == (
            f"gpu_workers: no Kafka broker answers at {profile.kafka.bootstrap} (Connection refused). "
            "Start it or set SOPHIA_KAFKA_BOOTSTRAP.\n"
        )
    assert worker.wait(5) == 1


def test_a_killed_worker_loses_nothing_and_repeats_the_same(profile: Profile) -> None:
    publish(profile.kafka, (a_document(number) for number in range(3_000)))
    for within_the_next_round_s in (0.04, 0.08):
        worker = start_worker(profile, "--until-caught-up")
        assert events(worker, until="batch_embedded")
        time.sleep(within_the_next_round_s)
        worker.send_signal(signal.SIGKILL)
        assert end_of(worker)[0] == -signal.SIGKILL
    assert committed(profile) < 3_000
    code, log = end_of(start_worker(profile, "--until-caught-up"))
    assert (code, log[-1]["event"]) == (0, "worker_stopped")
    found = batches(profile.kafka)
    vectors = {b.document_id: b.rows for b in found}
    assert set(vectors) == {f"gong:call:{n}" for n in range(3_000)}
    assert all(b.rows.equals(vectors[b.document_id]) for b in found)
    assert committed(profile) == 3_000


def test_a_terminated_worker_finishes_what_it_has(profile: Profile) -> None:
    publish(profile.kafka, (a_document(number) for number in range(3_000)))
    worker = start_worker(profile)
    assert events(worker, until="batch_embedded")
    worker.send_signal(signal.SIGTERM)
    code, log = end_of(worker)
    assert (code, log[-1]["event"]) == (0, "worker_stopped")
    done = len(batches(profile.kafka))
    assert 0 < done < 3_000
    assert committed(profile) == done == log[-1]["documents"]


def test_a_breath_takes_and_loses_nothing(profile: Profile) -> None:
    publish(profile.kafka, (a_document(number) for number in range(600)))
    reader = _Reader(profile.kafka)
    seen: list[tuple[int | None, int | None]] = []
    taken_away: set[int] = set()
    deadline = time.monotonic() + 60
    while len(set(seen)) < 600 and time.monotonic() < deadline:
        seen += [(m.partition(), m.offset()) for m in reader.take()]
        reader.polled_at = 0
        taken_away |= reader.lost  # a starved machine misses heartbeats: then what was not committed comes again
        reader.breathe()
        taken_away |= reader.lost
    reader.close()
    assert len(set(seen)) == 600
    assert len(seen) == 600 or taken_away


def test_two_workers_share_the_partitions_and_the_cache(profile: Profile) -> None:
    publish(profile.kafka, (a_document(number) for number in range(1_000)))
    workers = [start_worker(profile, "--until-caught-up") for _ in range(2)]
    ends = [end_of(worker) for worker in workers]
    assert [code for code, _ in ends] == [0, 0]
    assert {b.document_id for b in batches(profile.kafka)} == {f"gong:call:{n}" for n in range(1_000)}
    assert committed(profile) == 1_000
