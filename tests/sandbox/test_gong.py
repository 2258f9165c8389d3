"""Gong's API: the window, paging and its cursors, the content selector, and the traps its readers fall into."""

from __future__ import annotations

import base64
import json
import time
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.gong_selector import FULL_SELECTOR

WHOLE = {"fromDateTime": "2020-01-01T00:00:00Z", "toDateTime": "2030-01-01T00:00:00Z"}


def every_page(demo: Any, path: str, key: str, **body: Any) -> list[Any]:
    rows, cursor = [], None
    while True:
        answer = demo.gong_post(path, cursor, **body).json()
        rows += answer[key]
        cursor = answer["records"].get("cursor")
        if cursor is None:
            return rows


def test_a_request_needs_the_key(demo: Any) -> None:
    url = f"{demo.control.gong_url}/v2/users"
    refused = httpx.get(url, auth=("sandbox-key", "wrong"))
    assert refused.status_code == 401
    assert set(refused.json()) == {"requestId", "errors"}
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"authorization": "Bearer sandbox-secret"}).status_code == 200


def test_pages_hold_a_hundred_and_the_last_has_no_cursor(demo: Any) -> None:
    first = demo.gong.get("/v2/calls", params=WHOLE).json()
    assert len(first["calls"]) == first["records"]["currentPageSize"] == 100
    second = demo.gong.get("/v2/calls", params=WHOLE | {"cursor": first["records"]["cursor"]}).json()
    assert "cursor" not in second["records"]
    ids = [call["id"] for call in first["calls"] + second["calls"]]
    assert len(set(ids)) == len(ids) == first["records"]["totalRecords"] == demo.control.counts()["gong.calls"]


def test_the_cursor_is_a_jwt_that_dies_an_hour_after_the_first_request(demo: Any) -> None:
    cursor = demo.gong.get("/v2/calls", params=WHOLE).json()["records"]["cursor"]
    header, payload, _ = cursor.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"] == "HS256"
    assert {"pageSize", "total", "pageNumber", "exp", "userId"} <= set(claims)
    assert claims["exp"] - time.time() == pytest.approx(3600, abs=30)


def test_a_cursor_wants_the_other_inputs_unchanged(demo: Any) -> None:
    cursor = demo.gong.get("/v2/calls", params=WHOLE).json()["records"]["cursor"]
    changed = WHOLE | {"fromDateTime": "2021-01-01T00:00:00Z", "cursor": cursor}
    assert demo.gong.get("/v2/calls", params=changed).status_code == 400
    assert demo.gong.get("/v2/calls", params=WHOLE | {"cursor": cursor + "x"}).status_code == 400


def test_expired_cursors_say_so(open_sandbox: Any) -> None:
    readers = open_sandbox(scale=1.0)
    cursor = readers.gong.get("/v2/calls", params=WHOLE).json()["records"]["cursor"]
    readers.control.expire_cursors()
    answer = readers.gong.get("/v2/calls", params=WHOLE | {"cursor": cursor})
    assert answer.status_code == 400
    assert "cursor has expired" in answer.json()["errors"][0]


def test_the_window_is_half_open(readers: Any) -> None:
    readers.control.set_clock("2026-12-02T00:00:00Z")
    made = readers.control.create("gong.calls", started="2026-12-01T10:00:00Z")["metaData"]["id"]

    def listed(since: str, until: str) -> bool:
        answer = readers.gong_post("/v2/calls/extensive", filter={"fromDateTime": since, "toDateTime": until})
        return answer.status_code == 200 and made in [c["metaData"]["id"] for c in answer.json()["calls"]]

    assert listed("2026-12-01T10:00:00Z", "2026-12-01T10:00:01Z")
    assert listed("2026-12-01T12:00:00+02:00", "2026-12-01T12:00:01+02:00")
    assert not listed("2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z")


def test_get_compares_the_schedule_and_post_the_start(readers: Any) -> None:
    readers.control.set_clock("2026-12-02T00:00:00Z")
    readers.control.create(
        "gong.calls", started="2026-12-01T10:04:00Z", scheduled="2026-12-01T10:00:00Z", turns=[["A", "Hi."]]
    )
    minute = {"fromDateTime": "2026-12-01T10:00:00Z", "toDateTime": "2026-12-01T10:01:00Z"}
    assert len(readers.gong.get("/v2/calls", params=minute).json()["calls"]) == 1
    assert readers.gong_post("/v2/calls/extensive", filter=minute).status_code == 404


