"""Ordered faults and the count of requests."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

import sandbox

WHOLE = {"fromDateTime": "2020-01-01T00:00:00Z", "toDateTime": "2030-01-01T00:00:00Z"}


def test_a_limit_with_and_without_retry_after(readers: Any) -> None:
    readers.control.fault("gong", "rate_limited", match="/users", retry_after_s=7)
    readers.control.fault("slack", "rate_limited", match="users.list", times=2)
    assert readers.gong.get("/v2/workspaces").status_code == 200
    limited = readers.gong.get("/v2/users")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert readers.gong.get("/v2/users").status_code == 200
    for _ in range(2):
        limited = readers.slack_response("users.list")
        assert (limited.status_code, limited.json()["error"]) == (429, "ratelimited")
        assert "retry-after" not in limited.headers
    assert readers.slack("users.list")["ok"]


def test_a_request_is_kept_as_it_was_said_whatever_it_is_answered(open_sandbox: Any) -> None:
    readers = open_sandbox(keep_requests=True)
    for kind in ("rate_limited", "truncated_json", "slow"):
        readers.control.fault("gong", kind, delay_s=0)
        readers.gong_post("/v2/calls/extensive", filter=WHOLE)
    kept = readers.control.kept_requests()
    assert [(request["status"], json.loads(request["body"])) for request in kept] == [
        (status, {"filter": WHOLE}) for status in ("429", "200", "200")
    ]


def test_a_server_error(readers: Any) -> None:
    readers.control.fault("gong", "status", status=502)
    readers.control.fault("slack", "status")
    assert readers.gong.get("/v2/users").status_code == 502
    assert readers.slack_response("auth.test").status_code == 503


def test_a_cut_connection(readers: Any) -> None:
    readers.control.fault("gong", "cut", match="calls")
    with pytest.raises(httpx.RemoteProtocolError):
        readers.gong.get("/v2/calls", params=WHOLE)
    assert readers.gong.get("/v2/calls", params=WHOLE).status_code == 200


def test_half_a_json_text(readers: Any) -> None:
    readers.control.fault("slack", "truncated_json")
    answer = readers.slack_response("users.list")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_slow_answer(readers: Any) -> None:
    readers.control.fault("slack", "slow", delay_s=0.3)
    began = time.monotonic()
    assert readers.slack("auth.test")["ok"]
    assert time.monotonic() - began >= 0.3


def test_an_expired_cursor_waits_for_a_request_that_has_one(open_sandbox: Any) -> None:
    readers = open_sandbox(scale=1.0)
    readers.control.fault("gong", "expired_cursors")
    readers.control.fault("slack", "expired_cursors")
    cursor = readers.gong.get("/v2/calls", params=WHOLE).json()["records"]["cursor"]
    expired = readers.gong.get("/v2/calls", params=WHOLE | {"cursor": cursor})
    assert "cursor has expired" in expired.json()["errors"][0]
    assert readers.gong.get("/v2/calls", params=WHOLE | {"cursor": cursor}).status_code == 200
    cursor = readers.slack("users.list", limit=1)["response_metadata"]["next_cursor"]
    assert readers.slack("users.list", limit=1, cursor=cursor)["error"] == "invalid_cursor"
    assert readers.slack("users.list", limit=1, cursor=cursor)["ok"]


def test_faults_can_be_forgotten(readers: Any) -> None:
    readers.control.fault("gong", "status", times=5)
    readers.control.clear_faults()
    assert readers.gong.get("/v2/users").status_code == 200


@pytest.mark.parametrize(
    "order",
    [
        {"vendor": "salesforce", "kind": "status"},
        {"vendor": "gong", "kind": "flood"},
        {"vendor": "gong", "kind": "status", "status": 200},
        {"vendor": "gong", "kind": "slow", "times": 0},
        {"vendor": "gong", "kind": "slow", "match": "("},
        {"vendor": "gong", "kind": "slow", "often": 2},
    ],
)
def test_an_order_that_makes_no_sense(demo: Any, order: dict[str, Any]) -> None:
    with pytest.raises(sandbox.CommandRefused):
        demo.control.fault(**order)


def test_requests_are_counted_by_path_and_status(readers: Any) -> None:
    readers.control.reset_requests()
    readers.gong.get("/v2/users")
    readers.gong.get("/v2/calls/1")
    readers.gong_post("/v2/calls/extensive")
    readers.control.fault("gong", "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        readers.gong.get("/v2/users")
    readers.slack("users.list")
    assert readers.control.requests() == {
        "gong": {
            "/v2/calls/1": {"total": 1, "statuses": {"404": 1}, "methods": {"GET": 1}},
            "/v2/calls/extensive": {"total": 1, "statuses": {"200": 1}, "methods": {"POST": 1}},
            "/v2/users": {"total": 2, "statuses": {"200": 1, "cut": 1}, "methods": {"GET": 2}},
        },
        "slack": {"/users.list": {"total": 1, "statuses": {"200": 1}, "methods": {"GET": 1}}},
    }
