"""From the journal to the topics, in order, until the warehouse holds what was sent.

A segment is sent from its beginning, and is marked when all of it is acknowledged. It is forgotten once every partition
has landed as far; if a topic was lost before, it is sent again. What is sent twice lands once: rows go by version.
A delivery that cannot be read goes to the dead-letter topic with its bytes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from contracts import wire
from contracts.address import dead_letter_topic
from contracts.errors import MessageTooLarge, StatementFailed, TransientError, WarehouseUnavailable
from contracts.records import DeadLetter
from pipelines import webhooks
from pipelines.webhooks import Unreadable
from pipelines.webhooks.journal import Delivery, Journal
from resources import kafka
from resources.profile import Profile
from resources.warehouse import Warehouse

log = structlog.get_logger()

BATCH = 500
"""Deliveries that are sent before their acknowledgement is waited for."""
FORGET_S = 5.0
SNOWFLAKE_FORGET_S = 60.0
BACKOFF_S = (0.2, 5.0)


def topics() -> tuple[str, ...]:
    """Of every source that sends webhooks, with their dead letters."""
    named = [webhooks.topic(source) for source in webhooks.names()]
    return (*named, *map(dead_letter_topic, named))


class Forwarder:
    """Sends what a journal holds, until told to stop."""

    def __init__(self, profile: Profile, journal: Journal, warehouse: Warehouse) -> None:
        self._profile = profile
        self._journal = journal
        self._warehouse = warehouse
        self._producer: kafka.Producer | None = None
        self._topic_ids: dict[str, str] = {}
        self._segment = 0
        self._offset = 0
        self._ends: dict[str, int] = {}
        """Of the segment in hand."""
        self._looked_at = 0.0
        self.sent = 0
        """Deliveries that are acknowledged."""
        self.interrupted: str | None = None
        """Why nothing can be sent now."""

    def run(self, stop: threading.Event) -> None:
        """Broker and warehouse may come and go."""
        wait_s = BACKOFF_S[0]
        while not stop.is_set():
            try:
                progressed = self.step()
                self.interrupted, wait_s = None, BACKOFF_S[0]
                if not progressed:
                    self._journal.grown.wait(0.5)
            except TransientError as error:
                if self.interrupted is None:
                    log.warning("forwarding_interrupted", error=str(error))
                self.interrupted = str(error)
                self._producer = None
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, BACKOFF_S[1])

    def step(self) -> bool:
        """Send a batch, or look what can be forgotten.

        Returns:
            Whether there was something to send.
        Raises:
            BrokerUnavailable, TopicMissing
        """
        producer = self._connected()
        self._journal.grown.clear()
        progressed = self._send_next(producer)
        forget_s = SNOWFLAKE_FORGET_S if self._profile.warehouse == "snowflake" else FORGET_S
        if time.monotonic() - self._looked_at > forget_s:
            self._looked_at = time.monotonic()
            self._look()
        return progressed

    @property
    def waiting(self) -> int:
        """Segments of which something has not been sent."""
        return len(self._journal.unsent())

    def _connected(self) -> kafka.Producer:
        if self._producer is None:
            kafka.ensure_topics(self._profile.kafka, topics())
            self._producer = kafka.producer(self._profile.kafka)
            self._take_ids()
        return self._producer

    def _take_ids(self) -> None:
        ids = {topic: kafka.topic_id(self._profile.kafka, topic) for topic in topics()}
        if ids != self._topic_ids:
            self._segment, self._offset, self._ends = 0, 0, {}  # what the segment in hand has sent is lost
            self._topic_ids = ids

    def _send_next(self, producer: kafka.Producer) -> bool:
        unsent = self._journal.unsent()
        if not unsent:
            return False
        number = unsent[0]
        if number != self._segment:
            self._segment, self._offset, self._ends = number, 0, {}
        is_whole = not self._journal.is_open(number)
        end, count = self._offset, 0
        producer.ends.clear()
        for count, entry in enumerate(self._journal.read(number, self._offset), 1):
            self._send(producer, entry.delivery)
            end = entry.end
            if count == BATCH:
                is_whole = False
                break
        if count:
            kafka.flush(producer)
            for (topic, partition), behind in producer.ends.items():
                self._ends[f"topic:{topic}:{self._topic_ids[topic]}:{partition}"] = behind
            self._offset = end
            self.sent += count
        if is_whole:
            self._journal.mark_sent(number, self._ends)
        return count > 0 or is_whole

    def _send(self, producer: kafka.Producer, delivery: Delivery) -> None:
        topic = webhooks.topic(delivery.source)
        try:
            for event in webhooks.module(delivery.source).events(delivery):
                kafka.send(producer, topic, wire.encode_event(event))
        except (Unreadable, MessageTooLarge) as error:
            reason = str(error) if isinstance(error, Unreadable) else "an event over the limit of a message"
            letter = DeadLetter.of(topic, delivery.body, reason, datetime.now(UTC))
            kafka.send(producer, dead_letter_topic(topic), wire.encode_dead_letter(letter))

    def _look(self) -> None:
        """Forget what has landed; send again what was on topics that are no more."""
        self._take_ids()
        marked = self._journal.sent()
        if not marked:
            return
        current = {f"topic:{topic}:{topic_id}" for topic, topic_id in self._topic_ids.items()}
        try:
            landed = _landed(self._warehouse)
        except (WarehouseUnavailable, StatementFailed) as error:  # no reason to send nothing meanwhile
            log.warning("landed_unknown", error=str(error))
            return
        for number, ends in marked.items():
            if any(landed.get(key, 0) < end and key.rpartition(":")[0] not in current for key, end in ends.items()):
                log.warning("segment_sent_again", segment=number)
                self._journal.unmark(number)
            elif all(landed.get(key, 0) >= end for key, end in ends.items()):
                self._journal.forget(number)


def _landed(warehouse: Warehouse) -> Mapping[str, int]:
    found = warehouse.query(
        "SELECT POSITION_KEY, VALUE FROM SOPHIA_CORE.POSITIONS WHERE STARTSWITH(POSITION_KEY, 'topic:events.')"
    )
    return {row["position_key"]: int(row["value"] or 0) for row in found.to_pylist()}
