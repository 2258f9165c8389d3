"""HubSpot by Airbyte: CRM objects with the ids of what they belong to, owners, pipelines.

The connector gives each property the type that HubSpot declares for it: here it is HubSpot's text again. Deal pipelines
come from the old API, v1, whose names differ. An association comes as an id alone, so of its types only the one main
company is known, by the object's own property; TYPE_IDS of the others are empty. What is merged is told by its winner.

The connector lists archived deals and owners, and no other archived object: a company, contact or activity that is
archived or deleted stays. Property history is not read, so the history of a deal begins with its first sync.
"""

from __future__ import annotations

from collections.abc import Iterator

from transforms.airbyte import Feed, Make, Part, Stream, as_it_is
from transforms.raw import Json, Record
from transforms.rows.hubspot import PRIMARY_TYPE_IDS

OWN = ("id", "properties", "createdAt", "updatedAt", "archived")
STREAMS = {
    "companies": "companies",
    "contacts": "contacts",
    "deals": "deals",
    "notes": "engagements_notes",
    "emails": "engagements_emails",
    "calls": "engagements_calls",
    "meetings": "engagements_meetings",
    "tasks": "engagements_tasks",
}
"""Entity → stream."""
TIED_TO = {
    "contacts": ("companies",),
    "deals": ("companies", "contacts"),
    **dict.fromkeys(("notes", "emails", "calls", "meetings", "tasks"), ("companies", "deals", "contacts")),
}
"""Entity → the fields of its stream that hold ids of what it belongs to."""
PRIMARY_COMPANY = {"contacts": "associatedcompanyid", "deals": "hs_primary_associated_company"}
"""Entity → the property that holds the id of its one main company."""

OWNERS = ("id", "email", "type", "firstName", "lastName", "userId", "userIdIncludingInactive", "teams")
DEAL_PIPELINES = Stream(
    "deal_pipelines",
    ("pipelineId", "label", "displayOrder", "active", "createdAt", "updatedAt", "stages"),
    is_whole=True,
)
DEALS_ARCHIVED = Stream("deals_archived", (*OWN, "archivedAt"))


def crm_object(record: Record) -> Iterator[Record]:
    """The object, and those that were merged into it."""
    properties = {name: _text(value) for name, value in record["properties"].items() if value is not None}
    yield {name: record[name] for name in (*OWN, "archivedAt") if name in record} | {"properties": properties}
    merged_ids = {one.strip() for one in properties.get("hs_merged_object_ids", "").split(";")}
    for loser_id in sorted(merged_ids - {"", record["id"]}):
        yield {"id": loser_id, "archived": True, "archivedAt": record["updatedAt"]}


def pipeline(record: Record) -> Iterator[Record]:
    yield {
        "id": record["pipelineId"],
        "label": record["label"],
        "displayOrder": record["displayOrder"],
        "archived": record.get("active") is False,
        "createdAt": record.get("createdAt"),
        "updatedAt": record.get("updatedAt"),
        "stages": [_stage(stage) for stage in record.get("stages", [])],
    }


def deal_stages(record: Record) -> Iterator[Record]:
    for stage in record.get("stages", []):
        yield {"pipelineId": record["pipelineId"], **_stage(stage)}


def ties(from_type: str) -> Make:
    """What an object of this type belongs to."""

    def records(record: Record) -> Iterator[Record]:
        primary_id = _text(record["properties"].get(PRIMARY_COMPANY.get(from_type, "")) or "")
        for to_type in TIED_TO[from_type]:
            for to_id in map(str, record.get(to_type, [])):
                is_primary = to_type == "companies" and to_id == primary_id
                yield {
                    "fromType": from_type,
                    "fromId": record["id"],
                    "toType": to_type,
                    "toId": to_id,
                    "associationTypes": [_primary(from_type)] if is_primary else [],
                }

    return records


def nothing(_record: Record) -> Iterator[Record]:
    """What is archived belongs to nothing."""
    return iter(())


def _stage(stage: Record) -> Record:
    return {
        "id": stage["stageId"],
        "label": stage["label"],
        "displayOrder": stage["displayOrder"],
        "metadata": stage["metadata"],
        "archived": stage.get("active") is False,
    }


def _primary(from_type: str) -> Record:
    return {"category": "HUBSPOT_DEFINED", "typeId": PRIMARY_TYPE_IDS[from_type, "companies"], "label": "Primary"}


def _text(value: Json) -> Json:
    """As HubSpot writes a property: 1200.0 → `1200`, True → `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


_OBJECTS = {entity: Stream(stream, (*OWN, *TIED_TO.get(entity, ()))) for entity, stream in STREAMS.items()}

FEEDS = (
    *(
        Feed("associations", _OBJECTS[entity], ties(entity), part=Part("from_type", entity, "from_id"))
        for entity in TIED_TO
    ),
    Feed("associations", DEALS_ARCHIVED, nothing, part=Part("from_type", "deals", "from_id")),
    Feed("owners", Stream("owners", (*OWNERS, "createdAt", "updatedAt", "archived"), is_whole=True), as_it_is),
    Feed("owners", Stream("owners_archived", (*OWNERS, "createdAt", "updatedAt", "archived"), is_whole=True), as_it_is),
    Feed("pipelines", DEAL_PIPELINES, pipeline),
    Feed("deal_stages", DEAL_PIPELINES, deal_stages),
    *(Feed(entity, stream, crm_object) for entity, stream in _OBJECTS.items()),
    Feed("deals", DEALS_ARCHIVED, crm_object),
)
