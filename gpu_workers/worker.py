"""The loop: documents.v1 → a round of documents → memory.v1, offsets committed behind it.

At least once: a round is committed after its batches are acknowledged, so a killed worker's round comes
again, the same to the bit (gpu_workers.cache); the lander refuses what it has by revision. The group's name
holds the topic's id: a topic that was lost and made anew is read from its beginning, even while we run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

import confluent_kafka as ck
import structlog
import tenacity

from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic, worker_group
from contracts.errors import BrokerUnavailable, MessageTooLarge, TransientError
from contracts.records import DeadLetter
from gpu_workers.cache import VectorCache
from gpu_workers.embedder import Embedder, Incoming, Rejected
from gpu_workers.engine import Engine
from resources import kafka
from resources.profile import KafkaSettings, Profile

ROUND_DOCUMENTS = 256
ROUND_BYTES = 256 * 1024
"""Of compressed documents, about 1 MB of text: half a minute on a small CPU, and so long may a drain take."""
LINGER_S = 0.02
"""A round is closed when nothing came for this long."""
IDLE_S = 0.5
TOPIC_CHECK_S = 2.0
"""A topic that was made anew is noticed after this long."""
BREATH_S = 30.0
"""Of computing, before the broker is told that the reader lives; a tenth of kafka.MAX_POLL_INTERVAL_S."""

log = structlog.get_logger()


@dataclass(slots=True)
class Totals:
    """What a run did."""

    documents: int = 0
    """Whose batch was sent."""
    chunks: int = 0
    tokens: int = 0
    tokens_from_cache: int = 0
    padded_tokens: int = 0
    rejected: int = 0
    superseded: int = 0
    rounds: int = 0
    compute_s: float = 0.0


class _End(Enum):
    CAUGHT_UP = auto()
    STOPPED = auto()
    TOPIC_REPLACED = auto()


class Worker:
    """One reader of documents.v1; several share its partitions."""

    def __init__(self, profile: Profile, engine: Engine, cache: VectorCache) -> None:
        self._kafka = profile.kafka
        self._embedder = Embedder(engine, cache)
        self._totals = Totals()

    def run(self, *, until_caught_up: bool = False, stop: threading.Event | None = None) -> Totals:
        """Embed documents until `stop` is set; what is in flight then is finished first.

        Args:
            until_caught_up: end when the group has read what the topic held at the start.
        Raises:
            BrokerUnavailable: no broker answers at the start. Later it is waited for.
            RuntimeError, ValueError, IndexError: the engine fails on any text; the round is not committed.
        """
        stop = stop or threading.Event()
        reader: _Reader | None = _Reader(self._kafka)
        while reader is not None:
            try:
                end = self._follow(reader, until_caught_up, stop)
            except TransientError as error:
                log.warning("broker_lost", error=str(error))
                end = _End.TOPIC_REPLACED
            finally:
                reader.close()
            reader = self._open_again(stop) if end is _End.TOPIC_REPLACED else None
        log.info("worker_stopped", **{name: getattr(self._totals, name) for name in Totals.__slots__})
        return self._totals

    def _open_again(self, stop: threading.Event) -> _Reader | None:
        """None: stopped meanwhile."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=10, jitter=0.2),
            stop=tenacity.stop_when_event_set(stop),
            sleep=tenacity.sleep_using_event(stop),
            retry_error_callback=lambda _: None,
        )
        reader: _Reader | None = attempts(_Reader, self._kafka)
        return reader

    def _follow(self, reader: _Reader, until_caught_up: bool, stop: threading.Event) -> _End:
        while not stop.is_set():
            messages = reader.take()
            if reader.topic_was_replaced():
                return _End.TOPIC_REPLACED
            if messages and not stop.is_set():
                self._round(reader, messages)
            elif not messages:
                reader.commit([])
                if until_caught_up and reader.is_caught_up():
                    return _End.CAUGHT_UP
        return _End.STOPPED

    def _round(self, reader: _Reader, messages: Sequence[ck.Message]) -> None:
        started = time.perf_counter()
        done = self._embedder.round([_incoming(m) for m in messages], reader.breathe)
        for batch in done.batches:
            kafka.send(reader.producer, MEMORY_TOPIC, batch)
        for rejected in done.rejected:
            kafka.send(reader.producer, dead_letter_topic(DOCUMENTS_TOPIC), _dead_letter(rejected))
            log.warning("document_rejected", document_id=rejected.document_id, reason=rejected.reason)
        kafka.flush(reader.producer)
        reader.commit(messages)
        total = self._totals
        total.rounds += 1
        total.documents += len(done.batches)
        total.rejected += len(done.rejected)
        for name in ("chunks", "tokens", "tokens_from_cache", "padded_tokens", "superseded", "compute_s"):
            setattr(total, name, getattr(total, name) + getattr(done, name))
        log.info(
            "batch_embedded",
            documents=len(done.batches),
            rejected=len(done.rejected),
            superseded=done.superseded,
            chunks=done.chunks,
            tokens=done.tokens,
            tokens_from_cache=done.tokens_from_cache,
            padded_tokens=done.padded_tokens,
            compute_s=round(done.compute_s, 4),
            seconds=round(time.perf_counter() - started, 4),
        )


