"""A loaded warehouse, which is made once and copied for each test: every source, vectors, enrichment, KPIs.

It has passed every check, so it holds the marks and the counts that a warehouse in use has.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec

from pipelines import kpis, quality
from pipelines.enrichment import enrich
from pipelines.quality import Outcome
from resources.broker import LocalBroker, free_port
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import Warehouse, open_warehouse
from sandbox.company import COMPETITORS
from tests.conftest import profile_for, vendors
from tests.pipelines.rig import open_rig

SETTINGS = {
    "SOPHIA_INTELLIGENCE_COMPETITORS": "; ".join(COMPETITORS),
    "SOPHIA_INTELLIGENCE_HOSTED_MILLION_TOKENS": "0.02",
    "SOPHIA_INTELLIGENCE_HARDWARE_HOUR": "0.10",
    "SOPHIA_AUTOMATION_FRESHNESS_MINUTES": "600",  # the copies grow old while the tests run
}


def load_world(home: Path, **settings: str) -> tuple[Profile, list[Outcome]]:
    """
    Returns:
        The profile of the loaded warehouse, whose vendors and broker are gone, and what came of its checks.
    """
    port = free_port()
    with vendors(scale=0.15, limit_speedup=10_000) as control, LocalBroker(port):
        profile = profile_for(home, control, f"127.0.0.1:{port}", **SETTINGS, **settings)
        with open_rig(profile, control) as rig, rig.worker():
            rig.load()
            enrich(profile.intelligence, Vader(), rig.warehouse)
            kpis.refresh(profile.intelligence, rig.warehouse, datetime.now(UTC).date())
            return profile, quality.run(profile, rig.warehouse)


class Copy:
    """A copy of a loaded warehouse, to spoil."""

    def __init__(self, loaded: Profile, home: Path) -> None:
        shutil.copy(loaded.duckdb_path, home / loaded.duckdb_path.name)
        self.profile = msgspec.structs.replace(loaded, home=home)

    def spoil(self, *statements: str) -> None:
        """In DuckDB's own dialect. What changes no row plants nothing."""
        with duckdb.connect(str(self.profile.duckdb_path)) as connection:
            for statement in statements:
                answer = connection.execute(statement).fetchall()
                if statement.lstrip().upper().startswith(("UPDATE", "DELETE", "INSERT")):
                    assert answer[0][0] > 0, statement

    def without_constraints(self, *tables: str) -> None:
        for table in tables:
            self.spoil(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table}")

    def look(self, *groups: str, full: bool = True) -> list[Outcome]:
        with self.open() as warehouse:
            return [
                outcome
                for group in groups
                for outcome in quality.look(group, quality.checks_of(group), self.profile, warehouse, full=full)
            ]

    def open(self) -> Warehouse:
        return open_warehouse(self.profile)


def failing(outcomes: list[Outcome]) -> set[str]:
    """`gong/calls:keys`."""
    assert [one.error for one in outcomes if one.error] == []
    return {str(one.check) for one in outcomes if not one.passed}
