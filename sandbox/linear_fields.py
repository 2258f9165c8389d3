"""What the fields of a control command on Linear may hold, stream by stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from sandbox.linear_rows import stamp
from sandbox.records import CommandRefused, Record, command_time

Check = Callable[[Record, str], object]
"""Reads the field of this name out of a command's fields; raises CommandRefused."""


def _text(fields: Record, name: str) -> str:
    if not isinstance(fields[name], str) or not fields[name].strip():
        raise CommandRefused(f"{name} is a text that is not empty, not {fields[name]!r}.")
    return str(fields[name])


def flag(fields: Record, name: str) -> bool:
    """The yes or no in this field; raises CommandRefused."""
    if not isinstance(fields[name], bool):
        raise CommandRefused(f"{name} is true or false, not {fields[name]!r}.")
    return bool(fields[name])


def _number(fields: Record, name: str) -> float:
    value = fields[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise CommandRefused(f"{name} is a number from 0 on, not {value!r}.")
    return value


def _priority(fields: Record, name: str) -> int:
    if not isinstance(fields[name], int) or isinstance(fields[name], bool) or not 0 <= fields[name] <= 4:
        raise CommandRefused(f"{name} is a whole number from 0 to 4, not {fields[name]!r}.")
    return int(fields[name])


def _day(fields: Record, name: str) -> str:
    try:
        return date.fromisoformat(fields[name]).isoformat()
    except (TypeError, ValueError) as error:
        raise CommandRefused(f"{name} is a date such as 2026-11-20, not {fields[name]!r}.") from error


def time_text(fields: Record, name: str) -> str:
    """The time in this field as Linear writes it; raises CommandRefused."""
    if not isinstance(fields[name], str):
        raise CommandRefused(f"{name} is a time such as 2026-11-20T09:30:00Z, not {fields[name]!r}.")
    # The default is never used: the field is there and holds a text.
    return stamp(command_time(fields, name, None))  # type: ignore[arg-type]


def _health(fields: Record, name: str) -> str:
    if fields[name] not in ("onTrack", "atRisk", "offTrack"):
        raise CommandRefused(f"{name} is onTrack, atRisk or offTrack, not {fields[name]!r}.")
    return str(fields[name])


def _or_null(check: Check) -> Check:
    return lambda fields, name: None if fields[name] is None else check(fields, name)


PLAIN: Mapping[str, Mapping[str, Check]] = {
    "teams": {
        "key": _text,
        "name": _text,
        "description": _or_null(_text),
        "timezone": _text,
        "cyclesEnabled": flag,
        "cycleDuration": _number,
        "private": flag,
        "retiredAt": _or_null(time_text),
    },
    "users": {
        "name": _text,
        "displayName": _text,
        "email": _text,
        "active": flag,
        "admin": flag,
        "guest": flag,
        "app": flag,
        "timezone": _or_null(_text),
        "lastSeen": _or_null(time_text),
    },
    "workflow_states": {"name": _text, "color": _text, "description": _or_null(_text), "position": _number},
    "issue_labels": {"name": _text, "color": _text, "description": _or_null(_text), "isGroup": flag},
    "projects": {
        "name": _text,
        "description": _text,
        "content": _or_null(_text),
        "color": _text,
        "icon": _or_null(_text),
        "priority": _priority,
        "health": _or_null(_health),
        "startDate": _or_null(_day),
        "targetDate": _or_null(_day),
        "startedAt": _or_null(time_text),
        "completedAt": _or_null(time_text),
        "canceledAt": _or_null(time_text),
    },
    "cycles": {
        "name": _or_null(_text),
        "description": _or_null(_text),
        "startsAt": time_text,
        "endsAt": time_text,
        "completedAt": _or_null(time_text),
    },
    "issues": {
        "title": _text,
        "description": _or_null(_text),
        "priority": _priority,
        "estimate": _or_null(_number),
        "dueDate": _or_null(_day),
        "startedAt": _or_null(time_text),
        "completedAt": _or_null(time_text),
        "canceledAt": _or_null(time_text),
    },
    "comments": {"body": _text},
}
"""Fields that are stored under their own name."""

REFERENCES: Mapping[str, Mapping[str, str]] = {
    "issue_labels": {"team": "teams", "parent": "issue_labels", "creator": "users"},
    "projects": {"lead": "users", "creator": "users"},
    "issues": {"assignee": "users", "creator": "users", "delegate": "users", "project": "projects", "parent": "issues"},
    "comments": {"issue": "issues", "project": "projects", "parent": "comments", "user": "users"},
}
"""Fields that name another record, by id or name, or null: the stream that it is of."""

OWN: Mapping[str, frozenset[str]] = {
    "teams": frozenset(("granted",)),
    "users": frozenset(),
    "workflow_states": frozenset(("team", "type")),
    "issue_labels": frozenset(),
    "projects": frozenset(("status", "teams", "members", "trashed")),
    "cycles": frozenset(("team",)),
    "issues": frozenset(("team", "state", "cycle", "labels", "trashed")),
    "comments": frozenset(("resolved", "bot")),
}
"""Fields with a meaning of their own; the rest of them stand in `linear_records`."""


def known_fields(stream: str) -> frozenset[str]:
    """Every field that a command on this stream may have."""
    return frozenset((*PLAIN[stream], *REFERENCES.get(stream, ()), *OWN[stream], "createdAt", "archived"))
