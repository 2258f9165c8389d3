"""Raw tables: suites made from what `transforms.rows` declares, so that a new source has them by itself.

keys    the key is there, and once in the whole table                             blocking
rows    what every landing writes beside the columns: version, origin, load …
ranges  times and numbers that make sense: by the column's type, and by what its Field says
size    the table has not been emptied, and has not lost over a fifth of its rows  blocking
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from contracts.errors import InvalidSetting
from contracts.tables import ColumnType
from pipelines.quality.checks import Check, Look, Suite
from resources.warehouse import Warehouse
from resources.warehouse.tables import TABLE_ROWS
from transforms import rows
from transforms.raw import Entity

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

SKEW = timedelta(minutes=5)
"""Clocks may differ by so much."""
FIRST_TIME = datetime(2000, 1, 1)  # noqa: DTZ001  as the warehouse has times
"""No vendor has records of before."""
FUTURE = timedelta(days=50 * 365)
"""Nobody plans further ahead."""
NO_TIME = datetime(1970, 1, 1)  # noqa: DTZ001  as the warehouse has times
"""What HubSpot writes where it has no time."""
KEPT_OF_FIVE = 4
"""Of five rows, so many must be left."""
WRITTEN = ("_version", "_origin", "_content_hash", "_landed_at", "_load_id")
SHOWN = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.BOOLEAN, ColumnType.TIMESTAMP)


def suites(entity: Entity) -> Iterator[Suite]:
    asset = entity.address.asset_key
    contents = [
        Check(asset, "keys", "The key is complete, and stands once in the whole table.", blocking=True),
        Check(asset, "rows", "Version, origin, hash, times and load of each row are what a landing writes."),
    ]
    if any(field.type is ColumnType.TIMESTAMP or _bounded(field.least, field.most) for field in entity.fields):
        contents.append(
            Check(asset, "ranges", "Times are after 2000 and numbers within what makes sense.", severity="warn")
        )
    yield Suite(tuple(contents), entity.key, partial(_read, entity), partial(_rules, entity))
    size = Check(
        asset, "size", "No more than a fifth of the rows that lived at the last good count went.", blocking=True
    )
    yield Suite((size,), ("table_name",), partial(_read_size, entity), _size_rules, partial(_keep_size, entity))


def _bounded(least: float | None, most: float | None) -> bool:
    return least is not None or most is not None


def _read(entity: Entity, look: Look) -> pd.DataFrame:
    """Key, numbers, times and truths of the rows that changed, and what goes with each."""
    keys = ", ".join(entity.key)
    columns = [*entity.key, *(f.name for f in entity.fields if f.type in SHOWN and f.name not in entity.key)]
    frame = look.warehouse.query(
        f"""
        SELECT
            {", ".join(f"R.{name}" for name in columns)},
            R._VERSION,
            R._DELETED_AT,
            R._ORIGIN,
            R._CONTENT_HASH,
            R._LANDED_AT,
            {" AND ".join(f"R.{name} IS NOT NULL" for name in WRITTEN)} AS IS_COMPLETE,
            LOADS.LOAD_ID IS NOT NULL AS LOAD_IS_KNOWN,
            COALESCE(DOUBLED.COPIES, 1) AS COPIES
        FROM {entity.table.name} AS R
        LEFT JOIN SOPHIA_CORE.LOADS AS LOADS ON R._LOAD_ID = LOADS.LOAD_ID AND LOADS.ADDRESS = ?
        LEFT JOIN (
            SELECT {keys}, COUNT(*) AS COPIES FROM {entity.table.name} GROUP BY {keys} HAVING COUNT(*) > 1
        ) AS DOUBLED ON {" AND ".join(f"R.{name} = DOUBLED.{name}" for name in entity.key)}
        WHERE R._LANDED_AT >= ? OR R._LANDED_AT IS NULL
        """,
        [str(entity.address), look.since],
    ).to_pandas()
    times = [f.name for f in entity.fields if f.type is ColumnType.TIMESTAMP]
    frame[times] = frame[times].where(frame[times] != NO_TIME)
    return frame


def _rules(entity: Entity, look: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import between, matches, one_of, present, true

    soon = look.now + SKEW
    return {
        "keys": [*map(present, entity.key), one_of("copies", [1], "a key stands once")],
        "rows": [
            true("is_complete", f"{', '.join(WRITTEN)} are never NULL"),
            *(between(n, None, soon, f"{n} is not in the future") for n in ("_version", "_deleted_at", "_landed_at")),
            one_of("_origin", ["pull", "push"], "_origin is pull or push"),
            matches("_content_hash", "^(?:[0-9a-f]{32})?$", "_content_hash is 32 hex digits, or empty on a tombstone"),
            true("load_is_known", "_load_id is a load of this table"),
        ],
        "ranges": [
            *(
                between(f.name, FIRST_TIME, look.now + FUTURE, f"{f.name} is after 2000, and at most 50 years from now")
                for f in entity.fields
                if f.type is ColumnType.TIMESTAMP
            ),
            *(
                between(f.name, f.least, f.most, f"{f.name} is {_range(f.least, f.most)}")
                for f in entity.fields
                if _bounded(f.least, f.most)
            ),
        ],
    }


def _range(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return f"at least {least:g}" if least is not None else f"at most {most:g}"
    return f"from {least:g} to {most:g}"


# ── size ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_size(entity: Entity, look: Look) -> pd.DataFrame:
    """One row: how many there are, and how few there may be."""
    counted = look.warehouse.query(
        f"""
        SELECT
            COUNT(IFF(_DELETED_AT IS NULL, 1, NULL)) AS LIVE_ROWS,
            (SELECT MAX(LIVE_ROWS) FROM MONITORING.TABLE_ROWS WHERE TABLE_NAME = ?) AS LAST_ROWS
        FROM {entity.table.name}
        """,
        [entity.table.name],
    ).to_pandas()
    last = int(counted["last_rows"].fillna(0).iloc[0])
    return counted.assign(
        table_name=entity.table.name,
        least_rows=-(-last * KEPT_OF_FIVE // 5),
        last_rows=last,
    )


def _size_rules(_: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import at_least

    return {
        "size": [
            at_least("live_rows", "least_rows", "four fifths of the live rows of the last good count are there"),
        ]
    }


def _keep_size(entity: Entity, look: Look, frame: pd.DataFrame) -> None:
    [counted] = frame[["live_rows", "last_rows"]].itertuples(index=False)
    if counted.live_rows != counted.last_rows:
        _keep(entity, int(counted.live_rows), look.now, look.warehouse)


def accept(warehouse: Warehouse, table: str) -> int:
    """Take a table's number of live rows for right, however few, so that `size` passes again.

    Args:
        table: its address, `gong/calls`.
    Returns:
        That number.
    Raises:
        InvalidSetting: no raw table has this address.
    """
    known = {str(e.address): e for source in rows.sources() for e in rows.entities(source)}
    if table not in known:
        close = difflib.get_close_matches(table, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; an address is like {next(iter(known))}"
        raise InvalidSetting("table", table, f"no raw table has this address{hint}")
    name = known[table].table.name
    counted = warehouse.query(f"SELECT COUNT(*) AS LIVE_ROWS FROM {name} WHERE _DELETED_AT IS NULL")
    live_rows = int(counted["live_rows"][0].as_py())
    _keep(known[table], live_rows, datetime.now(UTC), warehouse)
    return live_rows


def _keep(entity: Entity, live_rows: int, now: datetime, warehouse: Warehouse) -> None:
    kept = TABLE_ROWS.rows([{"table_name": entity.table.name, "live_rows": live_rows, "counted_at": now}])
    with warehouse.transaction(kept=(TABLE_ROWS, kept)) as transaction:
        transaction.execute(
            """
            MERGE INTO MONITORING.TABLE_ROWS AS t USING STAGED_KEPT AS s ON t.TABLE_NAME = s.TABLE_NAME
            WHEN MATCHED THEN UPDATE SET LIVE_ROWS = s.LIVE_ROWS, COUNTED_AT = s.COUNTED_AT
            WHEN NOT MATCHED THEN INSERT (TABLE_NAME, LIVE_ROWS, COUNTED_AT)
                VALUES (s.TABLE_NAME, s.LIVE_ROWS, s.COUNTED_AT)
            """
        )
