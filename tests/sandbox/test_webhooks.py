"""Webhooks over real HTTP: signatures by a second computation, shapes, retries, and luck."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import sandbox
from sandbox.signing import hubspot_signature, slack_signature
from sandbox.webhook_posts import Failure, retry_wait_s
from tests.sandbox.receiver import Arrived, Receiver, receiving

SECRET = "a-secret"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SLACK_BODY = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
    "trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def settled(control: sandbox.Control, vendor: str) -> dict[str, Any]:
    """The counts once nothing waits."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        counts = control.deliveries()[vendor]
        if not counts["waiting"]:
            return counts
        time.sleep(0.01)
    raise AssertionError(control.deliveries())


def hooked(readers: Any, receiver: Receiver, vendor: str, **options: Any) -> sandbox.Control:
    key = {"private_key": PEM} if vendor == "gong" else {"secret": SECRET}
    readers.control.subscribe(vendor, f"{receiver.url}/{vendor}", **key | options)
    return readers.control


def mac(message: bytes) -> bytes:
    return hmac.new(SECRET.encode(), message, hashlib.sha256).digest()


def test_signatures_are_those_that_the_vendors_publish() -> None:
    signed = slack_signature("8f742231b10e8888abcd99yyyzzz85a5", 1531420618, SLACK_BODY.encode())
    assert signed == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    secret, body = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", b"{'example_field':'example_value'}"
    signed = hubspot_signature(secret, "POST", "https://www.example.com/webhook_uri", body, 1693657560000)
    assert signed == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
    escaped = hubspot_signature(secret, "POST", "https://www.example.com/a%3Ab%20c?d=%2f", body, 1)
    assert escaped == hubspot_signature(secret, "POST", "https://www.example.com/a:b%20c?d=/", body, 1)


def slack_checked(arrived: Arrived) -> Any:
    stamp = arrived.headers["x-slack-request-timestamp"]
    assert abs(int(stamp) - time.time()) < 30
    assert arrived.headers["x-slack-signature"] == "v0=" + mac(f"v0:{stamp}:".encode() + arrived.raw).hex()
    return arrived.body


def test_slack_messages(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "slack")
    assert slack_checked(receiver.challenged[0])["challenge"]
    general = readers.channel("general")
    made = control.create("slack.messages", channel=general, text="One")
    reply = control.create("slack.messages", channel=general, text="Two", thread_ts=made["ts"])
    control.edit("slack.messages", {"channel": general, "ts": made["ts"]}, text="Three")
    again = control.edit("slack.messages", {"channel": general, "ts": made["ts"]}, text="Four")
    liked = [{"name": "+1", "users": [made["user"]], "count": 1}]
    control.edit("slack.messages", {"channel": general, "ts": reply["ts"]}, reactions=liked)
    control.edit("slack.messages", {"channel": general, "ts": reply["ts"]}, reactions=None)
    control.delete("slack.messages", {"channel": general, "ts": made["ts"]})
    control.delete("slack.messages", {"channel": general, "ts": reply["ts"]})
    counts = settled(control, "slack")
    assert (counts["events"], counts["delivered"], counts["attempts"], counts["refused"]) == (9, 9, 9, {})
    bodies = [slack_checked(arrived) for arrived in receiver.arrived]
    bodies.sort(key=lambda body: body["event"]["event_ts"])
    assert len({body["event_id"] for body in bodies}) == 9
    events = [body["event"] for body in bodies]
    said, answered, first, second, added, removed, buried, *gone = events
    assert said == made | {"event_ts": made["ts"], "channel_type": "channel"}
    assert (answered["thread_ts"], answered["channel"]) == (made["ts"], general)
    assert first["subtype"] == second["subtype"] == "message_changed"
    assert (first["previous_message"]["text"], second["message"]["text"]) == ("One", "Four")
    assert second["hidden"] is True
    assert made["ts"] < first["ts"] < second["ts"]
    assert first["message"]["edited"]["ts"] < second["message"]["edited"]["ts"] == again["edited"]["ts"]
    assert [added["type"], removed["type"]] == ["reaction_added", "reaction_removed"]
    assert added["item"] == {"type": "message", "channel": general, "ts": reply["ts"]}
    assert (buried["subtype"], buried["message"]["subtype"]) == ("message_changed", "tombstone")
    # The last reply takes the tombstone with it.
    assert {event["deleted_ts"] for event in gone} == {made["ts"], reply["ts"]}
    assert bodies[0]["authorizations"][0]["is_bot"] is True
    assert bodies[0]["event_time"] == int(made["ts"][:10])


