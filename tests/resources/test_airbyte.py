"""Airbyte's client against its public API on this machine: connections as declared, syncs to their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contracts.errors import MissingSetting, QuotaSpent, SyncFailed, VendorRefused, VendorUnavailable
from resources.airbyte import Airbyte, Connection
from resources.profile import AirbyteSettings, Profile
from tests.pipelines.airbyte_server import BYTES_A_ROW, AirbyteServer, airbyte_running, problem


@pytest.fixture
def server() -> Iterator[AirbyteServer]:
    with airbyte_running() as running:
        yield running


def settings_for(server: AirbyteServer, **more: str) -> AirbyteSettings:
    return Profile.read(server.environ() | {f"SOPHIA_AIRBYTE_{name.upper()}": v for name, v in more.items()}).airbyte


def declared(server: AirbyteServer) -> Connection:
    return Connection(
        name="sophia-gong",
        source_id=server.source_id,
        destination_id=server.destination_id,
        namespace="GONG_AIRBYTE",
        streams={"users": "full_refresh_overwrite", "extensiveCalls": "incremental_deduped_history"},
    )


def test_a_connection_is_made_once_and_then_changed_where_it_differs(server: AirbyteServer) -> None:
    wanted = declared(server)
    with Airbyte(settings_for(server)) as airbyte:
        made = airbyte.reconcile(wanted)
        again = airbyte.reconcile(wanted)
        fewer = msgspec.structs.replace(wanted, streams={"users": "full_refresh_overwrite"})
        changed = airbyte.reconcile(fewer)
    assert [made.outcome, again.outcome, changed.outcome] == ["created", "unchanged", "updated"]
    assert {made.connection_id, again.connection_id, changed.connection_id} == set(server.connections)
    [stands] = server.connections.values()
    assert stands["namespaceDefinition"] == "custom_format"
    assert stands["namespaceFormat"] == "GONG_AIRBYTE"
    assert stands["schedule"] == {"scheduleType": "manual"}
    assert stands["configurations"]["streams"] == [{"name": "users", "syncMode": "full_refresh_overwrite"}]
    assert "DELETE" not in {method for method, _ in server.requests}


def test_what_somebody_has_changed_by_hand_is_as_declared_again(server: AirbyteServer) -> None:
    with Airbyte(settings_for(server)) as airbyte:
        made = airbyte.reconcile(declared(server))
        for by_hand in (
            {"schedule": {"scheduleType": "cron", "cronExpression": "0 0 * * * ?"}},
            {"status": "inactive"},
            {"prefix": "old_"},
            {"namespaceDefinition": "destination"},
        ):
            server.connections[made.connection_id] |= by_hand
            assert airbyte.reconcile(declared(server)).outcome == "updated", by_hand
            assert airbyte.reconcile(declared(server)).outcome == "unchanged", by_hand


def test_a_connection_of_another_source_stays_and_is_another_one(server: AirbyteServer) -> None:
    with Airbyte(settings_for(server)) as airbyte:
        first = airbyte.reconcile(declared(server))
        server.source_id = "0d7f3ab4-5a0c-4d0e-9a3b-1f2e3d4c5b6a"
        assert airbyte.reconcile(declared(server)).outcome == "created"
    assert len(server.connections) == 2
    assert server.connections[first.connection_id]["status"] == "active"


def test_a_connection_is_found_behind_the_first_page(server: AirbyteServer) -> None:
    with Airbyte(settings_for(server)) as airbyte:
        made = airbyte.reconcile(declared(server))
        mine = server.connections.pop(made.connection_id)
        for number in range(150):
            server.connections[str(number)] = mine | {"connectionId": str(number), "name": f"another {number}"}
        server.connections[made.connection_id] = mine
        assert airbyte.reconcile(declared(server)).outcome == "unchanged"


def test_a_sync_is_followed_to_its_end(server: AirbyteServer) -> None:
    server.move = lambda _connection: 42
    server.steps = ("pending", "running", "incomplete", "running", "succeeded")
    with Airbyte(settings_for(server)) as airbyte:
        sync = airbyte.sync(airbyte.reconcile(declared(server)).connection_id, "sophia-gong")
    assert (sync.job_id, sync.rows, sync.bytes) == (1, 42, 42 * BYTES_A_ROW)
    assert server.requests.count(("GET", "/v1/jobs/1")) == 4
    assert server.requests.count(("POST", "/v1/applications/token")) == 1


def test_a_sync_that_runs_already_is_joined(server: AirbyteServer) -> None:
    with Airbyte(settings_for(server)) as airbyte:
        connection_id = airbyte.reconcile(declared(server)).connection_id
        server.start(connection_id)
        assert airbyte.sync(connection_id, "sophia-gong").job_id == 1
    assert list(server.jobs) == [1]


def test_a_sync_that_takes_too_long_is_cancelled(server: AirbyteServer) -> None:
    server.steps = ("running",) * 1000
    with Airbyte(settings_for(server, sync_timeout_minutes="0.002")) as airbyte:
        connection_id = airbyte.reconcile(declared(server)).connection_id
        with pytest.raises(SyncFailed, match=r"job 1 .* cancelled after 0\.002 minutes"):
            airbyte.sync(connection_id, "sophia-gong")
    assert server.jobs[1].record["status"] == "cancelled"


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_sync_that_ends_badly_says_which_and_how(server: AirbyteServer, end: str) -> None:
    server.steps = ("running", end)
    with Airbyte(settings_for(server)) as airbyte:
        connection_id = airbyte.reconcile(declared(server)).connection_id
        with pytest.raises(SyncFailed, match=f"job 1 of the connection sophia-gong ended as {end}"):
            airbyte.sync(connection_id, "sophia-gong")


def test_what_can_pass_is_tried_again(server: AirbyteServer) -> None:
    server.faults = [
        ("GET", "/v1/connections", problem(429, "too-many-requests", "slower", Retry_After="1")),
        ("GET", "/v1/connections", problem(503, "unavailable", "a restart")),
        ("POST", "/v1/jobs", problem(429, "too-many-requests", "slower", Retry_After="1")),
        ("GET", "/v1/jobs/1", problem(502, "bad-gateway", "a restart")),
    ]
    with Airbyte(settings_for(server)) as airbyte:
        assert airbyte.sync(airbyte.reconcile(declared(server)).connection_id, "sophia-gong").job_id == 1
    assert not server.faults


def test_what_may_have_been_done_is_not_done_twice(server: AirbyteServer) -> None:
    server.faults = [("POST", "/v1/connections", problem(500, "unexpected-problem", "it may have been made"))]
    with Airbyte(settings_for(server)) as airbyte, pytest.raises(VendorUnavailable, match="HTTP 500"):
        airbyte.reconcile(declared(server))
    assert server.requests.count(("POST", "/v1/connections")) == 1


def test_a_wait_that_is_too_long_ends_the_request(server: AirbyteServer) -> None:
    server.faults = [("GET", "/v1/connections", problem(429, "too-many-requests", "tomorrow", Retry_After="3600"))]
    with Airbyte(settings_for(server)) as airbyte, pytest.raises(QuotaSpent):
        airbyte.reconcile(declared(server))


def test_a_key_that_is_refused_is_told_without_it(server: AirbyteServer) -> None:
    with Airbyte(settings_for(server, client_secret="wrong")) as airbyte, pytest.raises(VendorRefused) as refused:
        airbyte.reconcile(declared(server))
    assert str(refused.value).startswith("Airbyte refused the request (401: no application has this id and secret).")
    with Airbyte(settings_for(server, token="old")) as airbyte, pytest.raises(VendorRefused, match="401: the access"):
        airbyte.reconcile(declared(server))


def test_an_id_that_airbyte_does_not_know_is_refused_with_what_it_says(server: AirbyteServer) -> None:
    with Airbyte(settings_for(server)) as airbyte, pytest.raises(VendorRefused, match="400: no such source"):
        airbyte.reconcile(msgspec.structs.replace(declared(server), source_id="another"))


def test_nobody_answers(tmp_path: Path) -> None:
    with airbyte_running() as server:
        settings = settings_for(server)
    with Airbyte(settings) as airbyte, pytest.raises(VendorUnavailable, match="Airbyte does not answer"):
        airbyte.reconcile(declared(server))


@pytest.mark.parametrize("name", ["workspace_id", "client_id", "client_secret"])
def test_a_missing_setting_is_named(server: AirbyteServer, name: str) -> None:
    with pytest.raises(MissingSetting, match=f"SOPHIA_AIRBYTE_{name.upper()} is not set"):
        Airbyte(msgspec.structs.replace(settings_for(server), **{name: None}))
