"""The warehouse: one port, SQL in Snowflake's dialect, and two adapters (an embedded DuckDB file, and Snowflake)."""

from __future__ import annotations

from resources.profile import Profile
from resources.warehouse.arrow import Parameter
from resources.warehouse.migrations import require_migrated
from resources.warehouse.port import (
    Advance,
    ChildrenResult,
    LandResult,
    Transaction,
    Warehouse,
    advance_positions,
)

__all__ = [
    "Advance",
    "ChildrenResult",
    "LandResult",
    "Parameter",
    "Transaction",
    "Warehouse",
    "advance_positions",
    "open_warehouse",
    "require_migrated",
]


def open_warehouse(profile: Profile) -> Warehouse:
    """The warehouse that the profile names. Nothing is connected or created before the first statement.

    Raises:
        MissingSetting, InvalidSetting: a Snowflake setting; raised here, before any work is done.
    """
    if profile.warehouse == "duckdb":
        from resources.warehouse.duckdb_adapter import DuckDbWarehouse

        return DuckDbWarehouse(profile.duckdb_path, profile.embedding)
    # Imported here: the connector alone takes a second, and Dagster's definitions must load fast.
    from resources.warehouse.snowflake_adapter import SnowflakeWarehouse

    return SnowflakeWarehouse(profile.snowflake, profile.embedding)
