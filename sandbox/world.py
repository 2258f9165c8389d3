"""The one coherent world behind all vendors: made from a seed, moved only by commands.

Its clock stands still until a command moves it. Every command that changes something is written to a journal;
a world opened again on the same state folder is made anew and the journal is replayed, so edits survive.

    state folder
    ├── world.json        seed, scale, start, data: written once
    └── commands.jsonl    one executed command a line, in order
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Protocol

from sandbox.company import found_company
from sandbox.gong_records import GongRecords
from sandbox.hubspot_records import HubspotRecords
from sandbox.linear_records import LinearRecords
from sandbox.real_issues import load_issues
from sandbox.real_material import load_meetings, load_slack_export
from sandbox.records import (
    CommandRefused,
    Moment,
    Record,
    VendorRecords,
    WorldRefused,
    as_utc_iso,
    command_time,
    parse_time,
    seeded,
)
from sandbox.slack_records import SlackRecords
from sandbox.synthetic_calls import CallWriter, workspace
from sandbox.synthetic_chat import ChatWriter
from sandbox.synthetic_crm import CrmWriter
from sandbox.synthetic_issues import IssueWriter
from sandbox.webhook_events import Command

KEY_FIELDS = (
    *("id", "channel", "ts", "user", "thread"),
    *("hard", "fromType", "fromId", "toType", "toId", "typeId", "primary"),
)
"""What names a record: the first line for Gong and Slack, the second besides the id for HubSpot."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a world is made from; equal settings make equal worlds."""

    seed: int
    scale: float
    """1.0 is a demo: about 120 calls, 900 messages and 160 issues."""
    start: datetime
    """World time at the beginning, in UTC."""
    data: Path | None = None
    """A folder of real material, instead of made-up one."""

    def as_record(self) -> Record:
        return {
            "seed": self.seed,
            "scale": self.scale,
            "start": as_utc_iso(self.start),
            "data": str(self.data) if self.data else None,
        }


class Watcher(Protocol):
    """Learns of every command on a vendor's records, but of none that the journal replays."""

    def before(self, vendor: str, command: Command) -> Callable[[Record], None] | None:
        """Before the command; what comes back is called with its answer, unless it is refused."""

    def moved(self, now: datetime) -> None:
        """The world's time is a later one."""


