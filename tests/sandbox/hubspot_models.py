"""Every request to HubSpot and every answer of it, closed: a field that is not described is an error.

Written from the reference page beside the checkout (vendor-apis, section 2), not from the sandbox's code.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import httpx
import msgspec
from msgspec import UNSET, Meta, UnsetType

Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$")]
Id = Annotated[str, Meta(pattern=r"^\d+$")]
Model = TypeVar("Model")


class Closed(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A model without room for more."""


# Requests.


class Filter(Closed, omit_defaults=True):
    property_name: str
    operator: Literal[
        "BETWEEN", "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "IN", "NOT_IN",
        "HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
    ]  # fmt: skip
    value: str | UnsetType = UNSET
    high_value: str | UnsetType = UNSET
    values: list[str] | UnsetType = UNSET


class Sort(Closed):
    property_name: str
    direction: Literal["ASCENDING", "DESCENDING"] = "ASCENDING"


class FilterGroup(Closed):
    filters: list[Filter]


class SearchRequest(Closed, omit_defaults=True):
    filter_groups: list[FilterGroup] = []
    sorts: Annotated[list[Sort | str], Meta(max_length=1)] = []
    properties: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=200)] = 10
    after: str | UnsetType = UNSET
    query: Annotated[str, Meta(max_length=3000)] | UnsetType = UNSET


class Input(Closed, omit_defaults=True):
    id: str
    after: str | UnsetType = UNSET


class BatchReadRequest(Closed, omit_defaults=True):
    inputs: Annotated[list[Input], Meta(max_length=100)]
    properties: list[str] = []
    properties_with_history: list[str] = []
    id_property: str | UnsetType = UNSET


class AssociationsRequest(Closed):
    inputs: Annotated[list[Input], Meta(max_length=1000)]


# Answers.


class Next(Closed):
    after: str
    link: str | UnsetType = UNSET


class Paging(Closed):
    next: Next


class HistoryEntry(Closed):
    value: str
    timestamp: Time
    source_type: str
    source_id: str | UnsetType = UNSET


class InlineAssociation(Closed):
    id: Id
    type: str


class InlineAssociations(Closed):
    results: list[InlineAssociation]
    paging: Paging | UnsetType = UNSET


class CrmObject(Closed):
    id: Id
    properties: dict[str, str | None]
    created_at: Time
    updated_at: Time
    archived: bool
    archived_at: Time | UnsetType = UNSET
    associations: dict[str, InlineAssociations] | UnsetType = UNSET
    properties_with_history: dict[str, list[HistoryEntry]] | UnsetType = UNSET


class ObjectPage(Closed):
    results: list[CrmObject]
    paging: Paging | UnsetType = UNSET


class SearchPage(Closed):
    total: int
    results: Annotated[list[CrmObject], Meta(max_length=200)]
    paging: Paging | UnsetType = UNSET


class ErrorDetail(Closed):
    message: str
    code: str | UnsetType = UNSET
    sub_category: str | UnsetType = UNSET
    context: dict[str, list[str]] | UnsetType = UNSET


class BatchError(Closed):
    status: Literal["error"]
    category: str
    message: str
    context: dict[str, list[str]] | UnsetType = UNSET


class BatchPage(Closed):
    status: Literal["COMPLETE"]
    results: list[CrmObject]
    started_at: Time
    completed_at: Time
    num_errors: int | UnsetType = UNSET
    errors: list[BatchError] | UnsetType = UNSET


class AssociationType(Closed):
    category: Literal["HUBSPOT_DEFINED", "USER_DEFINED"]
    type_id: int
    label: str | None


class AssociationLabels(Closed):
    results: list[AssociationType]


class To(Closed):
    to_object_id: Id
    association_types: Annotated[list[AssociationType], Meta(min_length=1)]


class AssociationsOfOne(Closed):
    results: Annotated[list[To], Meta(max_length=500)]
    paging: Paging | UnsetType = UNSET


class From(Closed):
    id: Id


class AssociationResult(Closed):
    # `from` is no name in Python.
    from_: From = msgspec.field(name="from")
    to: Annotated[list[To], Meta(min_length=1, max_length=500)] = msgspec.field()
    paging: Paging | UnsetType = UNSET


class AssociationsBatch(Closed):
    status: Literal["COMPLETE"]
    results: list[AssociationResult]
    started_at: Time
    completed_at: Time
    num_errors: int | UnsetType = UNSET
    errors: list[BatchError] | UnsetType = UNSET


class Team(Closed):
    id: str
    name: str
    primary: bool


class Owner(Closed):
    id: Id
    email: str
    first_name: str
    last_name: str
    user_id: int | None
    user_id_including_inactive: int
    type: Literal["PERSON", "QUEUE"]
    archived: bool
    created_at: Time
    updated_at: Time
    teams: list[Team]


class OwnerPage(Closed):
    results: list[Owner]
    paging: Paging | UnsetType = UNSET


class StageMetadata(Closed):
    is_closed: Literal["true", "false"]
    probability: Annotated[str, Meta(pattern=r"^[01]\.\d+$")]


class Stage(Closed):
    id: str
    label: str
    display_order: int
    archived: bool
    metadata: StageMetadata
    created_at: Time
    updated_at: Time
    write_permissions: str


class Pipeline(Closed):
    id: str
    label: str
    display_order: int
    archived: bool
    created_at: Time
    updated_at: Time
    stages: list[Stage]


class Pipelines(Closed):
    results: list[Pipeline]


class Property(msgspec.Struct, rename="camel"):
    name: str
    label: str
    type: Literal["string", "number", "datetime", "date", "enumeration", "bool"]
    field_type: str


class Properties(Closed):
    results: list[Property]


class Problem(Closed):
    """An error; live bodies also carry status."""

    status: Literal["error"]
    message: str
    correlation_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    category: Literal[
        "VALIDATION_ERROR", "INVALID_AUTHENTICATION", "EXPIRED_AUTHENTICATION", "MISSING_SCOPES", "OBJECT_NOT_FOUND",
        "RATE_LIMITS",
    ] | UnsetType = UNSET  # fmt: skip
    sub_category: str | UnsetType = UNSET
    context: dict[str, list[str]] | UnsetType = UNSET
    errors: list[ErrorDetail] | UnsetType = UNSET


class LimitProblem(Closed):
    """The body of a 429."""

    status: Literal["error"]
    message: str
    error_type: Literal["RATE_LIMIT"]
    correlation_id: str
    policy_name: Literal["TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY"]
    category: Literal["RATE_LIMITS"]


def read(model: type[Model], response: httpx.Response, status: int = 200) -> Model:
    """The answer as this model; AssertionError for another status, ValidationError for another shape."""
    assert response.status_code == status, response.text
    return msgspec.json.decode(response.content, type=model)


def problem(response: httpx.Response, status: int) -> Problem:
    return read(Problem, response, status)


def as_body(request: Closed) -> Any:
    """A request as it is sent, after a check of its own shape."""
    return msgspec.json.decode(msgspec.json.encode(msgspec.convert(msgspec.to_builtins(request), type(request))))
