"""A dynamic table where there is none: DuckDB's tables are refreshed by one MERGE, from a day on.

A rollup has a row a DATE_KEY and takes its days from SOPHIA_CORE.DAYS alone, so narrowing these narrows all of it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from sqlglot import exp

from resources.warehouse import dialect
from resources.warehouse.dialect_rules import ROW_LAST_COMMIT_TIME

_DAYS = "(SELECT DATE_KEY FROM SOPHIA_CORE.DAYS WHERE DATE_KEY >= CAST(? AS DATE)) AS {alias}"


@cache
def merge_days(rollup: str) -> str:
    """Compute the days from one on, and write those that came out different.

    Returns:
        Snowflake's dialect; each `?` is the first day.
    """
    file = resources.files("sql").joinpath("rollups", f"R__{rollup.partition('.')[2].lower()}.sql")
    [statement] = dialect.split(file.read_text("utf-8"))
    create = dialect.parse(statement)
    columns = [column.name for column in create.this.expressions]
    rows = create.expression
    for table in list(rows.find_all(exp.Table)):
        if (table.db.upper(), table.name.upper()) == ("SOPHIA_CORE", "DAYS"):
            days = dialect.parse(f"SELECT 1 FROM {_DAYS.format(alias=table.alias_or_name)}")
            table.replace(days.args["from_"].this)
    values = [name for name in columns if name != "DATE_KEY"]
    return f"""
        MERGE INTO {rollup} AS t
        USING ({rows.sql("snowflake", comments=False)}) AS s ON t.DATE_KEY = s.DATE_KEY
        WHEN MATCHED AND ({" OR ".join(f"t.{name} IS DISTINCT FROM s.{name}" for name in values)})
        THEN UPDATE SET {", ".join(f"{name} = s.{name}" for name in values)}, {ROW_LAST_COMMIT_TIME} = SYSDATE()
        WHEN NOT MATCHED THEN INSERT ({", ".join(columns)}, {ROW_LAST_COMMIT_TIME})
            VALUES ({", ".join(f"s.{name}" for name in columns)}, SYSDATE())
    """
