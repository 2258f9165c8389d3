"""The topics → the warehouse: vectors and events land with the offsets they were read at.

    memory.v1            SOPHIA_AI_MEMORY
    events.<source>.v1   raw tables, then the catalog and documents.v1, in the same step (pipelines/events.py)
    *.dlq                SOPHIA_CORE.DEAD_LETTERS

The offsets that count stand in SOPHIA_CORE.POSITIONS under the broker's topic id, so a topic that was made anew is read
from its start; the group's own offsets are only a hint for lag monitors. A partition that is assigned is claimed, which
fences whoever held it: a batch of the older holder is rolled back.
The dead letters of worker and receiver come the same way and are mirrored to the table.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Event as Signal

import msgspec
import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic
from contracts.errors import (
    CircuitOpen,
    InvalidSetting,
    MalformedMessage,
    MissingSetting,
    PullFailed,
    QuotaSpent,
    SophiaError,
    VendorRefused,
    VendorUnavailable,
)
from contracts.records import DeadLetter, Event, MemoryBatch, Position
from pipelines import dead_letters, events, webhooks
from pipelines.landing import new_load_id
from resources import kafka
from resources.profile import Profile
from resources.warehouse import Advance, Warehouse
from transforms.chunking import fingerprint

log = structlog.get_logger()

GROUP = "sophia-lander"
DEAD_DOCUMENTS = dead_letter_topic(DOCUMENTS_TOPIC)
DEAD = dead_letter_topic("")
OF_A_VENDOR = (VendorRefused, VendorUnavailable, CircuitOpen, QuotaSpent, PullFailed, MissingSetting, InvalidSetting)
"""Failures to read what an event names."""
BATCH_MESSAGES = 500
POLL_S = 0.5
TOPIC_CHECK_S = 5.0

Partition = tuple[str, int]


def topics(profile: Profile) -> tuple[str, ...]:
    """What a lander reads: the events of those sources whose webhooks are on."""
    told = [webhooks.topic(source) for source in webhooks.switched_on(profile)]
    return (MEMORY_TOPIC, DEAD_DOCUMENTS, *told, *map(dead_letter_topic, told))


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
    events: int = 0
    rows_changed: int = 0
    """Raw rows that events made new or different."""


class Lander:
    """Reads the topics and lands what they hold, until told to stop."""

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
        stop: Signal | None = None,
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
            OF_A_VENDOR: what events of a source name could not be read;
                they wait where they are, and all else of the batch has landed.
            BrokerUnavailable, WarehouseUnavailable, VectorMismatch.
        """
        stop = stop or Signal()
        if webhooks.switched_on(self._profile) and (behind := events.uncatalogued(self._warehouse)):
            events.follow_up(behind, self._profile, self._warehouse)  # of one that was stopped before its catalog
        while not stop.is_set():
            topic_ids = self._topic_ids()
            if self._read(topic_ids, until, stop, flush_s, before_landing):
                return self.done
            log.warning("topic_replaced", topics=list(topic_ids))
        return self.done

    def _topic_ids(self) -> dict[str, str]:
        names = topics(self._profile)
        kafka.ensure_topics(self._profile.kafka, names)
        return {topic: kafka.topic_id(self._profile.kafka, topic) for topic in names}

    def _read(
        self,
        topic_ids: dict[str, str],
        until: Callable[[], bool],
        stop: Signal,
        flush_s: float,
        before_landing: Callable[[], None],
    ) -> bool:
        """Read until the end, True; or until a topic is another than `topic_ids` says, False."""
        consumer = kafka.consumer(self._profile.kafka, GROUP, assignment="range")
        consumer.subscribe(
            list(topic_ids),
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
        told: dict[str, list[Event]] = defaultdict(list)
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
                elif place[0].endswith(DEAD):
                    letters.append(wire.decode_dead_letter(headers, body))
                else:
                    event = wire.decode_event(headers, body)
                    told[event.source].append(event)
            except MalformedMessage as error:
                key = (message.key() or b"").decode(errors="replace") or None
                document = key if place[0] in (MEMORY_TOPIC, DEAD_DOCUMENTS) else None
                letters.append(DeadLetter.of(place[0], body, str(error), datetime.now(UTC), document, headers))
        dead_letters.store(self._warehouse, letters)
        self.done.dead_letters += len(letters)
        failed = self._land_events(told, ends)
        self._land_memory(batches, ends)
        if any(told.values()):
            events.follow_up(sorted(told), self._profile, self._warehouse)
        consumer.commit(offsets=[TopicPartition(t, p, end) for (t, p), end in ends.items()], asynchronous=True)
        if failed is not None:
            raise failed

    def _land_events(self, told: Mapping[str, Sequence[Event]], ends: dict[Partition, int]) -> SophiaError | None:
        """Land a source after another, and take what was read of events out of `ends`.

        Returns:
            The last failure of a vendor: it must not hold up what the others told, nor the vectors.
        """
        failed: SophiaError | None = None
        for source in webhooks.switched_on(self._profile):
            read = {place: ends.pop(place) for place in [*ends] if place[0] == webhooks.topic(source)}
            if not read:
                continue
            try:
                landed = events.land(source, told.get(source, ()), self._advances(read), self._profile, self._warehouse)
            except OF_A_VENDOR as error:
                log.warning("events_wait", source=source, error=str(error))
                failed = error
                continue
            self._moved(read)
            self.done.events += landed.events
            self.done.rows_changed += landed.changed
            self.done.dead_letters += landed.rejected
        return failed

    def _land_memory(self, batches: Sequence[MemoryBatch], ends: Mapping[Partition, int]) -> None:
        landed = self._warehouse.replace_children(
            batches,
            fingerprint=fingerprint(self._profile.embedding.model_id),
            landed_at=datetime.now(UTC),
            advance=self._advances(ends),
        )
        self._moved(ends)
        self._count(batches, landed.landed, landed.refused, landed.rows_written, landed.rows_deleted)

    def _advances(self, ends: Mapping[Partition, int]) -> list[Advance]:
        return [Advance(self._held[place], str(end)) for place, end in ends.items()]

    def _moved(self, ends: Mapping[Partition, int]) -> None:
        for place, end in ends.items():
            self._held[place] = msgspec.structs.replace(self._held[place], value=str(end))

    def _count(
        self,
        batches: Sequence[MemoryBatch],
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
        if batches:
            log.info("memory_landed", documents=landed, refused=refused, rows_written=written, rows_deleted=deleted)


def waiting(profile: Profile, warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    """Partitions with messages that have not landed: position's key → the offset to read next, and the end.

    Raises:
        BrokerUnavailable
    """
    names = topics(profile)
    kafka.ensure_topics(profile.kafka, names)
    stored = "SELECT POSITION_KEY, VALUE FROM SOPHIA_CORE.POSITIONS WHERE STARTSWITH(POSITION_KEY, 'topic:')"
    landed = {row["position_key"]: int(row["value"] or 0) for row in warehouse.query(stored).to_pylist()}
    ends = {
        f"topic:{topic}:{kafka.topic_id(profile.kafka, topic)}:{partition}": end
        for topic in names
        for partition, end in kafka.end_offsets(profile.kafka, topic).items()
    }
    return {key: (landed.get(key, 0), end) for key, end in ends.items() if landed.get(key, 0) < end}
