"""memory.v1 → SOPHIA_AI_MEMORY: vectors land with the offsets they were read at.

The offsets that count stand in SOPHIA_CORE.POSITIONS under the broker's topic id, so a topic that was made anew is read
from its start; the group's own offsets are only a hint for lag monitors. A partition that is assigned is claimed, which
fences whoever held it: a batch of the older holder is rolled back.
The dead letters of the worker come the same way and are mirrored to the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

import msgspec
import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic
from contracts.errors import MalformedMessage
from contracts.records import DeadLetter, MemoryBatch, Position
from pipelines import dead_letters
from pipelines.landing import new_load_id
from resources import kafka
from resources.profile import Profile
from resources.warehouse import Advance, Warehouse
from transforms.chunking import fingerprint

log = structlog.get_logger()

GROUP = "sophia-lander"
DEAD_DOCUMENTS = dead_letter_topic(DOCUMENTS_TOPIC)
TOPICS = (MEMORY_TOPIC, DEAD_DOCUMENTS)
BATCH_MESSAGES = 500
POLL_S = 0.5
TOPIC_CHECK_S = 5.0

Partition = tuple[str, int]


class MemoryLanded(msgspec.Struct, kw_only=True):
    """What a lander has done since it began."""

    documents: int = 0
    refused: int = 0
    """Batches of an older revision, another model, or a document that is gone."""
    rows_written: int = 0
    rows_deleted: int = 0
    chunks_embedded: int = 0
    """Vectors that were computed; the others came from the worker's cache."""
    dead_letters: int = 0


