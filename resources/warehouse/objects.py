"""The warehouse's objects as `sql/` declares them: tables, views, dynamic tables, and what their columns are made of.

    sql/**/*.sql ── each CREATE's comments and columns, each file's head ──► objects

A view's SQL names its columns and not their types: sqlglot works these out from the tables that the view reads, and
which of their columns each comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from sqlglot import exp
from sqlglot.lineage import lineage
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from contracts.tables import RAW_SYSTEM_COLUMNS
from resources.warehouse import dialect, migrations

RAW_TAIL = [column.name.upper() for column in RAW_SYSTEM_COLUMNS]
TYPES = {
    "TIMESTAMPNTZ": "TIMESTAMP_NTZ",
    "DOUBLE": "FLOAT",
    "BIGINT": "NUMBER(38,0)",
    "INT": "NUMBER(38,0)",
    "DECIMAL(38, 0)": "NUMBER(38,0)",
}
"""sqlglot's name of a type → ours, as contracts/tables.py has it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The comment that a file opens with."""

    grain: dict[str, str]
    """Bare name of an object → what a row of it is; under "" where one text stands for all of the file."""
    key: dict[str, str]
    sources: str
    notes: tuple[str, ...]
    """Paragraphs."""


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column, and what its comment says."""

    name: str
    type: str
    required: bool
    meaning: str


@dataclass
class SqlObject:
    """A table, view or dynamic table."""

    name: str
    """Qualified, upper case."""
    kind: str
    meaning: str
    grain: str
    key: str
    sources: str
    notes: tuple[str, ...]
    file: str
    """Path from the repository's root."""
    columns: list[SqlColumn]
    reads: set[str]
    """Qualified names."""
    read_by: list[str] = field(default_factory=list)
    body: exp.Expr | None = None
    """What a view or dynamic table selects."""

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_raw(self) -> bool:
        return [column.name for column in self.columns][-len(RAW_TAIL) :] == RAW_TAIL


@cache
def read() -> tuple[dict[str, str], list[SqlObject]]:
    """(schema → its comment, every object in the order of names)."""
    schemas: dict[str, str] = {}
    objects: dict[str, SqlObject] = {}
    for file, text in _files():
        trees = [dialect.parse(statement) for statement in dialect.split(text)]
        head = _head(text)
        for tree in trees:
            if isinstance(tree, exp.Create) and tree.args["kind"] == "SCHEMA":
                schemas[tree.this.sql().upper()] = _comment(tree) or schemas.get(tree.this.sql().upper(), "")
            elif isinstance(tree, exp.Create):
                one = _object(tree, file, head)
                objects[one.name] = one
            elif isinstance(tree, exp.Alter):
                objects[tree.this.sql().upper()].columns.extend(_column(c) for c in tree.find_all(exp.ColumnDef))
    _add_types(objects)
    for one in objects.values():
        for name in one.reads:
            objects[name].read_by.append(one.name)
    return schemas, sorted(objects.values(), key=lambda one: one.name)


def named(name: str) -> SqlObject:
    """Raises KeyError: no such object."""
    return {one.name: one for one in read()[1]}[name]


def selection(name: str) -> exp.Expr:
    """What a view or dynamic table selects. Raises ValueError: it is a table."""
    body = named(name).body
    if body is None:
        raise ValueError(f"{name} is a table and selects nothing")
    return body


Source = tuple[str, str]
"""(table, column)."""


@cache
def column_lineage(name: str) -> dict[str, list[Source]]:
    """Column of a view or dynamic table → what it is worked out from; COUNT(*) comes from no column.

    What a view reads of another view is that view's column; follow it there.
    """
    one, body = named(name), selection(name)
    schema = MappingSchema(dialect="snowflake")
    for read_from in one.reads:
        schema.add_table(read_from, {c.name: c.type for c in named(read_from).columns})
    found: dict[str, list[Source]] = {}
    for column in one.columns:
        node = lineage(column.name, body.copy(), schema=schema, dialect="snowflake")
        found[column.name] = sorted(
            {
                (_qualified(leaf.expression), leaf.name.rpartition(".")[2].upper())
                for leaf in node.walk()
                if not leaf.downstream and isinstance(leaf.expression, exp.Table)
            }
        )
    return found


def _files() -> Iterator[tuple[str, str]]:
    """(path from the root, text), in the order in which they run. The history's own tables stand in code."""
    history = ";\n".join(s for s in migrations._BOOTSTRAP if s.lstrip().startswith("CREATE"))
    yield "resources/warehouse/migrations.py", history
    root = resources.files("sql")
    for folder in migrations.FOLDERS:
        files = sorted((f for f in root.joinpath(folder).iterdir() if f.name.endswith(".sql")), key=_order)
        yield from ((f"sql/{folder}/{file.name}", file.read_text("utf-8")) for file in files)