@dataclass(slots=True)
class _Reader:
    """A place in the group of the topic as it is now, and a producer."""

    settings: KafkaSettings
    topic_id: str = field(init=False)
    goals: dict[int, int] = field(init=False)
    """Partition → offset that the group must have read to have caught up."""
    consumer: ck.Consumer = field(init=False)
    producer: kafka.Producer = field(init=False)
    lost: set[int] = field(default_factory=set)
    """Partitions that went to another member since the messages in hand were taken."""
    owed: dict[int, int] = field(default_factory=dict)
    """Partition → offset behind all that is done and not yet committed."""
    checked_at: float = field(default_factory=time.monotonic)
    polled_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        kafka.ensure_topics(self.settings, [DOCUMENTS_TOPIC, MEMORY_TOPIC], dead_letters=True)
        self.topic_id = kafka.topic_id(self.settings, DOCUMENTS_TOPIC)
        first = kafka.start_offsets(self.settings, DOCUMENTS_TOPIC)
        ends = kafka.end_offsets(self.settings, DOCUMENTS_TOPIC)
        self.goals = {partition: end for partition, end in ends.items() if end > first[partition]}
        self.producer = kafka.producer(self.settings)
        self.consumer = kafka.consumer(self.settings, self.group)
        self.consumer.subscribe(
            [DOCUMENTS_TOPIC], on_assign=_on_assigned, on_revoke=self._on_lost, on_lost=self._on_lost
        )

    @property
    def group(self) -> str:
        return worker_group(self.topic_id)

    def close(self) -> None:
        self.consumer.close()
        self.producer.client.purge()

    def take(self) -> list[ck.Message]:
        """What a round holds, in the order of the partitions; empty when nothing came for IDLE_S."""
        self.lost.clear()
        messages: list[ck.Message] = []
        size = 0
        while len(messages) < ROUND_DOCUMENTS and size < ROUND_BYTES:
            message = self.consumer.poll(LINGER_S if messages else IDLE_S)
            if message is None:
                break
            error = message.error()
            if error is None:
                messages.append(message)
                size += len(message.value() or b"")
            elif error.code() in _TOPIC_GONE:
                self.checked_at = float("-inf")
                break
            elif not error.retriable():
                raise BrokerUnavailable(self.settings.bootstrap, error.str())
        self.polled_at = time.monotonic()
        return messages

    def topic_was_replaced(self) -> bool:
        """Asks the broker now and then.

        Raises:
            BrokerUnavailable, TopicMissing
        """
        if time.monotonic() - self.checked_at < TOPIC_CHECK_S:
            return False
        self.checked_at = time.monotonic()
        return self.topic_id != kafka.topic_id(self.settings, DOCUMENTS_TOPIC)

    def is_caught_up(self) -> bool:
        """Whether the whole group, whoever holds a partition, has read what was there at the start."""
        if self.topic_id != kafka.topic_id(self.settings, DOCUMENTS_TOPIC):
            self.checked_at = float("-inf")
            return False
        committed = kafka.committed_offsets(self.settings, self.group, DOCUMENTS_TOPIC)
        return all(committed.get(partition, 0) >= goal for partition, goal in self.goals.items())

    def breathe(self) -> None:
        """Poll without taking anything: who does not poll for too long loses its partitions."""
        if time.monotonic() - self.polled_at < BREATH_S:
            return
        held = self.consumer.assignment()
        self.consumer.pause(held)
        self.consumer.poll(0)
        self.consumer.resume(self.consumer.assignment())
        self.polled_at = time.monotonic()

    def commit(self, messages: Sequence[ck.Message]) -> None:
        """All of these are done. What another member has taken over meanwhile is left to it, to do again.

        While the group changes, commits are refused; what was refused is tried again with the next call.

        Raises:
            BrokerUnavailable
        """
        for message in messages:
            partition, offset = _place(message)
            if partition not in self.lost:
                self.owed[partition] = max(self.owed.get(partition, 0), offset + 1)
        if not self.owed:
            return
        offsets = [ck.TopicPartition(DOCUMENTS_TOPIC, partition, end) for partition, end in self.owed.items()]
        try:
            answers = self.consumer.commit(offsets=offsets, asynchronous=False)
            errors = [answer.error for answer in answers if answer.error is not None]
        except ck.KafkaException as error:
            errors = [error.args[0]]
        for failure in errors:
            if failure.code() in _TOPIC_GONE:
                self.checked_at = float("-inf")
            elif failure.code() in _GROUP_CHANGES:
                log.warning("commit_refused", error=failure.name())
            else:
                raise BrokerUnavailable(self.settings.bootstrap, failure.str())
        if not errors:
            self.owed.clear()

    def _on_lost(self, consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        for partition in partitions:
            self.lost.add(partition.partition)
            self.owed.pop(partition.partition, None)


def _on_assigned(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
    log.info("partitions_assigned", partitions=len(partitions))


_TOPIC_GONE = {
    ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
    ck.KafkaError.UNKNOWN_TOPIC_ID,
    ck.KafkaError._UNKNOWN_TOPIC,
    ck.KafkaError._UNKNOWN_PARTITION,
}
_GROUP_CHANGES = {
    ck.KafkaError.ILLEGAL_GENERATION,
    ck.KafkaError.UNKNOWN_MEMBER_ID,
    ck.KafkaError.REBALANCE_IN_PROGRESS,
    ck.KafkaError.FENCED_INSTANCE_ID,
    ck.KafkaError._ASSIGNMENT_LOST,
}


def _place(message: ck.Message) -> tuple[int, int]:
    """Partition and offset; the library types them as optional, for messages that are errors."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _incoming(message: ck.Message) -> Incoming:
    partition, offset = _place(message)
    return Incoming(partition, offset, message.key() or b"", kafka.headers(message), message.value() or b"")


def _dead_letter(rejected: Rejected) -> wire.Message:
    """With the headers of Kafka Connect's dead letter queues, which other tools read."""
    record = rejected.record
    letter = DeadLetter.of(
        DOCUMENTS_TOPIC,
        record.body,
        rejected.reason,
        datetime.now(UTC),
        rejected.document_id,
        record.headers,
        rejected.revision,
    )
    try:
        encoded = wire.encode_dead_letter(letter)
    except MessageTooLarge:  # base64 makes a body of almost 8 MiB a little longer; then its offset must do
        reason = f"{rejected.reason}; its {len(record.body):,} bytes are too many for a dead letter"
        letter = DeadLetter.of(
            DOCUMENTS_TOPIC, b"", reason, datetime.now(UTC), rejected.document_id, record.headers, rejected.revision
        )
        encoded = wire.encode_dead_letter(letter)
    headers = {
        **encoded.headers,
        "__connect.errors.topic": DOCUMENTS_TOPIC,
        "__connect.errors.partition": str(record.partition),
        "__connect.errors.offset": str(record.offset),
        "__connect.errors.exception.message": letter.reason,
    }
    if rejected.document_id is not None:
        headers["document_id"] = rejected.document_id
    return encoded._replace(headers=headers)
