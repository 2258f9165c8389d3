"""Kafka: topics, a producer that reports its failures, a reader with manual offsets; thin on confluent-kafka.

A broker that does not answer is `BrokerUnavailable` after at most 5 s, from every function here. Offsets
belong to a topic's id, never to its name: a topic that was lost and made anew starts at 0.

librdkafka 2.16 dies (SIGSEGV in `rd_kafka_metadata_update_op`) when Tansu answers the fetch of a topic that
was deleted meanwhile. A broker that comes back empty, which is how a topic is lost on one machine, is safe.
So no code of ours deletes a topic that somebody may be reading.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import confluent_kafka as ck
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from contracts.address import dead_letter_topic
from contracts.errors import BrokerUnavailable, MessageTooLarge, TopicMissing
from contracts.wire import MAX_MESSAGE_BYTES, Message
from resources.profile import KafkaSettings

__all__ = [
    "Producer",
    "committed_offsets",
    "consumer",
    "end_offsets",
    "ensure_topics",
    "flush",
    "headers",
    "members",
    "producer",
    "replication",
    "retention_days",
    "send",
    "start_offsets",
    "topic_id",
]

RECORD_LIMIT_BYTES = MAX_MESSAGE_BYTES + 1024 * 1024
"""Of a record on the broker: our limit is of the body alone, keys and headers come on top."""
RETENTION_DAYS = 7
"""Of a topic that we create: the catalog can publish a document again, and an erased person must not stay for long."""
MAX_POLL_INTERVAL_S = 300.0
"""A reader that does not poll for longer loses its partitions."""

_CONNECT_S = 2.0
_REQUEST_S = 3.0
_QUEUED_KB = 32 * 1024
_DELIVERY_S = 30.0

_OnPartitions = Callable[[ck.Consumer, list[ck.TopicPartition]], None]
_T = TypeVar("_T")
_Clients = TypeVar("_Clients", AdminClient, ck.Consumer, ck.Producer)


def ensure_topics(settings: KafkaSettings, names: Sequence[str], *, dead_letters: bool = False) -> None:
    """Create what is missing, and wait until the broker shows it; an existing topic stays as it is.

    Args:
        dead_letters: also the `.dlq` of each.
    Raises:
        BrokerUnavailable
    """
    wanted = [*names, *(dead_letter_topic(name) for name in names if dead_letters)]
    admin = _connect(AdminClient, settings)
    missing = sorted(set(wanted) - _topics(settings, admin).keys())
    if not missing:
        return
    config = {"max.message.bytes": str(RECORD_LIMIT_BYTES), "retention.ms": str(RETENTION_DAYS * 86_400_000)}
    new = [NewTopic(n, settings.partitions, settings.replication, config=config) for n in missing]
    for created in admin.create_topics(new, request_timeout=_REQUEST_S).values():
        try:
            created.result(_REQUEST_S + 1)
        except ck.KafkaException as error:  # two processes may create it at once
            if error.args[0].code() != ck.KafkaError.TOPIC_ALREADY_EXISTS:
                raise _unavailable(settings, error) from error
    deadline = time.monotonic() + _REQUEST_S
    while unseen := sorted(set(missing) - _topics(settings, admin).keys()):
        if time.monotonic() > deadline:
            raise TopicMissing(settings.bootstrap, ", ".join(unseen))
        time.sleep(0.05)


def topic_id(settings: KafkaSettings, name: str) -> str:
    """The broker's id of the topic, another one after it was made anew. 22 characters of base64.

    Raises:
        BrokerUnavailable, TopicMissing
    """
    admin = _connect(AdminClient, settings)
    described = admin.describe_topics(ck.TopicCollection([name]), request_timeout=_REQUEST_S)[name]
    return str(_answer(settings, described, name).topic_id)


def retention_days(settings: KafkaSettings, names: Sequence[str]) -> dict[str, float | None]:
    """Topic → for how long the broker keeps its messages; None where it has no such topic or does not say.

    Raises:
        BrokerUnavailable
    """
    admin = _connect(AdminClient, settings)
    known = _topics(settings, admin).keys()
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names if name in known]
    answers = admin.describe_configs(asked, request_timeout=_REQUEST_S) if asked else {}
    found: dict[str, float | None] = dict.fromkeys(names)
    for resource, answer in answers.items():
        entry = _answer(settings, answer, resource.name).get("retention.ms")
        days = int(entry.value) / 86_400_000 if entry is not None else None
        found[resource.name] = math.inf if days is not None and days < 0 else days
    return found


def start_offsets(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Partition → the offset of its first message (the low watermark).

    Raises:
        BrokerUnavailable, TopicMissing
    """
    admin = _connect(AdminClient, settings)
    earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    asked = dict.fromkeys(_partitions(settings, admin, topic), earliest)
    found = admin.list_offsets(asked, request_timeout=_REQUEST_S)
    return {tp.partition: _answer(settings, answer, topic).offset for tp, answer in found.items()}


