"""Linear's truth: teams, people, projects, cycles, issues and comments, and what control commands do to them.

Nothing here pages, limits or checks a key; that is `linear`, which reads these records. `updatedAt` moves when
a field of the row itself is changed: a comment under an issue or a label's new name leaves the issue's be.
As the world's clock stands still, a change is put at least a millisecond behind the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sandbox import linear_rows as rows
from sandbox.linear_fields import PLAIN, REFERENCES, flag, known_fields, time_text
from sandbox.linear_store import Change, LinearStore, Reading
from sandbox.records import CommandRefused, Moment, Record, refuse_unknown

DELETABLE = ("issues", "comments", "projects", "cycles", "issue_labels")
STATE_TIMES = {"completedAt": ("completed",), "canceledAt": rows.CANCELED_TYPES}
"""Times that an issue has only while its state is of one of these types."""


@dataclass(slots=True)
class LinearRecords(LinearStore):
    """All that Linear knows."""

    # What the world asks of every vendor.

    def counts(self, now: datetime) -> dict[str, int]:
        reading = Reading(self, now)
        return {stream: len(reading.visible(stream)) for stream in rows.STREAMS}

    def streams(self, now: datetime) -> dict[str, list[Record]]:
        reading = Reading(self, now)
        return {stream: [reading.record(stream, row) for row in reading.visible(stream)] for stream in rows.STREAMS}

    def create(self, stream: str, fields: Record, moment: Moment) -> Record:
        self._refuse_fields(stream, fields)
        at = self._next(moment)
        row = self._new(stream, fields, at, moment)
        if "createdAt" in fields:
            row["createdAt"] = self._past(fields, at)
        return self._store(stream, {}, row, fields, at, moment)

    def edit(self, stream: str, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        self._refuse_fields(stream, fields)
        row, at = self.find(stream, key.get("id")), self._next(moment)
        changed = dict(row)
        if "createdAt" in fields:
            changed["createdAt"] = self._past(fields, at)
        return self._store(stream, row, changed, fields, at, moment)

    def delete(self, stream: str, key: Mapping[str, Any], moment: Moment) -> Record:
        """Remove a row and leave no trace of it; what named it names nothing now, and that is an update."""
        self._refuse_fields(stream, {})
        if stream not in DELETABLE:
            raise CommandRefused(
                f"linear.{stream} can't be deleted; set archived to true, or a user's active to false."
            )
        row = self.find(stream, key.get("id"))
        gone = Reading(self, moment.now).record(stream, row)
        self.newest = self._next(moment)
        if self.watched is not None:
            self.watched.append(Change(stream, row, row, self.newest, removed=True))
        self._remove(stream, row["id"])
        column = {"projects": "projectId", "cycles": "cycleId", "issues": "parentId"}.get(stream)
        for issue in list(self.rows["issues"].values()):
            if column is not None and issue[column] == row["id"]:
                self._update_issue(issue, {column: None}, moment)
            elif stream == "issue_labels" and row["id"] in issue["labelIds"]:
                left = [label for label in issue["labelIds"] if label != row["id"]]
                self._update_issue(issue, {"labelIds": left}, moment)
        return gone

    # Commands.

    def _refuse_fields(self, stream: str, fields: Record) -> None:
        if stream not in rows.STREAMS:
            raise CommandRefused(f"There is no stream linear.{stream}; there are {', '.join(rows.STREAMS)}.")
        refuse_unknown(fields, known_fields(stream), f"linear.{stream}")

    def _next(self, moment: Moment) -> str:
        """When the next change takes place."""
        now = rows.stamp(moment.now)
        return now if now > self.newest else rows.next_stamp(self.newest)

    def _past(self, fields: Record, at: str) -> str:
        created = time_text(fields, "createdAt")
        if created > at:
            raise CommandRefused(f"createdAt {created} lies after the world's time.")
        return created

    def _new(self, stream: str, fields: Record, at: str, moment: Moment) -> Record:
        """A row with what it can't be without."""
        row_id = _uuid(moment)
        match stream:
            case "teams":
                key = str(fields.get("key", "")).upper()
                if not key or self.named("teams", key) is not None:
                    raise CommandRefused(f"A new team needs a key of its own, not {key!r}.")
                return rows.team_row(row_id, at, key, str(fields.get("name", key)))
            case "users":
                email = str(fields.get("email", f"{row_id[:8]}@brindlewick.example"))
                return rows.user_row(row_id, at, str(fields.get("name", email)), email)
            case "workflow_states":
                team, kind = self.find("teams", fields.get("team")), fields.get("type")
                places = [place for place, state in enumerate(rows.TEAM_STATES) if state[1] == kind]
                if not places:
                    raise CommandRefused(f"A new workflow state has a type as {kind!r} is none.")
                return rows.state_row(row_id, at, team["id"], places[0])
            case "issue_labels":
                return rows.label_row(row_id, at, _needed(fields, "name"))
            case "projects":
                return rows.project_row(row_id, at, _needed(fields, "name"), "backlog")
            case "cycles":
                team = self.find("teams", fields.get("team"))
                taken = [c["number"] for c in self.rows["cycles"].values() if c["teamId"] == team["id"]]
                starts, ends = (time_text({name: None} | fields, name) for name in ("startsAt", "endsAt"))
                return rows.cycle_row(row_id, at, team["id"], max(taken, default=0) + 1, starts, ends)
            case "issues":
                team = self.find("teams", fields.get("team"))
                number = self.numbers.get(team["id"], 0) + 1
                state = self._state(team["id"], "backlog")
                row = rows.issue_row(row_id, at, team, number, _needed(fields, "title"), state["id"])
                return row | {"creatorId": self._somebody(moment)}
        return self._new_comment(row_id, fields, at, moment)

    def _somebody(self, moment: Moment) -> str | None:
        active = [user["id"] for user in self.rows["users"].values() if user["active"]]
        return moment.rng.choice(active) if active else None

    def _new_comment(self, row_id: str, fields: Record, at: str, moment: Moment) -> Record:
        if (fields.get("issue") is None) == (fields.get("project") is None):
            raise CommandRefused("A new comment names the issue or the project that it stands under.")
        stream = "issues" if fields.get("issue") is not None else "projects"
        place = self.find(stream, fields[stream[:-1]])
        row = rows.comment_row(row_id, at, _needed(fields, "body"), place["url"])
        return row | {"userId": self._somebody(moment)}

    def _store(self, stream: str, before: Record, row: Record, fields: Record, at: str, moment: Moment) -> Record:
        """Carry out the fields of a command on a row and keep it; nothing is stored before all is checked."""
        row |= {name: check(fields, name) for name, check in PLAIN[stream].items() if name in fields}
        for name, target in REFERENCES.get(stream, {}).items():
            if name in fields:
                row[f"{name}Id"] = None if fields[name] is None else self.find(target, fields[name])["id"]
        if "archived" in fields:
            row |= _archived(row, flag(fields, "archived"), at)
        if "trashed" in fields:
            row |= _archived(row, flag(fields, "trashed"), at) | {"trashed": fields["trashed"] or None}
        events: list[Record] = []
        match stream:
            case "issues":
                events = self._change_issue(row, before, fields, at, moment)
            case "projects":
                self._change_project(row, before, fields, at)
            case "cycles":
                if row["startsAt"] >= row["endsAt"]:
                    raise CommandRefused("A cycle's startsAt lies before its endsAt.")
                if before and "team" in fields:
                    raise CommandRefused("A cycle stays with its team.")
            case "workflow_states":
                if before and set(fields) & {"team", "type"}:
                    raise CommandRefused("A workflow state keeps its team and its type.")
            case "teams":
                if before and "key" in fields:
                    raise CommandRefused("A team keeps its key; its issues are named after it.")
                if "granted" in fields:
                    flag(fields, "granted")
                row |= {"key": row["key"].upper(), "visibility": "private" if row["private"] else "public"}
            case "comments":
                self._change_comment(row, before, fields, at)
        row = rows.with_names(stream, row)
        if row != before:
            row["updatedAt"] = at
            self.put(stream, row)
        if events:
            self.history[row["id"]] += events
        if stream == "teams":
            self._settle_team(row, not before, fields, moment)
        return Reading(self, moment.now).record(stream, row)

    def _settle_team(self, row: Record, is_new: bool, fields: Record, moment: Moment) -> None:
        """A new team gets its workflow states; `granted` says whether the key's owner sees the team."""
        for place in range(len(rows.TEAM_STATES) if is_new else 0):
            self.put("workflow_states", rows.state_row(_uuid(moment), row["createdAt"], row["id"], place))
        if "granted" in fields:
            (self.hidden.discard if fields["granted"] else self.hidden.add)(row["id"])

    def _change_comment(self, row: Record, before: Record, fields: Record, at: str) -> None:
        if before and set(fields) & {"issue", "project", "parent"}:
            raise CommandRefused("A comment stays where it is.")
        if before and row["body"] != before["body"]:
            row["editedAt"] = at
        if "resolved" in fields:
            row["resolvedAt"] = (row["resolvedAt"] or at) if flag(fields, "resolved") else None
        if fields.get("bot") is not None:
            row |= {"userId": None, "botActor": {"id": None, "name": str(fields["bot"]), "type": "integration"}}

    def _change_project(self, row: Record, before: Record, fields: Record, at: str) -> None:
        for name, stream in (("teams", "teams"), ("members", "users")):
            if name in fields:
                row[f"{name[:-1]}Ids"] = [self.find(stream, one)["id"] for one in _as_list(fields, name)]
        if "status" in fields:
            kind = str(fields["status"]).lower()
            if kind not in rows.PROJECT_STATUSES:
                raise CommandRefused(f"status is one of {', '.join(rows.PROJECT_STATUSES)}, not {kind!r}.")
            row["status"] = rows.project_status(kind)
            _set_times(row, before.get("status", {}).get("type"), kind, fields, at)

    def _change_issue(self, row: Record, before: Record, fields: Record, at: str, moment: Moment) -> list[Record]:
        """Team, state, cycle and labels; returns what goes into the issue's history."""
        events = []
        actor = row["assigneeId"] or row["creatorId"]
        if before and "team" in fields:
            team = self.find("teams", fields["team"])
            if team["id"] != before["teamId"]:
                self._move(row, team)
                moved = {"fromTeamId": before["teamId"], "toTeamId": team["id"]}
                events.append(rows.history_row(_uuid(moment), at, row["id"], actor, **moved))
        if "state" in fields:
            row["stateId"] = self._state(row["teamId"], fields["state"])["id"]
        old, new = before.get("stateId"), row["stateId"]
        states = self.rows["workflow_states"]
        kind = states[new]["type"]
        _set_times(row, states[old]["type"] if old else None, kind, fields, at)
        for name, types in STATE_TIMES.items():
            if fields.get(name) is not None and kind not in types:
                raise CommandRefused(f"{name} is for issues whose state is of type {' or '.join(types)}, not {kind}.")
        if old is not None and old != new:
            changed = {"fromStateId": old, "toStateId": new}
            events.append(rows.history_row(_uuid(moment), at, row["id"], actor, **changed))
        if "cycle" in fields:
            row["cycleId"] = None if fields["cycle"] is None else self._cycle(row["teamId"], fields["cycle"])["id"]
            row["addedToCycleAt"] = at if row["cycleId"] else None
        if "labels" in fields:
            row["labelIds"] = [self.find("issue_labels", label)["id"] for label in _as_list(fields, "labels")]
        return events

    def _move(self, row: Record, team: Record) -> None:
        """Into another team: a new number and identifier, the state of the same kind there, out of the cycle."""
        state = self.rows["workflow_states"][row["stateId"]]
        same = [s for s in self.states_of(team["id"]) if s["name"] == state["name"] and s["type"] == state["type"]]
        number = self.numbers.get(team["id"], 0) + 1
        row |= {
            "teamId": team["id"],
            "number": number,
            "previousIdentifiers": [*row["previousIdentifiers"], row["identifier"]],
            "identifier": f"{team['key']}-{number}",
            "stateId": (same[0] if same else self._state(team["id"], state["type"]))["id"],
            "cycleId": None,
            "addedToCycleAt": None,
        }

    def _state(self, team_id: str, name: object) -> Record:
        """The team's state of this id, name or type; the first of a type."""
        for state in self.states_of(team_id):
            if name == state["id"] or str(name).lower() in (state["name"].lower(), state["type"]):
                return state
        raise CommandRefused(f"The team has no workflow state {name!r}.")

    def _cycle(self, team_id: str, name: object) -> Record:
        """The team's cycle of this id or number."""
        for cycle in self.rows["cycles"].values():
            if cycle["teamId"] == team_id and name in (cycle["id"], cycle["number"]):
                return cycle
        raise CommandRefused(f"The team has no cycle {name!r}.")

    def _update_issue(self, issue: Record, changes: Record, moment: Moment) -> None:
        self.put("issues", issue | changes | {"updatedAt": self._next(moment)})

    def _remove(self, stream: str, row_id: str) -> None:
        """Take a row away with what can't be without it: comments, replies, history."""
        del self.rows[stream][row_id]
        if stream == "issues":
            self.history.pop(row_id, None)
        column = {"issues": "issueId", "projects": "projectId", "comments": "parentId"}.get(stream)
        if column is not None:
            for comment in [c for c in self.rows["comments"].values() if c[column] == row_id]:
                if comment["id"] in self.rows["comments"]:
                    self._remove("comments", comment["id"])
        if stream == "issue_labels":
            for label in [one for one in self.rows[stream].values() if one["parentId"] == row_id]:
                self.rows[stream][label["id"]] = label | {"parentId": None}


