"""Both adapters give the same KPIs, row by row: DuckDB, and Snowflake's connector against fakesnow."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines import kpis
from pipelines.enrichment import enrich
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import Warehouse
from sandbox.company import COMPETITORS
from tests.conftest import open_migrated
from tests.pipelines.kpi_loading import Loader
from tests.pipelines.test_kpis import Look, looks

TOLERANCE = 1e-9
TABLES = {
    "kpis": "SELECT * FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS ORDER BY DATE_KEY",
    "history": "SELECT DEAL_ID, PROPERTY, BECAME_AT, VALUE FROM SOPHIA_CORE.DEAL_HISTORY "
    "ORDER BY DEAL_ID, PROPERTY, BECAME_AT",
    "calls": "SELECT CALL_ID, SENTIMENT_SCORE, OUTCOME_CATEGORY, ARRAY_SIZE(COMPETITIVE_MENTIONS) AS NAMED, "
    "ARRAY_SIZE(TALKING_POINTS_USED) AS POINTS FROM GONG_INTELLIGENCE.CALL_ENRICHMENT ORDER BY CALL_ID",
    "sales": "SELECT * FROM SOPHIA_BUSINESS_INTELLIGENCE.SALES_DASHBOARD_DATA "
    "ORDER BY PIPELINE_ID, STAGE_ID, OWNER_ID NULLS FIRST",
    "projects": "SELECT * FROM SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA "
    "ORDER BY PROJECT_ID NULLS FIRST, TEAM_ID",
}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 5))])
def test_both_warehouses_give_the_same_numbers(seed: int, tmp_path: Path, snowflake_port: int) -> None:
    seen = looks(seed)[:2]
    settings = {
        "duckdb": {},
        "snowflake": {
            "SOPHIA_WAREHOUSE": "snowflake",
            "SOPHIA_SNOWFLAKE_ACCOUNT": "test",
            "SOPHIA_SNOWFLAKE_USER": "test",
            "SOPHIA_SNOWFLAKE_PASSWORD": "test",
            "SOPHIA_SNOWFLAKE_AUTHENTICATOR": "PASSWORD",
            "SOPHIA_SNOWFLAKE_HOST": "127.0.0.1",
            "SOPHIA_SNOWFLAKE_PORT": str(snowflake_port),
            "SOPHIA_SNOWFLAKE_PROTOCOL": "http",
            "SOPHIA_SNOWFLAKE_DATABASE": f"KPIS_{seed}",
        },
    }
    ends = {name: tables(more, tmp_path / name, seen) for name, more in settings.items()}
    for table in TABLES:
        left, right = ends["duckdb"][table], ends["snowflake"][table]
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert all(same(one[column], other[column]) for column in one), (table, one, other)
    assert len(ends["duckdb"]["kpis"]) > 30
    assert ends["duckdb"]["history"]


def tables(settings: dict[str, str], home: Path, seen: list[Look]) -> dict[str, list[dict[str, Any]]]:
    profile = Profile.read(
        {
            "SOPHIA_HOME": str(home),
            "SOPHIA_EMBEDDING_MODEL": "hash-64",
            "SOPHIA_INTELLIGENCE_COMPETITORS": "; ".join(COMPETITORS),
            **settings,
        }
    )
    with open_migrated(profile) as warehouse:
        loader = Loader(warehouse)
        for one in seen:
            loader.load(one.dump, one.now)
            enrich(profile.intelligence, Vader(), warehouse)
            kpis.refresh(profile.intelligence, warehouse, one.now.date())
        return {name: read(warehouse, sql) for name, sql in TABLES.items()}


def read(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    """Rows without what is a time of ours."""
    return [{k: v for k, v in row.items() if k != "computed_at"} for row in warehouse.query(sql).to_pylist()]


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, str) and isinstance(other, str) and one.startswith("["):
        return one.replace(" ", "").replace("\n", "") == other.replace(" ", "").replace("\n", "")
    return one == other if not isinstance(one, date) else str(one) == str(other)
