"""HubSpot's events of a change: `deal.propertyChange` and its kin, `object.*` for engagements.

The modified date is never told, and a new object's first values come with its creation. An object that goes for
good is told of unless it was archived before. An `eventId` now and then is one that another object's event had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from sandbox.hubspot_associations import TYPES, End
from sandbox.hubspot_objects import CALCULATED, CrmObject, as_ms, created_name, iso_ms, modified_name
from sandbox.hubspot_records import TIE_FIELDS, HubspotRecords
from sandbox.records import CommandRefused, Record, seeded
from sandbox.webhook_events import Command, Event, Finish

PORTAL_ID, APP_ID = 48213377, 2031777
SINGULAR = {"companies": "company", "contacts": "contact", "deals": "deal"}
OBJECT_TYPES = {"notes": "0-46", "meetings": "0-47", "calls": "0-48", "emails": "0-49", "tasks": "0-27"}
REUSED_SHARE = 0.02
"""Events that have the id of the event before them, where that was another object's."""

Held = Mapping[End, frozenset[int]]


class HubspotShaper:
    """Watches HubSpot's records over one command."""

    def __init__(self, records: HubspotRecords) -> None:
        self._records = records
        self._last: tuple[int, object] = (0, None)
        """Id and object of the last event."""
        self._last_tie_ms = 0

    def before(self, command: Command) -> Finish | None:
        if command.stream == "associations":
            named = {name: {**command.fields, **command.key}.get(name) for name in TIE_FIELDS}
            ends = [(str(named["fromType"]), str(named["fromId"])), (str(named["toType"]), str(named["toId"]))]
            held = self._held(*ends)
            return lambda _record: self._numbered(command, self._ties(command, held))
        if command.stream not in self._records.objects:
            return None
        if command.op == "create":
            return lambda record: self._numbered(
                command, [self._about(self._records.objects[command.stream][record["id"]], "creation", "CREATED")]
            )
        return self._changed(command)

    def _changed(self, command: Command) -> Finish:
        known = self._records.objects[command.stream]
        crm_object = known.get(str(command.key.get("id")))
        if crm_object is None:
            raise CommandRefused(f"HubSpot has no {command.stream} {command.key.get('id')!r}.")
        properties, was_archived = crm_object.properties, crm_object.archived_ms is not None
        winner: End = (crm_object.kind, crm_object.id)
        held = self._held(winner) if "merge" in command.fields else {}

        def changes() -> Iterator[Record]:
            if crm_object.removed:
                if not was_archived:
                    yield self._about(crm_object, "deletion", "DELETED", as_ms(command.now))
                if command.fields.get("gdpr_delete") and crm_object.kind == "contacts":
                    yield self._about(crm_object, "privacyDeletion", None, as_ms(command.now))
                return
            if crm_object.archived_ms is not None:
                yield self._about(crm_object, "deletion", "DELETED", crm_object.archived_ms)
                return
            if was_archived:
                yield self._about(crm_object, "restore", "RESTORED")
                return
            if "merge" in command.fields:
                yield self._about(crm_object, "merge", None) | {
                    "primaryObjectId": int(crm_object.id),
                    "mergedObjectIds": [int(command.fields["merge"])],
                    "newObjectId": int(crm_object.id),
                    "numberOfPropertiesMoved": 0,
                }
            yield from self._property_changes(crm_object, properties)
            yield from self._ties(command, held)

        return lambda _record: self._numbered(command, changes())

    def _property_changes(self, crm_object: CrmObject, before: Mapping[str, str]) -> Iterator[Record]:
        after = crm_object.properties
        untold = {modified_name(crm_object.kind), created_name(crm_object.kind), "hs_object_id"}
        for name in sorted({*before, *after} - untold):
            if before.get(name) != after.get(name):
                yield self._about(crm_object, "propertyChange", None) | {
                    "propertyName": name,
                    "propertyValue": after.get(name, ""),
                    "changeSource": "CALCULATED" if name in CALCULATED else "CRM_UI",
                }

    # Associations.

    def _held(self, *ends: End) -> dict[End, Held]:
        return {end: self._records.associations.held(end) for end in ends}

    def _ties(self, command: Command, before: Mapping[End, Held]) -> Iterator[Record]:
        """What was tied and untied, told from both ends."""
        changed: dict[tuple[End, End, int], bool] = {}
        for start, old in before.items():
            new = self._records.associations.held(start)
            for end in {*old, *new}:
                inverse = {kind.type_id: kind.inverse_id for kind in TYPES[start[0], end[0]]}
                for type_id in old.get(end, frozenset()) ^ new.get(end, frozenset()):
                    removed = type_id in old.get(end, frozenset())
                    changed[start, end, type_id] = changed[end, start, inverse[type_id]] = removed
        if changed:
            self._last_tie_ms = max(as_ms(command.now), self._last_tie_ms + 1)
        for (start, end, type_id), removed in sorted(changed.items()):
            kind = next(kind for kind in TYPES[start[0], end[0]] if kind.type_id == type_id)
            event = self._event(start[0], "associationChange", self._last_tie_ms)
            yield event | {
                "associationType": f"{_word(start[0])}_TO_{_word(end[0])}",
                "associationTypeId": type_id,
                "associationCategory": kind.category,
                "fromObjectId": int(start[1]),
                "toObjectId": int(end[1]),
                "associationRemoved": removed,
                "isPrimaryAssociation": kind.label == "Primary",
            }

    # Every event.

    def _about(self, crm_object: CrmObject, verb: str, flag: str | None, at_ms: int | None = None) -> Record:
        changed_ms = iso_ms(crm_object.properties[modified_name(crm_object.kind)])
        event = self._event(crm_object.kind, verb, changed_ms if at_ms is None else max(at_ms, changed_ms + 1))
        return event | {"objectId": int(crm_object.id)} | ({} if flag is None else {"changeFlag": flag})

    def _event(self, kind: str, verb: str, at_ms: int) -> Record:
        event: Record = {
            "portalId": PORTAL_ID,
            "appId": APP_ID,
            "occurredAt": at_ms,
            "subscriptionType": f"{SINGULAR.get(kind, 'object')}.{verb}",
            "changeSource": "CRM_UI",
            "sourceId": "userId:1",
        }
        return event | ({"objectTypeId": OBJECT_TYPES[kind]} if kind in OBJECT_TYPES else {})

    def _numbered(self, command: Command, changes: Iterator[Record] | list[Record]) -> list[Event]:
        events = []
        for number, change in enumerate(changes):
            rng = seeded("hubspot event", command.place, number)
            event_id, about = rng.randrange(1, 2**32), change.get("objectId")
            last_id, last_about = self._last
            # An association has no objectId, so a reused id would make two of them the same event.
            if rng.random() < REUSED_SHARE and None not in (about, last_about) and about != last_about:
                event_id = last_id
            self._last = event_id, about
            asked = ":".join(str(change.get(n)) for n in ("subscriptionType", "objectTypeId", "propertyName"))
            body = {"eventId": event_id, "subscriptionId": _subscription_id(asked), **change}
            events.append(Event(f"{command.place}:{number}", change["subscriptionType"], body))
        return events


def _subscription_id(asked: str) -> int:
    """Of the app's subscription to this type, and this property where it is of one."""
    return 10**6 + int.from_bytes(hashlib.sha256(asked.encode()).digest()[:4], "big") % (9 * 10**6)


def _word(kind: str) -> str:
    return SINGULAR.get(kind, kind.removesuffix("s")).upper()
