"""Linear's queries over its records: the schema, who answers which field, filters and pages.

Source: Linear's published schema (2026-07-22), of which `linear.graphql` is the part served here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

from graphql import (
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    get_named_type,
)

from sandbox.linear_budget import DEFAULT_PAGE
from sandbox.linear_rows import stamp
from sandbox.linear_store import Reading
from sandbox.records import Record

MAX_PAGE = 250
STREAM_OF = {
    "Team": "teams",
    "User": "users",
    "WorkflowState": "workflow_states",
    "IssueLabel": "issue_labels",
    "Project": "projects",
    "Cycle": "cycles",
    "Issue": "issues",
    "Comment": "comments",
}
"""By GraphQL type."""
COLUMNS = {
    ("Issue", "children"): ("issues", "parentId"),
    ("Issue", "comments"): ("comments", "issueId"),
    ("Project", "issues"): ("issues", "projectId"),
    ("Project", "comments"): ("comments", "projectId"),
    ("Cycle", "issues"): ("issues", "cycleId"),
}
"""Connections of what names the node in a column."""
LISTS = {
    ("Issue", "labels"): ("issue_labels", "labelIds"),
    ("Project", "teams"): ("teams", "teamIds"),
    ("Project", "members"): ("users", "memberIds"),
}
"""Connections of what the node lists by id."""
FIGURES = {
    "Cycle": (
        "progress isActive isPast isFuture issueCountHistory completedIssueCountHistory scopeHistory "
        "completedScopeHistory"
    ).split(),
    "Project": ["progress", "scope"],
}
DURATION = re.compile(r"([+-]?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
DURATION_S = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
"""A year counts 365 days and a month 30."""
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "neq": lambda value, wanted: value != wanted,
    "in": lambda value, wanted: value in wanted,
    "nin": lambda value, wanted: value not in wanted,
    "gt": lambda value, wanted: value is not None and value > wanted,
    "gte": lambda value, wanted: value is not None and value >= wanted,
    "lt": lambda value, wanted: value is not None and value < wanted,
    "lte": lambda value, wanted: value is not None and value <= wanted,
    "null": lambda value, wanted: (value is None) == wanted,
}


class Refused(Exception):
    """A field can't be answered; becomes an error with code INPUT_ERROR.

    Attributes:
        status: HTTP status where nothing else was answered.
        presentable: the sentence for people.
    """

    def __init__(self, text: str, presentable: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.presentable = presentable


class Broken(Exception):
    """A field failed because a fault was ordered."""


@dataclass(slots=True)
class Session:
    """What one query reads, handed to every resolver."""

    reading: Reading
    generation: int
    """Cursors of an earlier one count as expired."""
    takes_expiry: Callable[[], bool]
    """Whether an ordered fault lets the cursor of this request expire."""
    breaks: bool
    """Whether the first nullable field of a node fails; false once it has."""
    status: Record
    """rateLimitStatus."""
    largest_page: int = MAX_PAGE
    """Rows that a page of a root connection holds at most, whatever is asked for."""


@cache
def schema() -> GraphQLSchema:
    """The served part of Linear's schema, with a resolver at every field that is not simply in its row."""
    built = build_schema(Path(__file__).with_name("linear.graphql").read_text(encoding="utf-8"))
    # graphql-core has no other way to give a scalar of an SDL its meaning.
    cast("Any", built.type_map["DateTimeOrDuration"]).parse_value = read_time
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                field.resolve = _resolver(kind.name, name, get_named_type(field.type).name)
    return built


