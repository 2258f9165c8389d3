"""The Linear workspace of the invented company: what its teams worked on in the 120 days before the world's start.

Every issue is drawn from its own seeded generator, so a bigger scale adds issues and leaves the first ones be.
Customers are those of the calls and chats, named in titles and descriptions.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from sandbox import linear_rows as rows
from sandbox import linear_texts as texts
from sandbox.company import Company, Person
from sandbox.linear_records import LinearRecords
from sandbox.phrasing import Slots, account_slots, phrase
from sandbox.planted import FACTS, PlantedFact
from sandbox.records import Record, seeded

ISSUES_AT_SCALE_1 = 160
FEWEST = 12
DAYS = 120
CYCLES_BACK = 6
"""Cycles of two weeks before the present one; after it there is one more."""
FIRST_CYCLE = 11
TEAMS: Mapping[str, tuple[str, float, tuple[str, ...]]] = {
    "ENG": ("Engineering", 0.46, ("engineering", "product")),
    "PRD": ("Product", 0.20, ("product", "engineering")),
    "SUP": ("Support", 0.24, ("support", "success")),
    "SEC": ("Security", 0.06, ("engineering", "leadership")),
    "PEO": ("People", 0.04, ("leadership",)),
}
"""By key: name, share of the issues, and whose employees work in it."""
PRIVATE, HIDDEN = ("SEC", "PEO"), "PEO"
"""Private teams, and the one of them that the key's owner was not granted."""
CUSTOMER_SHARE = 0.36
ARCHIVED, TRASHED, MOVED, IN_DESCRIPTION, IN_COMMENT = (0, 1), 2, 3, 4, 5
"""Places of the issues that are archived, in the bin, moved to another team, and that tell the planted facts."""
DESCRIBED, COMMENTED = (fact for fact in FACTS if fact.vendor == "linear")


@dataclass(slots=True)
class Life:
    """When an issue did what; None where it never did."""

    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    kind: str = "backlog"
    """Type of its present state."""
    changes: list[tuple[datetime, str, str]] = field(default_factory=list)
    """Time, and names of the states before and after."""


