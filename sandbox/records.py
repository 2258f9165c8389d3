"""What the world asks of a vendor's records, and the few things that all vendors' records share.

Errors:

    SandboxError
    ├── CommandRefused   a control command that makes no sense; nothing was changed
    └── WorldRefused     a world that can't be opened as asked
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol

Record = dict[str, Any]
"""One JSON object, as the vendor's API gives it."""


class SandboxError(Exception):
    """The root of this package's errors; the message is one sentence for the person at the keyboard."""


class CommandRefused(SandboxError):
    """A control command named something that is not there or not allowed; the world is as before."""


class WorldRefused(SandboxError):
    """The state folder or the material does not fit what was asked for."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a command is executed; all that it may depend on besides its own content."""

    now: datetime
    """World time, with zone."""
    rng: Random
    """Seeded by the world's seed and the command's place in its history, so that a replay makes the same ids."""


class VendorRecords(Protocol):
    """The truth of one vendor: what its API would say to a reader who may see everything the app may see.

    Streams go by the vendor's plural (`calls`), without the vendor's name.
    """

    def counts(self, now: datetime) -> dict[str, int]:
        """Rows a stream that are visible at `now`."""

    def streams(self, now: datetime) -> dict[str, list[Record]]:
        """Every stream's visible records, in the shape of the API."""

    def create(self, stream: str, fields: Record, moment: Moment) -> Record:
        """Add a record and return it; raises CommandRefused."""

    def edit(self, stream: str, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        """Change a record and return its new form; raises CommandRefused."""

    def delete(self, stream: str, key: Mapping[str, Any], moment: Moment) -> Record:
        """Remove a record and return its last form; raises CommandRefused."""


def seeded(*parts: object) -> Random:
    """A generator that equal parts give an equal one of; for made-up worlds, never for secrets."""
    return Random(":".join(str(part) for part in parts))  # noqa: S311


def parse_time(text: object) -> datetime:
    """Read an ISO-8601 time with an offset or Z.

    Raises:
        ValueError: no such time, or one without an offset.
    """
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} lacks an offset; write it with Z or +hh:mm")
    return moment


def command_time(fields: Mapping[str, Any], name: str, default: datetime) -> datetime:
    """The time in this field of a command, or the default; raises CommandRefused."""
    if fields.get(name) is None:
        return default
    try:
        return parse_time(fields[name])
    except ValueError as error:
        raise CommandRefused(f"{name}: {error}.") from error


def as_iso(moment: datetime) -> str:
    """ISO-8601 with its own offset; UTC as Z, microseconds only where there are any."""
    return moment.isoformat().replace("+00:00", "Z")


def as_utc_iso(moment: datetime) -> str:
    """ISO-8601 in UTC, with Z."""
    return as_iso(moment.astimezone(UTC))


def number_id(text: str) -> str:
    """A vendor-like id of 19 or 20 digits (above 2^53, below 2^64), always the same for a text."""
    return str(10**18 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % (17 * 10**18))


def letter_id(prefix: str, text: str) -> str:
    """A Slack-like id: the prefix and ten capitals or digits, always the same for a text."""
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:10].upper()


def refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Refuse a command with a field that this record does not have; raises CommandRefused."""
    unknown = sorted(set(fields) - known)
    if unknown:
        raise CommandRefused(f"{what} has no field {unknown[0]!r}; it has {', '.join(sorted(known))}.")
