"""A pull by Airbyte ends in the same raw tables as a pull by dlt, but for what Airbyte does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pipelines.airbyte
import sandbox
from contracts.errors import Fenced, InvalidSetting, MissingSetting, SyncFailed
from pipelines import sources
from pipelines.pull import pull
from tests.conftest import profile_for
from tests.pipelines.airbyte_server import AirbyteServer, airbyte_running
from tests.pipelines.airbyte_tables import STREAMS, AirbyteTables
from tests.pipelines.rig import Rig, open_rig
from tests.pipelines.truth import FIELDS, expected, held
from transforms import airbyte, rows

UNTOLD = {
    "hubspot.associations": {"type_ids"},  # of its types the main company alone
    "hubspot.owners": {"user_id"},  # of who has left
}


@pytest.fixture
def server() -> Iterator[AirbyteServer]:
    with airbyte_running() as running:
        yield running


@pytest.fixture(params=["gong", "hubspot"])
def source(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def rig(tmp_path: Path, small_world: sandbox.Control, server: AirbyteServer, source: str) -> Iterator[Rig]:
    """A source that comes by Airbyte, which writes what the sandbox's world holds."""
    profile = profile_for(tmp_path, small_world, **server.environ(source))
    with open_rig(profile, small_world, [source]) as opened:
        server.move = AirbyteTables(opened.warehouse, small_world).move
        yield opened


def assert_raw_is_as_told(rig: Rig, source: str) -> None:
    wanted, found = expected(rig), held(rig)
    for stream in (name for name in FIELDS if name.startswith(f"{source}.")):
        untold = UNTOLD.get(stream, set())
        told = [
            [{name: value for name, value in row.items() if name not in untold} for row in side[stream]]
            for side in (found, wanted)
        ]
        assert told[0] == told[1], stream
        assert found[stream], stream


def test_it_ends_in_the_rows_of_a_pull_and_a_second_changes_nothing(
    rig: Rig, server: AirbyteServer, source: str
) -> None:
    first = rig.pull()
    assert_raw_is_as_told(rig, source)
    assert sum(one.rejected for one in first.values()) == 0
    assert {one.told["airbyte_job"] for one in first.values()} == {1}
    assert next(iter(first.values())).told["rows_synced"] > 0
    second = rig.pull()
    assert {str(one.address): one.changed for one in second.values()} == dict.fromkeys(second, 0)
    assert rig.pull(full=True).keys() == first.keys()
    assert_raw_is_as_told(rig, source)
    assert [one["namespaceFormat"] for one in server.connections.values()] == [f"{source.upper()}_AIRBYTE"]


@pytest.mark.long
def test_on_snowflake_it_ends_in_the_same_rows(
    tmp_path: Path, small_world: sandbox.Control, server: AirbyteServer, source: str, snowflake_port: int
) -> None:
    snowflake = {
        "SOPHIA_WAREHOUSE": "snowflake",
        "SOPHIA_SNOWFLAKE_ACCOUNT": "test",
        "SOPHIA_SNOWFLAKE_USER": "test",
        "SOPHIA_SNOWFLAKE_PASSWORD": "test",
        "SOPHIA_SNOWFLAKE_DATABASE": f"AIRBYTE_{source.upper()}",
        "SOPHIA_SNOWFLAKE_AUTHENTICATOR": "PASSWORD",
        "SOPHIA_SNOWFLAKE_HOST": "127.0.0.1",
        "SOPHIA_SNOWFLAKE_PORT": str(snowflake_port),
        "SOPHIA_SNOWFLAKE_PROTOCOL": "http",
    }
    profile = profile_for(tmp_path, small_world, **server.environ(source), **snowflake)
    with open_rig(profile, small_world, [source]) as rig:
        server.move = AirbyteTables(rig.warehouse, small_world).move
        rig.pull()
        assert_raw_is_as_told(rig, source)
        assert {one.changed for one in rig.pull().values()} == {0}


def test_the_streams_that_are_declared_are_those_of_the_connector(source: str) -> None:
    assert set(airbyte.streams(source)) <= set(STREAMS)


def test_a_sync_that_failed_lands_nothing(rig: Rig, server: AirbyteServer) -> None:
    server.steps = ("running", "failed")
    with pytest.raises(SyncFailed):
        rig.pull()
    assert rig.rows("SELECT COUNT(*) AS N FROM SOPHIA_CORE.LOADS") == [{"n": 0}]
    server.steps = ("running", "succeeded")
    assert sum(one.changed for one in rig.pull().values()) > 0


def test_a_later_pull_fences_an_earlier_one(rig: Rig, server: AirbyteServer, source: str) -> None:
    move = server.move

    def overtaken(connection: dict[str, object]) -> int:
        rig.warehouse.claim(f"airbyte:{rows.entities(source)[0].address}", "another pull")
        return move(connection)

    server.move = overtaken
    with pytest.raises(Fenced):
        rig.pull()


