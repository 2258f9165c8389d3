"""The whole way on Snowflake's adapter (the real connector against fakesnow) ends in the tables that DuckDB ends in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import sandbox
from cli.search import find
from gpu_workers.engine import open_engine
from pipelines.health import health
from tests.conftest import profile_for
from tests.pipelines.rig import Rig, open_rig
from tests.pipelines.test_changes import assert_memory_is_whole
from tests.pipelines.truth import assert_raw_equals_the_world


@pytest.mark.long
def test_both_warehouses_hold_the_same(
    tmp_path: Path, small_world: sandbox.Control, broker: str, snowflake_port: int
) -> None:
    ends: dict[str, dict[str, Any]] = {}
    snowflake = {
        "SOPHIA_WAREHOUSE": "snowflake",
        "SOPHIA_SNOWFLAKE_ACCOUNT": "test",
        "SOPHIA_SNOWFLAKE_USER": "test",
        "SOPHIA_SNOWFLAKE_PASSWORD": "test",
        "SOPHIA_SNOWFLAKE_AUTHENTICATOR": "PASSWORD",
        "SOPHIA_SNOWFLAKE_HOST": "127.0.0.1",
        "SOPHIA_SNOWFLAKE_PORT": str(snowflake_port),
        "SOPHIA_SNOWFLAKE_PROTOCOL": "http",
    }
    for name, settings in {"duckdb": {}, "snowflake": snowflake}.items():
        with open_rig(profile_for(tmp_path / name, small_world, broker, **settings), small_world) as rig, rig.worker():
            rig.load()
            assert_raw_equals_the_world(rig)
            assert_memory_is_whole(rig)
            again = rig.load()
            assert (again.documents, again.rows_written) == (0, 0)
            ends[name] = views(rig)
    assert ends["snowflake"] == ends["duckdb"]


def views(rig: Rig) -> dict[str, Any]:
    """What readers see, without times of ours."""
    engine = open_engine(rig.profile.embedding)
    told = health(rig.profile, rig.warehouse, datetime.now(UTC))
    return {
        "health": [(s.source, s.landed_rows, s.documents, s.waiting, s.failed, s.dead_letters) for s in told.sources],
        "days": told.kpi_day,
        "transcripts": rig.rows("SELECT * FROM GONG_INTELLIGENCE.CALL_TRANSCRIPTS ORDER BY CALL_ID"),
        "dashboard": rig.rows("SELECT * FROM EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA ORDER BY DATE_KEY"),
        "members": rig.rows("SELECT * FROM SOPHIA_CORE.ACCESS_MEMBERS ORDER BY ACCESS_SCOPE, MEMBER_ID"),
        "catalog": rig.rows(
            "SELECT DATA_ID, TITLE, REVISION, CONTENT_HASH, AI_PROCESSED, OCCURRED_AT "
            "FROM SOPHIA_CORE.UNIFIED_DATA_CATALOG ORDER BY DATA_ID"
        ),
        "found": [(h.document_id, round(h.score, 3)) for h in find(rig.warehouse, engine, "renewal price", limit=5)],
    }
