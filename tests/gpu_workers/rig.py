"""What the worker's tests share: documents, a way in, a way out, and workers in their own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka as ck

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC
from contracts.records import Document, MemoryBatch, Section
from gpu_workers.engine import Vectors
from gpu_workers.hash_engine import HashEngine
from resources import kafka
from resources.profile import EmbeddingSettings, KafkaSettings, Profile

ROOT = Path(__file__).resolve().parents[2]
TOPICS = [DOCUMENTS_TOPIC, MEMORY_TOPIC]


def profile_at(home: Path, bootstrap: str) -> Profile:
    return Profile(
        home=home,
        embedding=EmbeddingSettings(model="hash-64"),
        kafka=KafkaSettings(bootstrap=bootstrap, session_timeout_s=1.5),
    )


def a_document(number: int, revision: int = 1, text: str | None = None) -> Document:
    texts = [f"Turn {turn} of call {number}. " + "The price was named. " * (turn % 5) for turn in range(8)]
    return Document(
        document_id=f"gong:call:{number}",
        revision=revision,
        source_system="gong",
        data_type="call",
        access_scope="public",
        title="",
        header=f"Call {number}",
        sections=tuple(Section(text=t) for t in (texts if text is None else [text])),
        metadata={},
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def publish(settings: KafkaSettings, messages: Iterable[Document | wire.Message]) -> None:
    kafka.ensure_topics(settings, TOPICS, dead_letters=True)
    producer = kafka.producer(settings)
    for message in messages:
        encoded = wire.encode_document(message) if isinstance(message, Document) else message
        kafka.send(producer, DOCUMENTS_TOPIC, encoded)
    kafka.flush(producer)


def read_all(settings: KafkaSettings, topic: str) -> list[ck.Message]:
    """All that the topic holds now, in the order of each partition."""
    ends = {partition: end for partition, end in kafka.end_offsets(settings, topic).items() if end}
    reader = kafka.consumer(settings, "reads without a group")
    reader.assign([ck.TopicPartition(topic, partition, 0) for partition in ends])
    found: list[ck.Message] = []
    deadline = time.monotonic() + 20
    while len(found) < sum(ends.values()):
        message = reader.poll(0.1)
        if message is not None:
            assert message.error() is None
            found.append(message)
        assert time.monotonic() < deadline
    reader.close()
    return found


def batches(settings: KafkaSettings) -> list[MemoryBatch]:
    messages = read_all(settings, MEMORY_TOPIC)
    return [wire.decode_memory(kafka.headers(m), m.value() or b"") for m in messages]


def wait_until(condition: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class FussyEngine(HashEngine):
    """Fails on a text with `poison` in it, alone or among others, and gives no direction for `hollow`."""

    broken = False
    """Fail on every text, as a device that is gone."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.broken or any("poison" in text for text in texts):
            raise RuntimeError("no")
        vectors = super().embed(texts)
        vectors[["hollow" in text for text in texts]] = float("nan")
        return vectors


def start_worker(profile: Profile, *arguments: str) -> subprocess.Popen[str]:
    """`python -m gpu_workers` with the settings of the profile; its stderr is a pipe."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SOPHIA_")}
    environ |= {
        "SOPHIA_HOME": str(profile.home),
        "SOPHIA_EMBEDDING_MODEL": profile.embedding.model,
        "SOPHIA_KAFKA_BOOTSTRAP": profile.kafka.bootstrap,
        "SOPHIA_KAFKA_SESSION_TIMEOUT_S": str(profile.kafka.session_timeout_s),
    }
    command = [sys.executable, "-W", "error", "-m", "gpu_workers", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)


def events(worker: subprocess.Popen[str], until: str | None = None) -> list[dict[str, object]]:
    """What it logs, up to the event `until`, else up to its end."""
    assert worker.stderr is not None
    found: list[dict[str, object]] = []
    while line := worker.stderr.readline():
        found.append(json.loads(line))
        if found[-1]["event"] == until:
            break
    return found


def end_of(worker: subprocess.Popen[str]) -> tuple[int, list[dict[str, object]]]:
    """Exit code and the rest of the log."""
    rest = events(worker)
    assert worker.stderr is not None
    worker.stderr.close()
    return worker.wait(10), rest