def _order(file: object) -> tuple[bool, str]:
    name: str = file.name  # type: ignore[attr-defined]
    return not name.startswith("V"), name


def _head(text: str) -> Head:
    opening = re.match(r"(?:--.*\n)*", text)
    assert opening is not None
    said: dict[str, str] = {}
    notes: list[str] = []
    last = ""
    for line in opening[0].splitlines():
        named = re.match(r"-- (Grain|Key|Sources): (.*)", line)
        if named:
            last = named[1]
            said[last] = named[2]
        elif line.startswith("--     ") and last:
            said[last] += " " + line[7:].strip()
        else:
            last = ""
            notes.append(line[2:].strip() + ("\n" if line.endswith(".") else " "))
    grain = _parts(said.get("Grain", ""))
    key = said.get("Key", "").removesuffix(".")
    each = key.split("; ")
    keys = dict(zip(grain, each, strict=True)) if len(each) == len(grain) else {"": key}
    return Head(grain, keys, said.get("Sources", "").removesuffix("."), tuple("".join(notes).splitlines()))


def _parts(grain: str) -> dict[str, str]:
    """`a deal (DEALS); a call (CALLS).` → each by its object."""
    grain = grain.removesuffix(".")
    named = re.findall(r"(.+?) \(([A-Z_]+)\)(?:[;,] |$)", grain)
    return {name: text for text, name in named} if named and grain.endswith(")") else {"": grain}


def _object(tree: exp.Create, file: str, head: Head) -> SqlObject:
    name = tree.this.this.sql().upper()
    bare = name.partition(".")[2]
    columns = [_column(c) for c in tree.this.expressions if isinstance(c, exp.ColumnDef)]
    declared = ", ".join(e.name.upper() for k in tree.this.find_all(exp.PrimaryKey) for e in k.expressions)
    one = SqlObject(
        name=name,
        kind="dynamic table" if tree.find(exp.DynamicProperty) else tree.args["kind"].lower(),
        meaning=_comment(tree),
        grain=head.grain.get(bare) or head.grain.get("", ""),
        key=head.key.get(bare) or head.key.get("", ""),
        sources=head.sources,
        notes=head.notes,
        file=file,
        columns=columns,
        reads=_read_by_name(tree.expression) if tree.expression is not None else set(),
        body=tree.expression,
    )
    if declared:
        one.key = declared
    if "/V" in file:  # its head speaks of the file, not of the table
        one.grain = head.grain.get(bare) or (f"one row per {declared}" if declared else "")
        one.grain += "; deleted records stay" if one.is_raw else ""
        one.key = declared
        one.notes = ()
    return one


def _read_by_name(body: exp.Expr) -> set[str]:
    return {_qualified(table) for table in body.find_all(exp.Table) if table.db}


def _qualified(table: exp.Table) -> str:
    return f"{table.db}.{table.name}".upper()


def _column(node: exp.ColumnDef) -> SqlColumn:
    comment = node.find(exp.CommentColumnConstraint)
    return SqlColumn(
        name=node.name.upper(),
        type=_type(node.kind) if node.kind is not None else "",
        required=node.find(exp.NotNullColumnConstraint) is not None,
        meaning=comment.this.name if comment is not None else "",
    )


def _comment(tree: exp.Create) -> str:
    comment = tree.find(exp.SchemaCommentProperty)
    return comment.this.name if comment is not None else ""


def _type(type_: exp.DataType) -> str:
    written = type_.sql("snowflake")
    return TYPES.get(written, written)


def _add_types(objects: dict[str, SqlObject]) -> None:
    """Give the columns of views their types, those of each view after those of the views that it reads."""
    known = MappingSchema(dialect="snowflake")
    for one in objects.values():
        if one.body is None:
            known.add_table(one.name, {c.name: c.type for c in one.columns})
    waiting = {one.name: one.body for one in objects.values() if one.body is not None}
    while waiting:
        name = next(name for name in waiting if waiting.keys().isdisjoint(objects[name].reads))
        body = qualify(
            waiting.pop(name).copy(),
            schema=known,
            dialect="snowflake",
            quote_identifiers=False,
            validate_qualify_columns=False,
        )
        selected = annotate_types(body, schema=known, dialect="snowflake").selects  # type: ignore[attr-defined]
        one = objects[name]
        one.columns = [
            SqlColumn(column.name, _type(value.type), column.required, column.meaning)
            for column, value in zip(one.columns, selected, strict=True)
        ]
        known.add_table(name, {c.name: c.type for c in one.columns})
