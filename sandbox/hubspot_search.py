"""HubSpot's search: what a body asks for, and which objects pass it (HubSpot CRM API, search)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sandbox.hubspot_answers import HubspotError
from sandbox.hubspot_objects import PROPERTIES, created_name, iso_ms
from sandbox.records import Record

DEFAULT_PAGE = 10
MAX_PAGE = 200
MAX_QUERY = 3000
MAX_GROUPS, MAX_FILTERS_A_GROUP, MAX_FILTERS = 5, 6, 18
"""The strictest of the numbers that HubSpot has published."""
BODY_FIELDS = frozenset(("filterGroups", "filters", "sorts", "properties", "limit", "after", "query"))
WITH_VALUE = ("EQ", "NEQ", "GT", "GTE", "LT", "LTE", "BETWEEN", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")
WITH_VALUES = ("IN", "NOT_IN")
WITHOUT_VALUE = ("HAS_PROPERTY", "NOT_HAS_PROPERTY")
_WORD = re.compile(r"\w+")

Operand = float | str
"""A value made comparable by its property's type."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition."""

    name: str
    type: str
    operator: str
    operands: tuple[Operand, ...]
    """The value; low and high for BETWEEN, all of them for IN and NOT_IN."""

    def passes(self, properties: Mapping[str, str]) -> bool:
        raw = properties.get(self.name)
        if self.operator in WITHOUT_VALUE:
            return (raw is not None) == (self.operator == "HAS_PROPERTY")
        if self.operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN"):
            positive = {"NEQ": "EQ", "NOT_IN": "IN", "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN"}[self.operator]
            return not Filter(self.name, self.type, positive, self.operands).passes(properties)
        if raw is None:
            return False
        if self.operator == "CONTAINS_TOKEN":
            words = _WORD.findall(raw.lower())
            return all(any(fnmatchcase(word, wanted) for word in words) for wanted in str(self.operands[0]).split())
        value = comparable(self.type, raw)
        if self.operator in ("EQ", "IN"):
            return value in self.operands
        # Both sides are numbers, or both texts: they are made by the property's type.
        low: float = self.operands[0]  # type: ignore[assignment]
        high: float = self.operands[-1]  # type: ignore[assignment]
        compared: float = value  # type: ignore[assignment]
        match self.operator:
            case "GT":
                return compared > low
            case "GTE":
                return compared >= low
            case "LT":
                return compared < low
            case "LTE":
                return compared <= low
        return low <= compared <= high


@dataclass(frozen=True, slots=True)
class Search:
    """What a search asks for."""

    kind: str
    groups: tuple[tuple[Filter, ...], ...]
    """One group has to pass whole; none lets everything pass."""
    sort: tuple[str, bool] | None
    """Property, and whether it descends."""
    properties: tuple[str, ...]
    limit: int
    offset: int
    query: str

    def passes(self, properties: Mapping[str, str]) -> bool:
        if self.groups and not any(all(f.passes(properties) for f in group) for group in self.groups):
            return False
        if not self.query:
            return True
        text = " ".join(properties[n] for n, t in PROPERTIES[self.kind].items() if t == "string" and n in properties)
        return all(word in text.lower() for word in self.query.lower().split())

    def ordered(self, found: list[tuple[str, Mapping[str, str]]]) -> list[tuple[str, Mapping[str, str]]]:
        """Id and properties in the order asked for, unset ones last; oldest first where none is."""
        name, descending = self.sort or (created_name(self.kind), False)
        kind = PROPERTIES[self.kind][name]
        by_id = sorted(found, key=lambda row: int(row[0]))
        bearing = [row for row in by_id if name in row[1]]
        bearing.sort(key=lambda row: comparable(kind, row[1][name]), reverse=descending)
        return bearing + [row for row in by_id if name not in row[1]]


