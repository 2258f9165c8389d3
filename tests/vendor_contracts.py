"""Whether a vendor describes a request: Gong's and Slack's OpenAPI, Linear's schema, HubSpot's reference page.

The contracts lie beside the checkout, in shared/contracts; HubSpot publishes none that is there, so the models of its
page stand in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
import msgspec
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from tests.sandbox import hubspot_models as hubspot

CONTRACTS = Path(__file__).resolve().parents[1].parent / "shared" / "contracts"
Json = dict[str, Any]

WITHOUT_CONTRACT = frozenset({"slack_incoming_webhook"})
"""What the sandbox serves besides, and no contract there describes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of a vendor; two that are equal need one look."""

    vendor: str
    method: str
    path: str
    query: str
    body: str

    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))


def assert_described(kept: Iterable[Json]) -> None:
    """
    Args:
        kept: as `sandbox.Control.kept_requests` gives them.
    """
    asked = {Request(**{name: one[name] for name in Request.__slots__}) for one in kept}
    faults = {
        f"{request.vendor} does not describe {request.method} {request.path}: {fault}"
        for request in asked
        if request.vendor not in WITHOUT_CONTRACT
        for fault in FAULTS[request.vendor](request)
    }
    assert not faults, "\n".join(sorted(faults))


# Gong.


def _gong_faults(request: Request) -> Iterator[str]:
    operation = _gong()["paths"].get(request.path, {}).get(request.method.lower())
    if operation is None:
        yield "no such call"
        return
    for name in request.parameters().keys() - {one["name"] for one in operation.get("parameters") or ()}:
        yield f"no parameter {name}"
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        yield from (error.message for error in _gong_body(reference).iter_errors(json.loads(request.body or "null")))
    elif request.body:
        yield "a body"


@cache
def _gong() -> Json:
    """With its schemas closed: a field that is not described is an error."""
    described: Json = json.loads((CONTRACTS / "gong.oas.json").read_text())
    for schema in described["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return described


@cache
def _gong_body(reference: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": reference, "components": _gong()["components"]})


# Slack.


def _slack_faults(request: Request) -> Iterator[str]:
    operation = _slack().get(request.path.removeprefix("/api"), {}).get(request.method.lower())
    if operation is None:
        yield "no such method"
        return
    types = {one["name"]: one["type"] for one in operation["parameters"]}
    for name, value in (request.parameters() | dict(parse_qsl(request.body, keep_blank_values=True))).items():
        if name not in types:
            yield f"no parameter {name}"
        elif types[name] in ("integer", "number") and not re.fullmatch(r"\d+(\.\d+)?", value):
            yield f"{name} is {value!r}, not of the type {types[name]}"


@cache
def _slack() -> Json:
    """Its paths."""
    paths: Json = json.loads((CONTRACTS / "slack.web.openapi.json").read_text())["paths"]
    return paths


# Linear.


def _linear_faults(request: Request) -> Iterator[str]:
    if (request.method, request.path) != ("POST", "/graphql"):
        yield "no such call"
        return
    body = json.loads(request.body)
    try:
        document, faults = _linear_query(body["query"])
    except GraphQLError as error:
        yield str(error)
        return
    yield from faults
    operation = get_operation_ast(document, body.get("operationName"))
    if operation is None:
        yield "no operation, or several and none is named"
        return
    values = get_variable_values(_linear(), operation.variable_definitions, body.get("variables") or {})
    if isinstance(values, list):
        yield from map(str, values)


@cache
def _linear() -> GraphQLSchema:
    return build_schema((CONTRACTS / "linear.schema.graphql").read_text(), assume_valid=True, no_location=True)


@cache
def _linear_query(text: str) -> tuple[DocumentNode, tuple[str, ...]]:
    """A query, of which there are few, and what is wrong with it."""
    document = parse(text)
    return document, tuple(map(str, validate(_linear(), document)))


def linear_connection(query: str) -> str:
    """The field that a query reads first, such as `issues`."""
    operation = get_operation_ast(parse(query))
    assert isinstance(operation, OperationDefinitionNode)
    return str(operation.selection_set.selections[0].name.value)  # type: ignore[attr-defined]


# HubSpot.


@dataclass(frozen=True, slots=True)
class Call:
    """One of the page's endpoints."""

    method: str
    path: str
    """As a regular expression."""
    parameters: frozenset[str] = frozenset()
    body: type[hubspot.Closed] | None = None


_KIND = "(contacts|companies|deals|tickets|calls|emails|meetings|notes|tasks)"
_OBJECTS = f"/crm/(v3/objects|objects/2026-09)/{_KIND}"
_LIST = frozenset({"limit", "after", "properties", "propertiesWithHistory", "associations", "archived"})
CALLS = {
    "list": Call("GET", _OBJECTS, _LIST),
    "search": Call("POST", f"{_OBJECTS}/search", body=hubspot.SearchRequest),
    "batch": Call("POST", f"{_OBJECTS}/batch/read", body=hubspot.BatchReadRequest),
    "associations": Call("POST", f"/crm/v4/associations/{_KIND}/{_KIND}/batch/read", body=hubspot.AssociationsRequest),
    "owners": Call("GET", "/crm/v3/owners", frozenset({"limit", "after", "email", "archived"})),
    "pipelines": Call("GET", "/crm/v3/pipelines/(deals|tickets)"),
}


def hubspot_call(method: str, path: str) -> str | None:
    """Which of CALLS it is."""
    return next((name for name, one in CALLS.items() if one.method == method and re.fullmatch(one.path, path)), None)


def _hubspot_faults(request: Request) -> Iterator[str]:
    name = hubspot_call(request.method, request.path)
    if name is None:
        yield "no such call"
        return
    call, parameters = CALLS[name], request.parameters()
    for unknown in parameters.keys() - call.parameters:
        yield f"no parameter {unknown}"
    most = 50 if "propertiesWithHistory" in parameters else 100
    if not 1 <= int(parameters.get("limit", 10)) <= most:
        yield f"a limit of {parameters['limit']}, over {most}"
    if parameters.get("archived", "true") not in ("true", "false"):
        yield f"archived is {parameters['archived']!r}"
    if call.body is None:
        if request.body:
            yield "a body"
        return
    try:
        msgspec.json.decode(request.body, type=call.body)
    except msgspec.ValidationError as error:
        yield str(error)


FAULTS: dict[str, Callable[[Request], Iterator[str]]] = {
    "gong": _gong_faults,
    "hubspot": _hubspot_faults,
    "linear": _linear_faults,
    "slack": _slack_faults,
}
"""Vendor → what it does not describe of a request."""