@pytest.mark.parametrize("source", ["gong"], indirect=True)
def test_what_gong_deletes_or_hides_goes_with_the_next_sync(rig: Rig) -> None:
    rig.pull()
    public = [c["metaData"]["id"] for c in rig.control.dump()["gong.calls"] if not c["metaData"]["isPrivate"]]
    transcribed = [row["call_id"] for row in held(rig)["gong.transcripts"]]
    deleted, hidden = [call_id for call_id in transcribed if call_id in public][:2]
    rig.control.delete("gong.calls", deleted)
    rig.control.edit("gong.calls", hidden, isPrivate=True)
    rig.pull()
    assert_raw_is_as_told(rig, "gong")
    assert not {deleted, hidden} & {row["call_id"] for row in held(rig)["gong.transcripts"]}


@pytest.mark.parametrize("source", ["hubspot"], indirect=True)
def test_a_deal_that_hubspot_archives_goes_with_its_associations(rig: Rig) -> None:
    rig.pull()
    tie = next(row for row in held(rig)["hubspot.associations"] if row["from_type"] == "deals")
    rig.control.delete("hubspot.deals", tie["from_id"])
    rig.pull()
    assert tie["from_id"] not in {row["deal_id"] for row in held(rig)["hubspot.deals"]}
    ties = held(rig)["hubspot.associations"]
    assert not [one for one in ties if (one["from_type"], one["from_id"]) == ("deals", tie["from_id"])]


@pytest.mark.parametrize("source", ["gong"], indirect=True)
def test_what_airbyte_read_earlier_does_not_overwrite_what_was_read_later(
    rig: Rig, server: AirbyteServer, tmp_path: Path
) -> None:
    rig.pull()
    call_id = rig.control.dump()["gong.calls"][0]["metaData"]["id"]
    rig.control.edit("gong.calls", call_id, title="Renamed meanwhile")
    pull("gong", profile_for(tmp_path, rig.control), rig.warehouse)
    server.move = lambda _connection: 0  # nothing new: its tables hold the old title
    rig.pull(full=True)
    [call] = rig.rows(f"SELECT TITLE FROM GONG_INTEGRATION.CALLS WHERE CALL_ID = '{call_id}'")
    assert call["title"] == "Renamed meanwhile"


@pytest.mark.parametrize("source", ["hubspot"], indirect=True)
def test_a_row_of_another_shape_is_a_dead_letter_and_the_rest_lands(rig: Rig) -> None:
    rig.pull()
    rig.warehouse.execute(
        "UPDATE HUBSPOT_AIRBYTE.COMPANIES SET PROPERTIES = PARSE_JSON('[]'), "
        "_AIRBYTE_EXTRACTED_AT = DATEADD('hour', 1, _AIRBYTE_EXTRACTED_AT) "
        "WHERE ID = (SELECT MIN(ID) FROM HUBSPOT_AIRBYTE.COMPANIES)"
    )
    landed = rig.pull()
    assert landed["hubspot/companies"].rejected == 1
    assert landed["hubspot/contacts"].rejected == 0
    assert len(held(rig)["hubspot.companies"]) == len(expected(rig)["hubspot.companies"])


@pytest.mark.parametrize("source", ["gong"], indirect=True)
@pytest.mark.parametrize("missing", ["SOPHIA_GONG_AIRBYTE_SOURCE_ID", "SOPHIA_AIRBYTE_DESTINATION_ID"])
def test_a_missing_setting_is_named(
    rig: Rig, server: AirbyteServer, tmp_path: Path, small_world: sandbox.Control, missing: str
) -> None:
    environ = {name: value for name, value in server.environ("gong").items() if name != missing}
    with pytest.raises(MissingSetting, match=missing):
        pull("gong", profile_for(tmp_path, small_world, **environ), rig.warehouse)
    assert not server.requests


@pytest.mark.parametrize("source", ["gong"], indirect=True)
def test_doctor_asks_airbyte_and_changes_nothing(rig: Rig, server: AirbyteServer) -> None:
    settings = rig.profile.section("gong", sources.module("gong").Settings)
    says = pipelines.airbyte.probe("gong", settings, rig.profile)
    assert says == f"{server.url}/v1 takes the key, and the connection sophia-gong will be made by the first pull"
    assert not server.connections
    rig.pull()
    assert pipelines.airbyte.probe("gong", settings, rig.profile).endswith("sophia-gong stands")


@pytest.mark.parametrize("source", ["gong"], indirect=True)
def test_a_source_without_a_mapping_says_which_have_one(
    rig: Rig, server: AirbyteServer, tmp_path: Path, small_world: sandbox.Control
) -> None:
    profile = profile_for(tmp_path, small_world, **server.environ("slack"))
    with pytest.raises(
        InvalidSetting, match=r"SOPHIA_SLACK_VIA='airbyte' .* only gong and hubspot can come by Airbyte"
    ):
        pull("slack", profile, rig.warehouse)
