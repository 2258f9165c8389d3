"""The same suites on Snowflake's adapter (the real connector against fakesnow): a clean warehouse passes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import quality
from resources.warehouse import open_warehouse
from tests.pipelines.quality.loaded import failing, load_world


@pytest.mark.long
def test_a_clean_warehouse_passes_every_check(tmp_path: Path, snowflake_port: int) -> None:
    profile, outcomes = load_world(
        tmp_path,
        SOPHIA_WAREHOUSE="snowflake",
        SOPHIA_SNOWFLAKE_ACCOUNT="test",
        SOPHIA_SNOWFLAKE_USER="test",
        SOPHIA_SNOWFLAKE_PASSWORD="test",
        SOPHIA_SNOWFLAKE_AUTHENTICATOR="PASSWORD",
        SOPHIA_SNOWFLAKE_HOST="127.0.0.1",
        SOPHIA_SNOWFLAKE_PORT=str(snowflake_port),
        SOPHIA_SNOWFLAKE_PROTOCOL="http",
        SOPHIA_SNOWFLAKE_DATABASE="QUALITY",
    )
    assert failing(outcomes) == set()
    assert sum(one.rows for one in outcomes) > 1000
    with open_warehouse(profile) as warehouse:
        again = quality.run(profile, warehouse, full=True)
        assert failing(again) == set()
        warehouse.execute("UPDATE GONG_INTEGRATION.CALLS SET DURATION_S = -5")
        warehouse.execute("DELETE FROM SLACK_INTEGRATION.CHANNEL_MEMBERS")
        found = failing(quality.run(profile, warehouse, full=True))
    assert found == {"gong/calls:ranges", "slack/channel_members:size"}