def read_time(value: object) -> datetime | timedelta:
    """A DateTimeOrDuration: ISO-8601, where `2021` is its first midnight, or a duration to add to the present."""
    text = str(value)
    duration = DURATION.fullmatch(text)
    if duration and any(duration.groups()[1:]):
        seconds = sum(int(count or 0) * unit for count, unit in zip(duration.groups()[1:], DURATION_S, strict=True))
        return timedelta(seconds=-seconds if duration.group(1) == "-" else seconds)
    if re.fullmatch(r"\d{4}(-\d\d)?", text):
        text += "-01-01"[len(text) - 10 :]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise GraphQLError(f"Value {text!r} is no ISO-8601 date, time or duration.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def answer_plain(row: Record, info: GraphQLResolveInfo, **_args: object) -> Any:
    """A field that is in its row; raises Broken where a fault was ordered for the first one that may be null."""
    session: Session = info.context
    if session.breaks and "id" in row and not isinstance(info.return_type, GraphQLNonNull):
        session.breaks = False
        raise Broken(info.field_name)
    return row[info.field_name]


Resolver = Callable[..., Any]


def _resolver(parent: str, name: str, kind: str) -> Resolver:
    """Who answers this field of the parent type; `kind` is its type without lists and nulls."""
    if parent == "Query" and kind in STREAM_OF:
        return _one_issue
    if parent == "Query" and kind == "RateLimitPayload":
        return lambda _row, info: info.context.status
    if kind.endswith("Connection"):
        return _connection(parent, name, kind.removesuffix("Connection"))
    if name == "edges":
        return _edges
    if kind in STREAM_OF and not parent.endswith(("Connection", "Edge")):
        return lambda row, info: info.context.reading.one(STREAM_OF[kind], row[f"{name}Id"])
    if name in FIGURES.get(parent, ()):
        return lambda row, info: info.context.reading.figures(STREAM_OF[parent], row)[name]
    return answer_plain


def _one_issue(_root: object, info: GraphQLResolveInfo, id: str) -> Record:  # noqa: A002 - the vendor's name
    """By id or identifier, also one that it had before."""
    reading: Reading = info.context.reading
    row = reading.one("issues", id)
    if row is None:
        named = reading.store.named("issues", id)
        row = reading.one("issues", named["id"]) if named else None
    if row is None:
        raise Refused("Entity not found: Issue", "Could not find referenced Issue.", status=200)
    return row


def _connection(parent: str, name: str, kind: str) -> Resolver:
    """A page of the rows that this connection leads to."""

    def below(row: Record, reading: Reading) -> list[Record]:
        if parent == "Query":
            return reading.visible(STREAM_OF[kind])
        if (parent, name) in COLUMNS:
            return reading.under(*COLUMNS[parent, name], row["id"])
        if (parent, name) in LISTS:
            stream, column = LISTS[parent, name]
            return [found for one in row[column] if (found := reading.one(stream, one)) is not None]
        return reading.store.history.get(row["id"], [])

    def resolve(row: Record, info: GraphQLResolveInfo, **args: Any) -> Record:
        session: Session = info.context
        reading = session.reading
        found = [
            one
            for one in below(row, reading)
            if (args.get("includeArchived") or one["archivedAt"] is None)
            and (kind != "User" or args.get("includeDisabled") or one["active"])
            and passes(reading, one, args.get("filter") or {})
        ]
        return _page(session, found, args, session.largest_page if parent == "Query" else MAX_PAGE)

    return resolve


def passes(reading: Reading, row: Record, wanted: Record) -> bool:
    """Whether a row passes a filter; a condition that is null counts as left out."""
    for name, condition in wanted.items():
        if condition is None:
            continue
        if name == "and":
            passed = all(passes(reading, row, one) for one in condition)
        elif name == "or":
            passed = any(passes(reading, row, one) for one in condition)
        elif f"{name}Id" in row:
            passed = _reference_passes(reading, name, row, condition)
        else:
            passed = all(
                COMPARISONS[operator](row[name], _resolved(given, reading.now))
                for operator, given in condition.items()
                if given is not None
            )
        if not passed:
            return False
    return True


def _reference_passes(reading: Reading, name: str, row: Record, condition: Record) -> bool:
    stream = "workflow_states" if name == "state" else f"{name}s"
    other = reading.one(stream, row[f"{name}Id"])
    rest = {key: value for key, value in condition.items() if key != "null"}
    if condition.get("null") is not None and condition["null"] != (other is None):
        return False
    return not rest or (other is not None and passes(reading, other, rest))


def _resolved(given: Any, now: datetime) -> Any:
    """A time of a filter as rows write it, whatever else it is as it is."""
    if isinstance(given, list):
        return [_resolved(one, now) for one in given]
    if isinstance(given, timedelta):
        return stamp(now + given)
    return stamp(given) if isinstance(given, datetime) else given


def _page(session: Session, found: list[Record], args: Record, most: int) -> Record:
    """Newest first; a cursor names a place in the order, so rows that come, go or move do not spoil it."""
    order = args.get("orderBy") or "createdAt"
    first, last = args.get("first"), args.get("last")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 1 <= size <= MAX_PAGE:
            raise _bad_argument(f"{name} must be from 1 to {MAX_PAGE}.")
    if first is not None and last is not None:
        raise _bad_argument("first and last can't be used together.")
    places = sorted(((row[order], row["id"], row) for row in found), key=lambda place: place[:2], reverse=True)
    begin, end = 0, len(places)
    if args.get("after"):
        after = _place(session, args["after"], order)
        begin = sum(place[:2] >= after for place in places)
    if args.get("before"):
        before = _place(session, args["before"], order)
        end = sum(place[:2] > before for place in places)
    if last is not None:
        begin = max(begin, end - min(last, most))
    else:
        end = min(end, begin + min(first or DEFAULT_PAGE, most))
    nodes = [row for _, _, row in places[begin:end]]
    return {
        "nodes": nodes,
        "order": order,
        "pageInfo": {
            "hasNextPage": end < len(places),
            "hasPreviousPage": bool(nodes) and begin > 0,
            "startCursor": _cursor(session, nodes[0], order) if nodes else None,
            "endCursor": _cursor(session, nodes[-1], order) if nodes else None,
        },
    }


def _edges(page: Record, info: GraphQLResolveInfo) -> list[Record]:
    return [{"cursor": _cursor(info.context, row, page["order"]), "node": row} for row in page["nodes"]]


def _cursor(session: Session, row: Record, order: str) -> str:
    return base64.b64encode(f"{order}|{row[order]}|{row['id']}|{session.generation}".encode()).decode()


def _place(session: Session, cursor: str, order: str) -> tuple[str, str]:
    """Time and id that a cursor names.

    Raises:
        Refused: no cursor, one of another order, or one that has expired.
    """
    try:
        ordered_by, time, row_id, generation = base64.b64decode(cursor, validate=True).decode().split("|")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise _bad_argument("The cursor is not valid.") from error
    if ordered_by != order or generation != str(session.generation) or session.takes_expiry():
        raise _bad_argument("The cursor is not valid.")
    return time, row_id


def _bad_argument(sentence: str) -> Refused:
    return Refused("Argument Validation Error", sentence)
