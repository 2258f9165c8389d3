"""Slack's API: order and paging, threads, membership, error codes, and what deletes leave behind."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


def test_every_answer_is_a_200_and_says_whether_it_is_ok(demo: Any) -> None:
    url = demo.control.slack_url
    for headers, error in (({}, "not_authed"), ({"authorization": "Bearer xoxb-other"}, "invalid_auth")):
        answer = httpx.get(url + "auth.test", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})
    assert demo.slack("no.such.method")["error"] == "unknown_method"
    by_form = httpx.post(url + "auth.test", data={"token": "xoxb-sandbox"}).json()
    assert by_form == demo.slack("auth.test")
    assert by_form["ok"]
    assert demo.slack("team.info")["team"]["id"] == by_form["team_id"]


def test_a_read_takes_a_form_and_ignores_json(demo: Any) -> None:
    url, headers = demo.control.slack_url + "conversations.history", {"authorization": "Bearer xoxb-sandbox"}
    channel = {"channel": demo.channel("general")}
    assert httpx.post(url, data=channel, headers=headers).json()["ok"]
    assert httpx.post(url, json=channel, headers=headers).json()["error"] == "channel_not_found"


@pytest.mark.parametrize("limit", [3, 100, 999])
def test_history_is_complete_and_newest_first(demo: Any, limit: int) -> None:
    channel = demo.channel("acct-velmora")
    pages = demo.slack_pages("conversations.history", "messages", channel=channel, limit=limit)
    stamps = [message["ts"] for page in pages for message in page]
    assert stamps == sorted(stamps, reverse=True)
    assert all(len(page) == limit for page in pages[:-1])
    expected = {
        m["ts"]
        for m in demo.control.dump()["slack.messages"]
        if m["channel"] == channel
        and (m.get("thread_ts", m["ts"]) == m["ts"] or m.get("subtype") == "thread_broadcast")
    }
    assert set(stamps) == expected


def test_history_and_replies_together_are_the_dump(demo: Any) -> None:
    found = {}
    channels = [
        c
        for page in demo.slack_pages("conversations.list", "channels", types="public_channel,private_channel")
        for c in page
    ]
    for channel in (c["id"] for c in channels if c["is_member"]):
        for page in demo.slack_pages("conversations.history", "messages", channel=channel, limit=999):
            found |= {(channel, m["ts"]): m for m in page}
            for parent in (m for m in page if m.get("reply_count")):
                thread = demo.slack("conversations.replies", channel=channel, ts=parent["ts"], limit=999)["messages"]
                assert thread[0] == parent
                assert [m["ts"] for m in thread] == sorted(m["ts"] for m in thread)
                assert len(thread) == 1 + parent["reply_count"]
                assert parent["latest_reply"] == thread[-1]["ts"]
                found |= {(channel, m["ts"]): m for m in thread}
    dump = {
        (m["channel"], m["ts"]): {k: v for k, v in m.items() if k != "channel"}
        for m in demo.control.dump()["slack.messages"]
    }
    assert found == dump
    assert len(found) == demo.control.counts()["slack.messages"]


def test_the_world_has_what_floods_a_workspace(demo: Any) -> None:
    messages = demo.control.dump()["slack.messages"]
    subtypes = {m.get("subtype") for m in messages}
    assert {"channel_join", "bot_message", "thread_broadcast", None} <= subtypes
    assert all("user" not in m for m in messages if m.get("subtype") == "bot_message")
    assert all(any(part in m for m in messages) for part in ("reactions", "files", "edited", "reply_count"))
    assert sum(1 for m in messages if m.get("reply_count")) >= 60
    channels = demo.control.dump()["slack.channels"]
    assert sum(c["is_private"] for c in channels) == 2
    assert [c["name"] for c in channels if c["is_archived"]] == ["proj-old-importer"]
    assert [c["name"] for c in channels if not c["is_member"]] == ["coffee-machine"]
    gong = {user["emailAddress"] for user in demo.control.dump()["gong.users"]}
    assert gong == {u["profile"]["email"] for u in demo.control.dump()["slack.users"] if not u["is_bot"]}


def test_the_ends_are_exclusive_unless_inclusive(demo: Any) -> None:
    channel = demo.channel("general")
    stamps = [m["ts"] for m in demo.slack("conversations.history", channel=channel, limit=5)["messages"]]
    ends = {"channel": channel, "oldest": stamps[3], "latest": stamps[1]}
    assert [m["ts"] for m in demo.slack("conversations.history", **ends)["messages"]] == [stamps[2]]
    inclusive = demo.slack("conversations.history", **ends, inclusive="true")["messages"]
    assert [m["ts"] for m in inclusive] == stamps[1:4]


def test_replies_repeat_the_parent_on_every_page(readers: Any) -> None:
    general = readers.channel("general")
    parent = readers.control.create("slack.messages", channel=general, text="Who is in?")
    for number in range(7):
        readers.control.create("slack.messages", channel=general, text=f"Me, {number}", thread_ts=parent["ts"])
    pages = readers.slack_pages("conversations.replies", "messages", channel=general, ts=parent["ts"], limit=3)
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert {page[0]["ts"] for page in pages} == {parent["ts"]}
    assert [m["text"] for page in pages for m in page[1:]] == [f"Me, {number}" for number in range(7)]
    assert all(m["parent_user_id"] == parent["user"] for page in pages for m in page[1:])
    alone = readers.slack_pages("conversations.replies", "messages", channel=general, ts=parent["ts"], limit=1)
    assert [len(page) for page in alone] == [2] * 7


def test_error_codes(demo: Any) -> None:
    general = demo.channel("general")
    for method, args, error in (
        ("conversations.history", {"channel": "C000"}, "channel_not_found"),
        ("conversations.history", {"channel": demo.channel("coffee-machine")}, "not_in_channel"),
        ("conversations.history", {"channel": general, "cursor": "nonsense"}, "invalid_cursor"),
        ("conversations.history", {"channel": general, "oldest": "monday"}, "invalid_ts_oldest"),
        ("conversations.history", {"channel": general, "latest": "-1"}, "invalid_ts_latest"),
        ("conversations.replies", {"channel": general, "ts": "1.000000"}, "thread_not_found"),
        ("conversations.replies", {"channel": general}, "thread_not_found"),
        ("conversations.info", {}, "channel_not_found"),
        ("conversations.members", {"channel": "C000"}, "channel_not_found"),
        ("conversations.join", {"channel": demo.channel("proj-old-importer")}, "is_archived"),
        ("conversations.list", {"types": "public"}, "invalid_types"),
        *(("conversations.list", {"limit": limit}, "invalid_limit") for limit in ("0", "1000", "-1", "many")),
    ):
        assert demo.slack(method, **args) == {"ok": False, "error": error}, (method, args)


def test_a_cursor_is_of_its_own_method(demo: Any) -> None:
    cursor = demo.slack("users.list", limit=2)["response_metadata"]["next_cursor"]
    assert demo.slack("conversations.list", cursor=cursor)["error"] == "invalid_cursor"
    assert demo.slack("users.list", limit=2, cursor=cursor)["ok"]


def test_lists_page_by_cursor(demo: Any) -> None:
    dump = demo.control.dump()
    users = [u for page in demo.slack_pages("users.list", "members", limit=4) for u in page]
    assert users == dump["slack.users"] == demo.slack("users.list")["members"]
    channel = demo.channel("general")
    members = [
        m for page in demo.slack_pages("conversations.members", "members", channel=channel, limit=5) for m in page
    ]
    assert sorted(members) == sorted(m["user"] for m in dump["slack.channel_members"] if m["channel"] == channel)
    types = "public_channel,private_channel"
    channels = [c for page in demo.slack_pages("conversations.list", "channels", types=types, limit=3) for c in page]
    assert channels == dump["slack.channels"]
    assert not any(c["is_private"] for c in demo.slack("conversations.list")["channels"])


def test_a_page_without_archived_channels_may_be_short(demo: Any) -> None:
    pages = demo.slack_pages("conversations.list", "channels", limit=1, exclude_archived="true")
    assert sorted({len(page) for page in pages}) == [0, 1]


def test_an_archived_channel_can_be_read(demo: Any) -> None:
    channel = demo.channel("proj-old-importer")
    assert demo.slack("conversations.history", channel=channel)["messages"]
    assert demo.slack("conversations.info", channel=channel)["channel"]["is_archived"]


def test_joining_opens_a_public_channel(readers: Any) -> None:
    channel, before = readers.channel("coffee-machine"), readers.control.counts()
    joined = readers.slack("conversations.join", channel=channel)
    assert joined["channel"]["is_member"]
    assert readers.slack("conversations.history", channel=channel)["messages"]
    assert readers.slack("conversations.join", channel=channel)["warning"] == "already_in_channel"
    after = readers.control.counts()
    assert after["slack.messages"] > before["slack.messages"]
    assert after["slack.channel_members"] == before["slack.channel_members"] + 1


def test_a_private_channel_without_the_bot_is_not_there(readers: Any) -> None:
    deals = readers.channel("deal-desk")
    readers.control.edit("slack.channels", deals, is_member=False)
    assert readers.slack("conversations.info", channel=deals)["error"] == "channel_not_found"
    listed = readers.slack("conversations.list", types="private_channel")["channels"]
    assert [channel["name"] for channel in listed] == ["leadership"]
    assert (
        readers.slack("conversations.join", channel=listed[0]["id"])["error"] == "method_not_supported_for_channel_type"
    )


def test_a_reply_moves_the_parent_only(readers: Any) -> None:
    general = readers.channel("general")
    parent = readers.control.create("slack.messages", channel=general, text="Lunch?")
    readers.control.advance(60)
    reply = readers.control.create("slack.messages", channel=general, text="Yes.", thread_ts=parent["ts"])
    newest = readers.slack("conversations.history", channel=general, limit=1)["messages"][0]
    assert newest["ts"] == newest["thread_ts"] == parent["ts"]
    assert (newest["reply_count"], newest["latest_reply"]) == (1, reply["ts"])
    assert readers.slack("conversations.history", channel=general, oldest=parent["ts"])["messages"] == []
    shout = readers.control.create(
        "slack.messages", channel=general, text="All!", thread_ts=parent["ts"], broadcast=True
    )
    newest = readers.slack("conversations.history", channel=general, limit=1)["messages"][0]
    assert (newest["ts"], newest["subtype"]) == (shout["ts"], "thread_broadcast")


def test_deleting_the_last_reply_takes_the_thread_off_the_parent(readers: Any) -> None:
    general = readers.channel("general")
    parent = readers.control.create("slack.messages", channel=general, text="Lunch?")
    reply = readers.control.create("slack.messages", channel=general, text="Yes.", thread_ts=parent["ts"])
    readers.control.delete("slack.messages", {"channel": general, "ts": reply["ts"]})
    shown = readers.slack("conversations.history", channel=general, limit=1)["messages"][0]
    assert shown == {name: value for name, value in parent.items() if name != "channel"}
    assert not {"thread_ts", "reply_count", "latest_reply"} & set(shown)


def test_a_deleted_parent_stays_as_tombstone_until_its_replies_go(readers: Any) -> None:
    general, before = readers.channel("general"), readers.control.counts()
    parent = readers.control.create("slack.messages", channel=general, text="Lunch?")
    reply = readers.control.create("slack.messages", channel=general, text="Yes.", thread_ts=parent["ts"])
    readers.control.delete("slack.messages", {"channel": general, "ts": parent["ts"]})
    stone = readers.slack("conversations.history", channel=general, limit=1)["messages"][0]
    assert (stone["ts"], stone["subtype"], stone["reply_count"]) == (parent["ts"], "tombstone", 1)
    thread = readers.slack("conversations.replies", channel=general, ts=parent["ts"])["messages"]
    assert [m["ts"] for m in thread] == [parent["ts"], reply["ts"]]
    readers.control.delete("slack.messages", {"channel": general, "ts": reply["ts"]})
    assert readers.slack("conversations.replies", channel=general, ts=parent["ts"])["error"] == "thread_not_found"
    assert readers.control.counts() == before


def test_expired_cursors_are_invalid(readers: Any) -> None:
    cursor = readers.slack("users.list", limit=2)["response_metadata"]["next_cursor"]
    readers.control.expire_cursors()
    assert readers.slack("users.list", limit=2, cursor=cursor)["error"] == "invalid_cursor"


def test_restricted_apps_get_fifteen_a_page(open_sandbox: Any) -> None:
    readers = open_sandbox(scale=1.0, slack_restricted=True)
    busy = readers.channel("acct-velmora")
    for limit in ({}, {"limit": 200}):
        assert len(readers.slack("conversations.history", channel=busy, **limit)["messages"]) == 15
    assert len(readers.slack("conversations.history", channel=busy, limit=3)["messages"]) == 3
