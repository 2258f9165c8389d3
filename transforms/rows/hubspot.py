"""HubSpot's records: CRM objects, owners, pipelines with their stages, associations. API v3 and v4.

Vendor pages: developers.hubspot.com/docs/api-reference. All property values are text, and a cleared one is empty text:
both it and null are NULL. HubSpot's modified date says nothing of archiving, of merges or of associations, so a row's
version is the time its request was sent. An archived object is a tombstone; an archived owner is not, since who has
left still owns deals.
"""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.address import Address
from contracts.tables import ColumnType
from transforms.people import Part, People
from transforms.raw import Entity, Field, Record, at, boolean, computed, integer, iso_time, number, text

PRIMARY_TYPE_IDS = {("deals", "companies"): 5, ("contacts", "companies"): 1}
"""HubSpot's own type of the one main company; a label may be renamed, the id may not."""

_PRIMARY_BY = ("fromType", "toType", "associationTypes[].typeId", "associationTypes[].category")
_ARCHIVED_AT = iso_time("archived_at", "archivedAt")
_UPDATED_AT = iso_time("updated_at", "updatedAt")


def _archived_at(record: Record) -> object:
    """When an archived object was archived; None while it lives."""
    if at(record, "archived") is not True:
        return None
    archived_at = _ARCHIVED_AT.read(record) or _UPDATED_AT.read(record)
    if archived_at is None:
        raise ValueError("an archived record without archivedAt")
    return archived_at


def _property(name: str, property_name: str) -> Field:
    """A text property; empty text is NULL."""
    field = text(name, f"properties.{property_name}")
    return Field(name, field.type, lambda record: field.read(record) or None, field.path)


def _whole(name: str, property_name: str) -> Field:
    """A whole number that comes as text."""
    field = number(name, f"properties.{property_name}")

    def read(record: Record) -> int | None:
        value = field.read(record)
        if not isinstance(value, float):
            return None
        if not value.is_integer() or not -(2.0**63) <= value < 2.0**63:
            raise ValueError("expected a whole number of 64 bits")
        return int(value)

    return Field(name, ColumnType.INTEGER, read, field.path)


def _truth(name: str, path: str) -> Field:
    """True or false, or text that says so."""

    def read(record: Record) -> bool | None:
        value = at(record, path)
        if value is None or value == "":
            return None
        if value in (True, "true"):
            return True
        if value in (False, "false"):
            return False
        raise ValueError("expected true or false")

    return Field(name, ColumnType.BOOLEAN, read, path)


def _time(name: str, path: str) -> Field:
    """ISO 8601, or milliseconds since 1970: default pipelines have the number 0."""
    iso = iso_time(name, path)

    def read(record: Record) -> object:
        value = at(record, path)
        if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and value.isdecimal())):
            return iso.read(record)
        try:
            seconds, milliseconds = divmod(int(value), 1000)
            return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)
        except (ValueError, OverflowError, OSError):
            raise ValueError("expected milliseconds since 1970") from None  # theirs shows the value

    return Field(name, ColumnType.TIMESTAMP, read, path)


def _user_id(record: Record) -> str | None:
    """A number in the answer; an owner who has left keeps it in the second field alone."""
    value = record.get("userId")
    value = record.get("userIdIncludingInactive") if value is None else value
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
        raise ValueError("expected the user's id as a number or text")
    return None if value is None else str(value)


def _type_ids(record: Record) -> str:
    return ",".join(map(str, sorted({_type_id(kind) for kind in record["associationTypes"]})))


def _is_primary(record: Record) -> bool:
    """A portal's own labels have ids of their own, which may be the same numbers."""
    primary = PRIMARY_TYPE_IDS.get((record["fromType"], record["toType"]))
    own = (kind for kind in record["associationTypes"] if kind.get("category") != "USER_DEFINED")
    return primary in [_type_id(kind) for kind in own]


def _type_id(kind: Record) -> int:
    type_id = kind["typeId"]
    if isinstance(type_id, bool) or not isinstance(type_id, int):
        raise ValueError("expected an association's typeId as a number")
    return type_id


def _object(entity: str, key: str, *fields: Field) -> Entity:
    return Entity(Address("hubspot", entity), (key,), (text(key, "id"), *fields), deleted_at=_archived_at)


def _crm_object(entity: str, key: str, *fields: Field) -> Entity:
    """A company, contact or deal, with the columns that all of them have."""
    modified = "lastmodifieddate" if entity == "contacts" else "hs_lastmodifieddate"
    return _object(
        entity,
        key,
        *fields,
        _property("owner_id", "hubspot_owner_id"),
        _time("created_at", "properties.createdate"),
        _time("modified_at", f"properties.{modified}"),
        _property("merged_ids", "hs_merged_object_ids"),
    )


def _activity(entity: str, key: str, *fields: Field) -> Entity:
    """An engagement: what was done, by whom, when."""
    return _object(
        entity,
        key,
        *fields,
        _property("owner_id", "hubspot_owner_id"),
        _time("occurred_at", "properties.hs_timestamp"),
        _time("created_at", "createdAt"),
        _time("modified_at", "properties.hs_lastmodifieddate"),
    )


