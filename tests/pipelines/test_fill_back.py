"""A column that is declared later is filled from payload, as docs/schema-drift.md says, on both warehouses."""

from __future__ import annotations

import dataclasses
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.address import Address
from pipelines.drift import unread
from pipelines.landing import land_rows
from resources.warehouse import Warehouse, migrations, open_warehouse
from tests import pages
from tests.conftest import profile_for
from transforms import raw, rows
from transforms.raw import Entity, Field, Rejected, to_row

PAGE = "docs/schema-drift.md"
CALLS = rows.entity(Address("gong", "calls"))
AT = datetime(2026, 11, 20, tzinfo=UTC)
VALUES: Sequence[object] = (
    *(None, True, False, 0, -3, 1800, 2**63 - 1, 2.5, 2.0, 1e300, [], {}, ["x"], ["12"], {"a": 1}),
    *("", "words", "12", "2.5", "true", "null", "1700000000.123456", "2026-01-02T03:04:05.123456+02:00"),
    *("2026-01-02T03:04:05Z", "a 'quoted' word", 'a "quoted" word', "lines\nand \\ signs, ü"),
)
BEYOND: Sequence[object] = (2**63, -(2**70), 10**40, "9" * 40, "2026-01-02", "2026-13-45T00:00:00Z", "1e999")
"""What a declaration refuses and a warehouse may read; only the migration must not fail on it."""

Record = dict[str, Any]


class Line(NamedTuple):
    """A line of the page's table: a declaration, and the SQL that fills its column."""

    field: Field
    value: str
    where: str


def lines() -> list[Line]:
    found = re.findall(r"^\| `(\w+\(\"x\", \"f\.x\"\))` \| `(.+?)` \| `(.+?)` \|$", pages.text_of(PAGE), re.MULTILINE)
    return [
        Line(dataclasses.replace(declared(text), name=f"filled_{number}"), value, where)
        for number, (text, value, where) in enumerate(found)
    ]


def declared(text: str) -> Field:
    field = eval(text, vars(raw))
    assert isinstance(field, Field)
    return field


def with_field(field: Field) -> Entity:
    return dataclasses.replace(CALLS, fields=(*CALLS.fields, field))


