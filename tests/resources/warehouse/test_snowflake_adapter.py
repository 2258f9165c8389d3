"""What is Snowflake's alone: how it logs in, and what is said when it cannot be reached."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.errors import InvalidSetting, MissingSetting, WarehouseUnavailable
from resources.profile import EmbeddingSettings, Profile, SnowflakeSettings
from resources.warehouse import Warehouse, migrations, open_warehouse
from resources.warehouse.snowflake_adapter import login

LOCAL = {"host": "127.0.0.1", "account": "a", "user": "u"}


def settings(**fields: Any) -> SnowflakeSettings:
    return SnowflakeSettings(**fields)


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({}, "SOPHIA_SNOWFLAKE_ACCOUNT"),
        ({"account": "a"}, "SOPHIA_SNOWFLAKE_USER"),
        ({"account": "a", "user": "u"}, "SOPHIA_SNOWFLAKE_PRIVATE_KEY_FILE"),
        ({"account": "a", "user": "u", "authenticator": "PROGRAMMATIC_ACCESS_TOKEN"}, "SOPHIA_SNOWFLAKE_TOKEN"),
        ({"account": "a", "authenticator": "WORKLOAD_IDENTITY"}, "SOPHIA_SNOWFLAKE_WORKLOAD_IDENTITY_PROVIDER"),
        (LOCAL | {"authenticator": "PASSWORD"}, "SOPHIA_SNOWFLAKE_PASSWORD"),
    ],
)
def test_a_missing_setting_is_named(fields: dict[str, Any], variable: str) -> None:
    with pytest.raises(MissingSetting) as caught:
        open_warehouse(Profile(warehouse="snowflake", snowflake=settings(**fields)))
    assert caught.value.variable == variable


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({"authenticator": "PASSWORD", "password": "p"}, "SOPHIA_SNOWFLAKE_AUTHENTICATOR"),
        ({"authenticator": "PASSWORD", "password": "p", "host": "example.com"}, "SOPHIA_SNOWFLAKE_AUTHENTICATOR"),
        ({"host": "example.com", "protocol": "http"}, "SOPHIA_SNOWFLAKE_PROTOCOL"),
        ({"private_key_file": "no-such-file.p8"}, "SOPHIA_SNOWFLAKE_PRIVATE_KEY_FILE"),
    ],
)
def test_what_is_unsafe_or_absent_is_refused(fields: dict[str, Any], variable: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        login(settings(account="a", user="u", **fields))
    assert caught.value.variable == variable
    assert "p'" not in str(caught.value).partition("cannot be used")[2], "no secret in the message"


def test_each_way_to_log_in(tmp_path: Path) -> None:
    key = tmp_path / "key.p8"
    key.write_text("")
    made = login(settings(account="a", user="u", role="r", private_key_file=str(key), private_key_file_pwd="x"))
    assert (made["authenticator"], made["private_key_file"], made["role"]) == ("SNOWFLAKE_JWT", str(key), "r")
    assert (made["schema"], made["session_parameters"]["TIMEZONE"], made["paramstyle"]) == (
        "SOPHIA_CORE",
        "UTC",
        "qmark",
    )
    made = login(settings(account="a", user="u", authenticator="PROGRAMMATIC_ACCESS_TOKEN", token="t"))
    assert (made["authenticator"], made["token"]) == ("PROGRAMMATIC_ACCESS_TOKEN", "t")
    made = login(settings(account="a", authenticator="WORKLOAD_IDENTITY", workload_identity_provider="AWS"))
    assert (made["workload_identity_provider"], "user" in made) == ("AWS", False)
    made = login(settings(**LOCAL, authenticator="PASSWORD", password="p", protocol="http", port=1))
    assert (made["authenticator"], made["password"], made["port"]) == ("SNOWFLAKE", "p", 1)


def test_a_session_that_is_closed_opens_anew(snowflake_profile: Profile) -> None:
    with open_warehouse(snowflake_profile) as warehouse:
        assert _one(warehouse) == 1
        warehouse.close()
        assert _one(warehouse) == 1


def test_the_written_model_needs_no_change_of_the_text(snowflake_profile: Profile, core_sql: Path) -> None:
    written = msgspec.structs.replace(snowflake_profile, embedding=EmbeddingSettings(model="arctic-embed-m-v1.5"))
    with open_warehouse(written) as warehouse:
        migrations.apply(warehouse, core_sql)
        assert warehouse.search([1.0] * 768).num_rows == 0


def test_all_of_our_sql_runs(snowflake_profile: Profile) -> None:
    with open_warehouse(snowflake_profile) as warehouse:
        migrations.apply(warehouse)
        views = warehouse.query(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.VIEWS WHERE TABLE_SCHEMA <> 'INFORMATION_SCHEMA'"
        ).to_pylist()
        assert len(views) >= 2
        for view in views:
            name = f"{view['table_schema']}.{view['table_name']}"
            assert warehouse.query(f"SELECT * FROM {name}").num_columns > 0, name


def test_a_server_that_does_not_answer_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        here = settings(**LOCAL, authenticator="PASSWORD", password="p", protocol="http", port=taken.getsockname()[1])
        with pytest.raises(WarehouseUnavailable, match=r"127\.0\.0\.1 cannot be opened: Could not connect") as caught:
            open_warehouse(Profile(warehouse="snowflake", snowflake=here)).query("SELECT 1 AS one")
    assert "\n" not in str(caught.value)


def _one(warehouse: Warehouse) -> int:
    return int(warehouse.query("SELECT 1 AS one")["one"][0].as_py())