OWNERS = Entity(
    Address("hubspot", "owners"),
    key=("owner_id",),
    fields=(
        text("owner_id", "id"),
        text("email"),
        text("first_name", "firstName"),
        text("last_name", "lastName"),
        computed("user_id", ColumnType.TEXT, _user_id, ("userId", "userIdIncludingInactive")),
        boolean("archived"),
        _time("created_at", "createdAt"),
        _time("updated_at", "updatedAt"),
    ),
)

PIPELINES = Entity(
    Address("hubspot", "pipelines"),
    key=("pipeline_id",),
    fields=(
        text("pipeline_id", "id"),
        text("label"),
        integer("display_order", "displayOrder"),
        boolean("archived"),
        _time("created_at", "createdAt"),
        _time("updated_at", "updatedAt"),
    ),
)

DEAL_STAGES = Entity(
    Address("hubspot", "deal_stages"),
    key=("pipeline_id", "stage_id"),
    fields=(
        text("pipeline_id", "pipelineId"),
        text("stage_id", "id"),
        text("label"),
        integer("display_order", "displayOrder"),
        _truth("is_closed", "metadata.isClosed"),
        number("probability", "metadata.probability").within(0, 1),
        boolean("archived"),
    ),
)

COMPANIES = _crm_object(
    "companies",
    "company_id",
    _property("name", "name"),
    _property("domain", "domain"),
    _property("industry", "industry"),
    _property("city", "city"),
)

CONTACTS = _crm_object(
    "contacts",
    "contact_id",
    _property("email", "email"),
    _property("first_name", "firstname"),
    _property("last_name", "lastname"),
    _property("job_title", "jobtitle"),
)

DEALS = _crm_object(
    "deals",
    "deal_id",
    _property("name", "dealname"),
    _property("pipeline_id", "pipeline"),
    _property("stage_id", "dealstage"),
    number("amount", "properties.amount").within(0),
    number("amount_in_home_currency", "properties.amount_in_home_currency").within(0),
    _property("currency", "deal_currency_code"),
    _time("close_at", "properties.closedate"),
)

NOTES = _activity("notes", "note_id", _property("body", "hs_note_body"))

EMAILS = _activity(
    "emails",
    "email_id",
    _property("subject", "hs_email_subject"),
    _property("body", "hs_email_text"),
    _property("direction", "hs_email_direction"),
)

CALLS = _activity(
    "calls",
    "call_id",
    _property("title", "hs_call_title"),
    _property("body", "hs_call_body"),
    _property("direction", "hs_call_direction"),
    _whole("duration_ms", "hs_call_duration").within(0, 86_400_000),
)

MEETINGS = _activity(
    "meetings",
    "meeting_id",
    _property("title", "hs_meeting_title"),
    _property("body", "hs_meeting_body"),
    _property("outcome", "hs_meeting_outcome"),
    _time("started_at", "properties.hs_meeting_start_time"),
    _time("ended_at", "properties.hs_meeting_end_time"),
)

TASKS = _activity(
    "tasks",
    "task_id",
    _property("subject", "hs_task_subject"),
    _property("body", "hs_task_body"),
    _property("status", "hs_task_status"),
    _property("priority", "hs_task_priority"),
    _property("type", "hs_task_type"),
)

ASSOCIATIONS = Entity(
    Address("hubspot", "associations"),
    key=("from_type", "from_id", "to_type", "to_id"),
    fields=(
        text("from_type", "fromType"),
        text("from_id", "fromId"),
        text("to_type", "toType"),
        text("to_id", "toId"),
        computed("is_primary", ColumnType.BOOLEAN, _is_primary, _PRIMARY_BY),
        computed("type_ids", ColumnType.TEXT, _type_ids, ("associationTypes[].typeId",)),
    ),
)

ENTITIES = (
    ASSOCIATIONS,
    OWNERS,
    PIPELINES,
    DEAL_STAGES,
    COMPANIES,
    CONTACTS,
    DEALS,
    NOTES,
    EMAILS,
    CALLS,
    MEETINGS,
    TASKS,
)
"""Landed in this order: associations are read for objects that have changed, so an object's cursor must not move before
its associations have landed."""

_CONTACT, _OWNER, _USER = "hubspot:contacts", "hubspot:owners", "hubspot:users"


def _of_contact(end: str) -> Part:
    """An association with a contact at this end."""
    return Part(ids={f"{end}Id": _CONTACT}, where={f"{end}Type": "contacts"})


_BY_OWNER = Part(ids={"properties.hubspot_owner_id": _OWNER})

PEOPLE = People(
    parts={
        "associations": (_of_contact("from"), _of_contact("to")),
        "owners": (
            Part(
                ids={"id": _OWNER, "userId": _USER, "userIdIncludingInactive": _USER},
                emails=("email",),
                names=("firstName lastName",),
            ),
        ),
        "contacts": (
            Part(
                ids={"id": _CONTACT, "properties.hs_merged_object_ids": _CONTACT},
                emails=("properties.email",),
                names=("properties.firstname properties.lastname",),
            ),
        ),
        "notes": (_BY_OWNER,),
        "emails": (_BY_OWNER, Part(emails=("properties.hs_email_from_email",))),
    },
    ids={"*owner_id*": _OWNER, "*user_id*": _USER, "*userid*": _USER, "sourceid": _USER, "author_id": _OWNER},
)
"""Who owns a note or an email wrote it. Calls, meetings and tasks are the company's with a customer: they stay, without
their people."""
