"""Every request of a first, an incremental and a full pull, and of slices, against what the vendor describes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import jsonschema
import msgspec
import pytest
from graphql import build_schema, parse, validate
from graphql.execution.values import get_variable_values

import sandbox
from pipelines.pull import pull_slice, slices
from tests.conftest import SHARED, profile_for
from tests.pipelines.rig import open_rig
from tests.sandbox import hubspot_models as hubspot

CONTRACTS = SHARED / "contracts"
Request = dict[str, Any]


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Request]]:
    """Vendor → what was asked of it, with the query parsed, and the body too where it is JSON."""
    if not CONTRACTS.is_dir():
        pytest.skip("needs the folder shared/contracts beside the checkout: the vendors' contracts")
    home = tmp_path_factory.mktemp("contracts")
    with sandbox.running(scale=0.15, limit_speedup=10_000, keep_requests=True) as control:
        with open_rig(profile_for(home, control), control) as rig:
            rig.pull()
            dump = control.dump()
            control.edit("hubspot.deals", next(d["id"] for d in dump["hubspot.deals"] if not d["archived"]), amount="7")
            control.edit("linear.issues", dump["linear.issues"][0]["id"], title="Edited")
            rig.pull()
            rig.pull(full=True)
            for source in rig.sources:
                named = slices(source, rig.warehouse)
                pull_slice(source, named[0] if named else "2026-11-02", rig.profile, rig.warehouse)
        found: dict[str, list[Request]] = {}
        for request in control.kept_requests():
            request["query"] = {name: values[0] for name, values in parse_qs(request["query"]).items()}
            if request["body"].startswith("{"):
                request["body"] = json.loads(request["body"])
            found.setdefault(request["vendor"], []).append(request)
    failed = {(r["vendor"], r["path"], r["status"]) for asked in found.values() for r in asked if r["status"] != "200"}
    empty = {("gong", "/v2/calls/transcript", "404"), ("gong", "/v2/calls/extensive", "404")}
    assert failed <= empty, "Gong says so of a range without calls, and where no call has a transcript yet"
    return found


def test_gong_describes_every_request(requests: dict[str, list[Request]]) -> None:
    described = json.loads((CONTRACTS / "gong.oas.json").read_text())
    for schema in described["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    paths = set()
    for request in requests["gong"]:
        operation = described["paths"][request["path"]][request["method"].lower()]
        paths.add(request["path"])
        assert set(request["query"]) <= {parameter["name"] for parameter in operation.get("parameters") or ()}
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema.validate(request["body"], {"$ref": schema["$ref"], "components": described["components"]})
        else:
            assert request["body"] == ""
    assert paths == {"/v2/users", "/v2/calls/extensive", "/v2/calls/transcript"}


def test_slack_describes_every_parameter(requests: dict[str, list[Request]]) -> None:
    described = json.loads((CONTRACTS / "slack.web.openapi.json").read_text())
    methods = set()
    for request in requests["slack"]:
        path = request["path"].removeprefix("/api")
        operation = described["paths"][path][request["method"].lower()]
        methods.add(path)
        parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
        form = {name: values[0] for name, values in parse_qs(request["body"]).items()}
        for name, value in (request["query"] | form).items():
            if parameters[name]["type"] in ("integer", "number"):
                float(value)
    assert {"/conversations.list", "/conversations.history", "/conversations.replies", "/users.list"} <= methods


def test_linears_schema_accepts_every_query_with_its_variables(requests: dict[str, list[Request]]) -> None:
    schema = build_schema((CONTRACTS / "linear.schema.graphql").read_text())
    connections = set()
    for text in {json.dumps(request["body"], sort_keys=True) for request in requests["linear"]}:
        body = json.loads(text)
        document = parse(body["query"])
        assert validate(schema, document) == []
        [operation] = document.definitions
        values = get_variable_values(schema, operation.variable_definitions, body["variables"])  # type: ignore[attr-defined]
        assert isinstance(values, dict), values
        connections.add(operation.selection_set.selections[0].name.value)  # type: ignore[attr-defined]
    assert len(connections) == 8


def test_hubspots_page_describes_every_request(requests: dict[str, list[Request]]) -> None:
    kinds = set()
    lists = {"limit", "after", "properties", "propertiesWithHistory", "associations", "archived"}
    for request in requests["hubspot"]:
        path, body = request["path"], request["body"]
        if path.endswith("/search"):
            assert isinstance(msgspec.convert(body, hubspot.SearchRequest), hubspot.SearchRequest)
            kinds.add("search")
        elif "/associations/" in path:
            msgspec.convert(body, hubspot.AssociationsRequest)
            kinds.add("associations")
        elif path.endswith("/batch/read"):
            msgspec.convert(body, hubspot.BatchReadRequest)
            kinds.add("batch")
        else:
            assert request["method"] == "GET"
            assert set(request["query"]) <= lists
            assert int(request["query"].get("limit", 10)) <= (
                50 if "propertiesWithHistory" in request["query"] else 100
            )
            kinds.add("list")
    assert kinds == {"search", "associations", "batch", "list"}
