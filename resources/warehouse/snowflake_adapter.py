"""The warehouse in production: Snowflake, through its Python connector 4.8.

Rows travel as Parquet: PUT to a stage of the session, COPY into a temporary table, then BEGIN and the statements.
COPY and CREATE come first because DDL commits. A VECTOR cannot be loaded, so it is staged as ARRAY and cast in the
MERGE. See
Snowflake's pages on transactions, on the data type VECTOR and on COPY INTO.

One session, one statement or transaction at a time: threads queue. A session that is lost is opened anew by the next
call.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import snowflake.connector
from snowflake.connector import errors
from snowflake.connector.constants import FIELD_ID_TO_NAME

from contracts.errors import InvalidSetting, MissingSetting, StatementFailed, WarehouseUnavailable
from contracts.tables import ColumnType, Table
from resources.profile import EmbeddingSettings, SnowflakeSettings
from resources.warehouse import arrow, dialect
from resources.warehouse.arrow import Parameter
from resources.warehouse.port import Transaction, Warehouse

SCHEMA = "SOPHIA_CORE"
"""The session's schema: staged tables and the stage live there."""
LOGIN_TIMEOUT_S = 60
NETWORK_TIMEOUT_S = 300
"""Of one request with the connector's retries; a long statement is polled, so it is no limit for statements."""

_STAGED_TYPES = {ColumnType.VARIANT: "VARCHAR", ColumnType.ARRAY: "VARCHAR", ColumnType.VECTOR: "ARRAY"}
_CHANGES = ("number of rows inserted", "number of rows updated", "number of rows deleted")
"""Columns of Snowflake's answer to a change; `number of multi-joined rows updated` is none."""
_ARROW_TYPES: dict[str, pa.DataType] = {
    "FIXED": pa.int64(),
    "REAL": pa.float64(),
    "TEXT": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
    "TIMESTAMP_LTZ": pa.timestamp("us"),
    "TIMESTAMP_TZ": pa.timestamp("us"),
    "VARIANT": pa.string(),
    "OBJECT": pa.string(),
    "ARRAY": pa.string(),
    "VECTOR": pa.list_(pa.float32()),
}
_STATEMENT_ERRORS = (errors.ProgrammingError, errors.IntegrityError, errors.DataError, errors.NotSupportedError)


