"""What Linear knows, and what of it a reader with the key may see at a time.

A team that the key's owner was not granted is not there for the reader, nor is anything in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sandbox import linear_rows as rows
from sandbox.records import CommandRefused, Record

NAMES: Mapping[str, tuple[str, ...]] = {
    "teams": ("key", "name"),
    "users": ("email", "name"),
    "workflow_states": (),
    "issue_labels": ("name",),
    "projects": ("name", "slugId"),
    "cycles": (),
    "issues": ("identifier",),
    "comments": (),
}
"""Fields by which a command may name a record, besides its id."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row that a command wrote or removed."""

    stream: str
    row: Record
    """As it is now, or was last."""
    before: Record | None
    """As it was; None where it is new."""
    at: str
    """When, as Linear writes it."""
    removed: bool = False


def _no_rows() -> dict[str, dict[str, Record]]:
    return {stream: {} for stream in rows.STREAMS}


@dataclass(slots=True)
class LinearStore:
    """All rows, whoever may see them."""

    rows: dict[str, dict[str, Record]] = field(default_factory=_no_rows)
    """By stream and id; a row is replaced, never changed in place."""
    history: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    """By issue, oldest first."""
    hidden: set[str] = field(default_factory=set)
    """Teams that the key's owner was not granted."""
    numbers: dict[str, int] = field(default_factory=dict)
    """The last issue number given out, by team; deleted issues keep theirs."""
    newest: str = ""
    """The latest time that any row was changed at."""
    watched: list[Change] | None = None
    """Takes up what is changed while it is set."""

    def put(self, stream: str, row: Record) -> None:
        """Add a row, or replace the one with its id."""
        if self.watched is not None:
            self.watched.append(Change(stream, row, self.rows[stream].get(row["id"]), row["updatedAt"]))
        self.rows[stream][row["id"]] = row
        self.newest = max(self.newest, row["updatedAt"])
        if stream == "issues":
            team = row["teamId"]
            self.numbers[team] = max(self.numbers.get(team, 0), row["number"])

    def find(self, stream: str, name: object) -> Record:
        """The row of this id or name; raises CommandRefused."""
        found = self.rows[stream].get(str(name)) or self.named(stream, str(name))
        if found is None:
            raise CommandRefused(f"Linear's {stream} have no {name!r}.")
        return found

    def named(self, stream: str, name: str) -> Record | None:
        """The row with this key, name, address or identifier; an issue also by one that it had before."""
        for row in self.rows[stream].values():
            if any(row[column] == name for column in NAMES[stream]) or name in row.get("previousIdentifiers", ()):
                return row
        return None

    def states_of(self, team_id: str) -> list[Record]:
        """The team's workflow states, by position."""
        found = [state for state in self.rows["workflow_states"].values() if state["teamId"] == team_id]
        return sorted(found, key=lambda state: state["position"])


class Reading:
    """What a reader sees at one time; figures are counted once."""

    def __init__(self, store: LinearStore, now: datetime) -> None:
        self.store = store
        self.now = now
        self._now = rows.stamp(now)
        self._figures: dict[str, Record] = {}
        self._grouped: dict[tuple[str, str], dict[str, list[Record]]] = {}

    def visible(self, stream: str) -> list[Record]:
        """Every row that the reader may see, archived ones too."""
        found = [row for row in self.store.rows[stream].values() if self.may_see(stream, row)]
        return [rows.settled_cycle(row, self._now) for row in found] if stream == "cycles" else found

    def one(self, stream: str, row_id: str | None) -> Record | None:
        """The row of this id, where there is one and the reader may see it."""
        row = self.store.rows[stream].get(row_id) if row_id is not None else None
        if row is None or not self.may_see(stream, row):
            return None
        return rows.settled_cycle(row, self._now) if stream == "cycles" else row

    def under(self, stream: str, column: str, row_id: str) -> list[Record]:
        """The visible rows that have this id in the column, e.g. a cycle's issues by `cycleId`."""
        if (stream, column) not in self._grouped:
            grouped = defaultdict(list)
            for row in self.visible(stream):
                grouped[row[column]].append(row)
            self._grouped[stream, column] = grouped
        return self._grouped[stream, column].get(row_id, [])

    def figures(self, stream: str, row: Record) -> Record:
        """What a cycle or project says of its issues."""
        if row["id"] not in self._figures:
            types = {state["id"]: state["type"] for state in self.store.rows["workflow_states"].values()}
            column = "cycleId" if stream == "cycles" else "projectId"
            issues = [issue for issue in self.under("issues", column, row["id"]) if not issue["trashed"]]
            counted = (
                rows.cycle_figures(row, issues, types, self._now)
                if stream == "cycles"
                else rows.project_figures(issues, types)
            )
            self._figures[row["id"]] = counted
        return self._figures[row["id"]]

    def record(self, stream: str, row: Record) -> Record:
        """The row in the shape of the sample query's node."""
        if stream == "cycles":
            row = rows.settled_cycle(row, self._now)
        whole = row | self.figures(stream, row) if stream in ("cycles", "projects") else row
        shape = rows.SHAPES[stream]
        record = {name: rows.as_javascript(whole[name]) for name in shape.plain}
        for name, (target, told) in shape.references.items():
            other = row[name] if target == "embedded" else self.one(target, row[f"{name}Id"])
            record[name] = None if other is None else {key: other[key] for key in told}
        if stream == "projects":
            teams = [team for one in row["teamIds"] if (team := self.one("teams", one)) and not team["archivedAt"]]
            teams.sort(key=lambda team: (team["createdAt"], team["id"]), reverse=True)
            record["teams"] = {"nodes": [{"id": team["id"]} for team in teams]}
        return record

    def may_see(self, stream: str, row: Record) -> bool:
        """Whether the reader may see this row, one that was removed too."""
        hidden = self.store.hidden
        if not hidden or stream == "users":
            return True
        if stream == "teams":
            return row["id"] not in hidden
        if stream == "projects":
            return not row["teamIds"] or any(team not in hidden for team in row["teamIds"])
        if stream == "comments":
            return self._sees_parent_of(row)
        return row["teamId"] not in hidden

    def _sees_parent_of(self, comment: Record) -> bool:
        """A comment is seen with the issue or project that it stands under."""
        if comment["issueId"] is not None:
            return self.one("issues", comment["issueId"]) is not None
        return comment["projectId"] is None or self.one("projects", comment["projectId"]) is not None