def test_nothing_in_the_range_is_a_404_with_its_own_text(demo: Any) -> None:
    empty = {"fromDateTime": "2001-01-01T00:00:00Z", "toDateTime": "2001-01-02T00:00:00Z"}
    text = "No calls found corresponding to the provided filters"
    for answer in (
        demo.gong.get("/v2/calls", params=empty),
        demo.gong_post("/v2/calls/extensive", filter=empty),
        demo.gong_post("/v2/calls/transcript", filter={"callIds": ["1"]}),
    ):
        assert (answer.status_code, answer.json()["errors"]) == (404, [text])
    assert demo.gong.get("/v2/calls/1").json()["errors"] != [text]


@pytest.mark.parametrize(
    "window",
    [
        {"fromDateTime": WHOLE["toDateTime"], "toDateTime": WHOLE["fromDateTime"]},
        {"fromDateTime": "yesterday", "toDateTime": WHOLE["toDateTime"]},
        {"fromDateTime": "2026-01-01T00:00:00", "toDateTime": WHOLE["toDateTime"]},
    ],
)
def test_a_bad_range_is_a_400(demo: Any, window: dict[str, str]) -> None:
    assert demo.gong.get("/v2/calls", params=window).status_code == 400
    assert demo.gong_post("/v2/calls/transcript", filter=window).status_code == 400


def test_a_filter_and_both_ends_of_the_query_are_required(demo: Any) -> None:
    assert demo.gong.get("/v2/calls", params={"fromDateTime": WHOLE["fromDateTime"]}).status_code == 400
    assert demo.gong.post("/v2/calls/extensive", json={}).status_code == 400
    assert demo.gong.post("/v2/calls/extensive", content=b"[]").status_code == 400


def test_without_a_selector_there_is_metadata_only(demo: Any) -> None:
    assert all(set(call) == {"metaData"} for call in demo.gong_post("/v2/calls/extensive").json()["calls"])


def test_the_full_selector_gives_what_the_dump_holds(demo: Any) -> None:
    rows = every_page(demo, "/v2/calls/extensive", "calls", contentSelector=FULL_SELECTOR)
    assert rows == demo.control.dump()["gong.calls"]


def test_the_selector_is_honoured_part_by_part(demo: Any) -> None:
    selector = {"context": "Basic", "exposedFields": {"content": {"brief": True, "trackers": True}}}
    calls = demo.gong_post("/v2/calls/extensive", contentSelector=selector).json()["calls"]
    assert all(set(call) <= {"metaData", "context", "content"} for call in calls)
    assert any(call["content"].get("trackers") for call in calls if "content" in call)
    for call in calls:
        assert set(call.get("content", {})) <= {"brief", "trackers"}
        assert all("occurrences" not in tracker for tracker in call.get("content", {}).get("trackers", []))
        for context in call["context"]:
            assert {frozenset(o) for o in context["objects"]} == {frozenset(("objectType", "objectId"))}


def test_context_timing_needs_the_extended_context(demo: Any) -> None:
    for context, status in (("Basic", 400), ("None", 400), ("Extended", 200), ("Some", 400)):
        selector = {"context": context, "contextTiming": ["TimeOfCall"]}
        answer = demo.gong_post("/v2/calls/extensive", contentSelector=selector)
        assert answer.status_code == status
        if status == 200:
            objects = [o for c in answer.json()["calls"] for x in c["context"] for o in x["objects"]]
            assert {o["timing"] for o in objects} == {"TimeOfCall"}