def test_slack_channels_and_people(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "slack")
    channel = control.create("slack.channels", name="new-place", is_member=False)["id"]
    hidden = control.create("slack.messages", channel=channel, text="The bot is not here")
    assert hidden["channel"] == channel
    control.edit("slack.channels", channel, name="other-place")
    control.edit("slack.channels", channel, is_archived=True)
    control.edit("slack.channels", channel, is_archived=False)
    control.edit("slack.channels", channel, is_member=True)
    user = control.create("slack.users", name="ada")["id"]
    control.edit("slack.users", user, title="Counts")
    control.create("slack.channel_members", channel=channel, user=user)
    control.delete("slack.channel_members", {"channel": channel, "user": user})
    with pytest.raises(sandbox.CommandRefused):
        control.edit("slack.channels", "nowhere", name="x")
    private = control.create("slack.channels", name="secret", is_private=True)["id"]
    control.edit("slack.channels", private, name="secrets")
    settled(control, "slack")
    events = sorted((arrived.body["event"] for arrived in receiver.arrived), key=lambda e: e["event_ts"])
    assert [event["type"] for event in events] == [
        *("channel_created", "channel_rename", "channel_archive", "channel_unarchive", "member_joined_channel"),
        *("team_join", "user_change", "member_joined_channel", "member_left_channel"),
        *("member_joined_channel", "group_rename"),
    ]
    assert events[1]["channel"]["name"] == "other-place"
    assert events[6]["user"]["profile"]["title"] == "Counts"


def test_slack_asks_for_its_challenge(readers: Any, receiver: Receiver) -> None:
    for wrong in ("no", {"challenge": "no"}, {}, "{"):
        receiver.challenge = lambda _challenge, wrong=wrong: wrong
        with pytest.raises(sandbox.CommandRefused, match="challenge"):
            hooked(readers, receiver, "slack")
    assert readers.control.deliveries() == {}
    receiver.challenge = lambda challenge: challenge
    hooked(readers, receiver, "slack")


def test_slack_retries_keep_their_id_and_can_be_stopped(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "slack", retry_speedup=1000)
    receiver.answers = [(500, {}), (500, {}), (200, {})]
    control.create("slack.messages", channel="general", text="One")
    counts = settled(control, "slack")
    assert (counts["attempts"], counts["delivered"], counts["refused"]) == (3, 1, {"500": 2})
    assert len({slack_checked(arrived)["event_id"] for arrived in receiver.arrived}) == 1
    assert [arrived.headers.get("x-slack-retry-num") for arrived in receiver.arrived] == [None, "1", "2"]
    assert receiver.arrived[1].headers["x-slack-retry-reason"] == "http_error"
    receiver.answers = [(500, {"X-Slack-No-Retry": "1"})]
    control.create("slack.messages", channel="general", text="Two")
    assert settled(control, "slack")["given_up"] == 1


def hubspot_checked(arrived: Arrived, url: str) -> list[dict[str, Any]]:
    stamp = arrived.headers["x-hubspot-request-timestamp"]
    assert abs(int(stamp) / 1000 - time.time()) < 30
    signed = base64.b64encode(mac(b"POST" + url.encode() + arrived.raw + stamp.encode())).decode()
    assert arrived.headers["x-hubspot-signature-v3"] == signed
    events: list[dict[str, Any]] = arrived.body
    return events