def end_offsets(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Partition → the offset that its next message will have (the high watermark).

    Read from the answer to a fetch. Asked for it outright (ListOffsets), Tansu 0.6 gives the first offset of
    the last batch plus 1: too low by all that the batch holds beside.

    Raises:
        BrokerUnavailable, TopicMissing
    """
    at_once = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
    reader = _connect(ck.Consumer, settings, {"group.id": "none", "enable.auto.commit": False, **at_once})
    partitions = _partitions(settings, reader, topic)
    reader.assign([ck.TopicPartition(topic, at.partition, ck.OFFSET_END) for at in partitions])
    ends: dict[int, int] = {}
    deadline = time.monotonic() + _REQUEST_S
    while len(ends) < len(partitions):
        if time.monotonic() > deadline:
            raise BrokerUnavailable(settings.bootstrap, f"no answer within {_REQUEST_S:g} s")
        reader.poll(0.1)  # a message, or the news that there is none: either way a fetch has been answered
        for at in partitions:
            _, end = reader.get_watermark_offsets(at, cached=True) or (-1, -1)
            if end >= 0:
                ends[at.partition] = end
    reader.close()
    return dict(sorted(ends.items()))


def committed_offsets(settings: KafkaSettings, group: str, topic: str) -> dict[int, int]:
    """Partition → the offset that the group reads next; 0 where it has not committed any.

    Raises:
        BrokerUnavailable, TopicMissing
    """
    admin = _connect(AdminClient, settings)
    partitions = _partitions(settings, admin, topic)
    asked = [ck.ConsumerGroupTopicPartitions(group, partitions)]
    answer = admin.list_consumer_group_offsets(asked, request_timeout=_REQUEST_S)[group]
    found = _answer(settings, answer, topic).topic_partitions
    return {tp.partition: max(tp.offset, 0) for tp in found}


def members(settings: KafkaSettings, group: str) -> int | None:
    """Readers in a group; None where the broker does not list them, as Tansu 0.6 for a group that has ever formed.

    Raises:
        BrokerUnavailable
    """
    admin = _connect(AdminClient, settings)
    described = admin.describe_consumer_groups([group], request_timeout=_REQUEST_S)[group]
    found = _answer(settings, described, group)
    return None if not found.members and found.state == ck.ConsumerGroupState.STABLE else len(found.members)


def replication(settings: KafkaSettings) -> dict[str, int]:
    """Topic → the replicas of its partition that has the fewest.

    Raises:
        BrokerUnavailable
    """
    topics = _topics(settings, _connect(AdminClient, settings)).items()
    return {name: min((len(p.replicas) for p in topic.partitions.values()), default=0) for name, topic in topics}


def consumer(
    settings: KafkaSettings,
    group: str,
    *,
    assignment: Literal["cooperative-sticky", "range"] = "cooperative-sticky",
    max_poll_interval_s: float = MAX_POLL_INTERVAL_S,
) -> ck.Consumer:
    """A reader from the beginning whose offsets are committed by hand; it has not subscribed yet.

    Args:
        assignment: with `cooperative-sticky` the others go on while one member comes or goes; a callback that
            sets offsets must then call `incremental_assign`, not `assign`.
    Raises:
        BrokerUnavailable
    """
    return _connect(
        partial(_Consumer, settings),
        settings,
        {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": assignment,
            "session.timeout.ms": int(settings.session_timeout_s * 1000),
            "heartbeat.interval.ms": int(settings.session_timeout_s * 1000 / 3),
            "max.poll.interval.ms": int(max_poll_interval_s * 1000),
            # Bounds what librdkafka reads ahead: its own default is 64 MiB and 100,000 messages a partition.
            "queued.max.messages.kbytes": _QUEUED_KB,
            "queued.min.messages": 1000,
            # A topic that was made anew, or a new partition, is seen after this long; default 5 min.
            "topic.metadata.refresh.interval.ms": 5000,
        },
    )


class _Consumer(ck.Consumer):
    """Leaves a group only after it has joined it.

    Tansu 0.6 keeps a member that leaves while its group forms, and every later one waits for it in vain (one
    that is killed is forgotten after its session timeout). A reader that has nothing to do leaves that early.
    """

    def __init__(self, settings: KafkaSettings, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._settings = settings
        self._is_joining = False

    def subscribe(
        self,
        topics: list[str],
        on_assign: _OnPartitions | None = None,
        on_revoke: _OnPartitions | None = None,
        on_lost: _OnPartitions | None = None,
    ) -> None:
        def joined(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
            self._is_joining = False
            if on_assign is not None:
                on_assign(consumer, partitions)

        others = {"on_revoke": on_revoke, "on_lost": on_lost}
        self._is_joining = True
        super().subscribe(topics, on_assign=joined, **{name: call for name, call in others.items() if call})

    def close(self) -> None:
        deadline = time.monotonic() + 2 * self._settings.session_timeout_s
        while self._is_joining and time.monotonic() < deadline:
            try:
                _knock(self._settings)
            except BrokerUnavailable:
                break
            self.poll(0.1)
        super().close()


def headers(message: ck.Message) -> dict[str, str]:
    """As text: bytes that are no UTF-8 become escapes, and of a repeated header the last counts."""
    found: Any = message.headers() or []
    return {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in found}


@dataclass(slots=True)
class Producer:
    """A confluent-kafka producer and the deliveries that have failed since the last `flush`."""

    client: ck.Producer
    settings: KafkaSettings
    failures: list[ck.KafkaError] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """(topic, partition) → the offset behind the last message that was acknowledged."""

    def note(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        """Delivery callback."""
        if error is not None:
            self.failures.append(error)
        else:
            place = (str(message.topic()), int(message.partition() or 0))
            self.ends[place] = max(self.ends.get(place, 0), int(message.offset() or 0) + 1)


def producer(settings: KafkaSettings) -> Producer:
    """Idempotent, acknowledged by all replicas, compressed.

    Raises:
        BrokerUnavailable
    """
    client = _connect(
        ck.Producer,
        settings,
        {
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "zstd",
            "message.max.bytes": RECORD_LIMIT_BYTES,
            "queue.buffering.max.kbytes": 256 * 1024,
            "linger.ms": 5,
            "message.timeout.ms": int(_DELIVERY_S * 1000),
        },
    )
    return Producer(client, settings)


def send(producer: Producer, topic: str, message: Message) -> None:
    """Hand a message to the producer; `flush` tells whether it has arrived.

    Raises:
        MessageTooLarge: key, headers and body together exceed what a topic of ours takes.
        BrokerUnavailable: the queue is full, and nothing left it for 30 s.
    """
    client, bootstrap = producer.client, producer.settings.bootstrap
    extra: list[tuple[str, str | bytes | None]] = list(message.headers.items())
    try:
        try:
            client.produce(topic, message.body, message.key, headers=extra, on_delivery=producer.note)
        except BufferError:
            client.flush(_DELIVERY_S)
            client.produce(topic, message.body, message.key, headers=extra, on_delivery=producer.note)
    except BufferError as error:
        raise BrokerUnavailable(bootstrap, "the producer's queue stays full") from error
    except ck.KafkaException as error:
        if error.args[0].code() == ck.KafkaError.MSG_SIZE_TOO_LARGE:
            raise MessageTooLarge(f"a message of {topic}", len(message.body), RECORD_LIMIT_BYTES) from error
        raise _unavailable(producer.settings, error) from error
    client.poll(0)


def flush(producer: Producer, timeout_s: float = _DELIVERY_S) -> None:
    """Wait until all that was sent has been acknowledged.

    Raises:
        BrokerUnavailable, MessageTooLarge: at least one message since the last flush has not arrived. What
            still waited is dropped, so that it cannot arrive behind its successor: send all of them again.
    """
    if producer.client.flush(timeout_s):
        producer.client.purge()
        producer.client.flush(_REQUEST_S)  # hands the purged ones to `note`
    failures = producer.failures[:]
    producer.failures.clear()
    for error in failures:
        if error.code() == ck.KafkaError.MSG_SIZE_TOO_LARGE:
            raise MessageTooLarge("a message", RECORD_LIMIT_BYTES, RECORD_LIMIT_BYTES)
    if failures:
        reason = f"{len(failures)} messages were not acknowledged: {failures[0].str()}"
        raise BrokerUnavailable(producer.settings.bootstrap, reason)


def _connect(client: Callable[..., _Clients], settings: KafkaSettings, more: dict[str, Any] | None = None) -> _Clients:
    """A plain connection first: librdkafka retries a refused one in silence until the request times out."""
    _knock(settings)
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap,
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": settings.sasl_password,
        "log_level": 0,  # librdkafka writes to stderr by itself; what matters comes back as an error
        **(more or {}),
    }
    connected = client({name: value for name, value in config.items() if value is not None})
    if not isinstance(connected, AdminClient):  # an AdminClient's first request is its caller's
        _topics(settings, connected)
    return connected


def _knock(settings: KafkaSettings) -> None:
    reason = "no address"
    for address in settings.bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
            return
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
    raise BrokerUnavailable(settings.bootstrap, reason)


def _topics(settings: KafkaSettings, client: Any) -> dict[str, Any]:
    """All topics: asking for one by name would create it where the broker allows that."""
    try:
        return dict(client.list_topics(timeout=_REQUEST_S).topics)
    except ck.KafkaException as error:
        raise _unavailable(settings, error) from error


def _partitions(settings: KafkaSettings, client: Any, topic: str) -> list[ck.TopicPartition]:
    found = _topics(settings, client).get(topic)
    if found is None or not found.partitions:
        raise TopicMissing(settings.bootstrap, topic)
    return [ck.TopicPartition(topic, number) for number in sorted(found.partitions)]


def _answer(settings: KafkaSettings, future: Future[_T], topic: str) -> _T:
    try:
        return future.result(_REQUEST_S + 1)
    except ck.KafkaException as error:
        if error.args[0].code() in (ck.KafkaError.UNKNOWN_TOPIC_OR_PART, ck.KafkaError._UNKNOWN_TOPIC):
            raise TopicMissing(settings.bootstrap, topic) from error
        raise _unavailable(settings, error) from error
    except TimeoutError as error:
        raise BrokerUnavailable(settings.bootstrap, f"no answer within {_REQUEST_S:g} s") from error


def _unavailable(settings: KafkaSettings, error: ck.KafkaException) -> BrokerUnavailable:
    return BrokerUnavailable(settings.bootstrap, error.args[0].str())