def test_transcripts_are_in_milliseconds_and_everything_else_in_seconds(demo: Any) -> None:
    dump = demo.control.dump()
    calls = {call["metaData"]["id"]: call for call in dump["gong.calls"]}
    for row in dump["gong.transcripts"]:
        call = calls[row["callId"]]
        last_ms = row["transcript"][-1]["sentences"][-1]["end"]
        assert call["metaData"]["duration"] == -(-last_ms // 1000)
        assert max(section["startTime"] for section in call["content"]["outline"]) < last_ms / 1000
        speakers = {party.get("speakerId") for party in call["parties"]}
        assert {monologue["speakerId"] for monologue in row["transcript"]} <= speakers
        others = {party["id"] for party in call["parties"]} | {party.get("userId") for party in call["parties"]}
        assert not {monologue["speakerId"] for monologue in row["transcript"]} & others


def test_the_world_has_the_gaps_that_gong_has(demo: Any) -> None:
    dump = demo.control.dump()
    calls, ready = dump["gong.calls"], {row["callId"] for row in dump["gong.transcripts"]}
    parties = [party for call in calls for party in call["parties"]]
    started = [call["metaData"]["started"] for call in calls]
    assert all(int(call["metaData"]["id"]) > 2**53 for call in calls)
    assert any("speakerId" not in party for party in parties)
    assert any("emailAddress" not in party for party in parties)
    assert 0.02 < sum(not call["context"] for call in calls) / len(calls) < 0.2
    assert any(call["metaData"]["isPrivate"] for call in calls)
    assert any("." in text for text in started)
    assert any(not text.endswith("Z") for text in started)
    assert any(not user["active"] for user in dump["gong.users"])
    assert {c["metaData"]["id"] for c in calls} - ready
    said = [str([m["sentences"] for m in row["transcript"]]) for row in dump["gong.transcripts"]]
    assert len(set(said)) == len(said)
    sizes = [len(row["transcript"]) for row in dump["gong.transcripts"]]
    assert min(sizes) >= 10
    assert max(sizes) <= 60


def test_late_calls_and_transcripts_come_with_the_clock(readers: Any) -> None:
    before = readers.control.counts()
    seen = {call["metaData"]["id"] for call in readers.control.dump()["gong.calls"]}
    newest = max(
        datetime.fromisoformat(c["started"]) for c in readers.gong.get("/v2/calls", params=WHOLE).json()["calls"]
    )
    readers.control.advance(86_400)
    after = readers.control.counts()
    assert after["gong.calls"] > before["gong.calls"]
    assert after["gong.transcripts"] == after["gong.calls"] > before["gong.transcripts"]
    late = [c for c in readers.control.dump()["gong.calls"] if c["metaData"]["id"] not in seen]
    # Listed later, yet started earlier than what was seen: a cursor on `started` would lose it.
    assert any(datetime.fromisoformat(call["metaData"]["started"]) <= newest + timedelta(hours=6) for call in late)


def test_a_transcript_can_be_listed_before_its_call(readers: Any) -> None:
    call = readers.control.create(
        "gong.calls", turns=[["A", "Hello."]], visible_at="2026-11-02T12:00:00Z", transcript_at="2026-11-02T09:30:00Z"
    )
    wanted = {"callIds": [call["metaData"]["id"]]}
    assert readers.gong_post("/v2/calls/transcript", filter=wanted).status_code == 200
    assert readers.gong_post("/v2/calls/extensive", filter=wanted).status_code == 404


def test_single_records_users_and_workspaces(demo: Any) -> None:
    dump = demo.control.dump()
    meta, user = dump["gong.calls"][0]["metaData"], dump["gong.users"][0]
    assert demo.gong.get(f"/v2/calls/{meta['id']}").json()["call"] == meta
    assert demo.gong.get(f"/v2/users/{user['id']}").json()["user"] == user
    assert demo.gong.get("/v2/users/1").status_code == 404
    assert demo.gong.get("/v2/users").json()["users"] == dump["gong.users"]
    assert demo.gong.get("/v2/workspaces").json()["workspaces"][0]["id"] == meta["workspaceId"]
    some = demo.gong_post("/v2/users/extensive", filter={"userIds": [user["id"]]}).json()
    assert some["users"] == [user]
    assert demo.gong_post("/v2/users/extensive", filter={"userIds": ["1"]}).status_code == 404
    owned = {"primaryUserIds": [meta["primaryUserId"]]}
    hosts = {c["metaData"]["primaryUserId"] for c in every_page(demo, "/v2/calls/extensive", "calls", filter=owned)}
    assert hosts == {meta["primaryUserId"]}
    assert demo.gong.get("/v2/nothing").status_code == 404
