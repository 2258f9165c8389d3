"""The embedded warehouse: one DuckDB file, shared by several processes.

The file is attached for one statement or one transaction and let go at once, under a fair lock: writers alone,
readers beside each other. An engine in memory outlives the turns, because starting one takes 17 ms and attaching a
file to it 4.

No extension is ever loaded: ICU would bring the machine's own time zone, and everything here is UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from contracts.errors import StatementFailed, WarehouseUnavailable
from contracts.tables import Table
from resources.profile import EmbeddingSettings
from resources.warehouse import arrow, dialect, rollups
from resources.warehouse.arrow import Parameter
from resources.warehouse.lock import FairLock, Waits
from resources.warehouse.port import Transaction, Warehouse

_BROKEN = (duckdb.FatalException, duckdb.InternalException, duckdb.IOException)
"""The engine or its disk, not the statement."""


_INTERRUPTED = "Query interrupted"
"""What DuckDB makes of any exception of a signal handler, whose own is lost: this process was asked to stop."""


class DuckDbWarehouse(Warehouse):
    """Raises WarehouseUnavailable: the folder is missing, the file is corrupt or of a newer DuckDB, or a program that
    does not know our lock has it open.
    """

    def __init__(self, path: Path, embedding: EmbeddingSettings) -> None:
        super().__init__(embedding)
        self.path = path
        self._lock = FairLock(path)
        self._idle: list[duckdb.DuckDBPyConnection] = []

    @property
    def waits(self) -> Waits:
        """How long this object's calls waited for the file."""
        return self._lock.waits

    @contextmanager
    def transaction(self, **staged: tuple[Table, pa.Table]) -> Iterator[Transaction]:
        rows = {f"STAGED_{name.upper()}": arrow.staged(*pair) for name, pair in staged.items()}
        with self._attached(write=True) as engine:
            for name, table in rows.items():
                engine.register(name, table)
            try:
                engine.begin()
                try:
                    yield _Statements(self, engine)
                except BaseException:
                    with suppress(duckdb.Error):  # the first error is what happened; DuckDB may have rolled back itself
                        engine.rollback()
                    raise
                with self.refusals("COMMIT"):
                    engine.commit()
            finally:
                for name in rows:
                    engine.unregister(name)

    def query(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        self.text(sql)  # transpiled before the turn begins, not while others wait
        with self._attached(write=False) as engine:
            return _Statements(self, engine).query(sql, params)

    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        self.text(sql)
        with self._attached(write=True) as engine:
            return _Statements(self, engine).execute(sql, params)

    def refresh(self, rollup: str, since: date) -> None:
        merge = rollups.merge_days(rollup)
        self.execute(merge, [since.isoformat()] * merge.count("?"))

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def text(self, sql: str) -> str:
        """What DuckDB is told for a statement in Snowflake's dialect; cached."""
        return dialect.to_duckdb(sql, self.embedding.dimension, self.embedding.table_suffix)

    @contextmanager
    def refusals(self, sql: str) -> Iterator[None]:
        """DuckDB's errors as ours."""
        try:
            yield
        except _BROKEN as error:
            raise WarehouseUnavailable(str(self.path), _line(error)) from error
        except duckdb.Error as error:
            if type(error) is duckdb.Error:  # a corrupt block, which has no class of its own
                raise WarehouseUnavailable(str(self.path), _line(error)) from error
            raise StatementFailed(sql, _line(error)) from error

    @contextmanager
    def _attached(self, *, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file open for one turn. A missing file is created, by a reader too, so that a first look needs no
        setup.
        """
        write = write or not self.path.exists()
        with ExitStack() as turn:
            try:
                turn.enter_context(self._lock.hold(shared=not write))
            except OSError as error:
                way_out = f"create the folder {self.path.parent} or set SOPHIA_HOME"
                raise WarehouseUnavailable(str(self.path), f"{error.strerror or error}; {way_out}") from error
            try:
                engine = self._engine()
                try:
                    self._attach(engine, read_only=not write)
                    yield engine
                finally:
                    self._detach(engine)
            except RuntimeError as error:
                if str(error) == _INTERRUPTED:
                    raise KeyboardInterrupt from error
                raise

    def _engine(self) -> duckdb.DuckDBPyConnection:
        with suppress(IndexError):
            return self._idle.pop()
        return duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,  # a missing table must not resolve to a Python variable
                "temp_directory": f"{self.path}.spill",
                "allocator_bulk_deallocation_flush_threshold": "8MB",  # else up to 512 MB stay with the process
            }
        )

    def _attach(self, engine: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        quoted = str(self.path).replace("'", "''")  # ATTACH takes no bound value
        try:
            engine.execute(f"ATTACH '{quoted}' AS warehouse{' (READ_ONLY)' if read_only else ''}")
            engine.execute("USE warehouse")
        except duckdb.Error as error:
            raise WarehouseUnavailable(str(self.path), _line(error)) from error

    def _detach(self, engine: duckdb.DuckDBPyConnection) -> None:
        try:
            engine.execute("USE memory")
            engine.execute("DETACH DATABASE IF EXISTS warehouse")
        except duckdb.Error:
            engine.close()  # a broken engine is not used again; closing it lets the file go
        else:
            self._idle.append(engine)


class _Statements(Transaction):
    """Statements on an engine that has the file attached, in a transaction or out of one."""

    def __init__(self, warehouse: DuckDbWarehouse, engine: duckdb.DuckDBPyConnection) -> None:
        self._warehouse = warehouse
        self._engine = engine

    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        text = self._warehouse.text(sql)
        with self._warehouse.refusals(sql):
            rows = self._engine.execute(text, arrow.bound(params)).fetchall()
        # DuckDB answers a change with one BIGINT named Count, CREATE TABLE AS too; other statements change no row.
        described = self._engine.description or []
        counted = len(described) == 1 and described[0][0] == "Count" and not text.startswith("CREATE")
        return int(rows[0][0]) if counted and rows else 0

    def query(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        text = self._warehouse.text(sql)
        with self._warehouse.refusals(sql):
            return arrow.result(self._engine.sql(text, params=arrow.bound(params)).to_arrow_table())


def _line(error: Exception) -> str:
    """The first line of DuckDB's message, which goes on with a picture of the statement."""
    return str(error).partition("\n")[0].strip()
