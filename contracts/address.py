"""One address, three spellings: the Dagster asset key, the warehouse table, the Kafka topic."""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCUMENTS_TOPIC = "documents.v1"
MEMORY_TOPIC = "memory.v1"

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stream of records lives: a source, and one of its entities in the vendor's plural.

    Raises:
        ValueError: a part is not lower-case snake_case; it would not be one name in all three systems.
    """

    source: str
    entity: str

    def __post_init__(self) -> None:
        for part in (self.source, self.entity):
            if not _NAME.fullmatch(part):
                raise ValueError(f"{part!r} cannot be part of an address: use lower-case snake_case")

    @classmethod
    def parse(cls, text: str) -> Address:
        """The inverse of `str()`: `gong/calls`."""
        source, _, entity = text.partition("/")
        return cls(source, entity)

    def __str__(self) -> str:
        return f"{self.source}/{self.entity}"

    @property
    def asset_key(self) -> tuple[str, str]:
        """`("gong", "calls")`."""
        return (self.source, self.entity)

    @property
    def schema(self) -> str:
        """`GONG_INTEGRATION`."""
        return f"{self.source.upper()}_INTEGRATION"

    @property
    def table(self) -> str:
        """`GONG_INTEGRATION.CALLS`."""
        return f"{self.schema}.{self.entity.upper()}"

    @property
    def topic(self) -> str:
        """`events.gong.v1`: the webhooks of a source share a topic, so that their order is kept."""
        return f"events.{self.source}.v1"


def airbyte_schema(source: str) -> str:
    """`GONG_AIRBYTE`: where Airbyte keeps what it has read of a source, in tables of its own."""
    return f"{source.upper()}_AIRBYTE"


def worker_group(documents_topic_id: str) -> str:
    """The workers' consumer group: another one for a topic that was made anew, so that it is read from its start."""
    return f"sophia-embed.{documents_topic_id}"


def dead_letter_topic(topic: str) -> str:
    """`documents.v1` → `documents.v1.dlq`."""
    return f"{topic}.dlq"
