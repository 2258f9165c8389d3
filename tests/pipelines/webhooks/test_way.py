"""From a signed request to rows, documents and vectors: receiver, journal, broker, lander and warehouse, all real."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sandbox
from contracts.errors import VendorRefused
from contracts.records import Event
from pipelines import events, memory, webhooks
from pipelines.memory import Lander
from pipelines.webhooks import forwarder as forwarder_module
from pipelines.webhooks import hubspot, linear
from pipelines.webhooks.forwarder import Forwarder
from pipelines.webhooks.journal import Delivery, Journal
from resources.broker import LocalBroker, free_port
from resources.profile import Profile
from resources.warehouse import Warehouse
from tests.conftest import open_migrated, profile_for
from tests.pipelines.webhooks import signing
from tests.pipelines.webhooks.signing import Signed
from transforms import rows

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def message(ts: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "text": text,
        "ts": f"{ts}.000100",
        "event_ts": f"{ts}.000100",
        **more,
    }


def edited(ts: int, text: str, at: int) -> dict[str, Any]:
    return {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C1",
        "channel_type": "channel",
        "hidden": True,
        "message": {"type": "message", "user": "U1", "text": text, "ts": f"{ts}.000100", "edited": {"ts": f"{at}.0"}},
        "ts": f"{at}.000200",
        "event_ts": f"{at}.000200",
    }


def deleted(ts: int, at: int) -> dict[str, Any]:
    return {
        "type": "message",
        "subtype": "message_deleted",
        "channel": "C1",
        "channel_type": "channel",
        "deleted_ts": f"{ts}.000100",
        "ts": f"{at}.000200",
        "event_ts": f"{at}.000200",
    }


def taken(signed: Signed, received_at: datetime = NOW) -> Delivery:
    """As the receiver journals it."""
    return Delivery(
        source=signed.source,
        received_at=received_at,
        sent_at=received_at,
        delivery_id=signed.headers.get("Linear-Delivery", ""),
        body=signed.body,
    )


def told(*deliveries: Delivery) -> list[Event]:
    return [event for one in deliveries for event in webhooks.module(one.source).events(one)]


def messages(warehouse: Warehouse) -> dict[str, tuple[str | None, bool]]:
    """ts → (text, whether it was deleted)."""
    found = warehouse.query("SELECT TS, TEXT, _DELETED_AT FROM SLACK_INTEGRATION.MESSAGES ORDER BY TS").to_pylist()
    return {row["ts"]: (row["text"], row["_deleted_at"] is not None) for row in found}


@contextmanager
def forwarding(profile: Profile, journal: Journal, warehouse: Warehouse) -> Iterator[Forwarder]:
    stop = threading.Event()
    forwarder = Forwarder(profile, journal, warehouse)
    thread = threading.Thread(target=forwarder.run, args=[stop])
    thread.start()
    try:
        yield forwarder
    finally:
        stop.set()
        journal.grown.set()
        thread.join(30)
    assert not thread.is_alive()


def await_true(condition: Any, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def land(profile: Profile, warehouse: Warehouse) -> Lander:
    lander = Lander(profile, warehouse)
    lander.run(until=lambda: not memory.waiting(profile, warehouse))
    return lander


def test_a_delivery_is_a_row_and_its_segment_is_forgotten_when_it_has_landed(tmp_path: Path, broker: str) -> None:
    profile = profile_for(tmp_path, bootstrap=broker, **_switched_on("slack", "linear"))
    with open_migrated(profile) as warehouse:
        with Journal(profile.journal_path, 10**8) as journal:
            for signed in (
                signing.slack(message(1_790_000_000, "hello")),
                signing.slack(edited(1_790_000_000, "hello all", 1_790_000_060), "Ev2"),
                signing.linear("Issue", "create", {"id": "i1", "title": "Broken", "teamId": "t1"}),
                Signed("slack", b"no JSON"),
            ):
                journal.append(taken(signed)).result(10)
        with Journal(profile.journal_path, 10**8) as journal, forwarding(profile, journal, warehouse) as forwarder:
            await_true(lambda: forwarder.sent == 4)
            landed = land(profile, warehouse).done
            assert (landed.events, landed.dead_letters) == (3, 1)
            await_true(lambda: journal.segments() == [], within_s=3 * forwarder_module.FORGET_S)
        assert messages(warehouse) == {"1790000000.000100": ("hello all", False)}
        [issue] = warehouse.query("SELECT TITLE, TEAM_ID, _ORIGIN FROM LINEAR_INTEGRATION.ISSUES").to_pylist()
        assert issue == {"title": "Broken", "team_id": "t1", "_origin": "push"}
        [letter] = warehouse.query("SELECT ORIGIN, REASON FROM SOPHIA_CORE.DEAD_LETTERS").to_pylist()
        assert letter == {"origin": "events.slack.v1", "reason": "no JSON"}
        catalogued = warehouse.query("SELECT COUNT(*) AS N FROM SOPHIA_CORE.LOADS WHERE CATALOGUED_AT IS NULL")
        assert catalogued["n"][0].as_py() == 0


def test_the_broker_gone_and_back_empty_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    """20 s without a broker, which then has lost all that it held: what had not landed is sent again."""
    port = free_port()
    profile = profile_for(tmp_path, bootstrap=f"127.0.0.1:{port}", **_switched_on("slack"))
    edits = 40
    with open_migrated(profile) as warehouse, Journal(profile.journal_path, 10**8) as journal:

        def append(first: int, behind: int) -> None:
            for n in range(first, behind):
                for ts in (1_790_000_000, 1_790_000_001, 1_790_000_002):
                    signed = signing.slack(edited(ts, f"edit {n}", 1_790_001_000 + n), f"Ev{ts}-{n}")
                    journal.append(taken(signed)).result(10)

        with forwarding(profile, journal, warehouse) as forwarder:
            with LocalBroker(port):
                append(0, 10)
                await_true(lambda: forwarder.sent == 30)
            began = time.monotonic()
            append(10, edits)
            await_true(lambda: forwarder.interrupted is not None)
            time.sleep(max(0.0, began + 20 - time.monotonic()))
            with LocalBroker(port):
                await_true(lambda: forwarder.interrupted is None and forwarder.waiting == 0, within_s=60)
                landed = land(profile, warehouse).done
                assert landed.events >= 3 * edits
                await_true(lambda: journal.segments() == [], within_s=60)
    with open_migrated(profile) as warehouse:
        assert set(messages(warehouse).values()) == {(f"edit {edits - 1}", False)}
        assert len(messages(warehouse)) == 3


@given(data=st.data())
@settings(max_examples=15)
def test_any_order_and_repetition_of_deliveries_ends_in_one_table(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """In batches of any size."""
    one, two, three = 1_790_000_000, 1_790_000_001, 1_790_000_002
    signed = [
        signing.slack(message(one, "one"), "Ev1"),
        signing.slack(edited(one, "one, edited", three), "Ev2"),
        signing.slack(message(two, "two"), "Ev3"),
        signing.slack(deleted(two, three), "Ev4"),
        signing.slack(edited(two, "two, edited", two + 1), "Ev5"),
        signing.linear("Issue", "create", {"id": "i1", "title": "a", "teamId": "t"}, "2026-11-20T10:00:00.000Z"),
        signing.linear("Issue", "update", {"id": "i1", "title": "b", "teamId": "u"}, "2026-11-20T10:00:01.000Z"),
        signing.linear("Issue", "create", {"id": "i2", "title": "c", "teamId": "t"}, "2026-11-20T10:00:02.000Z"),
        signing.linear("Issue", "remove", {"id": "i2", "title": "c", "teamId": "t"}, "2026-11-20T10:00:03.000Z"),
    ]
    repeated = data.draw(st.permutations([*signed, *data.draw(st.lists(st.sampled_from(signed), max_size=6))]))
    size = data.draw(st.integers(1, len(repeated)))
    profile = profile_for(tmp_path_factory.mktemp("permutation"), **_switched_on("slack", "linear"))
    with open_migrated(profile) as warehouse:
        for first in range(0, len(repeated), size):
            batch = told(*map(taken, repeated[first : first + size]))
            for source in ("slack", "linear"):
                of_source = [event for event in batch if event.source == source]
                events.land(source, of_source, [], profile, warehouse)
        found = messages(warehouse)
        assert found[f"{one}.000100"] == ("one, edited", False)
        assert found[f"{two}.000100"][1]
        issues = warehouse.query(
            "SELECT ISSUE_ID, TITLE, TEAM_ID, _DELETED_AT IS NOT NULL AS GONE FROM LINEAR_INTEGRATION.ISSUES ORDER BY 1"
        ).to_pylist()
        assert issues[0] == {"issue_id": "i1", "title": "b", "team_id": "u", "gone": False}
        assert (issues[1]["issue_id"], issues[1]["gone"]) == ("i2", True)


def test_what_hubspot_and_gong_name_is_read_by_its_id(tmp_path: Path, small_world: sandbox.Control) -> None:
    profile = profile_for(tmp_path, small_world, **_switched_on("hubspot", "gong"))
    dump = small_world.dump()
    live = [deal for deal in dump["hubspot.deals"] if not deal["archived"]]
    archived, changed = live[0]["id"], live[1]["id"]
    small_world.edit("hubspot.deals", changed, amount="4711")
    notices = [
        signing.notice("deal.propertyChange", int(changed), propertyName="amount", propertyValue="4711"),
        signing.notice("deal.deletion", int(archived), changeFlag="DELETED"),
        signing.notice("deal.creation", 987_654_321),
    ]
    public = [c for c in dump["gong.calls"] if not c["metaData"]["isPrivate"]]
    transcribed = {t["callId"] for t in dump["gong.transcripts"]}
    call = next(c for c in public if c["metaData"]["id"] in transcribed)
    with open_migrated(profile) as warehouse:
        created = [signing.notice("deal.creation", int(archived), changeFlag="CREATED")]
        events.land("hubspot", told(taken(signing.hubspot(created))), [], profile, warehouse)
        small_world.delete("hubspot.deals", archived)
        events.land("hubspot", told(taken(signing.hubspot(notices))), [], profile, warehouse)
        deals = warehouse.query(
            "SELECT DEAL_ID, AMOUNT, _DELETED_AT, _ORIGIN FROM HUBSPOT_INTEGRATION.DEALS"
        ).to_pylist()
        found = {row["deal_id"]: row for row in deals}
        assert found[changed]["amount"] == 4711
        assert found[changed]["_origin"] == "push"
        assert found[archived]["_deleted_at"] is not None
        assert set(found) == {changed, archived}, "what HubSpot never had is no row"
        tied = warehouse.query(
            "SELECT COUNT(*) AS N FROM HUBSPOT_INTEGRATION.ASSOCIATIONS WHERE FROM_ID = ? OR TO_ID = ?", [changed] * 2
        )
        assert tied["n"][0].as_py() > 0
        events.land("gong", told(taken(signing.gong(call))), [], profile, warehouse)
        for table in ("CALLS", "TRANSCRIPTS"):
            ids = warehouse.query(f"SELECT CALL_ID FROM GONG_INTEGRATION.{table}").to_pylist()
            assert ids == [{"call_id": call["metaData"]["id"]}], table


def test_a_vendor_that_refuses_us_holds_nobody_up_and_its_events_wait(
    tmp_path: Path, broker: str, small_world: sandbox.Control
) -> None:
    on = _switched_on("hubspot", "slack")
    deal = next(deal["id"] for deal in small_world.dump()["hubspot.deals"] if not deal["archived"])
    refused = profile_for(tmp_path, small_world, broker, **on, SOPHIA_HUBSPOT_TOKEN="pat-of-yesterday")
    good = profile_for(tmp_path, small_world, broker, **on)
    with open_migrated(good) as warehouse, Journal(good.journal_path, 10**8) as journal:
        for signed in (
            signing.hubspot([signing.notice("deal.creation", int(deal))]),
            signing.slack(message(1_790_000_000, "hello")),
        ):
            journal.append(taken(signed)).result(10)
        with forwarding(good, journal, warehouse) as forwarder:
            await_true(lambda: forwarder.sent == 2)
        with pytest.raises(VendorRefused):
            land(refused, warehouse)
        assert messages(warehouse) == {"1790000000.000100": ("hello", False)}
        deals = "SELECT DEAL_ID FROM HUBSPOT_INTEGRATION.DEALS"
        assert warehouse.query(deals).num_rows == 0
        assert [key for key in memory.waiting(good, warehouse) if "hubspot" in key]
        land(good, warehouse)
        assert warehouse.query(deals).to_pylist() == [{"deal_id": deal}]


def test_what_slack_tells_of_a_reply_a_second_time_is_no_message_of_its_own() -> None:
    """message_replied carries the parent, and at times lacks its subtype."""
    parent = {"type": "message", "user": "U1", "text": "parent", "ts": "1790000000.000100", "reply_count": 1}
    told_again = message(1_790_000_060, "", message=parent)
    assert (
        told(*map(taken, (signing.slack(told_again), signing.slack(told_again | {"subtype": "message_replied"})))) == []
    )


def test_every_entity_that_a_webhook_may_name_has_a_table() -> None:
    known = {source: {entity.address.entity for entity in rows.entities(source)} for source in webhooks.names()}
    assert set(hubspot.ENTITIES.values()) <= known["hubspot"]
    assert set(linear.ENTITIES.values()) == linear.LINKED.keys() <= known["linear"]
    assert webhooks.names() == ("gong", "hubspot", "linear", "slack")


def _switched_on(*sources: str) -> dict[str, str]:
    prefixes = [f"SOPHIA_{source.upper()}_" for source in sources]
    return {name: value for name, value in signing.environ().items() if name.startswith(tuple(prefixes))}
