"""Writes docs/tables.md: every table and view of the warehouse, from `sql/` alone. `make docs` runs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from resources.warehouse.objects import RAW_TAIL, SqlColumn, SqlObject, read

PAGE = Path(__file__).with_name("tables.md")
INTRODUCTION = """\
# Tables and views

Every object of the database, by schema. Written by `make docs` from the files of `sql/`: change those, not this page.

All times are UTC. The schemas `<SOURCE>_INTEGRATION` hold **raw tables**: a row a record of the vendor, in the state
that was read last. They end with [the same columns](#columns-of-every-raw-table). A record that the vendor
deleted keeps its row, so whoever counts writes `WHERE _DELETED_AT IS NULL`. Raw tables hold private records too; the
memory does not.

Keys are declared, and kept by the MERGE that writes the table: Snowflake itself does not enforce them. On DuckDB,
VARIANT and ARRAY are JSON, and a VECTOR is a list of FLOAT.
"""


def page() -> str:
    """The whole page, ready to be written."""
    schemas, objects = read()
    by_schema = {name: [o for o in objects if o.schema == name] for name in sorted(schemas)}
    lines = [INTRODUCTION, "## Contents", ""]
    for name, members in by_schema.items():
        lines += [
            f"**[{name}](#{_anchor(name)})**: {schemas[name]}{'' if members else '; nothing stands here yet'}",
            "",
        ]
        lines += [*_contents(members), ""] if members else []
    lines += _raw_columns(next(o for o in objects if o.is_raw))
    for name, members in by_schema.items():
        if members:
            lines += [f"## {name}", "", f"{schemas[name]}.", ""]
        for one in members:
            lines += _shown(one)
    return "\n".join(lines).rstrip() + "\n"


def _contents(members: list[SqlObject]) -> list[str]:
    rows = [
        f"| [{one.name.partition('.')[2]}](#{_anchor(one.name)}) | {one.kind} | {_cell(one.meaning)} |"
        for one in members
    ]
    return ["| | | |", "|---|---|---|", *rows]


def _raw_columns(raw: SqlObject) -> list[str]:
    tail = [column for column in raw.columns if column.name in RAW_TAIL]
    return [
        "## Columns of every raw table",
        "",
        "They stand behind the columns of each, in this order.",
        "",
        *_columns(tail),
        "",
    ]


def _shown(one: SqlObject) -> list[str]:
    readers = ", ".join(f"[{name}](#{_anchor(name)})" for name in sorted(one.read_by))
    facts = {
        "Kind": one.kind,
        "Grain": one.grain,
        "Key": one.key or "none",
        "Filled by" if one.kind == "table" else "Made from": one.sources,
        "Read by": readers,
        "Written in": f"[{one.file}](../{one.file})",
    }
    own = [column for column in one.columns if not (one.is_raw and column.name in RAW_TAIL)]
    lines = [f"### {one.name}", "", f"{one.meaning}.", ""]
    lines += [f"- {name}: {text}" for name, text in facts.items() if text]
    for note in one.notes:
        lines += ["", note]
    lines += ["", *_columns(own), ""]
    if one.is_raw:
        lines += ["And [the columns of every raw table](#columns-of-every-raw-table).", ""]
    return lines


def _columns(columns: list[SqlColumn]) -> list[str]:
    if not any(column.required for column in columns):  # a view says of none
        return [
            "| column | type | meaning |",
            "|---|---|---|",
            *(f"| {c.name} | {c.type} | {_cell(c.meaning)} |" for c in columns),
        ]
    rows = [f"| {c.name} | {c.type} | {'never' if c.required else ''} | {_cell(c.meaning)} |" for c in columns]
    return ["| column | type | NULL | meaning |", "|---|---|---|---|", *rows]


def _cell(text: str) -> str:
    return re.sub(r"\bdocs/(adr/[\w-]+\.md)", r"[\g<0>](\1)", text.replace("|", "\\|").replace("<", "&lt;"))


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(page(), "utf-8")