def test_hubspot_events(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "hubspot")
    deal = control.create("hubspot.deals", dealname="One", amount=100)["id"]
    other = control.create("hubspot.deals", dealname="Two")["id"]
    control.edit("hubspot.deals", deal, amount=200, dealname="First")
    contact = control.create("hubspot.contacts", email="one@velmora.example")["id"]
    tie = {"fromType": "deals", "fromId": deal, "toType": "contacts", "toId": contact}
    control.create("hubspot.associations", **tie)
    control.delete("hubspot.associations", tie)
    control.delete("hubspot.deals", deal)
    control.edit("hubspot.deals", deal, archived=False)
    control.edit("hubspot.deals", deal, merge=other)
    control.edit("hubspot.contacts", contact, gdpr_delete=True)
    note = control.create("hubspot.notes", hs_note_body="Hm")["id"]
    counts = settled(control, "hubspot")
    assert counts["delivered"] < counts["events"]
    sent = [e for one in receiver.arrived for e in hubspot_checked(one, f"{receiver.url}/hubspot")]
    assert counts["events"] == len(sent)
    # Batches may overtake one another.
    found = [(e["subscriptionType"], e.get("propertyName")) for e in sorted(sent, key=lambda e: e["occurredAt"])]
    assert sorted(found, key=str) == sorted(
        [
            *[("deal.creation", None)] * 2,
            *(("deal.propertyChange", n) for n in ("amount", "amount_in_home_currency", "dealname")),
            ("contact.creation", None),
            *[("deal.associationChange", None), ("contact.associationChange", None)] * 2,
            *(("deal.deletion", None), ("deal.restore", None), ("deal.merge", None)),
            *(("deal.propertyChange", "hs_merged_object_ids"), ("contact.deletion", None)),
            *(("contact.privacyDeletion", None), ("object.creation", None)),
        ],
        key=str,
    )
    amount = next(e for e in sent if e.get("propertyName") == "amount")
    assert (amount["objectId"], amount["propertyValue"], amount["attemptNumber"]) == (int(deal), "200", 0)
    merge = next(e for e in sent if e["subscriptionType"] == "deal.merge")
    assert (merge["primaryObjectId"], merge["mergedObjectIds"]) == (int(deal), [int(other)])
    created = next(e for e in sent if e["subscriptionType"] == "object.creation")
    assert (created["objectId"], created["objectTypeId"], created["changeFlag"]) == (int(note), "0-46", "CREATED")
    ties = [e for e in sent if e["subscriptionType"] == "deal.associationChange"]
    assert {e["associationRemoved"] for e in ties} == {True, False}
    assert {(e["associationType"], e["fromObjectId"], e["toObjectId"]) for e in ties} == {
        ("DEAL_TO_CONTACT", int(deal), int(contact))
    }


def test_hubspot_gathers_up_to_a_hundred_and_reuses_ids(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "hubspot")
    control.fill("hubspot.notes", [{"hs_note_body": f"Note {number}"} for number in range(450)])
    counts = settled(control, "hubspot")
    sizes = [len(arrived.body) for arrived in receiver.arrived]
    assert (sum(sizes), max(sizes), counts["deliveries"]) == (450, 100, len(sizes))
    events = [event for arrived in receiver.arrived for event in arrived.body]
    assert len({e["eventId"] for e in events}) < 450
    assert len({(e["eventId"], e["objectId"], e["subscriptionType"], e["occurredAt"]) for e in events}) == 450


def test_hubspot_counts_its_attempts(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "hubspot", retry_speedup=600)
    receiver.answers = [(500, {}), (429, {"Retry-After": "30"})]
    control.create("hubspot.notes", hs_note_body="Hm")
    assert settled(control, "hubspot")["refused"] == {"500": 1, "429": 1}
    events = [arrived.body[0] for arrived in receiver.arrived]
    assert [event["attemptNumber"] for event in events] == [0, 1, 2]
    assert len({(event["eventId"], event["occurredAt"]) for event in events}) == 1
    receiver.answers = [(401, {})]
    control.create("hubspot.notes", hs_note_body="Hm")
    assert settled(control, "hubspot")["given_up"] == 1
    assert sum(retry_wait_s("hubspot", attempt, Failure("500")) or 0 for attempt in range(11)) == 86_400


def linear_checked(arrived: Arrived) -> Any:
    assert arrived.headers["linear-signature"] == mac(arrived.raw).hex()
    body = arrived.body
    assert arrived.headers["linear-timestamp"] == str(body["webhookTimestamp"])
    assert abs(body["webhookTimestamp"] / 1000 - time.time()) < 30
    assert arrived.headers["linear-event"] == body["type"]
    return body


