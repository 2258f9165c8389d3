"""HubSpot's truth: CRM objects, owners, pipelines and associations, and what control commands do to them.

Nothing here pages, limits or checks a token; that is `hubspot`, which reads these records. World time stands
still between commands, so a change bears a time at least a millisecond after the last one of its object.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox.hubspot_associations import TYPES, Associations, AssociationType, End, primary_type
from sandbox.hubspot_objects import (
    CALCULATED,
    HISTORY_IN_DUMP,
    HOME_CURRENCY,
    KINDS,
    RATES,
    CrmObject,
    as_ms,
    as_text,
    created_name,
    iso_ms,
    ms_iso,
    new_object,
)
from sandbox.hubspot_pipelines import SALES, owner_record, pipelines
from sandbox.records import CommandRefused, Moment, Record, refuse_unknown

STREAMS = ("owners", "pipelines", *KINDS, "associations")
OWNER_FIELDS = frozenset(("email", "firstName", "lastName", "archived"))
TIE_FIELDS = frozenset(("fromType", "fromId", "toType", "toId", "typeId", "primary"))
MERGING = ("contacts", "companies", "deals")


class HubspotRecords:
    """All that HubSpot knows."""

    def __init__(self, start: datetime) -> None:
        self.objects: dict[str, dict[str, CrmObject]] = {kind: {} for kind in KINDS}
        """By kind and id; removed ones too, which only search may still show."""
        self._ids: dict[str, list[str]] = {kind: [] for kind in KINDS}
        """The same ids, as numbers ascending."""
        self.owners: dict[str, Record] = {}
        self.pipelines = pipelines(start)
        self.associations = Associations()

    # What the API reads.

    def find(self, kind: str, object_id: str, archived: bool = False) -> CrmObject | None:
        """The object of this id, where it is archived or not as asked."""
        found = self.objects[kind].get(object_id)
        if found is None or found.removed or (found.archived_ms is not None) != archived:
            return None
        return found

    def listed(self, kind: str, archived: bool = False, above: int = -1) -> Iterator[CrmObject]:
        """Objects with an id above this one that are archived or not as asked, by id ascending."""
        return (o for o in self._kept(kind, above) if (o.archived_ms is not None) == archived)

    def associated(self, start: End, to_kind: str) -> list[tuple[str, list[AssociationType]]]:
        """What belongs to the object, by id ascending; archived objects belong to nothing while they are."""
        if self.find(*start) is None:
            return []
        return [pair for pair in self.associations.of(start, to_kind) if self.find(to_kind, pair[0]) is not None]

    def all_associations(self) -> Iterator[Record]:
        """Every pair as the API answers it, from both ends."""
        for start, end, types in self.associations.all():
            if self.find(*start) is not None and self.find(*end) is not None:
                yield _tie_record(start, end, types)

    # What the world asks of every vendor.

    def counts(self, now: datetime) -> dict[str, int]:
        return {
            "owners": sum(not owner["archived"] for owner in self.owners.values()),
            "pipelines": len(self.pipelines),
            **{kind: sum(o.is_listed for o in self.objects[kind].values()) for kind in KINDS},
            "associations": sum(1 for _ in self.all_associations()),
        }

    def streams(self, now: datetime) -> dict[str, list[Record]]:
        return {
            "owners": list(self.owners.values()),
            "pipelines": list(self.pipelines.values()),
            **{kind: [_whole(o) for o in self._kept(kind)] for kind in KINDS},
            "associations": list(self.all_associations()),
        }

    def create(self, stream: str, fields: Record, moment: Moment) -> Record:
        if stream in KINDS:
            return self._create_object(stream, fields, moment)
        match stream:
            case "owners":
                return self._create_owner(fields, moment)
            case "associations":
                return self._create_tie(fields)
        raise CommandRefused(f"hubspot.{stream} can't be created; there are {', '.join(STREAMS)}, pipelines are fixed.")

    def edit(self, stream: str, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        if stream in KINDS:
            return self._edit_object(self._object(stream, key.get("id")), fields, moment)
        match stream:
            case "owners":
                return self._edit_owner(self._owner(key), fields, moment)
            case "pipelines":
                return self._edit_pipeline(key, fields, moment)
        raise CommandRefused(f"hubspot.{stream} can't be edited; objects, owners and pipelines can.")

    def delete(self, stream: str, key: Mapping[str, Any], moment: Moment) -> Record:
        if stream in KINDS:
            found = self._object(stream, key.get("id"))
            return self._remove(found, moment) if key.get("hard") else self._archive(found, moment)
        match stream:
            case "owners":
                return self._edit_owner(self._owner(key), {"archived": True}, moment)
            case "associations":
                return self._delete_tie(key)
        raise CommandRefused(f"hubspot.{stream} can't be deleted; objects, owners and associations can.")

    # Building blocks of commands, and of the world at its beginning.

    def add(
        self, kind: str, object_id: str, values: Mapping[str, str | None], created_ms: int, at_ms: int
    ) -> CrmObject:
        """List a new object, with what follows from its values."""
        values = self._with_consequences(kind, {}, values)
        made = self.objects[kind][object_id] = new_object(kind, object_id, values, created_ms, at_ms)
        insort(self._ids[kind], object_id, key=int)
        return made

    def change(self, crm_object: CrmObject, values: Mapping[str, str | None], at_ms: int) -> None:
        """Set properties, with what follows from them."""
        crm_object.change(self._with_consequences(crm_object.kind, crm_object.properties, values), at_ms)

    def merge(self, winner: CrmObject, loser: CrmObject, at_ms: int) -> None:
        """Take the loser's associations and its id into the winner, whose own properties stay."""
        self.associations.move_all((loser.kind, loser.id), (winner.kind, winner.id))
        loser.removed = True
        ids = [winner.properties.get("hs_merged_object_ids"), loser.properties.get("hs_merged_object_ids"), loser.id]
        winner.change({"hs_merged_object_ids": ";".join(text for text in ids if text)}, at_ms)

    def tie(self, start: End, end: End, type_id: int | None = None, primary: bool = False) -> list[AssociationType]:
        """Associate two objects: without a label, and besides by a type or as the primary company.

        Returns:
            The types that were added or there; empty where objects of these kinds can't be tied so.
        """
        kinds = TYPES.get((start[0], end[0]), [])
        asked = [kind for kind in kinds[:1] if type_id is None or any(k.type_id == type_id for k in kinds)]
        asked += [kind for kind in kinds[1:] if kind.type_id == type_id]
        main = primary_type(start[0], end[0])
        if primary and main is None:
            return []
        if asked and primary and main is not None and main not in asked:
            asked.append(main)
        for kind in asked:
            self.associations.add(start, end, kind)
        return asked

    def _with_consequences(
        self, kind: str, properties: Mapping[str, str], values: Mapping[str, str | None]
    ) -> dict[str, str | None]:
        """The values, and for a deal what HubSpot calculates: its probability and its amount at home."""
        found = dict(values)
        if kind != "deals":
            return found
        whole = dict(properties) | found
        if "dealstage" in values or "pipeline" in values:
            stage = self._stage(whole.get("pipeline"), whole.get("dealstage"))
            probability, closed = stage["metadata"]["probability"], stage["metadata"]["isClosed"]
            found["hs_deal_stage_probability"] = probability
            found["hs_is_closed"] = closed
            found["hs_is_closed_won"] = str(closed == "true" and float(probability) == 1.0).lower()
        if ("amount" in values or "deal_currency_code" in values) and "amount_in_home_currency" not in values:
            amount, currency = whole.get("amount"), whole.get("deal_currency_code") or HOME_CURRENCY
            if amount is not None and currency != HOME_CURRENCY:
                amount = f"{float(amount) * RATES[currency]:.2f}"
            found["amount_in_home_currency"] = amount
        return found

    def _stage(self, pipeline_id: str | None, stage_id: str | None) -> Record:
        pipeline = self.pipelines.get(pipeline_id or "")
        if pipeline is None:
            raise CommandRefused(f"There is no pipeline {pipeline_id!r}; there are {', '.join(self.pipelines)}.")
        for stage in pipeline["stages"]:
            if stage["id"] == stage_id:
                found: Record = stage
                return found
        ids = ", ".join(stage["id"] for stage in pipeline["stages"])
        raise CommandRefused(f"Pipeline {pipeline_id} has no stage {stage_id!r}; it has {ids}.")

    # Commands on objects.

    def _kept(self, kind: str, above: int = -1) -> Iterator[CrmObject]:
        ids, objects = self._ids[kind], self.objects[kind]
        found = (objects[ids[place]] for place in range(bisect_right(ids, above, key=int), len(ids)))
        return (crm_object for crm_object in found if not crm_object.removed)

    def _object(self, kind: str, object_id: object) -> CrmObject:
        found = self.objects[kind].get(str(object_id))
        if found is None or found.removed:
            raise CommandRefused(f"HubSpot has no {kind} {object_id!r}.")
        return found

    def _create_object(self, kind: str, fields: Record, moment: Moment) -> Record:
        own = {name: value for name, value in fields.items() if name not in ("id", "createdate", "hs_createdate")}
        now_ms = as_ms(moment.now)
        created = as_text(kind, created_name(kind), fields.get(created_name(kind)))
        created_ms = now_ms if created is None else iso_ms(created)
        if created_ms > now_ms:
            raise CommandRefused(f"{created_name(kind)} {created} lies in the future.")
        values = self._values(kind, self._defaults(kind, moment) | own, {})
        object_id = str(fields.get("id") or self._new_id(kind, moment))
        if not object_id.isascii() or not object_id.isdecimal() or object_id in self.objects[kind]:
            raise CommandRefused(f"The id {object_id!r} is used already or is not made of digits.")
        made = self.add(kind, object_id, values, created_ms, now_ms)
        made.earlier.append((now_ms, None))
        return _whole(made)

    def _defaults(self, kind: str, moment: Moment) -> Record:
        match kind:
            case "deals":
                return {"pipeline": SALES, "dealstage": self.pipelines[SALES]["stages"][0]["id"]}
            case "contacts" | "companies":
                return {"lifecyclestage": "lead"}
        return {"hs_timestamp": ms_iso(as_ms(moment.now))}

    def _new_id(self, kind: str, moment: Moment) -> str:
        while (object_id := str(moment.rng.randrange(10**10, 10**11))) in self.objects[kind]:
            pass
        return object_id

    def _edit_object(self, crm_object: CrmObject, fields: Record, moment: Moment) -> Record:
        for word in ("archived", "gdpr_delete", "merge"):
            if word in fields and len(fields) > 1:
                raise CommandRefused(f"{word} stands alone in a command.")
        at_ms = self._next_ms(moment, crm_object)
        match fields:
            case {"archived": True}:
                return self._archive(crm_object, moment)
            case {"archived": False}:
                if crm_object.archived_ms is None:
                    raise CommandRefused(f"{crm_object.kind} {crm_object.id} is not archived.")
                crm_object.remember(as_ms(moment.now))
                crm_object.archived_ms = None
                crm_object.change({}, at_ms)
                return _whole(crm_object)
            case {"gdpr_delete": True}:
                return self._remove(crm_object, moment)
        if crm_object.archived_ms is not None:
            raise CommandRefused(f"{crm_object.kind} {crm_object.id} is archived; restore it with archived false.")
        if "merge" in fields:
            return self._merge(crm_object, fields["merge"], moment)
        values = self._values(crm_object.kind, fields, crm_object.properties)
        crm_object.remember(as_ms(moment.now))
        self.change(crm_object, values, at_ms)
        return _whole(crm_object)

    def _values(self, kind: str, fields: Record, properties: Mapping[str, str]) -> dict[str, str | None]:
        """The fields as property values that make sense together with the present ones."""
        calculated = sorted(set(fields) & CALCULATED)
        if calculated:
            raise CommandRefused(f"HubSpot sets {calculated[0]} itself.")
        values = {name: as_text(kind, name, value) for name, value in fields.items()}
        owner = values.get("hubspot_owner_id")
        if owner is not None and owner not in self.owners:
            raise CommandRefused(f"HubSpot has no owner {owner!r}.")
        if kind == "deals":
            whole = dict(properties) | values
            currency = whole.get("deal_currency_code") or HOME_CURRENCY
            if currency not in RATES:
                raise CommandRefused(f"deal_currency_code is one of {', '.join(RATES)}, not {currency!r}.")
            if currency == HOME_CURRENCY and "amount_in_home_currency" in values:
                raise CommandRefused(f"amount_in_home_currency of a deal in {HOME_CURRENCY} follows its amount.")
            self._stage(whole.get("pipeline"), whole.get("dealstage"))
        return values

    def _archive(self, crm_object: CrmObject, moment: Moment) -> Record:
        """The modified date stays, as in HubSpot."""
        if crm_object.archived_ms is not None:
            raise CommandRefused(f"{crm_object.kind} {crm_object.id} is archived already.")
        crm_object.remember(as_ms(moment.now))
        crm_object.archived_ms = self._next_ms(moment, crm_object)
        return _whole(crm_object)

    def _remove(self, crm_object: CrmObject, moment: Moment) -> Record:
        gone = _whole(crm_object)
        crm_object.remember(as_ms(moment.now))
        crm_object.removed = True
        self.associations.remove_all((crm_object.kind, crm_object.id))
        return gone

    def _merge(self, winner: CrmObject, loser_id: object, moment: Moment) -> Record:
        if winner.kind not in MERGING:
            raise CommandRefused(f"{winner.kind} can't be merged; {', '.join(MERGING)} can.")
        loser = self._object(winner.kind, loser_id)
        if loser is winner or loser.archived_ms is not None:
            raise CommandRefused(f"{winner.kind} {loser.id} is archived or the same one.")
        for merged in (winner, loser):
            merged.remember(as_ms(moment.now))
        self.merge(winner, loser, self._next_ms(moment, winner))
        return _whole(winner)

    def _next_ms(self, moment: Moment, crm_object: CrmObject) -> int:
        return max(as_ms(moment.now), crm_object.last_ms + 1)

    # Commands on associations.

    def _ends(self, fields: Mapping[str, Any]) -> tuple[End, End]:
        start = (str(fields.get("fromType")), str(fields.get("fromId")))
        end = (str(fields.get("toType")), str(fields.get("toId")))
        if (start[0], end[0]) not in TYPES:
            raise CommandRefused(f"{start[0]} and {end[0]} can't be associated; types are plurals such as deals.")
        return start, end

    def _create_tie(self, fields: Record) -> Record:
        refuse_unknown(fields, TIE_FIELDS, "An association")
        start, end = self._ends(fields)
        for kind, object_id in (start, end):
            if self.find(kind, object_id) is None:
                raise CommandRefused(f"HubSpot has no {kind} {object_id!r}, or it is archived.")
        if not self.tie(start, end, fields.get("typeId"), bool(fields.get("primary"))):
            known = ", ".join(f"{t.type_id} ({t.label})" for t in TYPES[start[0], end[0]])
            raise CommandRefused(f"Association types from {start[0]} to {end[0]} are {known}.")
        return _tie_record(start, end, dict(self.associations.of(start, end[0]))[end[1]])

    def _delete_tie(self, key: Mapping[str, Any]) -> Record:
        start, end = self._ends(key)
        held = dict(self.associations.of(start, end[0])).get(end[1], [])
        if not self.associations.remove(start, end, key.get("typeId")):
            raise CommandRefused(f"{start[0]} {start[1]} and {end[0]} {end[1]} are not associated so.")
        return _tie_record(start, end, held)

    # Commands on owners and pipelines.

    def _owner(self, key: Mapping[str, Any]) -> Record:
        owner = self.owners.get(str(key.get("id")))
        if owner is None:
            raise CommandRefused(f"HubSpot has no owner {key.get('id')!r}.")
        return owner

    def _create_owner(self, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, OWNER_FIELDS, "A HubSpot owner")
        owner_id, user_id = str(moment.rng.randrange(10**9, 10**10)), moment.rng.randrange(10**7, 10**8)
        first, last = str(fields.get("firstName", "New")), str(fields.get("lastName", "Owner"))
        email = str(fields.get("email", f"{first}.{last}.{owner_id[-4:]}@brindlewick.example".lower()))
        self.owners[owner_id] = owner_record(owner_id, user_id, email, first, last, "sales", as_ms(moment.now))
        return self.owners[owner_id]

    def _edit_owner(self, owner: Record, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, OWNER_FIELDS, "A HubSpot owner")
        archived = bool(fields.get("archived", owner["archived"]))
        user_id = None if archived else owner["userIdIncludingInactive"]
        at_ms = max(as_ms(moment.now), iso_ms(owner["updatedAt"]) + 1)
        edited = owner | fields | {"archived": archived, "userId": user_id, "updatedAt": ms_iso(at_ms)}
        self.owners[owner["id"]] = edited
        return edited

    def _edit_pipeline(self, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        """Rename the pipeline, or its stages by `{"stages": {id: label}}`; deals do not change by that."""
        refuse_unknown(fields, frozenset(("label", "stages")), "A HubSpot pipeline")
        pipeline = self.pipelines.get(str(key.get("id")))
        labels = fields.get("stages", {})
        if pipeline is None or not isinstance(labels, dict):
            raise CommandRefused(f"HubSpot has no pipeline {key.get('id')!r}, or stages is no object of id and label.")
        for stage_id in labels:
            self._stage(pipeline["id"], stage_id)
        updated = {"updatedAt": ms_iso(max(as_ms(moment.now), iso_ms(pipeline["updatedAt"]) + 1))}
        stages = [
            stage | updated | {"label": str(labels[stage["id"]])} if stage["id"] in labels else stage
            for stage in pipeline["stages"]
        ]
        label = str(fields.get("label", pipeline["label"]))
        self.pipelines[pipeline["id"]] = pipeline | updated | {"label": label, "stages": stages}
        return self.pipelines[pipeline["id"]]


def _whole(crm_object: CrmObject) -> Record:
    """The object with all its properties, as the control plane dumps it."""
    return crm_object.shown(with_history=HISTORY_IN_DUMP if crm_object.kind == "deals" else ())


def _tie_record(start: End, end: End, types: list[AssociationType]) -> Record:
    return {
        "fromType": start[0],
        "fromId": start[1],
        "toType": end[0],
        "toId": end[1],
        "associationTypes": [kind.as_record() for kind in types],
    }
