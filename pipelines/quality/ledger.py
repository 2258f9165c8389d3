"""MONITORING.CHECKS_PASSED: since when a check has to look at what changes.

A mark is the time at which the last look that passed began, and moves only when a check passes, so what is bad is found
again until it is mended, whatever has landed since. Rows are stamped with a time shortly before they are committed,
and by several machines' clocks: the last hour before the mark is looked at twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pipelines.quality.checks import Check
from resources.warehouse import Warehouse
from resources.warehouse.tables import CHECKS_PASSED

OVERLAP = timedelta(hours=1)
BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001  as the warehouse has times
"""Since then everything has changed."""

Marks = Mapping[str, datetime]
"""By the check's text; UTC without a zone."""

_MARK = """
    MERGE INTO MONITORING.CHECKS_PASSED AS t
    USING STAGED_PASSED AS s ON t.ASSET = s.ASSET AND t.CHECK_NAME = s.CHECK_NAME
    WHEN MATCHED THEN UPDATE SET PASSED_AT = s.PASSED_AT
    WHEN NOT MATCHED THEN INSERT (ASSET, CHECK_NAME, PASSED_AT) VALUES (s.ASSET, s.CHECK_NAME, s.PASSED_AT)
"""


def marks(warehouse: Warehouse) -> Marks:
    held = warehouse.query("SELECT ASSET, CHECK_NAME, PASSED_AT FROM MONITORING.CHECKS_PASSED").to_pylist()
    return {f"{row['asset']}:{row['check_name']}": row["passed_at"] for row in held}


def since(checks: Iterable[Check], held: Marks) -> datetime:
    """From when on rows must be looked at; everything, where a check has never passed."""
    first = min(held.get(str(check), BEGINNING) for check in checks)
    return first - OVERLAP if first > BEGINNING else BEGINNING


def mark(passed: Iterable[Check], at: datetime, warehouse: Warehouse) -> None:
    """
    Args:
        at: when the look began.
    """
    rows = [{"asset": "/".join(check.asset), "check_name": check.name, "passed_at": at} for check in passed]
    if rows:
        with warehouse.transaction(passed=(CHECKS_PASSED, CHECKS_PASSED.rows(rows))) as transaction:
            transaction.execute(_MARK)
