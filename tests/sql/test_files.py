"""Every file of sql/, and every statement in code: Snowflake's grammar, our rules, and DuckDB's allow-list."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable

import pytest
from sqlfluff.core import Linter
from sqlglot import exp

from resources.warehouse import dialect, migrations, statements
from resources.warehouse.tables import MEMORY_RECORDS

LINTER = Linter(dialect="snowflake")
BANNED = [
    (r"::\s*VECTOR", "write CAST(x AS VECTOR(FLOAT, n)): sqlfluff cannot read the short form"),
    (r"\bCREATE\s+(UNIQUE\s+)?INDEX\b", "standard tables have no index; CLUSTER BY"),
    (r"\bON\s+CONFLICT\b", "write MERGE"),
    (r"<=>", "write IS NOT DISTINCT FROM"),
    (r"\bJSONB\b|\bSERIAL\b", "PostgreSQL's type"),
    (r"\bMATERIALIZED\s+VIEW\b", "a dynamic table can join, count distinct and be refreshed"),
    (r"\bCREATE\s+OR\s+REPLACE\s+(TRANSIENT\s+)?TABLE\b", "it drops the rows; IF NOT EXISTS, then ALTER"),
    (r"\bCREATE\s+OR\s+ALTER\b", "it drops a renamed column's rows; ALTER in the next version"),
    (r"SYSTEM\$REFRESH_MATERIALIZED_VIEW", "there is no such function"),
]


def files() -> dict[str, str]:
    found: dict[str, str] = {}

    def walk(folder: Traversable, path: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                walk(entry, f"{path}{entry.name}/")
            elif entry.name.endswith(".sql"):
                found[path + entry.name] = entry.read_text("utf-8")

    walk(resources.files("sql"), "")
    return dict(sorted(found.items()))


def in_code() -> dict[str, str]:
    """The constants that are statements."""
    texts = {f"migrations.bootstrap.{number}": text for number, text in enumerate(migrations._BOOTSTRAP)}
    for module in (statements, migrations):
        for name, value in vars(module).items():
            if (
                isinstance(value, str)
                and re.match(r"\s*(SELECT|MERGE|UPDATE|DELETE|INSERT)\b", value)
                and "{" not in value
            ):
                texts[f"{module.__name__}.{name}"] = value
    assert len(texts) > 15
    return texts


FILES, IN_CODE = files(), in_code()
STATEMENTS = [(name, statement) for name, text in FILES.items() for statement in dialect.split(text)]
CREATED = [
    pytest.param(tree, id=f"{name} {tree.this.find(exp.Table).sql()}")
    for name, tree in ((name, dialect.parse(statement)) for name, statement in STATEMENTS)
    if isinstance(tree, exp.Create)
]


@pytest.mark.parametrize("name", FILES)
def test_a_file_opens_with_its_grain_key_and_sources(name: str) -> None:
    head = re.match(r"(--.*\n)+", FILES[name])
    assert head is not None, "a comment comes first"
    for word in ("Grain", "Key", "Sources"):
        assert re.search(rf"^-- {word}: \S", head[0], re.MULTILINE), f"-- {word}: …"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_snowflakes(name: str) -> None:
    parsed = LINTER.parse_string(FILES[name], fname=name)
    assert [str(violation) for violation in parsed.violations] == []


@pytest.mark.parametrize("name", IN_CODE)
def test_a_statement_in_code_is_snowflakes(name: str) -> None:
    parsed = LINTER.parse_string(IN_CODE[name].strip().replace("?", "NULL") + ";\n", fname=name)
    assert [str(violation) for violation in parsed.violations] == []
    dialect.to_duckdb(IN_CODE[name], 64, "HASH_64")


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_nothing_banned(name: str) -> None:
    code = re.sub(r"--.*", "", FILES[name])
    assert [reason for pattern, reason in BANNED if re.search(pattern, code, re.IGNORECASE)] == []


@pytest.mark.parametrize(("name", "statement"), STATEMENTS, ids=lambda text: text.partition("\n")[0][:40])
def test_a_statement_runs_on_both(name: str, statement: str) -> None:
    assert not isinstance(dialect.parse(statement), exp.Command)
    dialect.to_duckdb(statement, 64, "HASH_64")
    assert MEMORY_RECORDS.name not in dialect.to_snowflake(statement, 64, "HASH_64").upper()


@pytest.mark.parametrize("tree", CREATED)
def test_everything_is_commented(tree: exp.Create) -> None:
    assert tree.find(exp.SchemaCommentProperty), "COMMENT = '…' on the object"
    if tree.args["kind"] == "SCHEMA":
        return
    assert isinstance(tree.this, exp.Schema), "a view names its columns"
    bare = [column.name for column in tree.this.expressions
            if isinstance(column, exp.ColumnDef) and not column.find(exp.CommentColumnConstraint)]  # fmt: skip
    assert bare == []
    assert [e.name for e in tree.this.expressions if isinstance(e, exp.Identifier)] == [], "each with a COMMENT"


@pytest.mark.parametrize("tree", CREATED)
def test_vectors_are_neither_clustered_nor_too_long(tree: exp.Create) -> None:
    vectors = [column.name for column in tree.find_all(exp.ColumnDef)
               if column.kind is not None and column.kind.this == exp.DataType.Type.VECTOR]  # fmt: skip
    clustered = tree.find(exp.ClusterProperty)
    names = [column.name for column in clustered.find_all(exp.Column)] if clustered is not None else []
    assert set(names).isdisjoint(vectors)
    assert len(names) <= 4
    for type_ in tree.find_all(exp.DataType):
        if type_.this == exp.DataType.Type.VECTOR:
            assert type_.sql("snowflake") == f"VECTOR(FLOAT, {dialect.WRITTEN_DIMENSION})"
