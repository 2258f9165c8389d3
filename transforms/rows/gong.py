"""Gong's records: users, calls (as /v2/calls/extensive gives them), transcripts. Vendor pages: help.gong.io/apidocs.

Ids exceed 2^53 and are text. Gong gives no change time, so a row's version is the time its request was sent.
"""

from __future__ import annotations

from contracts.address import Address
from contracts.tables import ColumnType
from transforms.people import LONG, Part, People
from transforms.raw import Entity, Read, Record, at, boolean, computed, integer, iso_time, text

_CRM_OBJECTS = ("context[].objects[].objectType", "context[].objects[].objectId")


def _crm_object_id(object_type: str) -> Read:
    """The id that the CRM has for the call's account or opportunity: HubSpot's company or deal."""

    def read(record: Record) -> str | None:
        for context in record.get("context") or []:
            for crm_object in context.get("objects") or []:
                if crm_object.get("objectType") == object_type:
                    object_id = crm_object.get("objectId")
                    if object_id is not None and not isinstance(object_id, str):
                        raise ValueError("expected the CRM object's id as text")
                    return object_id
        return None

    return read


def _sentences(record: Record) -> int:
    return sum(len(monologue.get("sentences") or []) for monologue in record.get("transcript") or [])


USERS = Entity(
    Address("gong", "users"),
    key=("user_id",),
    fields=(
        text("user_id", "id"),
        text("email", "emailAddress"),
        text("first_name", "firstName"),
        text("last_name", "lastName"),
        text("title"),
        boolean("active"),
        text("manager_id", "managerId"),
        iso_time("created_at", "created"),
    ),
)

CALLS = Entity(
    Address("gong", "calls"),
    key=("call_id",),
    fields=(
        text("call_id", "metaData.id"),
        text("title", "metaData.title"),
        text("url", "metaData.url"),
        iso_time("scheduled_at", "metaData.scheduled"),
        iso_time("started_at", "metaData.started"),
        integer("duration_s", "metaData.duration").within(0, 86_400),
        text("primary_user_id", "metaData.primaryUserId"),
        text("direction", "metaData.direction"),
        text("scope", "metaData.scope"),
        text("language", "metaData.language"),
        text("workspace_id", "metaData.workspaceId"),
        boolean("is_private", "metaData.isPrivate"),
        computed("account_id", ColumnType.TEXT, _crm_object_id("Account"), _CRM_OBJECTS),
        computed("opportunity_id", ColumnType.TEXT, _crm_object_id("Opportunity"), _CRM_OBJECTS),
    ),
    private=lambda record: at(record, "metaData.isPrivate"),
)

TRANSCRIPTS = Entity(
    Address("gong", "transcripts"),
    key=("call_id",),
    fields=(
        text("call_id", "callId"),
        computed("sentences", ColumnType.INTEGER, _sentences, ("transcript[].sentences",)).within(0),
    ),
)

ENTITIES = (USERS, CALLS, TRANSCRIPTS)

_USER, _SPEAKER, _CONTACT = "gong:users", "gong:speakers", "hubspot:contacts"
"""Gong names the people of a call by its own users, by a speaker id of the call, and by the CRM's contacts."""

PEOPLE = People(
    parts={
        "users": (
            Part(
                ids={"id": _USER},
                emails=("emailAddress", "trustedEmailAddress", "emailAliases[]"),
                names=("firstName lastName",),
            ),
        ),
        "calls": (
            Part(
                "parties[]",
                ids={"userId": _USER, "speakerId": _SPEAKER, "id": LONG, "context[].objects[].objectId": _CONTACT},
                emails=("emailAddress",),
                names=("name",),
            ),
            Part("context[].objects[]", ids={"objectId": _CONTACT}, where={"objectType": "Contact"}),
            Part("interaction.speakers[]", ids={"id": _SPEAKER, "userId": _USER}),
            Part("content.pointsOfInterest.actionItems[]", ids={"speakerID": _SPEAKER}),
            Part("collaboration.publicComments[]", ids={"commenterUserId": _USER}),
        ),
        "transcripts": (Part("transcript[]", ids={"speakerId": _SPEAKER}),),
    },
    ids={"*userid": _USER, "managerid": _USER, "speakerid": _SPEAKER, "author_id": _SPEAKER},
)
