"""Snowflake's SQL for both adapters: parsed once, shaped to the profile's model, and for DuckDB transpiled.

sqlglot renders Snowflake for DuckDB; `dialect_rules` mends what it gets wrong, in the tree, before it is rendered.
Some of that is silent and bad (a similarity becomes a distance, which inverts a ranking), so the list of what may
pass is
closed: `dialect_allowed` holds the constructs that a test has executed, and everything else is refused.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from contracts.errors import UnsupportedSql
from resources.warehouse import dialect_rules
from resources.warehouse.dialect_allowed import refuse_unproved
from resources.warehouse.tables import MEMORY_RECORDS

WRITTEN_DIMENSION = 768
"""What `sql/` says in VECTOR(FLOAT, 768)."""
WRITTEN_SUFFIX = MEMORY_RECORDS.name.partition("MEMORY_RECORDS_")[2]
"""What `sql/` says behind MEMORY_RECORDS_ in the name of the current model's table."""


@lru_cache(maxsize=2048)
def to_snowflake(sql: str, dimension: int, table_suffix: str) -> str:
    """One statement for Snowflake. With the model that `sql/` is written for, the text is sent as it stands.

    Raises:
        UnsupportedSql: the text is not one statement that sqlglot can read.
    """
    if (dimension, table_suffix) == (WRITTEN_DIMENSION, WRITTEN_SUFFIX):
        return sql
    upper = sql.upper()
    if "VECTOR" not in upper and WRITTEN_SUFFIX not in upper:
        return sql
    return shape(parse(sql), dimension, table_suffix).sql("snowflake")


@lru_cache(maxsize=2048)
def to_duckdb(sql: str, dimension: int, table_suffix: str) -> str:
    """One statement for DuckDB; each `?` becomes `$1`, `$2` …, because a rule may move or repeat it.

    Raises:
        UnsupportedSql: a construct that no test has executed.
    """
    tree = shape(parse(numbered(sql)), dimension, table_suffix)
    refuse_unproved(tree)
    try:
        return dialect_rules.rewrite(tree).sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise UnsupportedSql(str(error).partition("\n")[0]) from error


def shape(tree: exp.Expr, dimension: int, table_suffix: str) -> exp.Expr:
    """Put the profile's model in the place of the one that `sql/` is written for: vector types and the table's name. A
    name in quotes stays: it says another model's table.
    """
    for type_ in list(tree.find_all(exp.DataType)):
        if type_.this == exp.DataType.Type.VECTOR:
            sizes = [e for e in type_.find_all(exp.Literal) if e.this == str(WRITTEN_DIMENSION)]
            if len(sizes) != 1:
                raise UnsupportedSql(f"{type_.sql('snowflake')}: sql/ says VECTOR(FLOAT, {WRITTEN_DIMENSION})")
            sizes[0].replace(exp.Literal.number(dimension))
    for identifier in list(tree.find_all(exp.Identifier)):
        if identifier.name.upper() == f"MEMORY_RECORDS_{WRITTEN_SUFFIX}" and not identifier.quoted:
            identifier.set("this", f"MEMORY_RECORDS_{table_suffix}")
    return tree


def split(text: str) -> list[str]:
    """The statements of a file, without their semicolons. Strings, comments and `$$` bodies may hold semicolons.

    Raises:
        UnsupportedSql: the text cannot be read, such as a string without an end.
    """
    statements, began, last = [], 0, None
    for token in _tokens(text):
        if token.token_type == TokenType.SEMICOLON:
            if last is not None:
                statements.append(text[began : token.start].strip())
            began, last = token.end + 1, None
        else:
            last = token
    if last is not None:
        statements.append(text[began:].strip())
    return statements


def numbered(sql: str) -> str:
    """Each `?` by its place in the text, as `:p1`: sqlglot's tree does not keep the order of the text."""
    parts, end = [], 0
    marks = [token for token in _tokens(sql) if token.token_type == TokenType.PLACEHOLDER]
    for number, mark in enumerate(marks, 1):
        parts += [sql[end : mark.start], f":p{number}"]
        end = mark.end + 1
    return "".join([*parts, sql[end:]])


def parse(sql: str) -> exp.Expr:
    """One statement's tree.

    Raises:
        UnsupportedSql: the text is not one statement that sqlglot can read.
    """
    tokens = _tokens(sql)
    for this, following in pairwise(tokens):
        if this.token_type == TokenType.OR and following.token_type == TokenType.ALTER:
            # sqlglot reads it as OR REPLACE, which would drop the rows.
            raise UnsupportedSql("CREATE OR ALTER")
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="snowflake") if tree is not None]
    except SqlglotError as error:
        raise UnsupportedSql(f"a text that sqlglot cannot read ({_cause(error)})") from error
    if len(trees) != 1:
        raise UnsupportedSql(f"{len(trees)} statements in one text")
    return trees[0]


def _tokens(text: str) -> list[Token]:
    try:
        return Snowflake().tokenize(text)
    except SqlglotError as error:
        raise UnsupportedSql(f"a text that sqlglot cannot read ({_cause(error)})") from error


def _cause(error: SqlglotError) -> str:
    """sqlglot's tokenizer hides the place and the missing sign in the error below its own."""
    return str(error.__cause__ or error).partition("\n")[0]