@pytest.fixture(params=["duckdb", "snowflake"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    settings = {}
    if request.param == "snowflake":
        port = request.getfixturevalue("snowflake_port")
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "PROTOCOL": "http", "AUTHENTICATOR": "PASSWORD"}
        settings |= {"ACCOUNT": "test", "USER": "test", "PASSWORD": "test", "DATABASE": f"S_{uuid.uuid4().hex[:8]}"}
    environ = {f"SOPHIA_SNOWFLAKE_{name}": value for name, value in settings.items()}
    with open_warehouse(profile_for(tmp_path, SOPHIA_WAREHOUSE=request.param, **environ)) as opened:
        yield opened


@pytest.fixture
def root(tmp_path: Path, warehouse: Warehouse) -> Path:
    """A folder of migrations, applied: the platform's own tables and Gong's."""
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    for name in ("V0001__core.sql", "V0002__gong.sql", "R__memory_records.sql", "R__unified_data_catalog.sql"):
        shutil.copy(pages.PROJECT / "sql" / "migrations" / name, folder)
    migrations.apply(warehouse, folder.parent)
    return folder.parent


def call(number: int, **fields: object) -> Record:
    return {"metaData": {"id": str(number), "isPrivate": False}, **fields}


def land(warehouse: Warehouse, entity: Entity, records: Sequence[Record], at: datetime = AT) -> None:
    staged = []
    for record in records:
        row = to_row(entity, record, version=at, origin="pull")
        assert not isinstance(row, Rejected), row.reason
        staged.append(row)
    land_rows(entity, staged, "pull", warehouse)


def bury(warehouse: Warehouse, call_id: str) -> None:
    at = AT + timedelta(hours=1)
    row = dict.fromkeys(CALLS.table.column_names) | {"call_id": call_id, "payload": "{}", "_version": at}
    marks = {"_deleted_at": at, "_landed_at": at, "_origin": "", "_content_hash": "", "_load_id": ""}
    land_rows(CALLS, [row | marks], "pull", warehouse)


def held(warehouse: Warehouse, *columns: str) -> dict[str, tuple[object, ...]]:
    """Call → its values."""
    found = warehouse.query(f"SELECT CALL_ID, {', '.join(columns)} FROM GONG_INTEGRATION.CALLS").to_pylist()
    return {row["call_id"]: tuple(row[name.lower()] for name in columns) for row in found}


def read(field: Field, record: Record) -> object:
    """What the new declaration makes of the record; None where it refuses it."""
    row = to_row(with_field(field), record, version=AT, origin="pull")
    value = None if isinstance(row, Rejected) else row[field.name]
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def test_the_pages_migration_fills_its_column(warehouse: Warehouse, root: Path) -> None:
    [file] = [block for block in pages.blocks(PAGE) if block.path]
    [line] = [block.text for block in pages.blocks(PAGE) if block.language == "diff"]
    field = declared(line.removeprefix("+").strip().removesuffix(","))
    systems = ["Zoom", "", "a 'quoted' one", None, 7, ["Zoom"]]
    records = [{"metaData": {"id": str(n), "system": system}} for n, system in enumerate(systems)]
    records.append(call(99))
    land(warehouse, CALLS, records)
    bury(warehouse, "0")
    marks = ("_VERSION", "_CONTENT_HASH", "_LANDED_AT", "_LOAD_ID", "_DELETED_AT")
    before = held(warehouse, *marks)
    [told] = [one for one in unread(warehouse, "gong") if one.path == "metaData.system"]
    assert (told.types, told.records) == (["integer", "null", "text"], len(systems) - 2)

    (root.parent / file.path).write_text(file.text)
    assert [step.script for step in migrations.apply(warehouse, root)] == [file.path.removeprefix("sql/")]
    assert held(warehouse, field.name) == {r["metaData"]["id"]: (read(field, r),) for r in records}
    assert held(warehouse, *marks) == before, "nothing downstream wakes up"

    entity = with_field(field)
    edited = {"metaData": {"id": "1", "system": "Teams"}}
    land(warehouse, entity, [edited, {"metaData": {"id": "100", "system": "Phone"}}], AT + timedelta(hours=2))
    after = held(warehouse, field.name)
    assert (after["0"], after["1"], after["2"], after["100"]) == (
        ("Zoom",),
        ("Teams",),
        ("a 'quoted' one",),
        ("Phone",),
    )


def test_each_kind_is_filled_as_its_declaration_reads(warehouse: Warehouse, root: Path) -> None:
    records = [call(number, f={"x": value}) for number, value in enumerate(VALUES)]
    records += [call(500), call(501, f=None), call(502, f="no object"), call(503, f=[{"x": 1}])]
    beyond = [call(number, f={"x": value}) for number, value in enumerate(BEYOND, start=600)]
    land(warehouse, CALLS, records + beyond)
    statements = [
        f"ALTER TABLE GONG_INTEGRATION.CALLS ADD COLUMN {line.field.name} {line.field.type.ddl} COMMENT 'f.x';\n"
        f"UPDATE GONG_INTEGRATION.CALLS SET {line.field.name} = {line.value} WHERE {line.where};\n"
        for line in lines()
    ]
    assert len(statements) == 7
    (root / "migrations" / "V9000__filled.sql").write_text("".join(statements))
    migrations.apply(warehouse, root)

    for line in lines():
        found = held(warehouse, line.field.name)
        wanted = {record["metaData"]["id"]: (read(line.field, record),) for record in records}
        told = {key: (VALUES[int(key)] if int(key) < 500 else key, found[key], wanted[key]) for key in wanted}
        assert [one for one in told.values() if one[1] != one[2]] == [], line.value
        good = next(r for r in records if read(line.field, r) not in (None, ""))
        land(warehouse, with_field(line.field), [good | {"metaData": {"id": "700"}}], AT + timedelta(hours=1))
        assert held(warehouse, line.field.name)["700"] == wanted[good["metaData"]["id"]]
        warehouse.execute("DELETE FROM GONG_INTEGRATION.CALLS WHERE CALL_ID = '700'")
