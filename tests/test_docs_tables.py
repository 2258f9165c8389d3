"""docs/tables.md is what `make docs` writes, and says what a migrated warehouse holds: objects, columns, types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from resources.profile import EmbeddingSettings
from resources.warehouse import dialect
from tests.conftest import open_migrated, profile_for

DOCS = Path(__file__).resolve().parents[1] / "docs"
ON_DUCKDB = {
    "VARCHAR": "VARCHAR",
    "NUMBER(38,0)": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP_NTZ": "TIMESTAMP",
    "DATE": "DATE",
    "VARIANT": "JSON",
    "ARRAY": "JSON",
    f"VECTOR(FLOAT, {dialect.WRITTEN_DIMENSION})": "FLOAT[64]",
}
"""Type on the page → the engine hash-64's type on DuckDB."""
WHOLE_NUMBERS = {"INTEGER", "HUGEINT", "DECIMAL(38,0)"}
"""DuckDB's types of counts, sums and places, where Snowflake has NUMBER(38,0)."""


def test_the_page_of_tables_is_what_the_generator_writes(tmp_path: Path) -> None:
    fresh = tmp_path / "tables.md"
    subprocess.run([sys.executable, DOCS / "generate_tables.py", fresh], check=True)
    assert (DOCS / "tables.md").read_text() == fresh.read_text(), "docs/tables.md is old; run make docs"


def test_the_page_of_tables_says_what_a_warehouse_holds(tmp_path: Path) -> None:
    suffix = EmbeddingSettings(model="hash-64").table_suffix
    with open_migrated(profile_for(tmp_path)) as warehouse:
        found = warehouse.query(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS "
            "WHERE TABLE_SCHEMA <> 'main' AND COLUMN_NAME NOT LIKE 'METADATA$%'"  # Snowflake's own
        ).to_pylist()
    standing: dict[str, dict[str, str]] = {}
    for row in found:
        name = f"{row['table_schema']}.{row['table_name']}".upper().replace(suffix, dialect.WRITTEN_SUFFIX)
        type_ = "BIGINT" if row["data_type"] in WHOLE_NUMBERS else row["data_type"]
        standing.setdefault(name, {})[row["column_name"].upper()] = type_
    assert described() == standing


def described() -> dict[str, dict[str, str]]:
    """Object → column → DuckDB's type, by the page."""
    page = (DOCS / "tables.md").read_text()
    shared = columns(re.search(r"^## Columns of every raw table\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1])  # type: ignore[index]
    objects = {}
    for name, text in re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL):
        objects[name] = columns(text) | (shared if "(#columns-of-every-raw-table)" in text else {})
    return objects


def columns(text: str) -> dict[str, str]:
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| [A-Z0-9_]+ \|", line)]
    return {row[0].removeprefix("| "): ON_DUCKDB[row[1]] for row in rows}