class World:
    """The truth of every vendor, and the clock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = settings.start
        self.gong = GongRecords(workspace(settings.seed))
        company = found_company(settings.seed, settings.start)
        chat = ChatWriter(company, settings.seed, settings.start)
        self.slack: SlackRecords = chat.empty_workspace()
        self.hubspot = HubspotRecords(settings.start)
        self.linear = LinearRecords()
        self.planted: list[Record] = []
        """Facts that are said once: fact_id, text, query, stream and key."""
        if settings.data is None:
            calls = CallWriter(company, settings.seed, settings.start)
            self.planted = calls.fill(self.gong, settings.scale) + chat.fill(self.slack, settings.scale)
            self.planted += CrmWriter(company, settings.seed, settings.start).fill(self.hubspot, settings.scale)
            self.planted += IssueWriter(company, settings.seed, settings.start).fill(self.linear, settings.scale)
        else:
            if (settings.data / "qmsum").is_dir():
                load_meetings(settings.data / "qmsum", self.gong, settings.start)
            if (settings.data / "slack_export").is_dir():
                load_slack_export(settings.data / "slack_export", self.slack)
            if (settings.data / "tawos").is_dir():
                load_issues(settings.data / "tawos", self.linear)
        self.vendors: Mapping[str, VendorRecords] = {
            "gong": self.gong,
            "slack": self.slack,
            "hubspot": self.hubspot,
            "linear": self.linear,
        }
        self.commands_executed = 0
        self.watcher: Watcher | None = None
        """Set once the journal was replayed."""
        self.follows_wall_clock = False
        """World time is moved to the wall clock, where that is later, before each command and each answer."""
        self._settled = self.now
        """World time that a replay of the journal comes to."""
        self._journal: IO[str] | None = None

    def counts(self) -> dict[str, int]:
        """Visible rows by stream, e.g. `gong.calls`."""
        return {
            f"{vendor}.{stream}": count
            for vendor, records in self.vendors.items()
            for stream, count in records.counts(self.now).items()
        }

    def dump(self) -> dict[str, list[Record]]:
        """Every visible record by stream."""
        return {
            f"{vendor}.{stream}": rows
            for vendor, records in self.vendors.items()
            for stream, rows in records.streams(self.now).items()
        }

    def execute(self, op: str, command: Record) -> Record:
        """Carry out one command and write it to the journal.

        Args:
            op: create, edit, delete or clock.
            command: for records `stream` (with its vendor before a dot, or beside it as `vendor`), the key (`id`, or
                `channel` and `ts`) and `fields`; for the clock `to` (ISO-8601) or `advance_s`.
        Returns:
            The record's new form (its last one after a delete), or `{"now": ...}`.
        Raises:
            CommandRefused: nothing was changed.
        """
        self._settle_clock()
        return self._execute(op, command)

    def tick(self) -> None:
        """Let world time follow the wall clock, where that was asked for; a next command brings it to the journal."""
        wall = datetime.now(UTC)
        wall = wall.replace(microsecond=wall.microsecond // 1000 * 1000)
        if self.follows_wall_clock and wall > self.now:
            self._set_clock(wall)

    def _settle_clock(self) -> None:
        """Follow the wall clock, and write down where it stands, so that a replay comes to the same times."""
        self.tick()
        if self.now != self._settled:
            self._execute("clock", {"to": as_utc_iso(self.now)})

    def _execute(self, op: str, command: Record) -> Record:
        result = self._move_clock(command) if op == "clock" else self._change(op, command)
        self.commands_executed += 1
        if self._journal is not None:
            self._journal.write(json.dumps({"op": op} | command) + "\n")
            self._journal.flush()
        return result

    def resume(self, path: Path) -> None:
        """Execute the commands in the journal, and write further ones to it.

        A last line that a crash cut off was never answered, so it is dropped.
        """
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        for line in whole.splitlines():
            command: Record = json.loads(line)
            self.execute(command.pop("op"), command)
        self._journal = path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the journal; commands after that are kept in memory only."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _change(self, op: str, command: Record) -> Record:
        stream = command.get("stream")
        fields = command.get("fields", {})
        if not isinstance(stream, str) or not isinstance(fields, dict):
            raise CommandRefused("A command names its stream, such as gong.calls, and gives fields as an object.")
        vendor = command.get("vendor")
        if "." in stream:
            named, stream = stream.split(".", 1)
            if vendor not in (None, named):
                raise CommandRefused(f"The stream is {named}'s, but the vendor is {vendor!r}.")
            vendor = named
        if not isinstance(vendor, str) or vendor not in self.vendors:
            raise CommandRefused(f"There is no vendor {vendor!r}; there are {', '.join(self.vendors)}.")
        unknown = set(command) - {"vendor", "stream", "fields", *KEY_FIELDS}
        if unknown:
            raise CommandRefused(f"A command has no {sorted(unknown)[0]!r} beside stream, fields and the key.")
        key = {name: command[name] for name in KEY_FIELDS if name in command}
        moment = Moment(self.now, seeded(self.settings.seed, "command", self.commands_executed))
        if op not in ("create", "edit", "delete"):
            raise CommandRefused(f"There is no command {op!r}; there are create, edit, delete and clock.")
        if op == "create":
            fields = fields | {k: v for k, v in key.items() if k not in fields}
        finish = None
        if self.watcher is not None:
            place = f"{self.settings.seed}:{self.commands_executed}"
            finish = self.watcher.before(vendor, Command(op, stream, key, fields, self.now, place))
        records = self.vendors[vendor]
        if op == "create":
            result = records.create(stream, fields, moment)
        elif op == "edit":
            result = records.edit(stream, key, fields, moment)
        else:
            result = records.delete(stream, key, moment)
        if finish is not None:
            finish(result)
        return result

    def _move_clock(self, command: Record) -> Record:
        if "to" in command:
            now = command_time(command, "to", self.now).astimezone(UTC)
        else:
            advance_s = command.get("advance_s")
            if not isinstance(advance_s, int | float) or not math.isfinite(advance_s):
                raise CommandRefused("The clock needs to (ISO-8601) or advance_s (a number).")
            now = self.now + timedelta(seconds=advance_s)
        if now < self.now:
            raise CommandRefused(f"The clock stands at {as_utc_iso(self.now)} and does not go back.")
        self._set_clock(now)
        self._settled = now
        return {"now": as_utc_iso(now)}

    def _set_clock(self, now: datetime) -> None:
        self.now = now
        if self.watcher is not None:
            self.watcher.moved(now)


def open_world(
    seed: int = 7,
    scale: float = 1.0,
    start: datetime | None = None,
    state: Path | None = None,
    data: Path | None = None,
) -> World:
    """Make a world, or open the one in the state folder again, with all that was done to it.

    Args:
        start: world time at the beginning; the present second where it is None and nothing is stored.
        state: folder to keep the world in, made if absent; None keeps it in memory only.
        data: folder of real material.
    Raises:
        WorldRefused: the folder holds another world, or there is no material.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise WorldRefused(f"The scale is a number above 0, not {scale}.")
    if data is not None and not any((data / part).is_dir() for part in ("qmsum", "slack_export", "tawos")):
        raise WorldRefused(f"{data} holds none of qmsum, slack_export and tawos.")
    begin = (start or datetime.now(UTC).replace(microsecond=0)).astimezone(UTC)
    settings = Settings(seed, scale, begin, data.resolve() if data else None)
    if state is None:
        return World(settings)
    state.mkdir(parents=True, exist_ok=True)
    settings = _stored_settings(state / "world.json", settings, start)
    world = World(settings)
    world.resume(state / "commands.jsonl")
    return world


def _stored_settings(path: Path, settings: Settings, start: datetime | None) -> Settings:
    """The settings in the file, where they agree with those asked for; else those asked for, now stored."""
    if not path.exists():
        path.write_text(json.dumps(settings.as_record()) + "\n", encoding="utf-8")
        return settings
    stored = json.loads(path.read_text(encoding="utf-8"))
    asked = settings.as_record()
    names = ("seed", "scale", "data") if start is None else ("seed", "scale", "data", "start")
    for name in names:
        if stored[name] != asked[name]:
            raise WorldRefused(
                f"{path.parent} holds a world with {name} {stored[name]}, not {asked[name]}: "
                "use another state folder, or delete this one."
            )
    return Settings(settings.seed, settings.scale, parse_time(stored["start"]), settings.data)
