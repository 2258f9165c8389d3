"""The schema's history: which files of `sql/` a warehouse has seen, and which it still lacks.

Names follow schemachange. `V0001__core.sql` runs once, in the order of versions; `R__memory_records.sql` runs after
them, in the order of paths, again whenever its checksum changes. A file that has run is never edited: the next
version mends it.

    sql/{migrations,rollups,views}/*.sql ── plan ──► steps ── apply, under a lease ──► SOPHIA_CORE.SCHEMA_HISTORY

DDL is not transactional on Snowflake: a file that fails half-way is reported with its statement's number and runs
again from its first statement, so write `IF NOT EXISTS` and `OR REPLACE`.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal, NamedTuple

from contracts.errors import MigrationRefused, StatementFailed, UnsupportedSql
from resources.warehouse import dialect
from resources.warehouse.port import Warehouse

FOLDERS = ("migrations", "rollups", "views")
LEASE_S = 900
"""A migration that has not moved on for this long is taken for dead, and another may start."""

_NAME = re.compile(r"(?:V(?P<version>[0-9]+(?:\.[0-9]+)*)|R)__(?P<description>\w+)\.sql")
_EXISTS = "SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.TABLES WHERE UPPER(TABLE_SCHEMA) = ? AND UPPER(TABLE_NAME) = ?"
_HISTORY = """
SELECT script, checksum, installed_at, execution_ms
FROM SOPHIA_CORE.SCHEMA_HISTORY
QUALIFY ROW_NUMBER() OVER (PARTITION BY script ORDER BY installed_at DESC) = 1
ORDER BY installed_at, script
"""
_BOOTSTRAP = (
    "CREATE SCHEMA IF NOT EXISTS SOPHIA_CORE",
    """
    CREATE TABLE IF NOT EXISTS SOPHIA_CORE.SCHEMA_HISTORY (
      VERSION VARCHAR COMMENT 'Of a V file; NULL for an R file',
      DESCRIPTION VARCHAR NOT NULL COMMENT 'The words of the file name',
      SCRIPT VARCHAR NOT NULL COMMENT 'Path of the file below sql/',
      SCRIPT_TYPE VARCHAR NOT NULL COMMENT 'V or R',
      CHECKSUM VARCHAR NOT NULL COMMENT 'sha256 of the text without trailing spaces; of an R file with the model',
      EXECUTION_MS NUMBER(38,0) NOT NULL COMMENT 'Time that its statements took',
      INSTALLED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When it had run, UTC'
    ) COMMENT = 'A row each time a file of sql/ has run'
    """,
    """
    CREATE TABLE IF NOT EXISTS SOPHIA_CORE.MIGRATION_LOCK (
      NAME VARCHAR NOT NULL COMMENT 'Always migrations',
      OWNER VARCHAR NOT NULL COMMENT 'Host, process and a random part; empty when nobody migrates',
      EXPIRES_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC; after it the lease may be taken over'
    ) COMMENT = 'The lease of whoever migrates'
    """,
    """
    MERGE INTO SOPHIA_CORE.MIGRATION_LOCK AS t USING (SELECT 'migrations' AS name) AS s ON t.name = s.name
    WHEN NOT MATCHED THEN INSERT (name, owner, expires_at)
      VALUES (s.name, '', CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ))
    """,
)
_TAKE = """
UPDATE SOPHIA_CORE.MIGRATION_LOCK
SET owner = ?, expires_at = DATEADD(SECOND, ?, CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ))
WHERE name = 'migrations' AND (owner IN ('', ?) OR expires_at < CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ))
"""
_KEEP = """
UPDATE SOPHIA_CORE.MIGRATION_LOCK
SET expires_at = DATEADD(SECOND, ?, CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ)) WHERE name = 'migrations' AND owner = ?
"""
_RELEASE = "UPDATE SOPHIA_CORE.MIGRATION_LOCK SET owner = '' WHERE name = 'migrations' AND owner = ?"
_HOLDER = "SELECT owner, expires_at FROM SOPHIA_CORE.MIGRATION_LOCK WHERE name = 'migrations'"
_RECORD = """
INSERT INTO SOPHIA_CORE.SCHEMA_HISTORY (version, description, script, script_type, checksum, execution_ms, installed_at)
SELECT ?, ?, ?, ?, ?, ?, CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A file that is to run, or has run."""

    script: str
    """Path below `sql/`: `migrations/V0001__core.sql`."""
    kind: Literal["V", "R"]
    version: str | None
    """As written in the name: `0001`; None for a repeatable file."""
    description: str
    checksum: str
    text: str

    @property
    def order(self) -> tuple[int, tuple[int, ...], str]:
        return (0, _number(self.version), "") if self.version is not None else (1, (), self.script)


@dataclass(frozen=True, slots=True)
class Status:
    """A file and what the warehouse knows of it: `applied`, `pending`, `changed` (an R file that will run again)."""

    script: str
    state: Literal["applied", "pending", "changed"]
    installed_at: datetime | None
    """UTC, without a zone."""
    execution_ms: int | None


def plan(warehouse: Warehouse, root: Traversable | None = None) -> list[Step]:
    """The files that the warehouse lacks, in the order in which they run.

    Args:
        root: the folder that holds `migrations/`, `rollups/` and `views/`; the package `sql` by default.
    Raises:
        MigrationRefused: history and files contradict each other.
    """
    files = _files(warehouse.embedding.model, root)
    history = _history(warehouse)
    _check(files, history)
    return [step for step in files if step.script not in history or history[step.script].checksum != step.checksum]


def apply(warehouse: Warehouse, root: Traversable | None = None) -> list[Step]:
    """Run what is pending, and return it. A second call finds nothing to do.

    Raises:
        MigrationRefused: as in `plan`; a statement failed, and its file has run in part; or another apply is running.
    """
    if not plan(warehouse, root):
        return []
    for statement in _BOOTSTRAP:
        warehouse.execute(statement)
    with _lease(warehouse) as owner:
        steps = plan(warehouse, root)  # again: another apply may have ended between the look and the lease
        for step in steps:
            _run(warehouse, step, owner)
    return steps


def status(warehouse: Warehouse, root: Traversable | None = None) -> list[Status]:
    """Every file in the order of running."""
    files = _files(warehouse.embedding.model, root)
    history = _history(warehouse)
    _check(files, history)
    rows = []
    for step in files:
        known = history.get(step.script)
        if known is None:
            rows.append(Status(step.script, "pending", None, None))
        else:
            state: Literal["applied", "changed"] = "applied" if known.checksum == step.checksum else "changed"
            rows.append(Status(step.script, state, known.installed_at, known.execution_ms))
    return rows


def require_migrated(warehouse: Warehouse, root: Traversable | None = None) -> None:
    """One query; for the start of a run.

    Raises:
        MigrationRefused: steps are pending, or the warehouse is newer than these files.
    """
    steps = plan(warehouse, root)
    if steps:
        names = ", ".join(step.script for step in steps[:3]) + (", …" if len(steps) > 3 else "")
        raise MigrationRefused(f"the warehouse lacks {len(steps)} of our SQL files ({names}); run sophia migrate apply")


def _files(model: str, root: Traversable | None) -> list[Step]:
    root = resources.files("sql") if root is None else root
    steps: list[Step] = []
    for folder in FOLDERS:
        below = root.joinpath(folder)
        if below.is_dir():
            steps += [_step(folder, file, model) for file in below.iterdir() if file.name.endswith(".sql")]
    steps.sort(key=lambda step: step.order)
    numbers = [_number(step.version) for step in steps if step.version is not None]
    twice = [step.script for step in steps if step.version is not None and numbers.count(_number(step.version)) > 1]
    if twice:
        raise MigrationRefused(f"{' and '.join(twice)} have the same version; give the newer file the next number")
    return steps


def _step(folder: str, file: Traversable, model: str) -> Step:
    match = _NAME.fullmatch(file.name)
    script = f"{folder}/{file.name}"
    if match is None:
        raise MigrationRefused(f"{script} is named neither V<version>__<name>.sql nor R__<name>.sql; rename it")
    text = file.read_text(encoding="utf-8")
    version = match["version"]
    normal = "\n".join(line.rstrip() for line in text.strip().splitlines())
    # The tree of an R file depends on the model (its dimension, its table), so a new model runs it again.
    salted = normal if version is not None else f"{normal}\n{model}"
    return Step(
        script=script,
        kind="R" if version is None else "V",
        version=version,
        description=match["description"].replace("_", " "),
        checksum=hashlib.sha256(salted.encode()).hexdigest(),
        text=text,
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class _Ran(NamedTuple):
    checksum: str
    installed_at: datetime
    execution_ms: int


def _history(warehouse: Warehouse) -> dict[str, _Ran]:
    """Script → its newest row."""
    if warehouse.query(_EXISTS, ("SOPHIA_CORE", "SCHEMA_HISTORY"))["n"][0].as_py() == 0:
        return {}
    rows = warehouse.query(_HISTORY).to_pylist()
    return {row["script"]: _Ran(row["checksum"], row["installed_at"], row["execution_ms"]) for row in rows}


def _check(files: list[Step], history: dict[str, _Ran]) -> None:
    known = {step.script for step in files}
    for script in history:
        if script not in known:
            raise MigrationRefused(
                f"the warehouse has run {script}, which these files lack: it was migrated by a newer version of this "
                "project. Update the project, or put the file back"
            )
    applied = [step for step in files if step.version is not None and step.script in history]
    last = max((step.order for step in applied), default=None)
    for step in files:
        if step.version is None:
            continue
        if step.script in history and history[step.script].checksum != step.checksum:
            raise MigrationRefused(f"{step.script} has changed after it ran; put it back and write the next version")
        if step.script not in history and last is not None and step.order < last:
            raise MigrationRefused(
                f"{step.script} was never applied, but a later version was; rename it to the next version"
            )


@contextmanager
def _lease(warehouse: Warehouse) -> Iterator[str]:
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    if warehouse.execute(_TAKE, (owner, LEASE_S, owner)) != 1:
        [row] = warehouse.query(_HOLDER).to_pylist()
        raise MigrationRefused(
            f"{row['owner']} is migrating this warehouse (its lease ends {row['expires_at']:%Y-%m-%d %H:%M:%S} UTC); "
            "wait for it, then apply again"
        )
    try:
        yield owner
    finally:
        warehouse.execute(_RELEASE, (owner,))


def _run(warehouse: Warehouse, step: Step, owner: str) -> None:
    try:
        statements = dialect.split(step.text)
    except UnsupportedSql as error:
        raise MigrationRefused(f"{step.script} cannot be read: {error.construct}") from error
    began = time.monotonic()
    if warehouse.execute(_KEEP, (LEASE_S, owner)) != 1:
        raise MigrationRefused(f"the lease was lost before {step.script}; see who else migrates, then apply again")
    for number, statement in enumerate(statements, 1):
        try:
            warehouse.execute(statement)
        except (StatementFailed, UnsupportedSql) as error:
            reason = error.reason if isinstance(error, StatementFailed) else str(error)
            raise MigrationRefused(
                f"{step.script}: statement {number} of {len(statements)} failed ({reason}); the {number - 1} before it "
                "stay. Mend the cause, then apply again: the file starts at its first statement"
            ) from error
    took_ms = round((time.monotonic() - began) * 1000)
    values = (step.version, step.description, step.script, step.kind, step.checksum, took_ms)
    warehouse.execute(_RECORD, values)
