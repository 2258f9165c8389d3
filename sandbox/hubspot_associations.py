"""Which HubSpot object belongs to which: association types and the store of pairs.

A pair is known from both ends, each with type ids of its own. Ids are those that HubSpot documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.records import Record

End = tuple[str, str]
"""Kind and id."""


@dataclass(frozen=True, slots=True)
class AssociationType:
    """One way in which objects of two kinds belong together, seen from one end."""

    type_id: int
    inverse_id: int
    """Its id seen from the other end."""
    name: str
    """As in inline associations."""
    label: str | None
    category: str

    def as_record(self) -> Record:
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


_IDS = (
    ("contacts", "companies", 279, 280), ("deals", "companies", 341, 342), ("deals", "contacts", 3, 4),
    ("notes", "contacts", 202, 201), ("notes", "companies", 190, 189), ("notes", "deals", 214, 213),
    ("calls", "contacts", 194, 193), ("calls", "companies", 182, 181), ("calls", "deals", 206, 205),
    ("emails", "contacts", 198, 197), ("emails", "companies", 186, 185), ("emails", "deals", 210, 209),
    ("meetings", "contacts", 200, 199), ("meetings", "companies", 188, 187), ("meetings", "deals", 212, 211),
    ("tasks", "contacts", 204, 203), ("tasks", "companies", 192, 191), ("tasks", "deals", 216, 215),
)  # fmt: skip
"""From, to, and the unlabelled type's id there and back."""
_PRIMARY_IDS = (("contacts", "companies", 1, 2), ("deals", "companies", 5, 6))
_DECISION_MAKER_IDS = (("deals", "contacts", 36, 37),)
"""A label of this portal's own."""


def _types() -> dict[End, list[AssociationType]]:
    found: dict[End, list[AssociationType]] = {}
    for rows, mark, label, category in (
        (_IDS, "_unlabeled", None, "HUBSPOT_DEFINED"),
        (_PRIMARY_IDS, "", "Primary", "HUBSPOT_DEFINED"),
        (_DECISION_MAKER_IDS, "_decision_maker", "Decision maker", "USER_DEFINED"),
    ):
        for one, other, there, back in rows:
            has_primary = any({one, other} == {a, b} for a, b, *_ in _PRIMARY_IDS)
            suffix = mark if has_primary or label else ""
            for start, end, type_id, inverse_id in ((one, other, there, back), (other, one, back, there)):
                name = f"{_singular(start)}_to_{_singular(end)}{suffix}"
                found.setdefault((start, end), []).append(AssociationType(type_id, inverse_id, name, label, category))
    return found


def _singular(kind: str) -> str:
    return "company" if kind == "companies" else kind.removesuffix("s")


TYPES = _types()
"""By from-kind and to-kind; the unlabelled type is the first."""


def primary_type(from_kind: str, to_kind: str) -> AssociationType | None:
    """The type of an object's one main company, or of a company's objects that it is the main one of."""
    return next((t for t in TYPES.get((from_kind, to_kind), ()) if t.label == "Primary"), None)


class Associations:
    """Every pair, of archived objects too: they come back with them."""

    def __init__(self) -> None:
        self._types: dict[End, dict[End, set[int]]] = {}

    def add(self, start: End, end: End, kind: AssociationType) -> None:
        """Tie two objects by a type, seen from `start`; a new primary company takes the place of the former."""
        if kind.label == "Primary":
            owner = start if end[0] == "companies" else end
            primary = kind.type_id if owner == start else kind.inverse_id
            for company, type_ids in list(self._types.get(owner, {}).items()):
                if company[0] == "companies" and primary in type_ids:
                    self.remove(owner, company, primary)
        for one, other, type_id in ((start, end, kind.type_id), (end, start, kind.inverse_id)):
            self._types.setdefault(one, {}).setdefault(other, set()).add(type_id)

    def remove(self, start: End, end: End, type_id: int | None = None) -> bool:
        """Untie two objects, of one type or of all; whether they were tied so."""
        held = self._types.get(start, {}).get(end, set())
        gone = {t for t in held if type_id in (None, t)}
        if not gone:
            return False
        inverse = {t.type_id: t.inverse_id for t in TYPES[start[0], end[0]]}
        for one, other, type_ids in ((start, end, gone), (end, start, {inverse[t] for t in gone})):
            left = self._types[one][other] - type_ids
            if left:
                self._types[one][other] = left
            else:
                del self._types[one][other]
        return True

    def remove_all(self, end: End) -> None:
        """Untie an object from everything."""
        for other in list(self._types.get(end, {})):
            self.remove(end, other)

    def move_all(self, loser: End, winner: End) -> None:
        """Tie to the winner whatever is tied to the loser; the winner keeps a primary company that it has."""
        for other, type_ids in list(self._types.get(loser, {}).items()):
            for kind in TYPES[loser[0], other[0]]:
                keeps_own = kind.label == "Primary" and other[0] == "companies" and self._has_primary(winner)
                if kind.type_id in type_ids and not keeps_own:
                    self.add(winner, other, kind)
        self.remove_all(loser)

    def _has_primary(self, end: End) -> bool:
        kind = primary_type(end[0], "companies")
        held = self._types.get(end, {}).items()
        return kind is not None and any(kind.type_id in ids for other, ids in held if other[0] == "companies")

    def held(self, start: End) -> dict[End, frozenset[int]]:
        """Everything that the object is tied to, with the ids of the types seen from it."""
        return {end: frozenset(type_ids) for end, type_ids in self._types.get(start, {}).items()}

    def of(self, start: End, to_kind: str) -> list[tuple[str, list[AssociationType]]]:
        """Ids of this kind that belong to the object, ascending, each with its types."""
        kinds = TYPES.get((start[0], to_kind), ())
        found = [
            (end[1], [kind for kind in kinds if kind.type_id in type_ids])
            for end, type_ids in self._types.get(start, {}).items()
            if end[0] == to_kind
        ]
        return sorted(found, key=lambda pair: int(pair[0]))

    def all(self) -> Iterator[tuple[End, End, list[AssociationType]]]:
        """Every pair from both ends, in order of kinds and ids."""
        for start in sorted(self._types):
            for end, type_ids in sorted(self._types[start].items()):
                yield start, end, [kind for kind in TYPES[start[0], end[0]] if kind.type_id in type_ids]