class SnowflakeWarehouse(Warehouse):
    """Raises, when it is made: MissingSetting, InvalidSetting. At the first statement, and when the session is lost:
    InvalidSetting for a login that Snowflake refuses, else WarehouseUnavailable.
    """

    def __init__(self, settings: SnowflakeSettings, embedding: EmbeddingSettings) -> None:
        super().__init__(embedding)
        self._login = login(settings)
        self._where = settings.host or f"{settings.account}.snowflakecomputing.com"
        self._turn = _Turn()
        self._connection: snowflake.connector.SnowflakeConnection | None = None

    @contextmanager
    def transaction(self, **staged: tuple[Table, pa.Table]) -> Iterator[Transaction]:
        rows = {name.upper(): (pair[0], arrow.staged(*pair)) for name, pair in staged.items()}
        with self._turn.taken():
            session = _Session(self)
            for name, (table, data) in rows.items():
                session.stage(name, table, data)
            session.execute("BEGIN")
            try:
                yield session
            except BaseException:
                with suppress(StatementFailed, WarehouseUnavailable):  # the first error is what happened
                    session.execute("ROLLBACK")
                raise
            session.execute("COMMIT")

    def query(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        with self._turn.taken():
            return _Session(self).query(sql, params)

    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        with self._turn.taken():
            return _Session(self).execute(sql, params)

    def refresh(self, rollup: str, since: date) -> None:
        self.execute(f"ALTER DYNAMIC TABLE {rollup} REFRESH")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(errors.Error):  # the session is gone either way
                connection.close()

    def text(self, sql: str) -> str:
        """What Snowflake is told: the text, with the profile's model in the place of the written one; cached."""
        return dialect.to_snowflake(sql, self.embedding.dimension, self.embedding.table_suffix)

    def connection(self) -> snowflake.connector.SnowflakeConnection:
        """The open session, or a new one."""
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = snowflake.connector.connect(**self._login)
            except _STATEMENT_ERRORS as error:
                raise self._refused(error) from error
            except errors.OperationalError as error:
                raise WarehouseUnavailable(self._where, _line(error)) from error
            except errors.DatabaseError as error:
                raise self._refused(error) from error
            except errors.Error as error:
                raise WarehouseUnavailable(self._where, _line(error)) from error
        return self._connection

    @contextmanager
    def refusals(self, sql: str) -> Iterator[None]:
        """The connector's errors as ours. What is not about the statement ends the session."""
        try:
            yield
        except _STATEMENT_ERRORS as error:
            raise StatementFailed(sql, _line(error)) from error
        except errors.Error as error:
            self.close()
            raise WarehouseUnavailable(self._where, _line(error)) from error

    def _refused(self, error: errors.Error) -> InvalidSetting:
        user = str(self._login.get("user", ""))
        return InvalidSetting("SOPHIA_SNOWFLAKE_USER", user, f"Snowflake refused the login: {_line(error)}")


class _Session(Transaction):
    """Statements on the open session, in a transaction or out of one."""

    def __init__(self, warehouse: SnowflakeWarehouse) -> None:
        self._warehouse = warehouse
        self._connection = warehouse.connection()

    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        with self._run(sql, params) as cursor:
            columns = [column.name.lower() for column in cursor.description or ()]
            if not any(name in _CHANGES for name in columns):
                return 0
            [row] = cursor.fetchall()
            return sum(int(count) for name, count in zip(columns, row, strict=True) if name in _CHANGES)

    def query(self, sql: str, params: Sequence[Parameter] = ()) -> pa.Table:
        with self._run(sql, params) as cursor:
            # Not fetch_arrow_all: it needs pandas, and joins batches before their types are made equal.
            batches = cursor.fetch_arrow_batches(force_microsecond_precision=True)
            tables = [arrow.result(batch) for batch in batches]
            return pa.concat_tables(tables) if tables else _no_rows(cursor.description)

    def stage(self, name: str, table: Table, rows: pa.Table) -> None:
        """Load rows into the session's own table STAGED_<name>. It stays until the next one or the session's end."""
        if (self._connection.schema or "").upper() != SCHEMA:  # CREATE SCHEMA makes the new schema the session's
            self.execute(f"USE SCHEMA {SCHEMA}")
        columns = ", ".join(f"{c.name} {_STAGED_TYPES.get(c.type, c.type.ddl)}" for c in table.columns)
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE STAGED_{name} ({columns})")
        if rows.num_rows == 0:
            return
        self.execute("CREATE TEMPORARY STAGE IF NOT EXISTS STAGING")
        folder = uuid.uuid4().hex  # of this load alone: what another left behind is not loaded
        with tempfile.TemporaryDirectory(prefix="sophia-") as here:
            file = Path(here) / "rows.parquet"
            pq.write_table(rows, file, compression="zstd")
            self.execute(f"PUT 'file://{file.as_posix()}' @STAGING/{folder}/ AUTO_COMPRESS = FALSE")
        self.execute(
            f"COPY INTO STAGED_{name} FROM @STAGING/{folder}/ FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE"
        )

    @contextmanager
    def _run(self, sql: str, params: Sequence[Parameter]) -> Iterator[Any]:
        text = self._warehouse.text(sql)
        with self._warehouse.refusals(sql), self._connection.cursor() as cursor:
            cursor.execute(text, tuple(arrow.bound(params)) or None)
            yield cursor


def _no_rows(description: Sequence[Any]) -> pa.Table:
    """Without rows Snowflake sends no Arrow schema; the columns are told apart by their type's id alone."""
    fields = []
    for column in description:
        name = FIELD_ID_TO_NAME[column.type_code]
        type_ = pa.float64() if name == "FIXED" and column.scale else _ARROW_TYPES[name]
        fields.append(pa.field(column.name.lower(), type_))
    return pa.schema(fields).empty_table()


class _Turn:
    """A lock that tells a thread that it waits for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        if self._holder == threading.get_ident():
            raise RuntimeError(
                "this thread has the warehouse open in a transaction; use the transaction's own execute and query"
            )
        with self._lock:
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None


def login(settings: SnowflakeSettings) -> dict[str, Any]:
    """The connector's arguments.

    Raises:
        MissingSetting: the account, the user, or what the authenticator needs.
        InvalidSetting: a password or plain HTTP for a host that is not this machine; a key file that is not there.
    """
    local = _is_loopback(settings.host)
    if settings.protocol == "http" and not local:
        raise InvalidSetting(
            "SOPHIA_SNOWFLAKE_PROTOCOL", "http", "only a server on this machine is spoken to without TLS"
        )
    arguments: dict[str, Any] = {
        "account": _needed(settings.account, "ACCOUNT"),
        "role": settings.role,
        "warehouse": settings.warehouse,
        "database": settings.database,
        "schema": SCHEMA,
        "host": settings.host,
        "port": settings.port,
        "protocol": settings.protocol,
        "paramstyle": "qmark",
        "autocommit": True,
        "login_timeout": LOGIN_TIMEOUT_S,
        "network_timeout": NETWORK_TIMEOUT_S,
        "application": "sophia",
        "session_parameters": {"TIMEZONE": "UTC", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "QUERY_TAG": "sophia"},
    }
    if settings.authenticator == "WORKLOAD_IDENTITY":
        arguments["workload_identity_provider"] = _needed(
            settings.workload_identity_provider, "WORKLOAD_IDENTITY_PROVIDER"
        )
        arguments |= {"user": settings.user, "token": settings.token}
    else:
        arguments["user"] = _needed(settings.user, "USER")
    if settings.authenticator == "SNOWFLAKE_JWT":
        file = _needed(settings.private_key_file, "PRIVATE_KEY_FILE")
        if not Path(file).is_file():
            raise InvalidSetting("SOPHIA_SNOWFLAKE_PRIVATE_KEY_FILE", file, "there is no such file")
        arguments |= {"private_key_file": file, "private_key_file_pwd": settings.private_key_file_pwd}
    elif settings.authenticator == "PROGRAMMATIC_ACCESS_TOKEN":
        arguments["token"] = _needed(settings.token, "TOKEN")
    elif settings.authenticator == "PASSWORD":
        if not local:
            raise InvalidSetting(
                "SOPHIA_SNOWFLAKE_AUTHENTICATOR",
                "PASSWORD",
                "Snowflake blocks passwords of services; use SNOWFLAKE_JWT, PROGRAMMATIC_ACCESS_TOKEN "
                "or WORKLOAD_IDENTITY",
            )
        arguments["password"] = _needed(settings.password, "PASSWORD")
    authenticator = "SNOWFLAKE" if settings.authenticator == "PASSWORD" else settings.authenticator
    arguments["authenticator"] = authenticator
    return {name: value for name, value in arguments.items() if value is not None}


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise MissingSetting(f"SOPHIA_SNOWFLAKE_{name}", "the Snowflake warehouse")
    return value


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _line(error: errors.Error) -> str:
    """The connector's message in one line, without the query's text."""
    return " ".join((error.raw_msg or error.msg or str(error)).split())
