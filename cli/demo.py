"""`sophia demo`: the whole way on one machine, and a summary of what it did.

sandbox + broker + worker → migrate → the Dagster job whole_way → three searches → var/demo.json
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from cli import local
from cli.run import run_whole_way
from cli.search import Hit, find, hits_table
from gpu_workers.engine import open_engine
from resources.profile import Profile
from resources.warehouse import Warehouse, migrations, open_warehouse
from transforms import rows

QUERIES = (
    "competitor offers to pay the rest of our contract",
    "night bonus paid out two times after daylight saving",
    "deal held up by a rental of harbour equipment from the same budget",
    "night shifts drawn twice in the far north",
)
"""What was said once: on a call, in a channel, in a note of the CRM, in an issue."""
QUERIES_OF_REAL_MATERIAL = (
    "how many buttons should the remote control have",
    "speech recognition in the device",
    "when is the next meetup",
)


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A query and what it found."""

    query: str
    hits: list[Hit]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What var/demo.json holds."""

    rows: dict[str, int]
    """Live raw rows a source."""
    streams: dict[str, int]
    """Live raw rows a table: `gong/calls`."""
    documents: int
    """Live public documents."""
    chunks: int
    vectors: int
    embedded: int
    """Chunks whose vector was computed in this run."""
    memory_rows_written: int
    """Memory rows that this run inserted or changed."""
    kpis: dict[str, float]
    """Calls and accounts over the last 30 UTC days; the rest as KPI_ROLLUPS has it for the last day, without NULLs."""
    searches: list[Search]
    seconds: dict[str, float]


def run_demo(console: Console, *, data: Path | None, seed: int, scale: float) -> Summary:
    """Run it and print what it did.

    Raises:
        SophiaError: one line with the way out; the processes that were started are stopped.
    """
    environ = local.environment(Profile.read())
    profile = Profile.read(environ)
    local.prepare_home(profile)
    local.require_ports(profile)
    world = local.World(seed, scale, local.material(data))
    aside = local.set_other_world_aside(profile, world)
    if aside is not None:
        console.print(f"Another world lay in {profile.home}; it is kept in {aside}.", highlight=False, markup=False)
    with _Stages(console, profile.home / "logs" / "demo.log") as stages:
        stages.begin("start")
        with local.platform(profile, environ, world), open_warehouse(profile) as warehouse:
            stages.begin("migrate")
            migrations.apply(warehouse)
            stages.begin("load")
            done = run_whole_way(profile)
            stages.seconds |= {f"load.{step}": seconds for step, seconds in done.seconds.items()}
            stages.begin("search")
            searches = _search(profile, warehouse, QUERIES_OF_REAL_MATERIAL if data else QUERIES)
            summary = _summary(warehouse, done.memory, searches)
            stages.begin("stop")
    summary = msgspec.structs.replace(summary, seconds=stages.seconds)
    written = profile.home / "demo.json"
    written.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    _print(console, summary, written)
    return summary


def _search(profile: Profile, warehouse: Warehouse, queries: tuple[str, ...]) -> list[Search]:
    engine = open_engine(profile.embedding)
    return [Search(query=query, hits=find(warehouse, engine, query, limit=3)) for query in queries]


def _summary(warehouse: Warehouse, memory: dict[str, int], searches: list[Search]) -> Summary:
    streams = {
        str(entity.address): _count(warehouse, f"{entity.table.name} WHERE _DELETED_AT IS NULL")
        for source in rows.sources()
        for entity in rows.entities(source)
    }
    by_source = {
        source: sum(n for stream, n in streams.items() if stream.startswith(f"{source}/")) for source in rows.sources()
    }
    [kpis] = warehouse.query(
        """
        SELECT
            (SELECT SUM(TOTAL_CALLS) FROM EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA) AS TOTAL_CALLS,
            COUNT(DISTINCT ACCOUNT_ID) AS UNIQUE_ACCOUNTS
        FROM GONG_INTEGRATION.CALLS
        WHERE _DELETED_AT IS NULL AND STARTED_AT >= DATEADD(DAY, -29, TO_DATE(SYSDATE()))
        """
    ).to_pylist()
    latest = warehouse.query(
        "SELECT * FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS QUALIFY ROW_NUMBER() OVER (ORDER BY DATE_KEY DESC) = 1"
    ).to_pylist()
    kpis |= {name: value for row in latest for name, value in row.items() if name not in ("date_key", "computed_at")}
    public = "SOPHIA_CORE.CATALOG_ENTRIES WHERE DELETED_AT IS NULL AND ACCESS_SCOPE = 'public'"
    return Summary(
        rows=by_source,
        streams=streams,
        documents=_count(warehouse, public),
        chunks=_count(warehouse, "SOPHIA_AI_MEMORY.MEMORY_RECORDS"),
        vectors=_count(warehouse, "SOPHIA_AI_MEMORY.MEMORY_RECORDS WHERE EMBEDDING IS NOT NULL"),
        embedded=memory["chunks_embedded"],
        memory_rows_written=memory["rows_written"],
        kpis={name: float(value) for name, value in kpis.items() if value is not None},
        searches=searches,
        seconds={},
    )


def _count(warehouse: Warehouse, rows_of: str) -> int:
    return int(warehouse.query(f"SELECT COUNT(*) AS N FROM {rows_of}")["n"][0].as_py())


def _print(console: Console, summary: Summary, written: Path) -> None:
    for search in summary.searches:
        console.print(hits_table(search.query, search.hits))
        console.print()
    table = Table("what", "count", title="Loaded", title_justify="left")
    for stream, count in summary.streams.items():
        table.add_row(f"{stream} rows", f"{count:,}")
    for name in ("documents", "chunks", "vectors"):
        table.add_row(name, f"{getattr(summary, name):,}")
    table.add_row("chunks embedded in this run", f"{summary.embedded:,}")
    table.add_row("memory rows written in this run", f"{summary.memory_rows_written:,}")
    for name, value in summary.kpis.items():
        table.add_row(name.replace("_", " "), f"{value:,.2f}".removesuffix(".00"))
    console.print(table)
    if summary.embedded == 0 and summary.memory_rows_written == 0:
        console.print("Nothing had changed: 0 chunks embedded, 0 rows written in memory.", highlight=False)
    console.print(f"{summary.seconds['total']:.1f} s; all of this is in {written}", highlight=False)


class _Stages:
    """What is going on, on a terminal with counts and rates; how long it took; and the log, in a file.

    Counts come from the log's own events, so no part of the platform knows of a progress bar.
    """

    def __init__(self, console: Console, log: Path) -> None:
        self.seconds: dict[str, float] = {}
        self._log = log
        self._begun = self._stage_begun = time.monotonic()
        self._stage = ""
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._stage_bar = self._bars.add_task("start", total=None, count="")
        self._records = 0
        self._documents_bar: TaskID | None = None

    def __enter__(self) -> _Stages:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._log.open("a")
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                self._watch,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(self._file),
        )
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_stage()
        self.seconds["total"] = round(time.monotonic() - self._begun, 2)
        self._bars.stop()
        structlog.reset_defaults()
        self._file.close()

    def begin(self, stage: str) -> None:
        """The stage before ends."""
        self._end_stage()
        self._stage, self._stage_begun = stage, time.monotonic()
        self._bars.update(self._stage_bar, description=stage)

    def _end_stage(self) -> None:
        if self._stage:
            self.seconds[self._stage] = round(time.monotonic() - self._stage_begun, 2)

    def _watch(self, _: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """A structlog processor."""
        match event["event"]:
            case "page_read":
                self._records += event["records"]
                per_s = self._records / (time.monotonic() - self._stage_begun)
                self._bars.update(self._stage_bar, count=f"{self._records:,} records read, {per_s:,.0f}/s")
            case "published" if event["documents"]:
                if self._documents_bar is None:
                    self._documents_bar = self._bars.add_task("embed", total=0, count="")
                task = self._bars.tasks[self._documents_bar]
                self._bars.update(task.id, total=(task.total or 0) + event["documents"])
            case "memory_landed" if self._documents_bar is not None:
                self._bars.advance(self._documents_bar, event["documents"])
                task = self._bars.tasks[self._documents_bar]
                count = f"{task.completed:,.0f} of {task.total:,.0f} documents, {task.speed or 0:.1f}/s"
                self._bars.update(task.id, count=count)
        return event
