"""Limits as budgets: a vendor's day, its pace and its outages are shared by every process that pulls it."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

import sandbox
from contracts.errors import CircuitOpen, QuotaSpent, VendorRefused, VendorUnavailable
from pipelines import limits
from pipelines.pull import pull, pull_slice
from pipelines.sources import hubspot, linear
from pipelines.sources._http import VendorSession
from resources.warehouse import Warehouse
from tests.conftest import open_migrated, profile_for, vendors
from tests.pipelines.rig import open_rig
from tests.pipelines.truth import assert_raw_equals_the_world

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_pull_that_reaches_the_days_quota_stops_clean_and_the_next_day_finishes(tmp_path: Path) -> None:
    with vendors(scale=0.3, limit_speedup=float("inf"), largest_page=10) as control:
        profile = profile_for(tmp_path, control, SOPHIA_GONG_REQUESTS_PER_DAY="4")
        with open_rig(profile, control, ["gong"]) as rig:
            first = {str(landed.address): landed for landed in pull("gong", profile, rig.warehouse)}
            midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
            assert first["gong/calls"].goes_on_at == midnight
            assert first["gong/users"].changed > 0
            assert 0 < first["gong/calls"].changed < control.counts()["gong.calls"]
            assert sent(control) == 4

            again = pull("gong", profile, rig.warehouse)
            assert sent(control) == 4, "a day's quota that is spent is asked for nothing"
            assert {landed.goes_on_at for landed in again} == {midnight}
            assert not any(landed.deleted for landed in again)

            let_the_day_pass(rig.warehouse)
            plenty = profile_for(tmp_path, control)
            finished = pull("gong", plenty, rig.warehouse)
            assert [landed.goes_on_at for landed in finished] == [None] * 3
            assert_raw_equals_the_world(rig)


def let_the_day_pass(warehouse: Warehouse) -> None:
    warehouse.execute("UPDATE SOPHIA_CORE.VENDOR_BUDGETS SET DAY_ON = DATEADD('day', -1, DAY_ON)")


def test_a_load_that_takes_days_goes_on_from_where_each_day_ended(tmp_path: Path) -> None:
    with vendors(scale=1.0, limit_speedup=float("inf"), largest_page=2) as control:
        profile = profile_for(tmp_path, control, SOPHIA_GONG_REQUESTS_PER_DAY="60", SOPHIA_GONG_LOOKBACK_DAYS="1")
        with open_rig(profile, control, ["gong"]) as rig:
            held = [0]
            while any(landed.goes_on_at for landed in pull("gong", profile, rig.warehouse)):
                held.append(len(rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")))
                assert held[-1] > held[-2], "a day brought nothing new"
                let_the_day_pass(rig.warehouse)
            assert len(held) > 2, "one day was enough"
            assert_raw_equals_the_world(rig)


def sent(control: sandbox.Control) -> int:
    return sum(path["total"] for path in control.requests().get("gong", {}).values())


def test_a_slice_that_a_quota_cuts_short_is_not_taken_for_read(tmp_path: Path) -> None:
    with vendors(scale=0.3, limit_speedup=float("inf"), largest_page=1) as control:
        profile = profile_for(tmp_path, control, SOPHIA_GONG_REQUESTS_PER_DAY="1")
        with open_rig(profile, control, ["gong"]) as rig:
            days = Counter(call["metaData"]["scheduled"][:10] for call in control.dump()["gong.calls"])
            [(day, calls)] = days.most_common(1)
            assert calls > 1
            with pytest.raises(QuotaSpent):
                pull_slice("gong", day, profile, rig.warehouse)
            assert sent(control) == 1
            assert len(rig.live_payloads("GONG_INTEGRATION.CALLS", "CALL_ID")) == 1


def test_no_number_of_processes_spends_more_than_the_day_has(tmp_path: Path) -> None:
    allowed = 3 * limits.BLOCK + 7
    spent: list[int] = []
    ends: list[datetime | None] = []
    with open_migrated(profile_for(tmp_path)) as warehouse:

        def spend() -> None:
            with limits.budget("gong", allowed, warehouse, lambda: NOON) as take:
                try:
                    while True:
                        take(1)
                        spent.append(1)
                except QuotaSpent as stopped:
                    ends.append(stopped.until)

        threads = [threading.Thread(target=spend) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(spent) == allowed
        assert ends == [datetime(2026, 11, 21, tzinfo=UTC)] * 4
        assert limits.state_of("gong", warehouse, NOON).requests_today == allowed


def test_what_was_set_aside_and_not_sent_is_given_back(tmp_path: Path) -> None:
    with open_migrated(profile_for(tmp_path)) as warehouse:
        with limits.budget("gong", 10_000, warehouse, lambda: NOON) as take:
            take(3)
            assert limits.state_of("gong", warehouse, NOON).requests_today == limits.BLOCK
        assert limits.state_of("gong", warehouse, NOON).requests_today == 3


def down() -> None:
    raise VendorUnavailable("Gong", "https://gong.example", "HTTP 503")


def up() -> None:
    pass


def test_an_outage_opens_the_circuit_and_one_pull_closes_it_again(tmp_path: Path) -> None:
    with open_migrated(profile_for(tmp_path)) as warehouse:

        def state() -> str:
            return limits.state_of("gong", warehouse, NOON).circuit

        for _ in range(limits.OUTAGES):
            with pytest.raises(VendorUnavailable):
                limits.unless_down("gong", warehouse, down)
        assert state() == "open"
        asked: list[int] = []
        with pytest.raises(CircuitOpen, match="Gong was down for the last pulls"):
            limits.unless_down("gong", warehouse, lambda: asked.append(1))
        assert asked == []

        let_the_wait_pass(warehouse)
        with pytest.raises(VendorUnavailable):
            limits.unless_down("gong", warehouse, down)
        assert state() == "open", "the one that tried found it down"

        let_the_wait_pass(warehouse)
        limits.unless_down("gong", warehouse, up)
        assert state() == "closed"
        with pytest.raises(VendorUnavailable):
            limits.unless_down("gong", warehouse, down)
        assert state() == "closed", "it counts from zero again"


def let_the_wait_pass(warehouse: Warehouse) -> None:
    warehouse.execute("UPDATE SOPHIA_CORE.VENDOR_CIRCUITS SET OPENED_AT = DATEADD('hour', -1, OPENED_AT)")


def test_a_refusal_is_no_outage(tmp_path: Path) -> None:
    def refused() -> None:
        raise VendorRefused("Gong", 401, "no", "Check the key.")

    with open_migrated(profile_for(tmp_path)) as warehouse:
        for _ in range(limits.OUTAGES + 1):
            with pytest.raises(VendorRefused):
                limits.unless_down("gong", warehouse, refused)
        assert limits.state_of("gong", warehouse, NOON).circuit == "closed"


def test_an_open_circuit_spares_the_vendor_and_a_later_pull_lands(tmp_path: Path, small_world: sandbox.Control) -> None:
    with open_rig(profile_for(tmp_path, small_world), small_world, ["gong"]) as rig:
        for _ in range(limits.OUTAGES):
            with pytest.raises(VendorUnavailable):
                limits.unless_down("gong", rig.warehouse, down)
        with pytest.raises(CircuitOpen):
            rig.pull()
        assert sent(small_world) == 0
        let_the_wait_pass(rig.warehouse)
        rig.pull()
        assert_raw_equals_the_world(rig)


def test_processes_that_share_a_limit_stay_within_it() -> None:
    with vendors(scale=0.05) as control:

        def read() -> None:
            with VendorSession("Gong", control.gong_url, "") as session:
                session.processes = 2
                session.limit(control.gong_url, per_second=3)
                for _ in range(5):
                    session.get(f"{control.gong_url}/v2/users", auth=("sandbox-key", "sandbox-secret"))

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert control.requests()["gong"]["/v2/users"]["statuses"] == {"200": 10}


def answer(**headers: str) -> requests.Response:
    response = requests.Response()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def test_a_vendors_headers_say_when_nothing_is_left() -> None:
    session = hubspot.HubspotSession("HubSpot", "https://hubspot.example", "")
    left = {"X_HubSpot_RateLimit_Interval_Milliseconds": "10000", "X_HubSpot_RateLimit_Remaining": "7"}
    assert session.nothing_left_s(answer()) == 0
    assert session.nothing_left_s(answer(**left)) == 0
    assert session.nothing_left_s(answer(**left | {"X_HubSpot_RateLimit_Remaining": "0"})) == 10
    assert session.nothing_left_s(answer(**left | {"X_HubSpot_RateLimit_Daily_Remaining": "0"})) == hubspot.A_WHILE_S

    points = linear.LinearSession(linear.Settings())
    points.points, points.processes = 4_000, 2
    of_requests = {"X_RateLimit_Requests_Remaining": "2000"}
    assert points.nothing_left_s(answer(**of_requests, X_RateLimit_Complexity_Remaining="8000")) == 0
    # 8,000 points for two processes, 5,000 left: 3,000 drip back in a thousandth of an hour
    assert points.nothing_left_s(answer(**of_requests, X_RateLimit_Complexity_Remaining="5000")) == pytest.approx(3.6)
