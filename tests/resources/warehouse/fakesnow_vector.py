"""fakesnow's HTTP server on a free port of this machine, taught vectors and dynamic tables; test support only.

fakesnow 0.12.1 cannot parse VECTOR. Here VECTOR(FLOAT, n) becomes DuckDB's FLOAT[n], a cast to it checks the length as
Snowflake does, the functions on vectors are DuckDB's (sqlglot's own rendering inverts the similarity), and a vector
travels as Snowflake sends it: a fixed-size list that calls itself VECTOR. fakesnow makes a dynamic table once; here
ALTER DYNAMIC TABLE … REFRESH makes it again, and METADATA$ROW_LAST_COMMIT_TIME is the present. Four slips of
fakesnow are mended too; each says so in its place.

Run as a program: it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import socket
import sys
import threading
import warnings

import duckdb
import fakesnow.arrow
import fakesnow.copy_into
import fakesnow.cursor
import fakesnow.rowtype
import fakesnow.server as server
import pyarrow as pa
import uvicorn
from sqlglot import exp

FUNCTIONS = {
    exp.CosineDistance: "ARRAY_COSINE_SIMILARITY",
    exp.EuclideanDistance: "ARRAY_DISTANCE",
    exp.DotProduct: "ARRAY_INNER_PRODUCT",
}

split_time = fakesnow.arrow.timestamp_to_sf_struct


dynamic_tables: dict[str, exp.Expression] = {}


def with_dynamic_tables(tree: exp.Expression) -> exp.Expression:
    if isinstance(tree, exp.Create) and tree.find(exp.DynamicProperty):
        dynamic_tables[tree.this.find(exp.Table).sql().upper()] = tree.copy()
    elif isinstance(tree, exp.Command):
        kind, _, rest = str(tree.expression).strip().partition(" TABLE ")
        name, _, action = rest.partition(" ")
        if (kind.upper(), action.upper()) == ("DYNAMIC", "REFRESH"):
            return dynamic_tables[name.upper()].copy()
    for column in list(tree.find_all(exp.Column)):
        if column.name.upper() == "METADATA$ROW_LAST_COMMIT_TIME":
            column.replace(exp.CurrentTimestamp())
    return tree


def is_vector(node: object) -> bool:
    return isinstance(node, exp.DataType) and node.this == exp.DataType.Type.VECTOR


def as_floats(type_: exp.DataType) -> exp.DataType:
    size = next(literal.name for literal in type_.find_all(exp.Literal) if literal.is_int)
    return exp.DataType.build(f"FLOAT[{size}]", dialect="duckdb")


def with_vectors(tree: exp.Expression) -> exp.Expression:
    # fakesnow makes a temporary table for a MERGE and writes the table's comment to a database of its own; but DuckDB
    # lets a transaction write to one database only.
    tree.set("table_comment", None)
    for cast in list(tree.find_all(exp.Cast)):
        if is_vector(cast.args["to"]):  # from JSON or a list; a wrong length is refused in the second step
            as_json = exp.Anonymous(this="TO_JSON", expressions=[cast.this.copy()])
            cast.set("this", exp.Cast(this=as_json, to=exp.DataType.build("FLOAT[]", dialect="duckdb")))
    for type_ in list(tree.find_all(exp.DataType)):
        if is_vector(type_):
            type_.replace(as_floats(type_))
    for kind, name in FUNCTIONS.items():
        for call in list(tree.find_all(kind)):
            ours = exp.Anonymous(this=name, expressions=[call.this.copy(), call.expression.copy()])
            call.replace(exp.Cast(this=ours, to=exp.DataType.build("DOUBLE", dialect="duckdb")))
    return tree


def with_types(tree: exp.Expression) -> exp.Expression:
    """fakesnow lets TYPEOF say JSON of every VARIANT."""
    names = {"BIGINT": "INTEGER", "UBIGINT": "INTEGER", "DOUBLE": "DECIMAL", "NULL": "NULL_VALUE"}
    for node in list(tree.find_all(exp.Typeof)):
        kind = exp.Anonymous(this="JSON_TYPE", expressions=[node.this.copy()])
        renamed = [exp.If(this=exp.Literal.string(a), true=exp.Literal.string(b)) for a, b in names.items()]
        node.replace(exp.Case(this=kind, ifs=renamed, default=kind.copy()))
    return tree


class KnowsVectors(dict[str, str]):
    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return "vector" if key.startswith("FLOAT[") else super().get(key, default)


def describe(table: exp.Table, connection: duckdb.DuckDBPyConnection, *_: str | None) -> list[tuple[str, str]]:
    """For COPY: fakesnow puts the schema before the name, where DuckDB finds no temporary table."""
    return [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {table.sql('duckdb')}").fetchall()]


def times(column: pa.ChunkedArray) -> pa.StructArray:
    """fakesnow sends the parts of a NULL time as NULL, which the connector's Arrow reader takes for 1970."""
    column = column.combine_chunks()
    parts = split_time(column)
    filled = [parts.field(number).fill_null(0) for number in range(parts.type.num_fields)]
    return pa.StructArray.from_arrays(filled, fields=list(parts.type), mask=column.is_null())


def teach() -> None:
    transform = fakesnow.cursor.FakeSnowflakeCursor._transform
    fakesnow.cursor.FakeSnowflakeCursor._transform = lambda self, tree, params=None: with_types(
        with_vectors(transform(self, with_dynamic_tables(tree), params))
    )
    fakesnow.copy_into._describe_table = describe
    fakesnow.arrow.timestamp_to_sf_struct = times
    fakesnow.rowtype.duckdb_to_sf_type = KnowsVectors(fakesnow.rowtype.duckdb_to_sf_type)


def main() -> None:
    warnings.simplefilter("ignore")  # fakesnow's own
    teach()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(server.app, log_level="warning", access_log=False)
    running = uvicorn.Server(config)
    threading.Thread(target=lambda: (sys.stdin.read(), setattr(running, "should_exit", True)), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    running.run(sockets=[listener])


if __name__ == "__main__":
    main()