class IssueWriter:
    """Writes the workspace of one company."""

    def __init__(self, company: Company, seed: int, start: datetime) -> None:
        self._company = company
        self._seed = seed
        self._start = start
        monday = start.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=start.weekday())
        self._cycle_starts = [monday + timedelta(weeks=2 * place) for place in range(-CYCLES_BACK, 2)]

    def fill(self, linear: LinearRecords, scale: float) -> list[Record]:
        """Add teams, people, projects, cycles, issues and comments; returns where each planted fact went."""
        founded = rows.stamp(self._start - timedelta(days=400))
        self._add_teams(linear, founded)
        for person in self._company.employees:
            user = rows.user_row(self._id("user", person.email), founded, person.name, person.email)
            user |= {"active": person.active, "admin": person.team == "leadership"}
            seen = self._start - timedelta(hours=1 if person.active else 24 * 50, minutes=person.number)
            linear.put("users", user | {"lastSeen": rows.stamp(seen)})
        for name in texts.LABELS:
            linear.put("issue_labels", rows.label_row(self._id("label", name), founded, name))
        self._add_projects(linear)
        planted = []
        for index in range(max(FEWEST, round(ISSUES_AT_SCALE_1 * scale))):
            issue = self._add_issue(linear, index)
            comments = self._add_comments(linear, issue, index)
            if index == IN_DESCRIPTION:
                planted.append(_planted(DESCRIBED, "linear.issues", issue))
            if index == IN_COMMENT:
                planted.append(_planted(COMMENTED, "linear.comments", comments[0]))
        return planted

    def _id(self, *parts: object) -> str:
        digest = hashlib.sha256(":".join(map(str, (self._seed, "linear", *parts))).encode()).digest()
        return str(UUID(bytes=digest[:16], version=4))

    def _people(self, team: str) -> list[Person]:
        return self._company.team(*TEAMS[team][2])

    def _add_teams(self, linear: LinearRecords, founded: str) -> None:
        for key, (name, _, _) in TEAMS.items():
            team = rows.team_row(self._id("team", key), founded, key, name, private=key in PRIVATE)
            linear.put("teams", team)
            for place in range(len(rows.TEAM_STATES)):
                state = rows.state_row(self._id("state", key, place), founded, team["id"], place)
                linear.put("workflow_states", state)
            for place, starts in enumerate(self._cycle_starts):
                created = rows.stamp(min(starts - timedelta(weeks=2), self._start - timedelta(days=1)))
                ends = rows.stamp(starts + timedelta(weeks=2))
                cycle_id = self._id("cycle", key, place)
                number = FIRST_CYCLE + place
                linear.put("cycles", rows.cycle_row(cycle_id, created, team["id"], number, rows.stamp(starts), ends))
        linear.hidden.add(self._id("team", HIDDEN))

    def _add_projects(self, linear: LinearRecords) -> None:
        for place, (name, status, health, teams, begin, end) in enumerate(texts.PROJECTS):
            rng = seeded(self._seed, "project", place)
            begun = self._start + timedelta(days=begin)
            created = min(begun, self._start) - timedelta(days=12, minutes=place)
            people = [person for key in teams for person in self._people(key)]
            members = list(dict.fromkeys(self._id("user", person.email) for person in people))
            project = rows.project_row(self._id("project", place), rows.stamp(created), name, status)
            last = begun if status in ("started", "paused") else created
            if status == "completed":
                last = self._start + timedelta(days=end + 5)
                project["completedAt"] = rows.stamp(last)
            slots = account_slots(rng, rng.choice(self._company.accounts))
            project |= {
                "description": phrase("The {area} of every site, without {system}.", slots, rng),
                "content": phrase(f"## {name}\n\n{rng.choice(texts.LINES)}\n\n{rng.choice(texts.LINES)}", slots, rng),
                "health": health,
                "priority": rng.randrange(1, 4),
                "teamIds": [self._id("team", key) for key in teams],
                "memberIds": members,
                "leadId": members[0],
                "creatorId": members[-1],
                "startDate": begun.date().isoformat(),
                "targetDate": (self._start + timedelta(days=end)).date().isoformat(),
                "startedAt": None if status == "planned" else rows.stamp(begun),
                "updatedAt": rows.stamp(last),
            }
            linear.put("projects", project)
            at = self._between(rng, created, self._start)
            body = phrase(rng.choice(texts.PROJECT_COMMENTS), slots, rng)
            comment = rows.comment_row(self._id("projectcomment", place), rows.stamp(at), body, project["url"])
            linear.put("comments", comment | {"projectId": project["id"], "userId": members[0]})

    # Issues.

    def _add_issue(self, linear: LinearRecords, index: int) -> Record:
        rng = seeded(self._seed, "issue", index)
        key = "ENG" if index < FEWEST // 2 else rng.choices(tuple(TEAMS), [team[1] for team in TEAMS.values()])[0]
        team = linear.rows["teams"][self._id("team", key)]
        life = self._life(rng, key, index)
        account = rng.choice(self._company.accounts)
        slots = account_slots(rng, account)
        title, description, labels = self._texts(rng, key, slots)
        if index == IN_DESCRIPTION:
            description = f"{description}\n\n{DESCRIBED.text}"
        state_id = self._state_id(key, _state_of(life))
        number = linear.numbers.get(team["id"], 0) + 1
        issue = rows.issue_row(self._id("issue", index), rows.stamp(life.created), team, number, title, state_id)
        issue |= self._plan(rng, key, life) | self._times(life)
        issue |= {"description": description, "labelIds": [self._id("label", name) for name in labels]}
        if rng.random() < 0.08:
            older = [one["id"] for one in linear.rows["issues"].values() if one["teamId"] == team["id"]]
            issue["parentId"] = rng.choice(older) if older else None
        actor = issue["assigneeId"] or issue["creatorId"]
        for place, (at, before, after) in enumerate(life.changes):
            states = {"fromStateId": self._state_id(key, before), "toStateId": self._state_id(key, after)}
            entry = rows.history_row(self._id("history", index, place), rows.stamp(at), issue["id"], actor, **states)
            linear.history[issue["id"]].append(entry)
        if index == MOVED:
            # Support opened it; engineering took it over.
            support = self._id("team", "SUP")
            linear.numbers[support] = linear.numbers.get(support, 0) + 1
            issue["previousIdentifiers"] = [f"SUP-{linear.numbers[support]}"]
        issue = rows.with_names("issues", issue | self._archive(index, life))
        linear.put("issues", issue)
        return issue

    def _texts(self, rng: Random, key: str, slots: Slots) -> tuple[str, str, list[str]]:
        """Title, description in markdown, labels; every third names a customer."""
        labels = rng.sample(texts.LABELS[1:], rng.choice((0, 1, 1, 2)))
        lines = rng.sample(texts.LINES, rng.randrange(1, 6))
        title = phrase(rng.choice(texts.TITLES[key]), slots, rng)
        if key != HIDDEN and rng.random() < CUSTOMER_SHARE:
            lines = [texts.CUSTOMER_LINES[0], *rng.sample(texts.CUSTOMER_LINES[1:], rng.randrange(0, 4))]
            labels = ["customer", *labels]
            if rng.random() < 0.6:
                title = phrase(rng.choice(texts.CUSTOMER_TITLES), slots, rng)
        return title, "\n\n".join(phrase(line, slots, rng) for line in lines), labels

    def _life(self, rng: Random, key: str, index: int) -> Life:
        """A wait, some work, an end; what would lie behind the start has not happened."""
        archived = index in ARCHIVED
        age_d = rng.uniform(100, DAYS) if archived else rng.uniform(20, 90) if index < 6 else rng.uniform(0.3, DAYS)
        life = Life(self._start - timedelta(days=age_d))
        started = life.created + timedelta(days=min(30.0, rng.expovariate(1 / 6)) + 0.05)
        ended = started + timedelta(days=min(40.0, rng.lognormvariate(1.7, 0.8)))
        never = rng.random() < 0.2 and not archived
        if never or started >= self._start:
            life.kind = rng.choice(("backlog", "unstarted", "triage" if key == "SUP" else "backlog"))
            return life
        if rng.random() < 0.09 and not archived and started + timedelta(days=1) < self._start:
            life.kind, life.ended = rng.choice(("canceled", "canceled", "duplicate")), started
            life.changes = [(started, "Backlog", life.kind.title())]
            return life
        life.started, life.kind = started, "started"
        life.changes = [(started, "Todo", "In Progress")]
        if archived or ended < self._start:
            life.ended, life.kind = min(ended, self._start - timedelta(days=50)) if archived else ended, "completed"
            life.changes.append((life.ended, "In Progress", "Done"))
        return life

    def _times(self, life: Life) -> Record:
        """startedAt, completedAt, canceledAt and updatedAt."""
        started, ended = (rows.stamp(at) if at else None for at in (life.started, life.ended))
        return {
            "startedAt": started,
            "completedAt": ended if life.kind == "completed" else None,
            "canceledAt": ended if life.kind in rows.CANCELED_TYPES else None,
            "startedTriageAt": rows.stamp(life.created) if life.kind == "triage" else None,
            "updatedAt": ended or started or rows.stamp(life.created),
        }

    def _plan(self, rng: Random, key: str, life: Life) -> Record:
        """Points, priority, due date, cycle, project, people."""
        people = [self._id("user", person.email) for person in self._people(key)]
        leavers = [self._id("user", p.email) for p in self._company.employees if not p.active]
        everybody = [self._id("user", person.email) for person in self._company.employees if person.active]
        assignee = rng.choice(people) if rng.random() < 0.85 or life.started else None
        if key == "SUP" and life.created < self._start - timedelta(days=60) and rng.random() < 0.3:
            assignee = rng.choice(leavers)
        due = (life.created + timedelta(days=rng.randrange(5, 36))).date().isoformat()
        projects = [place for place, project in enumerate(texts.PROJECTS) if key in project[3]]
        project = self._id("project", rng.choice(projects)) if projects and rng.random() < 0.6 else None
        return {
            "estimate": rng.choice((None, 1, 1, 2, 2, 3, 3, 5, 8)),
            "priority": rng.choices(range(5), (2, 1, 3, 4, 2))[0],
            "dueDate": due if rng.random() < 0.45 else None,
            "assigneeId": assignee,
            "creatorId": rng.choice(everybody),
            "projectId": project,
        } | self._cycle(rng, key, life)

    def _cycle(self, rng: Random, key: str, life: Life) -> Record:
        """The cycle it was started in, or for some open ones the present or the next."""
        planned = life.kind == "unstarted" and rng.random() < 0.7
        at = life.started or (self._start + timedelta(weeks=rng.choice((0, 2))) if planned else None)
        place = bisect_right(self._cycle_starts, at) - 1 if at is not None else -1
        if place < 0 or rng.random() < 0.15:
            return {}
        added = max(life.created, min(life.started or self._start, self._cycle_starts[place]))
        return {"cycleId": self._id("cycle", key, place), "addedToCycleAt": rows.stamp(added)}

    def _archive(self, index: int, life: Life) -> Record:
        if index in ARCHIVED and life.ended is not None:
            at = rows.stamp(life.ended + timedelta(days=30))
            return {"archivedAt": at, "autoArchivedAt": at, "updatedAt": at}
        if index == TRASHED:
            at = rows.stamp(max(life.ended or life.created, self._start - timedelta(days=3)))
            return {"archivedAt": at, "trashed": True, "updatedAt": at}
        return {}

    def _state_id(self, key: str, name: str) -> str:
        place = next(place for place, state in enumerate(rows.TEAM_STATES) if state[0] == name)
        return self._id("state", key, place)

    # Comments.

    def _add_comments(self, linear: LinearRecords, issue: Record, index: int) -> list[Record]:
        """Up to five under an issue, oldest first; some are answers, some by bots or customers."""
        rng = seeded(self._seed, "issuecomments", index)
        key = issue["identifier"].split("-")[0]
        account = next((a for a in self._company.accounts if a.name in issue["title"] + issue["description"]), None)
        slots = account_slots(rng, account or rng.choice(self._company.accounts))
        created = datetime.fromisoformat(issue["createdAt"])
        until = datetime.fromisoformat(issue["updatedAt"]) if issue["archivedAt"] else self._start
        count = rng.choices(range(6), (4, 5, 4, 3, 1, 1))[0]
        stamps = sorted(rows.stamp(self._between(rng, created, until)) for _ in range(max(count, index == IN_COMMENT)))
        made: list[Record] = []
        for place, at in enumerate(stamps):
            pool = texts.COMMENTS + (texts.CUSTOMER_COMMENTS if account else ())
            comment = rows.comment_row(
                self._id("comment", index, place), at, phrase(rng.choice(pool), slots, rng), issue["url"]
            )
            comment |= {"issueId": issue["id"], "userId": self._id("user", rng.choice(self._people(key)).email)}
            kind = rng.random()
            if place and kind < 0.25:
                comment["parentId"] = made[0]["parentId"] or made[0]["id"]
            elif kind > 0.94:
                bot = {"id": None, "name": "GitHub", "type": "integration"}
                comment |= {"userId": None, "botActor": bot}
                comment["body"] = phrase(rng.choice(texts.BOT_COMMENTS), slots, rng)
            elif kind > 0.88 and account is not None:
                comment |= {"userId": None, "externalUser": self._outsider(rng.choice(account.people))}
                comment["body"] = phrase(rng.choice(texts.EXTERNAL_COMMENTS), slots, rng)
            if kind < 0.1:
                comment["resolvedAt"] = comment["updatedAt"] = rows.stamp(self._between(rng, _time(at), self._start))
            elif kind < 0.16:
                comment["editedAt"] = comment["updatedAt"] = rows.stamp(self._between(rng, _time(at), self._start))
            if index == IN_COMMENT and place == 0:
                comment["body"] = COMMENTED.text
            linear.put("comments", comment)
            made.append(comment)
        return made

    def _outsider(self, person: Person) -> Record:
        """Somebody of a customer who writes from a shared chat."""
        named = {"name": person.name, "displayName": person.first_name, "email": person.email}
        return {"id": self._id("outsider", person.email)} | named

    def _between(self, rng: Random, begin: datetime, end: datetime) -> datetime:
        return begin + rng.random() * 0.98 * (end - begin)


def _state_of(life: Life) -> str:
    """Name of the present state."""
    if life.changes:
        return life.changes[-1][2]
    return {"backlog": "Backlog", "unstarted": "Todo", "triage": "Triage"}[life.kind]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _planted(fact: PlantedFact, stream: str, row: Record) -> Record:
    return {
        "fact_id": fact.fact_id,
        "text": fact.text,
        "query": fact.query,
        "stream": stream,
        "key": {"id": row["id"]},
    }