class Lander:
    """Reads memory.v1 and lands it, until told to stop."""

    def __init__(self, profile: Profile, warehouse: Warehouse, owner: str | None = None) -> None:
        self._profile = profile
        self._warehouse = warehouse
        self._owner = owner or new_load_id()
        self._held: dict[Partition, Position] = {}
        self._batch: list[Message] = []
        self.done = MemoryLanded()

    def run(
        self,
        *,
        until: Callable[[], bool] = lambda: False,
        stop: Event | None = None,
        flush_s: float = 0.0,
        before_landing: Callable[[], None] = lambda: None,
    ) -> MemoryLanded:
        """Land what comes.

        Args:
            until: asked whenever nothing came; True ends the run.
            stop: set from elsewhere; the batch in hand is landed first.
            flush_s: how long a batch may wait for more, up to BATCH_MESSAGES; 0 lands what there is.
            before_landing: called between reading a batch and landing it; a test stops a process here.
        Raises:
            Fenced: a newer lander holds a partition of this batch; nothing of it was written.
            BrokerUnavailable, WarehouseUnavailable, VectorMismatch.
        """
        stop = stop or Event()
        while not stop.is_set():
            topic_ids = self._topic_ids()
            if self._read(topic_ids, until, stop, flush_s, before_landing):
                return self.done
            log.warning("topic_replaced", topics=list(TOPICS))
        return self.done

    def _topic_ids(self) -> dict[str, str]:
        kafka.ensure_topics(self._profile.kafka, TOPICS)
        return {topic: kafka.topic_id(self._profile.kafka, topic) for topic in TOPICS}

    def _read(
        self,
        topic_ids: dict[str, str],
        until: Callable[[], bool],
        stop: Event,
        flush_s: float,
        before_landing: Callable[[], None],
    ) -> bool:
        """Read until the end, True; or until a topic is another than `topic_ids` says, False."""
        consumer = kafka.consumer(self._profile.kafka, GROUP, assignment="range")
        consumer.subscribe(
            list(TOPICS),
            on_assign=lambda c, partitions: self._claim(c, partitions, topic_ids),
            on_revoke=lambda _, partitions: self._release(partitions),
            on_lost=lambda _, partitions: self._release(partitions),
        )
        checked_at = began_at = time.monotonic()
        try:
            while not stop.is_set():
                messages = consumer.consume(BATCH_MESSAGES - len(self._batch), POLL_S)
                began_at = began_at if self._batch else time.monotonic()
                self._batch += messages
                is_full = len(self._batch) == BATCH_MESSAGES
                if self._batch and (is_full or stop.is_set() or time.monotonic() - began_at >= flush_s):
                    before_landing()
                    self._land(self._batch, consumer)
                    self._batch = []
                elif not self._batch and until():
                    return True
                if time.monotonic() - checked_at > TOPIC_CHECK_S:
                    if self._topic_ids() != topic_ids:
                        return False
                    checked_at = time.monotonic()
            return True
        finally:
            consumer.close()
            self._held.clear()
            self._batch = []

    def _claim(self, consumer: Consumer, partitions: list[TopicPartition], topic_ids: dict[str, str]) -> None:
        for partition in partitions:
            key = f"topic:{partition.topic}:{topic_ids[partition.topic]}:{partition.partition}"
            position = self._warehouse.claim(key, self._owner)
            self._held[partition.topic, partition.partition] = position
            partition.offset = int(position.value or 0)
        consumer.assign(partitions)

    def _release(self, partitions: list[TopicPartition]) -> None:
        gone = {(partition.topic, partition.partition) for partition in partitions}
        for place in gone:
            self._held.pop(place, None)
        # Whoever holds them next reads these again, from the stored position.
        self._batch = [message for message in self._batch if (message.topic(), message.partition()) not in gone]

    def _land(self, messages: list[Message], consumer: Consumer) -> None:
        batches: list[MemoryBatch] = []
        letters: list[DeadLetter] = []
        ends: dict[Partition, int] = {}
        for message in messages:
            place = (str(message.topic()), int(message.partition() or 0))
            if message.error() is not None or place not in self._held:
                continue
            ends[place] = int(message.offset() or 0) + 1
            headers, body = kafka.headers(message), message.value() or b""
            try:
                if place[0] == MEMORY_TOPIC:
                    batches.append(wire.decode_memory(headers, body))
                else:
                    letters.append(wire.decode_dead_letter(headers, body))
            except MalformedMessage as error:
                key = (message.key() or b"").decode(errors="replace") or None
                letters.append(DeadLetter.of(place[0], body, str(error), datetime.now(UTC), key, headers))
        advance = [Advance(self._held[place], str(end)) for place, end in ends.items()]
        dead_letters.store(self._warehouse, letters)
        landed = self._warehouse.replace_children(
            batches,
            fingerprint=fingerprint(self._profile.embedding.model_id),
            landed_at=datetime.now(UTC),
            advance=advance,
        )
        for place, end in ends.items():
            self._held[place] = msgspec.structs.replace(self._held[place], value=str(end))
        self._count(batches, letters, landed.landed, landed.refused, landed.rows_written, landed.rows_deleted)
        consumer.commit(offsets=[TopicPartition(t, p, end) for (t, p), end in ends.items()], asynchronous=True)

    def _count(
        self,
        batches: list[MemoryBatch],
        letters: list[DeadLetter],
        landed: int,
        refused: int,
        written: int,
        deleted: int,
    ) -> None:
        self.done.documents += landed
        self.done.refused += refused
        self.done.rows_written += written
        self.done.rows_deleted += deleted
        self.done.chunks_embedded += sum(batch.rows.num_rows - batch.chunks_from_cache for batch in batches)
        self.done.dead_letters += len(letters)
        log.info("memory_landed", documents=landed, refused=refused, rows_written=written, rows_deleted=deleted)


def waiting(profile: Profile, warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    """Partitions with messages that have not landed: position's key → the offset to read next, and the end.

    Raises:
        BrokerUnavailable
    """
    kafka.ensure_topics(profile.kafka, TOPICS)
    stored = "SELECT POSITION_KEY, VALUE FROM SOPHIA_CORE.POSITIONS WHERE STARTSWITH(POSITION_KEY, 'topic:')"
    landed = {row["position_key"]: int(row["value"] or 0) for row in warehouse.query(stored).to_pylist()}
    ends = {
        f"topic:{topic}:{kafka.topic_id(profile.kafka, topic)}:{partition}": end
        for topic in TOPICS
        for partition, end in kafka.end_offsets(profile.kafka, topic).items()
    }
    return {key: (landed.get(key, 0), end) for key, end in ends.items() if landed.get(key, 0) < end}