def _set_times(row: Record, old: str | None, new: str, fields: Record, at: str) -> None:
    """startedAt, completedAt, canceledAt and triagedAt after a change of type; those that a command gives stay."""
    if old == new:
        return
    times: Record = {
        "completedAt": at if new == "completed" else None,
        "canceledAt": at if new in rows.CANCELED_TYPES else None,
    }
    if old in rows.CANCELED_TYPES and new in rows.CANCELED_TYPES:
        times["canceledAt"] = row["canceledAt"]
    if new == "started":
        times["startedAt"] = row["startedAt"] or at
    elif new in rows.OPEN_TYPES or new == "planned":
        times["startedAt"] = None
    if old == "triage":
        times["triagedAt"] = at
    elif new == "triage":
        times |= {"startedTriageAt": at, "triagedAt": None}
    row |= {name: value for name, value in times.items() if name not in fields}


def _archived(row: Record, archived: bool, at: str) -> Record:
    if archived:
        return {"archivedAt": row["archivedAt"] or at}
    # What leaves the archive leaves the bin too, and no longer counts as archived by itself.
    return {"archivedAt": None} | {name: None for name in ("trashed", "autoArchivedAt") if name in row}


def _needed(fields: Record, name: str) -> str:
    if not isinstance(fields.get(name), str) or not fields[name]:
        raise CommandRefused(f"It needs a {name}.")
    return str(fields[name])


def _as_list(fields: Record, name: str) -> list[Any]:
    if not isinstance(fields[name], list):
        raise CommandRefused(f"{name} is a list, not {fields[name]!r}.")
    return list(fields[name])


def _uuid(moment: Moment) -> str:
    return str(UUID(int=moment.rng.getrandbits(128), version=4))
