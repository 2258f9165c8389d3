"""How a vendor's record becomes a raw row: declared columns, read with a check of their type.

A field that a record lacks is NULL; a field of another type than declared makes the record a `Rejected` value, so
that the rest of its page lands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Literal

import msgspec

from contracts import identity
from contracts.address import Address
from contracts.tables import RAW_SYSTEM_COLUMNS, Column, ColumnType, Table

Json = Any
Record = dict[str, Json]
Row = dict[str, object]
Read = Callable[[Record], object]
"""Reads one column's value of a record. Raises ValueError with the rule that the record breaks."""


@dataclass(frozen=True, slots=True)
class Field:
    """A typed column and how it is read."""

    name: str
    type: ColumnType
    read: Read
    path: str | None = None
    """Its dotted place in the record; None where more than one decides it."""
    least: float | None = None
    """Below it a number makes no sense. Its row lands; the quality checks tell of it."""
    most: float | None = None
    """Above it, the same."""
    reads: tuple[str, ...] = ()
    """The places that decide it where `path` is None: `transcript[].sentences`, with all that lies below."""

    @property
    def places(self) -> tuple[str, ...]:
        """Every place in the record that it reads; none where a computed column does not say."""
        return self.reads if self.path is None else (self.path,)

    def within(self, least: float | None = None, most: float | None = None) -> Field:
        return replace(self, least=least, most=most)


@dataclass(frozen=True)
class Entity:
    """A stream of records of one kind."""

    address: Address
    key: tuple[str, ...]
    """Names of the fields that identify a record; never NULL."""
    fields: tuple[Field, ...]
    private: Read | None = None
    """Reads whether only some may know the record; a dead letter that is not surely public takes its row along."""
    deleted_at: Read | None = None
    """Reads when the record says that it was deleted (archived, put into the bin); None while it lives."""

    def is_surely_public(self, record: Record) -> bool:
        """Whether the record says that it is not private; one that cannot be read says nothing."""
        try:
            return self.private is None or self.private(record) is False
        except ValueError:
            return False

    def key_of(self, record: Record) -> tuple[object, ...]:
        """The record's key as far as it can be read: None stands where it cannot."""
        fields = {field.name: field for field in self.fields}
        return tuple(_readable(fields[name], record) for name in self.key)

    @property
    def table(self) -> Table:
        typed = tuple(Column(f.name, f.type, nullable=f.name not in self.key) for f in self.fields)
        return Table(self.address.table, self.key, typed + RAW_SYSTEM_COLUMNS)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot become a row; `reason` states the rule, never the record's values."""

    record: Record
    reason: str


def to_row(entity: Entity, record: Record, *, version: datetime, origin: Literal["pull", "push"]) -> Row | Rejected:
    """One record as it is staged; one that says it was deleted makes a tombstone.

    Args:
        version: when this state was true, see docs/adr/0002-versions.md.
    """
    row: Row = {}
    for field in entity.fields:
        try:
            value = field.read(record)
        except ValueError as error:
            return Rejected(record, f"{entity.address} {field.name}: {error}")
        if value is None and field.name in entity.key:
            return Rejected(record, f"{entity.address} {field.name}: a record without its key")
        row[field.name] = value
    try:
        deleted_at = entity.deleted_at(record) if entity.deleted_at is not None else None
    except ValueError as error:
        return Rejected(record, f"{entity.address} deleted_at: {error}")
    try:
        payload = msgspec.json.encode(record).decode()
        content_hash = identity.record_hash(record)
    except UnicodeEncodeError:
        return Rejected(record, f"{entity.address}: text that is no Unicode")
    return row | {
        "payload": payload,
        "_version": version,
        "_deleted_at": deleted_at,
        "_origin": origin,
        "_content_hash": content_hash,
        "_landed_at": version,
        "_load_id": "",
    }


def _readable(field: Field, record: Record) -> object:
    try:
        return field.read(record)
    except ValueError:
        return None


def text(name: str, path: str | None = None) -> Field:
    """`path` is dotted: `metaData.title`; the column's name where none is given."""
    return Field(name, ColumnType.TEXT, _typed(path or name, str, "text"), path or name)


