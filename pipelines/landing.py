"""The one door into raw: rows, their position and their load in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from resources.warehouse import Advance, Transaction, Warehouse
from transforms.raw import Entity, Row


def land_rows(
    entity: Entity,
    staged: Sequence[Row],
    origin: Literal["pull", "push"],
    warehouse: Warehouse,
    advance: Sequence[Advance] = (),
) -> int:
    """Land rows of one table.

    Returns:
        Rows whose content is new or different.
    Raises:
        Fenced: a newer writer holds a position; nothing was written.
    """
    result = warehouse.land(
        entity.table,
        entity.table.rows(staged),
        load_id=new_load_id(),
        landed_at=datetime.now(UTC),
        origin=origin,
        advance=advance,
    )
    return result.changed


def enter_load(
    transaction: Transaction, load_id: str, address: str, received: int, changed: int, now: datetime
) -> None:
    """Enter a change that was worked out here, in the transaction of its rows, so that the KPIs take it in."""
    transaction.execute(
        """
        INSERT INTO SOPHIA_CORE.LOADS (LOAD_ID, ADDRESS, ORIGIN, RECEIVED, CHANGED, LANDED_AT, CATALOGUED_AT)
        VALUES (?, ?, 'enrichment', ?, ?, ?, ?)
        """,
        [load_id, address, received, changed, now, now],
    )


def catalogue_again(source: str, warehouse: Warehouse) -> None:
    """Have the next refresh build all documents of a source again; what comes out the same gets no new revision."""
    warehouse.execute("UPDATE SOPHIA_CORE.LOADS SET CATALOGUED_AT = NULL WHERE STARTSWITH(ADDRESS, ?)", [f"{source}/"])


def new_load_id() -> str:
    """Sorts by time, so that Snowflake can prune by it: `20261120T101500.123456-1f0c22ab`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid4().hex[:8]}"
