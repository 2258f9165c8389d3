"""The schema's history, on both adapters: applied once, in order, by one at a time, and never in contradiction."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contracts.errors import MigrationRefused
from resources.profile import EmbeddingSettings, Profile
from resources.warehouse import Warehouse, migrations, open_warehouse

V1 = "CREATE SCHEMA IF NOT EXISTS S; -- not ; here\nCREATE TABLE IF NOT EXISTS S.T (A VARCHAR COMMENT 'a;b');"
V2 = "ALTER TABLE S.T ADD COLUMN B NUMBER(38,0);"
R = "CREATE OR REPLACE VIEW S.V AS SELECT A FROM S.T;"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files of all three folders; the order of running is not the order of names."""
    return write(
        tmp_path / "files",
        {
            "migrations/R__view.sql": R,
            "migrations/V10__two.sql": V2,
            "migrations/V0009.1__one.sql": V1,
            "views/R__v.sql": R,
        },
    )


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def names(steps: list[migrations.Step]) -> list[str]:
    return [step.script for step in steps]


def test_files_run_once_in_order(fresh: Warehouse, root: Path) -> None:
    order = ["migrations/V0009.1__one.sql", "migrations/V10__two.sql", "migrations/R__view.sql", "views/R__v.sql"]
    assert names(migrations.plan(fresh, root)) == order
    with pytest.raises(MigrationRefused, match=r"lacks 4 of our SQL files .*sophia migrate apply"):
        migrations.require_migrated(fresh, root)
    assert names(migrations.apply(fresh, root)) == order
    assert migrations.apply(fresh, root) == []
    assert migrations.plan(fresh, root) == []
    migrations.require_migrated(fresh, root)
    assert fresh.query("SELECT A, B FROM S.T").num_rows == 0
    rows = migrations.status(fresh, root)
    assert [(row.script, row.state) for row in rows] == [(script, "applied") for script in order]
    assert all(row.installed_at is not None and row.execution_ms is not None for row in rows)


def test_a_repeatable_file_runs_again_when_it_changes(fresh: Warehouse, root: Path) -> None:
    migrations.apply(fresh, root)
    write(root, {"views/R__v.sql": R + "  \n\n"})
    assert migrations.plan(fresh, root) == [], "blanks at line ends and at the end are no change"
    write(root, {"views/R__v.sql": "CREATE OR REPLACE VIEW S.V AS SELECT A, B FROM S.T;"})
    assert [row.state for row in migrations.status(fresh, root)][-1] == "changed"
    assert names(migrations.apply(fresh, root)) == ["views/R__v.sql"]
    assert fresh.query("SELECT B FROM S.V").num_rows == 0
    assert migrations.apply(fresh, root) == []


def test_another_model_makes_its_own_table(duckdb_profile: Profile, core_sql: Path) -> None:
    """On the file, which outlives the warehouse object; the dimension is of the tree, so it is the same on both."""
    with open_warehouse(duckdb_profile) as warehouse:
        migrations.apply(warehouse, core_sql)
    other = msgspec.structs.replace(duckdb_profile, embedding=EmbeddingSettings(model="all-minilm-l6-v2"))
    with open_warehouse(other) as warehouse:
        applied = names(migrations.apply(warehouse, core_sql))
        assert applied == ["migrations/R__memory_records.sql", "migrations/R__unified_data_catalog.sql"]
        tables = warehouse.query(
            "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'SOPHIA_AI_MEMORY' ORDER BY 1"
        )
    assert tables["table_name"].to_pylist() == [
        "MEMORY_RECORDS", "MEMORY_RECORDS_ALL_MINILM_L6_V2", "MEMORY_RECORDS_HASH_64",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"migrations/V10__two.sql": V2 + " SELECT 1;"}, "V10__two.sql has changed after it ran; .* next version"),
        ({"migrations/V9.2__late.sql": V1}, "V9.2__late.sql was never applied, but a later version was"),
        ({"migrations/V10.0.1__a.sql": V1, "views/V10.0.01__b.sql": V1}, "have the same version"),
        ({"migrations/three.sql": V1}, "three.sql is named neither"),
    ],
)
def test_contradictions_are_refused(fresh: Warehouse, root: Path, change: dict[str, str], says: str) -> None:
    migrations.apply(fresh, root)
    write(root, change)
    for call in (migrations.plan, migrations.apply, migrations.status, migrations.require_migrated):
        with pytest.raises(MigrationRefused, match=says):
            call(fresh, root)


def test_a_newer_warehouse_is_refused(fresh: Warehouse, root: Path) -> None:
    migrations.apply(fresh, root)
    (root / "migrations/V10__two.sql").unlink()
    with pytest.raises(MigrationRefused, match=r"V10__two.sql, which these files lack: .*newer version") as caught:
        migrations.require_migrated(fresh, root)
    assert "\n" not in str(caught.value)


def test_a_file_that_fails_half_way_says_where_and_runs_again(fresh: Warehouse, root: Path) -> None:
    write(root, {"migrations/V10__two.sql": f"CREATE TABLE IF NOT EXISTS S.U (A INT); {V2} DROP TABLE S.NO_SUCH;"})
    with pytest.raises(
        MigrationRefused, match=r"V10__two.sql: statement 3 of 3 failed .*NO_SUCH.* the 2 before it stay"
    ):
        migrations.apply(fresh, root)
    assert names(migrations.plan(fresh, root))[0] == "migrations/V10__two.sql"
    assert fresh.query("SELECT A FROM S.U").num_rows == 0
    write(root, {"migrations/V10__two.sql": V2.replace("COLUMN", "COLUMN IF NOT EXISTS")})
    assert len(migrations.apply(fresh, root)) == 3, "the lease was given back"


def test_one_migrates_at_a_time(fresh: Warehouse, root: Path) -> None:
    migrations.apply(fresh, root)
    write(root, {"migrations/V11__three.sql": "SELECT 1;"})
    fresh.execute("UPDATE SOPHIA_CORE.MIGRATION_LOCK SET owner = 'host:1', expires_at = '2999-01-01 00:00:00'")
    with pytest.raises(MigrationRefused, match=r"host:1 is migrating this warehouse \(its lease ends 2999-01-01"):
        migrations.apply(fresh, root)
    fresh.execute("UPDATE SOPHIA_CORE.MIGRATION_LOCK SET expires_at = '2020-01-01 00:00:00'")
    assert names(migrations.apply(fresh, root)) == ["migrations/V11__three.sql"], "a dead one's lease ends"
    assert fresh.query("SELECT owner FROM SOPHIA_CORE.MIGRATION_LOCK").to_pylist() == [{"owner": ""}]


def test_a_file_that_cannot_be_read_is_named(fresh: Warehouse, root: Path) -> None:
    write(root, {"views/R__v.sql": "COMMENT 'the user's name'; SELECT 1"})
    with pytest.raises(MigrationRefused, match=r"views/R__v\.sql cannot be read: .*Missing '"):
        migrations.apply(fresh, root)
