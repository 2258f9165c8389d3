"""What our functions add to confluent-kafka, on a real broker."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterator

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient

from contracts.errors import BrokerUnavailable, MessageTooLarge, TopicMissing
from contracts.wire import MAX_MESSAGE_BYTES, Message
from resources import kafka
from resources.broker import LocalBroker, free_port
from resources.profile import KafkaSettings


@pytest.fixture(scope="module")
def settings() -> Iterator[KafkaSettings]:
    port = free_port()
    with LocalBroker(port) as broker:
        yield KafkaSettings(bootstrap=broker.bootstrap, partitions=2, session_timeout_s=1.5)


def _read(reader: ck.Consumer, count: int, within_s: float = 10) -> list[ck.Message]:
    found: list[ck.Message] = []
    deadline = time.monotonic() + within_s
    while len(found) < count and time.monotonic() < deadline:
        message = reader.poll(0.1)
        if message is not None:
            assert message.error() is None
            found.append(message)
    return found


def test_topics_are_made_once_with_their_dead_letters(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["made.v1", "plain.v1"])
    first = kafka.topic_id(settings, "made.v1")
    kafka.ensure_topics(settings, ["made.v1"], dead_letters=True)
    assert kafka.topic_id(settings, "made.v1") == first
    assert kafka.end_offsets(settings, "made.v1.dlq") == {0: 0, 1: 0}
    with pytest.raises(TopicMissing, match=r"has no topic plain\.v1\.dlq"):
        kafka.topic_id(settings, "plain.v1.dlq")


def test_a_topic_of_ours_keeps_its_messages_for_a_week(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["kept.v1"])
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    for name, config in (("forever.v1", {"retention.ms": "-1"}), ("silent.v1", {})):
        admin.create_topics([ck.admin.NewTopic(name, 1, 1, config=config)])[name].result(5)  # type: ignore[attr-defined]
    assert kafka.retention_days(settings, ["kept.v1", "forever.v1", "silent.v1", "nowhere.v1"]) == {
        "kept.v1": kafka.RETENTION_DAYS,
        "forever.v1": math.inf,
        "silent.v1": None,
        "nowhere.v1": None,
    }


def test_a_topic_made_anew_has_another_id(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["anew.v1"])
    first = kafka.topic_id(settings, "anew.v1")
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    admin.delete_topics(["anew.v1"])["anew.v1"].result(5)
    kafka.ensure_topics(settings, ["anew.v1"])
    assert kafka.topic_id(settings, "anew.v1") != first


def test_a_message_comes_as_it_was_sent(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["sent.v1"])
    body = os.urandom(MAX_MESSAGE_BYTES)  # the largest that we allow, and zstd cannot help
    sent = Message(b"key \xff", {"schema": "document.v1", "title": "Küche 🍳"}, body)
    producer = kafka.producer(settings)
    kafka.send(producer, "sent.v1", sent)
    kafka.flush(producer)
    reader = kafka.consumer(settings, "group")
    reader.subscribe(["sent.v1"])
    (message,) = _read(reader, 1)
    assert (message.key(), kafka.headers(message), message.value()) == sent
    assert kafka.committed_offsets(settings, "group", "sent.v1") == {0: 0, 1: 0}
    reader.commit(message, asynchronous=False)
    reader.close()
    assert sum(kafka.committed_offsets(settings, "group", "sent.v1").values()) == 1


def test_end_offsets_count_every_message_of_a_batch(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["ends.v1"])
    producer = kafka.producer(settings)
    for count in (40, 60):
        for number in range(count):
            kafka.send(producer, "ends.v1", Message(str(number).encode(), {}, b"x"))
        kafka.flush(producer)
    assert sum(kafka.end_offsets(settings, "ends.v1").values()) == 100
    assert kafka.start_offsets(settings, "ends.v1") == {0: 0, 1: 0}


def test_a_reader_begins_at_the_start_and_commits_only_by_hand(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["manual.v1"])
    producer = kafka.producer(settings)
    for number in range(10):
        kafka.send(producer, "manual.v1", Message(b"one key", {}, str(number).encode()))
    kafka.flush(producer)
    for _ in range(2):
        reader = kafka.consumer(settings, "manual")
        reader.subscribe(["manual.v1"])
        assert [m.value() for m in _read(reader, 10)] == [str(n).encode() for n in range(10)]
        reader.close()


def test_a_reader_that_leaves_while_it_joins_does_not_block_the_next(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["left.v1"])
    producer = kafka.producer(settings)
    kafka.send(producer, "left.v1", Message(b"k", {}, b"v"))
    kafka.flush(producer)
    reader = kafka.consumer(settings, "left")
    reader.subscribe(["left.v1"])
    reader.poll(0.2)
    reader.close()
    reader = kafka.consumer(settings, "left")
    reader.subscribe(["left.v1"])
    assert len(_read(reader, 1)) == 1
    reader.close()


def test_topics_tell_their_replicas_and_groups_their_members(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["told.v1"])
    assert kafka.replication(settings)["told.v1"] == 1
    assert kafka.members(settings, "nobody") == 0
    reader = kafka.consumer(settings, "readers")
    reader.subscribe(["told.v1"])
    _read(reader, 1, within_s=5)
    assert kafka.members(settings, "readers") is None, "Tansu lists none; another broker says 1"
    reader.close()


def test_headers_that_are_not_text_do_not_fail(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["headers.v1"])
    producer = kafka.producer(settings)
    producer.client.produce("headers.v1", b"", headers=[("a", b"\xff"), ("b", None), ("c", b"1"), ("c", b"2")])
    kafka.flush(producer)
    reader = kafka.consumer(settings, "headers")
    reader.assign([ck.TopicPartition("headers.v1", partition, 0) for partition in (0, 1)])
    (message,) = _read(reader, 1)
    reader.close()
    assert kafka.headers(message) == {"a": "\\xff", "b": "", "c": "2"}


def test_a_message_beyond_the_limit_is_refused(settings: KafkaSettings) -> None:
    kafka.ensure_topics(settings, ["large.v1"])
    producer = kafka.producer(settings)
    with pytest.raises(MessageTooLarge) as caught:
        kafka.send(producer, "large.v1", Message(b"k", {}, bytes(kafka.RECORD_LIMIT_BYTES + 1)))
    assert caught.value.limit_bytes == kafka.RECORD_LIMIT_BYTES


def test_flush_tells_that_messages_were_lost() -> None:
    port = free_port()
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{port}")
    with LocalBroker(port):
        kafka.ensure_topics(settings, ["lost.v1"])
        producer = kafka.producer(settings)
    kafka.send(producer, "lost.v1", Message(b"k", {}, b"v"))
    with pytest.raises(BrokerUnavailable, match="1 messages were not acknowledged"):
        kafka.flush(producer, timeout_s=0.5)
    kafka.flush(producer, timeout_s=0.5)  # nothing waits any more


EVERY_FUNCTION: dict[str, Callable[[KafkaSettings], object]] = {
    "ensure_topics": lambda s: kafka.ensure_topics(s, ["a"]),
    "topic_id": lambda s: kafka.topic_id(s, "a"),
    "start_offsets": lambda s: kafka.start_offsets(s, "a"),
    "end_offsets": lambda s: kafka.end_offsets(s, "a"),
    "committed_offsets": lambda s: kafka.committed_offsets(s, "g", "a"),
    "consumer": lambda s: kafka.consumer(s, "g"),
    "producer": kafka.producer,
}


@pytest.mark.parametrize("name", EVERY_FUNCTION)
def test_a_broker_that_is_down_is_one_clear_line(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}")
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable) as caught:
        EVERY_FUNCTION[name](settings)
    assert time.monotonic() - started < 1
    assert str(caught.value) == (
        f"no Kafka broker answers at {settings.bootstrap} (Connection refused). Start it or set SOPHIA_KAFKA_BOOTSTRAP."
    )
    assert capfd.readouterr() == ("", "")  # librdkafka would write to stderr by itself


def test_a_listener_that_is_no_broker_is_given_up_within_five_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings = KafkaSettings(bootstrap=f"127.0.0.1:{mute.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            kafka.producer(settings)
    assert time.monotonic() - started < 5
    assert capfd.readouterr() == ("", "")
