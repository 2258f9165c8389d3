"""The control plane: what commands change, what they refuse, and that the clock is theirs alone."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

import sandbox


def test_health_tells_what_the_world_is(demo: Any) -> None:
    health = demo.control.health()
    assert (health["seed"], health["scale"], health["start"]) == (7, 1.0, "2026-11-02T09:30:00Z")
    assert health["now"] == health["start"]
    assert health["counts"] == demo.control.counts()
    # Archived objects of HubSpot stand in the dump, for readers that ask for them.
    dump = demo.control.dump()
    assert health["counts"] == {stream: sum(not row.get("archived") for row in dump[stream]) for stream in dump}
    assert 100 <= health["counts"]["gong.calls"] <= 130
    assert 800 <= health["counts"]["slack.messages"] <= 1000


def test_planted_facts_are_said_once(demo: Any) -> None:
    dump, planted = demo.control.dump(), demo.control.planted()
    assert {fact["stream"].split(".")[0] for fact in planted} == {"gong", "slack", "hubspot", "linear"}
    keys = {"gong.transcripts": ("callId",), "slack.messages": ("channel", "ts")}
    texts = {
        (stream, *(row[name] for name in keys.get(stream, ("id",)))): json.dumps(row, ensure_ascii=False)
        for stream, rows in dump.items()
        if stream in {fact["stream"] for fact in planted}
        for row in rows
    }
    # A transcript holds its sentences one by one.
    texts |= {
        ("gong.transcripts", r["callId"]): " ".join(s["text"] for m in r["transcript"] for s in m["sentences"])
        for r in dump["gong.transcripts"]
    }
    for fact in planted:
        assert fact["text"] in texts[fact["stream"], *fact["key"].values()]
        assert sum(fact["text"] in text for text in texts.values()) == 1


def test_a_call_is_created_from_what_was_said(readers: Any) -> None:
    host = readers.control.dump()["gong.users"][0]
    turns = [[host["emailAddress"], "Hello. How are you?"], ["Vesna", "The crane is stuck."], ["Vesna", "Again."]]
    call = readers.control.create("gong.calls", title="Crane", turns=turns)
    assert call["metaData"]["title"] == "Crane"
    assert call["metaData"]["primaryUserId"] == host["id"]
    assert [party["affiliation"] for party in call["parties"]] == ["Internal", "External"]
    transcript = next(t for t in readers.control.dump()["gong.transcripts"] if t["callId"] == call["metaData"]["id"])
    texts = [[sentence["text"] for sentence in m["sentences"]] for m in transcript["transcript"]]
    assert texts == [["Hello.", "How are you?"], ["The crane is stuck.", "Again."]]


def test_a_call_is_created_out_of_nothing(readers: Any) -> None:
    call = readers.control.create("gong.calls", account="velmora", themes=["pricing"], crm=False)
    assert call["context"] == []
    assert "Velmora" in call["content"]["brief"]
    with_crm = readers.control.create("gong.calls", account="velmora", isPrivate=True)
    assert with_crm["metaData"]["isPrivate"]
    assert readers.control.create("gong.calls", turns=[])["metaData"]["duration"] == 60


def test_a_call_can_be_edited_and_deleted(readers: Any) -> None:
    call = readers.control.create("gong.calls", turns=[["A", "One. Two."]])
    call_id, before = call["metaData"]["id"], readers.control.counts()
    edited = readers.control.edit("gong.calls", call_id, title="Better", brief="Short.", isPrivate=True)
    assert (edited["metaData"]["title"], edited["content"]["brief"]) == ("Better", "Short.")
    changed = readers.control.edit("gong.transcripts", call_id, monologue=0, sentence=1, text="What about the price?")
    assert changed["transcript"][0]["sentences"][1]["text"] == "What about the price?"
    row = next(c for c in readers.control.dump()["gong.calls"] if c["metaData"]["id"] == call_id)
    assert [tracker["name"] for tracker in row["content"]["trackers"]] == ["Pricing"]
    anew = readers.control.edit("gong.transcripts", call_id, turns=[["A", "All new."], ["B", "Indeed."]])
    assert [m["sentences"][0]["text"] for m in anew["transcript"]] == ["All new.", "Indeed."]
    readers.control.delete("gong.calls", call_id)
    assert readers.gong.get(f"/v2/calls/{call_id}").status_code == 404
    assert readers.control.counts()["gong.calls"] == before["gong.calls"] - 1


def test_what_lies_in_the_future_is_not_there_yet(readers: Any) -> None:
    before, general = readers.control.counts(), readers.channel("general")
    parent = readers.control.create("slack.messages", channel=general, text="Now.")
    readers.control.create(
        "slack.messages", channel=general, text="Later.", ts="1793700000.000001", thread_ts=parent["ts"]
    )
    readers.control.create("gong.calls", started="2026-11-03T09:30:00+02:00", turns=[["A", "Hello."]])
    now = readers.control.counts()
    assert now["slack.messages"] == before["slack.messages"] + 1
    assert now["gong.calls"] == before["gong.calls"]
    assert "reply_count" not in readers.slack("conversations.history", channel=general, limit=1)["messages"][0]
    readers.control.set_clock("2026-11-04T00:00:00Z")
    assert readers.slack("conversations.history", channel=general, limit=1)["messages"][0]["reply_count"] == 1
    titles = [call["metaData"]["title"] for call in readers.control.dump()["gong.calls"]]
    assert "Untitled call" in titles


def test_many_records_are_created_at_once(readers: Any) -> None:
    before, general = readers.control.counts(), readers.channel("general")
    stamps = [f"1793600000.{n:06d}" for n in range(3_000, 9_000)]
    readers.control.fill("slack.messages", ({"channel": general, "ts": ts, "text": ts} for ts in stamps))
    readers.control.fill("hubspot.deals", [{"id": "9"}, {"id": "10", "dealname": "Ten"}])
    now = readers.control.counts()
    assert now["slack.messages"] == before["slack.messages"] + 6_000
    pages = readers.slack_pages("conversations.history", "messages", channel=general, oldest="1793600000", limit=999)
    listed = [message["ts"] for page in pages for message in page]
    assert listed == sorted(listed, reverse=True)
    assert set(stamps) <= set(listed)
    with pytest.raises(sandbox.CommandRefused, match=r"Of 3 records 1 were created\. The id '9' is used"):
        readers.control.fill("hubspot.deals", [{"id": "11"}, {"id": "9"}, {"id": "12"}])
    assert readers.control.counts()["hubspot.deals"] == before["hubspot.deals"] + 3
    first = readers.hubspot.get("/crm/v3/objects/deals?limit=3").json()["results"]
    assert [deal["id"] for deal in first] == ["9", "10", "11"], "by number"


def test_the_clock_goes_forward_only(readers: Any) -> None:
    assert readers.control.advance(1.5) == "2026-11-02T09:30:01.500000Z"
    assert readers.control.set_clock("2026-11-02T12:00:00+01:00") == "2026-11-02T11:00:00Z"
    with pytest.raises(sandbox.CommandRefused, match="does not go back"):
        readers.control.advance(-1)
    with pytest.raises(sandbox.CommandRefused):
        readers.control.set_clock("noon")


def test_an_edited_message_keeps_its_ts(readers: Any) -> None:
    general = readers.channel("general")
    made = readers.control.create("slack.messages", channel="general", text="Teh")
    assert made["channel"] == general
    readers.control.advance(30)
    edited = readers.control.edit("slack.messages", {"channel": general, "ts": made["ts"]}, text="The")
    assert edited == made | {"text": "The", "edited": {"user": made["user"], "ts": "1793611830.000000"}}
    liked = [{"name": "+1", "users": [made["user"]], "count": 1}]
    assert (
        readers.control.edit("slack.messages", {"channel": general, "ts": made["ts"]}, reactions=liked)["edited"]
        == edited["edited"]
    )


def test_messages_of_one_second_have_stamps_of_their_own(readers: Any) -> None:
    stamps = [readers.control.create("slack.messages", channel="general", text="x")["ts"] for _ in range(3)]
    readers.control.delete("slack.messages", {"channel": "general", "ts": stamps[-1]})
    stamps.append(readers.control.create("slack.messages", channel="general", text="y")["ts"])
    assert stamps == sorted(set(stamps))


def test_a_whole_thread_can_be_deleted(readers: Any) -> None:
    before = readers.control.counts()
    parent = readers.control.create("slack.messages", channel="general", text="a")
    for _ in range(3):
        readers.control.create("slack.messages", channel="general", text="b", thread_ts=parent["ts"])
    readers.control.delete("slack.messages", {"channel": "general", "ts": parent["ts"], "thread": True})
    assert readers.control.counts() == before


def test_channels_and_their_members_change(readers: Any) -> None:
    channel = readers.channel("product")
    renamed = readers.control.edit("slack.channels", channel, name="roadmap")
    assert (renamed["id"], renamed["name"], renamed["previous_names"]) == (channel, "roadmap", ["product"])
    assert readers.control.edit("slack.channels", channel, is_private=True)["is_private"]
    assert readers.control.edit("slack.channels", channel, is_archived=True)["is_archived"]
    made = readers.control.create("slack.channels", name="proj-new", topic="New things")
    assert made["topic"]["value"] == "New things"
    user = readers.control.create("slack.users", real_name="Nova Testperson", email="nova@brindlewick.example")
    assert user["profile"]["email"] == "nova@brindlewick.example"
    readers.control.create("slack.channel_members", channel=made["id"], user=user["id"])
    members = readers.slack("conversations.members", channel=made["id"], limit=999)["members"]
    assert user["id"] in members
    readers.control.delete("slack.channel_members", {"channel": made["id"], "user": user["id"]})
    assert user["id"] not in readers.slack("conversations.members", channel=made["id"], limit=999)["members"]


def test_users_are_renamed_and_leave(readers: Any) -> None:
    slack_user, gong_user = readers.control.dump()["slack.users"][0], readers.control.dump()["gong.users"][0]
    left = readers.control.edit("slack.users", slack_user["id"], real_name="Other Name", deleted=True)
    assert (left["deleted"], left["profile"]["real_name"]) == (True, "Other Name")
    assert left["updated"] > slack_user["updated"]
    assert left in readers.slack("users.list")["members"]
    assert not readers.control.edit("gong.users", gong_user["id"], active=False, lastName="Other")["active"]
    assert readers.control.create("gong.users", firstName="Nova")["active"]


BAD_COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("create", {"stream": "gong.transcripts"}),
    ("create", {"stream": "linear.issues"}),
    ("create", {"stream": "calls", "vendor": "slack"}),
    ("create", {}),
    ("create", {"stream": "gong.calls", "fields": {"colour": "red"}}),
    ("create", {"stream": "gong.calls", "fields": {"started": "noon"}}),
    ("create", {"stream": "gong.calls", "fields": {"account": "nobody"}}),
    ("create", {"stream": "gong.calls", "fields": {"turns": [["A"]]}}),
    ("create", {"stream": "slack.messages", "fields": {"channel": "general"}}),
    ("create", {"stream": "slack.messages", "fields": {"channel": "nowhere", "text": "x"}}),
    ("create", {"stream": "slack.messages", "fields": {"channel": "general", "text": "x", "thread_ts": "1.0"}}),
    ("create", {"stream": "slack.messages", "fields": {"channel": "general", "text": "x", "ts": "12"}}),
    ("create", {"stream": "slack.messages", "fields": {"channel": "proj-old-importer", "text": "x"}}),
    ("create", {"stream": "slack.channels", "fields": {"name": "general"}}),
    ("create", {"stream": "slack.channel_members", "channel": "general", "user": "U0"}),
    ("edit", {"stream": "gong.calls", "id": "1", "fields": {"title": "x"}}),
    ("edit", {"stream": "gong.users", "id": "1", "fields": {}}),
    ("edit", {"stream": "slack.messages", "channel": "general", "ts": "1.0", "fields": {"text": "x"}}),
    ("edit", {"stream": "slack.channel_members", "channel": "general", "fields": {}}),
    ("edit", {"stream": "slack.users", "id": "U0", "fields": {}}),
    ("edit", {"stream": "slack.channels", "id": "general", "fields": {"name": "random"}}),
    ("edit", {"stream": "slack.channels", "id": "general", "fields": [1]}),
    ("delete", {"stream": "gong.users", "id": "1"}),
    ("delete", {"stream": "slack.users", "id": "U0"}),
    ("delete", {"stream": "gong.calls", "id": "1", "when": "now"}),
    ("clock", {}),
]


def test_a_bad_command_is_refused_in_one_sentence_and_changes_nothing(readers: Any) -> None:
    before = readers.control.dump()
    for op, command in BAD_COMMANDS:
        answer = readers.gong.post(f"{readers.control.url}/_sandbox/{op}", json=command)
        assert answer.status_code == 400, (op, command)
        sentence = answer.json()["error"]
        assert sentence.endswith("."), sentence
        assert "\n" not in sentence
    assert readers.control.dump() == before


def test_a_body_that_is_no_json_is_refused(demo: Any) -> None:
    assert httpx.post(f"{demo.control.url}/_sandbox/create", content=b"{").status_code == 400
