"""The answers against the vendors' published descriptions, which lie beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sandbox.gong_selector import FULL_SELECTOR

WHOLE = {"fromDateTime": "2020-01-01T00:00:00Z", "toDateTime": "2030-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def gong_schemas(shared: Path) -> dict[str, Any]:
    """Gong's component schemas, closed: a property that is not described is an error."""
    schemas = json.loads((shared / "contracts" / "gong.oas.json").read_text())["components"]["schemas"]
    for schema in schemas.values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    # Described as objects, but the examples (and the vendor) give plain values.
    for field in ("ContextField", "PartyContextField"):
        schemas[field]["properties"]["value"] = {}
    return schemas


def check(schemas: dict[str, Any], name: str, answer: Any) -> None:
    jsonschema.validate(answer, {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}})


def test_gong_answers_as_described(demo: Any, gong_schemas: dict[str, Any]) -> None:
    call = demo.control.dump()["gong.calls"][0]["metaData"]["id"]
    user = demo.control.dump()["gong.users"][0]["id"]
    check(gong_schemas, "CallsResponse", demo.gong.get("/v2/calls", params=WHOLE).json())
    extensive = demo.gong_post("/v2/calls/extensive", contentSelector=FULL_SELECTOR).json()
    check(gong_schemas, "Calls", extensive)
    assert all(set(c) == set(gong_schemas["CallData"]["properties"]) for c in extensive["calls"] if "content" in c)
    check(gong_schemas, "CallTranscripts", demo.gong_post("/v2/calls/transcript").json())
    check(gong_schemas, "UsersMetadata", demo.gong.get("/v2/users").json())
    check(gong_schemas, "UsersMetadata", demo.gong_post("/v2/users/extensive").json())
    check(gong_schemas, "User", demo.gong.get(f"/v2/users/{user}").json())
    check(gong_schemas, "SpecificCall", demo.gong.get(f"/v2/calls/{call}").json())
    check(gong_schemas, "WorkspacesMetadata", demo.gong.get("/v2/workspaces").json())


def test_gong_errors_are_as_described(demo: Any, gong_schemas: dict[str, Any]) -> None:
    for answer in (
        demo.gong.get("/v2/calls/1"),
        demo.gong.get("/v2/calls"),
        demo.gong_post("/v2/calls/transcript", filter={"callIds": ["1"]}),
    ):
        assert answer.status_code >= 400
        check(gong_schemas, "ErrorResponse", answer.json())


SLACK_KEYS = {
    "auth.test": {}, "team.info": {}, "users.list": {"limit": "3"},
    "conversations.list": {"types": "public_channel,private_channel"}, "conversations.info": {"channel": ""},
    "conversations.history": {"channel": ""}, "conversations.members": {"channel": ""},
}  # fmt: skip


@pytest.fixture(scope="module")
def slack_spec(shared: Path) -> dict[str, Any]:
    """Slack's description of its Web API (OpenAPI 2)."""
    return json.loads((shared / "contracts" / "slack.web.openapi.json").read_text())


@pytest.mark.parametrize("method", SLACK_KEYS)
def test_slack_answers_have_the_described_keys(demo: Any, slack_spec: dict[str, Any], method: str) -> None:
    described = slack_spec["paths"][f"/{method}"]["get"]
    args = {name: value or demo.channel("acct-velmora") for name, value in SLACK_KEYS[method].items()}
    assert set(args) <= {parameter["name"] for parameter in described["parameters"]}
    answer = demo.slack(method, **args)
    success = described["responses"]["200"]["schema"]
    assert set(success["required"]) <= set(answer)
    # The description of 2021 lacks paging of history; the method's page has it.
    assert set(answer) <= set(success["properties"]) | {"response_metadata"}


def test_slack_objects_have_the_described_fields(demo: Any, slack_spec: dict[str, Any]) -> None:
    described, dump = slack_spec["definitions"], demo.control.dump()
    user = described["objs_user"]["items"][0]
    for record in dump["slack.users"]:
        assert set(user["required"]) <= set(record) <= set(user["properties"])
        assert set(described["objs_user_profile"]["required"]) <= set(record["profile"])
        assert set(record["profile"]) <= set(described["objs_user_profile"]["properties"])
    channel = described["objs_conversation"]["items"][0]["properties"]
    assert all(set(record) <= set(channel) | {"updated"} for record in dump["slack.channels"])
    # `edited` and `hidden` are in every real message of the kind, but not in the description of 2021.
    message = set(described["objs_message"]["properties"]) | {"channel", "edited", "hidden"}
    assert all(set(record) <= message for record in dump["slack.messages"])
    for name, values in (
        ("defs_ts", [m["ts"] for m in dump["slack.messages"]]),
        ("defs_user_id", [u["id"] for u in dump["slack.users"]]),
        ("defs_channel", [c["id"] for c in dump["slack.channels"]]),
        ("defs_team", [u["team_id"] for u in dump["slack.users"]]),
        ("defs_bot_id", [m["bot_id"] for m in dump["slack.messages"] if "bot_id" in m]),
    ):
        for value in values:
            jsonschema.validate(value, described[name])


def test_slack_error_codes_are_described(demo: Any, slack_spec: dict[str, Any]) -> None:
    for method, args in (
        ("conversations.info", {"channel": "C0"}),
        ("conversations.history", {"channel": "C0"}),
        ("conversations.history", {"channel": demo.channel("general"), "oldest": "x"}),
        ("conversations.replies", {"channel": demo.channel("general"), "ts": "1.0"}),
        ("conversations.members", {"channel": demo.channel("general"), "limit": 1000}),
        ("conversations.members", {"channel": demo.channel("general"), "cursor": "x"}),
        ("users.list", {"cursor": "x"}),
    ):
        described = slack_spec["paths"][f"/{method}"]["get"]["responses"]["default"]["schema"]
        assert demo.slack(method, **args)["error"] in described["properties"]["error"]["enum"]
    joining = slack_spec["paths"]["/conversations.join"]["post"]["responses"]["default"]["schema"]
    assert "is_archived" in joining["properties"]["error"]["enum"]
