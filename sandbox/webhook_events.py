"""What a vendor tells about a change: the event, and how one vendor's shaper turns a command into such events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sandbox.gong_records import TIMING_FIELDS, GongRecords
from sandbox.records import Record


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a vendor, as it is before it is stamped and signed."""

    event_id: str
    """The same on every attempt: Slack's event_id, the delivery's id of Linear."""
    kind: str
    """E.g. `message` or `Issue`."""
    body: Record
    """Nothing else holds it, so later changes of the world don't reach it."""
    due: datetime | None = None
    """World time before which it is not sent; None: at once."""


@dataclass(frozen=True, slots=True)
class Command:
    """The command that is about to change a vendor's records."""

    op: str
    """create, edit or delete."""
    stream: str
    """Without the vendor's name."""
    key: Mapping[str, Any]
    fields: Mapping[str, Any]
    now: datetime
    """World time."""
    place: str
    """Of the command in the world's history: what ids are made from, so that none comes twice."""


Finish = Callable[[Record], list[Event]]
"""Given what the command answered, tells the events that it made."""


class Shaper(Protocol):
    """Watches one vendor's records over one command."""

    def before(self, command: Command) -> Finish | None:
        """Remember what the command may change; None where no event can come of it.

        Raises:
            CommandRefused: what the command names is not there, so it will be refused.
        """


class GongShaper:
    """`{"callData": an extensive call, "isTest": false}` for a call that came or was edited.

    It has no id and no type, and nothing is told of deletions or of a transcript that comes later (Gong, rules).
    """

    def __init__(self, records: GongRecords) -> None:
        self._records = records

    def before(self, command: Command) -> Finish | None:
        if command.stream != "calls" or command.op == "delete":
            return None
        if command.op == "edit" and not set(command.fields) - TIMING_FIELDS:
            return None

        def finish(record: Record) -> list[Event]:
            call = self._records.calls[record["metaData"]["id"]]
            if call.is_visible(command.now):
                due = None
            elif command.op == "create":
                due = call.visible_at
            else:
                return []  # what it is by then will be told once it is there
            body = {"callData": deepcopy(record), "isTest": False}
            return [Event(f"{command.place}:{record['metaData']['id']}", "call", body, due)]

        return finish