def read_search(kind: str, body: Record, cap: int) -> Search:
    """Understand a search's body.

    Args:
        cap: rows that a query can be paged through.
    Raises:
        HubspotError: 400; also for paging past the cap.
    """
    unknown = sorted(set(body) - BODY_FIELDS)
    if unknown:
        raise HubspotError(400, f'Invalid input JSON: Unrecognized field "{unknown[0]}"')
    limit, after, query = body.get("limit", DEFAULT_PAGE), body.get("after") or 0, body.get("query") or ""
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
        raise HubspotError(400, f"limit must be a number from 1 to {MAX_PAGE}")
    if not isinstance(after, str | int) or not str(after).isdecimal():
        raise HubspotError(400, "after must be an integer offset")
    if int(after) + limit > cap:
        raise HubspotError(400, f"The search is limited to {cap} results: after and limit must not exceed it")
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        raise HubspotError(400, f"query must be a text of at most {MAX_QUERY} characters")
    names = body.get("properties") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise HubspotError(400, "properties must be a list of names")
    groups = _list_of(body, "filterGroups")
    if body.get("filters"):
        groups = [*groups, {"filters": body["filters"]}]
    filters = tuple(tuple(_read_filter(kind, f) for f in _list_of(group, "filters")) for group in groups)
    if (
        len(filters) > MAX_GROUPS
        or any(len(group) > MAX_FILTERS_A_GROUP for group in filters)
        or sum(map(len, filters)) > MAX_FILTERS
    ):
        most = f"{MAX_GROUPS} groups of {MAX_FILTERS_A_GROUP} filters, {MAX_FILTERS} filters in all"
        raise HubspotError(400, f"The search has too many filters; there may be {most}")
    return Search(kind, filters, _read_sort(kind, body), tuple(names), limit, int(after), query)


def comparable(property_type: str, text: str) -> Operand:
    """A stored value in a form that sorts: numbers and times as numbers, text without regard to case."""
    if property_type == "datetime":
        return float(iso_ms(text))
    return float(text) if property_type == "number" else text.lower()


def _read_filter(kind: str, given: object) -> Filter:
    match given:
        case {"propertyName": str(name), "operator": str(operator), **rest}:
            pass
        case _:
            raise HubspotError(400, "A filter needs propertyName and operator")
    if name not in PROPERTIES[kind]:
        raise HubspotError(400, f'There was a problem with the request: Property "{name}" does not exist')
    if operator in WITH_VALUES:
        raw = rest.get("values")
    elif operator == "BETWEEN":
        raw = [rest.get("value"), rest.get("highValue")]
    elif operator in WITH_VALUE:
        raw = [rest.get("value")]
    elif operator in WITHOUT_VALUE:
        raw = []
    else:
        raise HubspotError(400, f'Invalid input JSON: operator "{operator}" is not one of those that exist')
    if not isinstance(raw, list) or not all(isinstance(value, str) for value in raw) or (not raw and "IN" in operator):
        raise HubspotError(400, f"{operator} on {name} lacks its value, or it is no text")
    property_type = PROPERTIES[kind][name]
    return Filter(name, property_type, operator, tuple(_operand(name, property_type, value) for value in raw))


def _operand(name: str, property_type: str, text: str) -> Operand:
    """A filter's value; times are epoch milliseconds."""
    if property_type not in ("datetime", "number"):
        return text.lower()
    try:
        return float(int(text)) if property_type == "datetime" else float(text)
    except ValueError as error:
        wanted = "epoch milliseconds" if property_type == "datetime" else "a number"
        raise HubspotError(400, f"{name}: {text} was not {wanted}") from error


def _read_sort(kind: str, body: Record) -> tuple[str, bool] | None:
    match _list_of(body, "sorts"):
        case []:
            return None
        case [str(name)]:
            direction = "ASCENDING"
        case [{"propertyName": str(name), **rest}]:
            direction = str(rest.get("direction", "ASCENDING"))
        case _:
            raise HubspotError(400, "sorts must be one property name, or one object with propertyName and direction")
    if name not in PROPERTIES[kind] or direction not in ("ASCENDING", "DESCENDING"):
        raise HubspotError(400, f"Can't sort by {name} {direction}")
    return name, direction == "DESCENDING"


def _list_of(holder: object, name: str) -> list[object]:
    found = (holder.get(name) or []) if isinstance(holder, dict) else None
    if not isinstance(found, list):
        raise HubspotError(400, f"Invalid input JSON: {name} must be a list")
    return found