def boolean(name: str, path: str | None = None) -> Field:
    return Field(name, ColumnType.BOOLEAN, _typed(path or name, bool, "true or false"), path or name)


def integer(name: str, path: str | None = None) -> Field:
    return Field(name, ColumnType.INTEGER, _typed(path or name, int, "a whole number"), path or name)


def whole_number(name: str, path: str | None = None) -> Field:
    """An integer that may be written as 2.0, as GraphQL's Float is."""
    read = _typed(path or name, int | float, "a whole number")

    def parse(record: Record) -> object:
        value = read(record)
        if not isinstance(value, float):
            return value
        if not value.is_integer() or not -(2.0**63) <= value < 2.0**63:
            raise ValueError("expected a whole number of 64 bits, received another number")
        return int(value)

    return Field(name, ColumnType.INTEGER, parse, path or name)


def number(name: str, path: str | None = None) -> Field:
    """A number, or text that is one; empty text is NULL, as HubSpot clears a property with it."""
    dotted = path or name

    def parse(record: Record) -> float | None:
        value = at(record, dotted)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"expected a number, received {_kind(value)}")
        try:
            parsed = float(value)
        except (ValueError, OverflowError):
            raise ValueError("expected a number, received other text") from None  # theirs shows the value
        if not math.isfinite(parsed):
            raise ValueError("expected a finite number")
        return parsed

    return Field(name, ColumnType.FLOAT, parse, dotted)


def iso_time(name: str, path: str | None = None) -> Field:
    """ISO 8601 with an offset or Z; empty text is NULL."""
    read = _typed(path or name, str, "a time in ISO 8601")

    def parse(record: Record) -> datetime | None:
        value = read(record)
        if value is None or value == "":
            return None
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise ValueError("expected a time in ISO 8601, received other text") from None  # theirs shows the value
        if moment.tzinfo is None:
            raise ValueError("expected a time with an offset")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("expected a time between the years 1 and 9999 UTC") from None

    return Field(name, ColumnType.TIMESTAMP, parse, path or name)


def epoch_time(name: str, path: str | None = None) -> Field:
    """Seconds since 1970, as a number or as Slack's text with six decimals."""
    dotted = path or name

    def parse(record: Record) -> datetime | None:
        value = at(record, dotted)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"expected seconds since 1970, received {_kind(value)}")
        return from_epoch(str(value))

    return Field(name, ColumnType.TIMESTAMP, parse, dotted)


def computed(name: str, type_: ColumnType, read: Read, reads: tuple[str, ...] = ()) -> Field:
    """A column that more than one place of the record decides; `read` may take the documented shape for granted.

    Args:
        reads: these places, so that `sophia schema diff` knows them: `context[].objects[].objectId`.
    """

    def checked(record: Record) -> object:
        try:
            return read(record)
        except (AttributeError, KeyError, TypeError):
            raise ValueError("expected the shape that the vendor documents") from None

    return Field(name, type_, checked, reads=reads)


def from_epoch(seconds: str) -> datetime:
    """Exact to the microsecond: Slack's `ts` must never pass through a float.

    Raises:
        ValueError: no number, or beyond the year 9999.
    """
    whole, _, fraction = seconds.partition(".")
    try:
        return datetime.fromtimestamp(int(whole), UTC).replace(microsecond=int(fraction[:6].ljust(6, "0")))
    except (ValueError, OverflowError, OSError):
        raise ValueError("expected seconds since 1970") from None  # theirs shows the value


def at(record: Record, path: str) -> Json:
    """The value at a dotted path, None where a step is missing or null."""
    value: Json = record
    for step in path.split("."):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ValueError(f"expected an object above {step}, received {_kind(value)}")
        value = value.get(step)
    return value


def _typed(path: str, type_: type | UnionType, wanted: str) -> Read:
    def read(record: Record) -> object:
        value = at(record, path)
        if value is None:
            return None
        if not isinstance(value, type_) or (type_ is not bool and isinstance(value, bool)):
            raise ValueError(f"expected {wanted}, received {_kind(value)}")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("expected a whole number of 64 bits")
        return value

    return read


def _kind(value: Json) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), type(value).__name__)