def test_linear_events(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "linear")
    issue = control.create("linear.issues", team="ENG", title="One", labels=["bug"])
    control.edit("linear.issues", issue["id"], state="started", priority=2)
    control.edit("linear.issues", issue["id"], archived=True)
    control.edit("linear.issues", issue["id"], archived=False)
    control.edit("linear.issues", issue["id"], trashed=True)
    comment = control.create("linear.comments", issue=issue["id"], body="Hm")
    control.create("linear.comments", issue=issue["id"], body="Done", bot="merger")
    control.edit("linear.comments", comment["id"], body="Well")
    control.edit("linear.teams", "ENG", description="No payload tells of teams")
    control.create("linear.issues", team="PEO", title="Nobody was granted this team")
    control.delete("linear.issues", issue["id"])
    for stream, fields in (("users", {"name": "Ada"}), ("issue_labels", {"name": "odd"}), ("projects", {"name": "P"})):
        control.create(f"linear.{stream}", **fields)
    settled(control, "linear")
    bodies = sorted((linear_checked(arrived) for arrived in receiver.arrived), key=lambda body: body["createdAt"])
    assert [(body["action"], body["type"]) for body in bodies] == [
        *(("create", "Issue"), *[("update", "Issue")] * 4),
        *(("create", "Comment"), ("create", "Comment"), ("update", "Comment"), ("remove", "Issue")),
        *(("create", "User"), ("create", "IssueLabel"), ("create", "Project")),
    ]
    created, moved, archived, back, binned, commented, by_bot, changed, removed, *_ = bodies
    data = created["data"]
    assert (data["teamId"], data["team"]["key"], data["labels"][0]["name"]) == (data["team"]["id"], "ENG", "bug")
    assert data["labelIds"] == [data["labels"][0]["id"]]
    assert "visibility" not in str(bodies)
    assert created["url"] == data["url"]
    assert moved["updatedFrom"] == {
        "stateId": data["stateId"], "priority": 0, "priorityLabel": "No priority", "startedAt": None,
        "updatedAt": data["updatedAt"],
    }  # fmt: skip
    assert moved["data"]["state"]["type"] == "started"
    assert (archived["updatedFrom"]["archivedAt"], archived["data"]["archivedAt"] is not None) == (None, True)
    assert back["data"]["archivedAt"] is None
    assert binned["data"]["trashed"] is True
    assert commented["data"]["issue"]["identifier"] == issue["identifier"]
    assert commented["actor"]["id"] == commented["data"]["userId"]
    assert by_bot["actor"]["type"] == "integration"
    assert changed["updatedFrom"] == {"body": "Hm", "editedAt": None, "updatedAt": comment["updatedAt"]}
    assert removed["data"]["id"] == issue["id"]


def test_linear_data_is_as_the_schema_describes_it(readers: Any, receiver: Receiver, shared: Path) -> None:
    schema = (shared / "contracts" / "linear.schema.graphql").read_text()
    control = hooked(readers, receiver, "linear")
    rows = {stream: found for stream, found in control.dump().items() if stream.startswith("linear.")}
    for stream, fields in (
        *(("issues", {"priority": 1}), ("comments", {"body": "x"}), ("projects", {"health": "atRisk"})),
        *(("cycles", {"name": "x"}), ("users", {"name": "x"}), ("issue_labels", {"color": "#000000"})),
    ):
        control.edit(f"linear.{stream}", rows[f"linear.{stream}"][0]["id"], **fields)
    settled(control, "linear")
    assert len({arrived.body["type"] for arrived in receiver.arrived}) == 6
    for arrived in receiver.arrived:
        described = re.search(
            rf"^type {arrived.body['type']}WebhookPayload \{{(.*?)^\}}", schema, re.DOTALL | re.MULTILINE
        )
        assert described is not None
        text = re.sub(r'""".*?"""', "", described[1], flags=re.DOTALL)
        fields = dict(line.strip().split(": ") for line in text.splitlines() if ": " in line)
        assert set(arrived.body["data"]) <= set(fields)
        assert {name for name, kind in fields.items() if kind.endswith("!")} <= set(arrived.body["data"])


def test_linear_retries_are_stamped_anew_under_one_delivery(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "linear", retry_speedup=1200)
    receiver.answers = [(500, {}), (202, {})]
    control.create("linear.issue_labels", name="odd")
    time.sleep(0.5)
    assert control.deliveries()["linear"]["refused"] == {"500": 1, "202": 1}
    assert len({arrived.headers["linear-delivery"] for arrived in receiver.arrived}) == 1
    assert (
        linear_checked(receiver.arrived[0])["webhookTimestamp"]
        < linear_checked(receiver.arrived[1])["webhookTimestamp"]
    )
    control.unsubscribe()
    assert control.deliveries()["linear"]["waiting"] == 0


def test_gong_calls(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "gong")
    call = control.create("gong.calls", turns=[["A", "One. Two."]], transcript_at="2026-11-02T10:00:00Z")
    call_id = call["metaData"]["id"]
    control.edit("gong.calls", call_id, title="Better")
    control.edit("gong.calls", call_id, transcript_at="2026-11-02T11:00:00Z")
    control.edit("gong.transcripts", call_id, turns=[["A", "Three."]])
    later = control.create("gong.calls", turns=[["A", "Four."]], visible_at="2026-11-02T12:00:00Z")
    control.delete("gong.calls", call_id)
    assert settled(control, "gong")["delivered"] == 2
    control.set_clock("2026-11-02T12:00:00Z")
    assert settled(control, "gong")["delivered"] == 3
    for arrived in receiver.arrived:
        token = arrived.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, KEY.public_key(), algorithms=["RS256"])
        assert claims["webhook_url"] == f"{receiver.url}/gong"
        assert claims["body_sha256"] == hashlib.sha256(arrived.raw).hexdigest()
        assert claims["exp"] > time.time()
        assert arrived.body["isTest"] is False
    calls = sorted((arrived.body["callData"] for arrived in receiver.arrived), key=lambda c: c["metaData"]["title"])
    assert call in calls
    assert [c["metaData"]["id"] for c in calls].count(later["metaData"]["id"]) == 1
    assert "Better" in [c["metaData"]["title"] for c in calls]
    assert "transcript" not in str(calls)


def test_a_delivery_may_come_twice_late_or_never(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "slack", duplicates=0.3, disorder=0.3, lost=0.2, seed=3)
    control.fill("slack.messages", [{"channel": "general", "text": str(number)} for number in range(100)])
    counts = settled(control, "slack")
    assert 5 <= counts["lost"] <= 40
    assert 10 <= counts["duplicated"] <= 50
    assert counts["deliveries"] == counts["delivered"] == 100 - counts["lost"] + counts["duplicated"]
    ids = [arrived.body["event_id"] for arrived in receiver.arrived]
    assert len(set(ids)) == 100 - counts["lost"]
    assert len(ids) - len(set(ids)) == counts["duplicated"]
    times = [arrived.body["event"]["ts"] for arrived in receiver.arrived]
    assert times != sorted(times)


def test_a_receiver_that_is_down_is_tried_again(readers: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    control = readers.control
    control.subscribe("linear", url, secret=SECRET, retry_speedup=1e6)
    control.subscribe("gong", url, private_key=PEM)
    control.create("linear.issue_labels", name="odd")
    control.create("gong.calls", turns=[["A", "One."]])
    counts = settled(control, "linear")
    assert (counts["attempts"], counts["given_up"], counts["refused"]) == (4, 1, {"connection_failed": 4})
    assert settled(control, "gong")["attempts"] == 1


def test_a_new_secret_takes_the_place_of_the_old_one(readers: Any, receiver: Receiver) -> None:
    control = hooked(readers, receiver, "linear", retry_speedup=120)
    receiver.answers = [(500, {})]
    control.create("linear.issue_labels", name="odd")
    time.sleep(0.1)
    control.subscribe("linear", f"{receiver.url}/new", secret="another")
    settled(control, "linear")
    first, second = receiver.arrived
    assert (first.path, second.path) == ("/linear", "/new")
    signed = hmac.new(b"another", second.raw, hashlib.sha256).hexdigest()
    assert second.headers["linear-signature"] == signed


@pytest.mark.parametrize(
    "body",
    [
        {"vendor": "jira"},
        {"vendor": "linear", "url": "ftp://x"},
        {"vendor": "linear", "private_key": "x"},
        {"vendor": "gong", "private_key": "no key"},
        {"vendor": "linear", "secret": "x", "lost": 2},
        {"vendor": "linear", "secret": "x", "retry_speedup": 0},
        {"vendor": "linear", "secret": "x", "colour": "red"},
    ],
)
def test_senseless_subscriptions_are_refused(demo: Any, body: dict[str, Any]) -> None:
    url = f"{demo.control.url}/_sandbox/webhooks"
    assert demo.slack_http.post(url, json={"url": "http://127.0.0.1:9"} | body).status_code == 400


def test_what_the_journal_replays_is_not_told(open_sandbox: Any, receiver: Receiver, tmp_path: Path) -> None:
    with sandbox.running(scale=0.1, state=tmp_path) as control:
        control.create("linear.issue_labels", name="odd")
    with sandbox.running(scale=0.1, state=tmp_path) as control:
        control.subscribe("linear", receiver.url, secret=SECRET)
        control.create("linear.issue_labels", name="even")
        settled(control, "linear")
    assert [arrived.body["data"]["name"] for arrived in receiver.arrived] == ["even"]
