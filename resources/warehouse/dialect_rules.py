"""The rules that sqlglot 30 lacks from Snowflake to DuckDB; `tests/resources/warehouse/test_dialect.py` executes each.

VARIANT, ARRAY and OBJECT are JSON here. A rule sees a node whose children are rewritten already, and returns what
stands in its place.
"""

from __future__ import annotations

from sqlglot import exp

from contracts.errors import UnsupportedSql
from resources.warehouse import dialect_json
from resources.warehouse.dialect_json import Rule, call, duckdb_type, is_json, text

Type = exp.DataType.Type

_WHOLE_NUMBERS = {Type.TINYINT, Type.SMALLINT, Type.INT, Type.BIGINT}
_TEXTS = {Type.CHAR, Type.NCHAR, Type.VARCHAR, Type.NVARCHAR, Type.TEXT}
_TIMES = {Type.TIMESTAMP, Type.TIMESTAMPNTZ, Type.DATETIME}
_SEMI_STRUCTURED = {Type.VARIANT, Type.OBJECT}
_SCALARS = _WHOLE_NUMBERS | _TEXTS | _TIMES | {Type.DECIMAL, Type.DOUBLE, Type.FLOAT, Type.BOOLEAN, Type.DATE}
_DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}

_OF_ANY_TYPE = (
    *(exp.Column, exp.Coalesce, exp.Case, exp.If, exp.Nullif, exp.Subquery, exp.Window, exp.Paren),
    *(exp.ArgMax, exp.ArgMin, exp.AnyValue, exp.Max, exp.Min),
)
"""Expressions that are a VARIANT when what they are made of is one."""
_DROPPED_PROPERTIES = (
    exp.SchemaCommentProperty,
    exp.ClusterProperty,
    exp.TransientProperty,
    exp.CopyGrantsProperty,
    exp.SecureProperty,
)
_DROPPED_NAMED_PROPERTIES = {
    *("DATA_RETENTION_TIME_IN_DAYS", "CHANGE_TRACKING"),
    *("TARGET_LAG", "WAREHOUSE", "REFRESH_MODE", "ROW_TIMESTAMP"),  # of a dynamic table
}
ROW_LAST_COMMIT_TIME = "METADATA$ROW_LAST_COMMIT_TIME"
"""Snowflake's hidden column of a table with ROW_TIMESTAMP; a dynamic table has it here as a column like others."""
_FORMATS = (  # Snowflake's format → strftime's, longest first
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("MON", "%b"),
    ("FF3", "%g"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("DY", "%a"),
)


def rewrite(tree: exp.Expr) -> exp.Expr:
    """Rewrite the tree in place, children first."""
    for node in reversed(list(tree.walk())):
        rule = RULES.get(type(node))
        new = node if rule is None else rule(node)
        if new is not node:
            if node is tree:
                tree = new
            else:
                node.replace(new)
    return tree


def _placeholder(node: exp.Expr) -> exp.Expr:
    """`:p2`, as `dialect` has numbered it, becomes `$2`."""
    return exp.Parameter(this=exp.Literal.number(node.name.removeprefix("p")))


# ── types and casts ───────────────────────────────────────────────────────────────────────────────────────────────────


def _type(node: exp.Expr) -> exp.Expr:
    kind = node.this
    if kind == Type.VECTOR:
        size = next(literal for literal in node.find_all(exp.Literal) if literal.is_int)
        return duckdb_type(f"FLOAT[{size.name}]")
    if kind in _SEMI_STRUCTURED or (kind == Type.ARRAY and not node.expressions):
        return duckdb_type("JSON")
    if kind in _WHOLE_NUMBERS:
        return duckdb_type("BIGINT")
    if kind == Type.DECIMAL:
        scale = node.expressions[1].name if len(node.expressions) > 1 else "0"
        return duckdb_type("BIGINT") if scale == "0" else node
    if kind in _TEXTS:
        return duckdb_type("TEXT")
    if kind in _TIMES:
        return duckdb_type("TIMESTAMP")
    if kind in (Type.DOUBLE, Type.FLOAT):
        return duckdb_type("DOUBLE")
    if kind in (Type.BOOLEAN, Type.DATE, Type.JSON) or (kind == Type.ARRAY and node.expressions):
        return node
    if kind == Type.TIMESTAMPTZ and isinstance(node.parent, exp.TryCast) and _is_to_utc(node.parent.parent):
        return node
    raise UnsupportedSql(f"the type {node.sql('snowflake')}")


def _cast(node: exp.Expr) -> exp.Expr:
    """`a:b::string` is unquoted, and what holds a VARIANT at run time is too: a column's type is not known here."""
    value, to = node.this, node.args["to"]
    if to.this == Type.ARRAY:  # a vector; from JSON or a list, whose length is then checked
        return exp.Cast(this=exp.Cast(this=value.copy(), to=duckdb_type("FLOAT[]")), to=to.copy())
    if to.this == Type.JSON:
        return exp.cast(value.copy(), to) if is_json(value) else call("TO_JSON", value)
    if to.this not in _SCALARS:
        return node
    unquoted = call("JSON_EXTRACT_STRING", exp.cast(value.copy(), duckdb_type("TEXT")), text("$"))
    if is_json(value):
        return _recast(node, call("JSON_EXTRACT_STRING", value, text("$")))
    if isinstance(value, _OF_ANY_TYPE):
        at_run_time = exp.EQ(this=call("TYPEOF", value), expression=text("JSON"))
        return exp.Case(ifs=[exp.If(this=at_run_time, true=_recast(node, unquoted))], default=node.copy())
    return node


def _recast(cast: exp.Expr, value: exp.Expr) -> exp.Expr:
    return type(cast)(this=value, to=cast.args["to"].copy())


# ── times ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _now(_: exp.Expr) -> exp.Expr:
    """UTC: DuckDB would cast now() to the machine's own zone."""
    return call("MAKE_TIMESTAMP", call("EPOCH_US", call("NOW")))


def _today(node: exp.Expr) -> exp.Expr:
    return exp.cast(_now(node), duckdb_type("DATE"))


def _is_to_utc(node: exp.Expr | None) -> bool:
    """CONVERT_TIMEZONE('UTC', TRY_CAST(x AS TIMESTAMP_TZ)): what a text with an offset means."""
    if not isinstance(node, exp.ConvertTimezone) or node.args.get("source_tz") is not None:
        return False
    moment = node.args["timestamp"]
    return node.args["target_tz"].name == "UTC" and isinstance(moment, exp.TryCast)


def _to_utc(node: exp.Expr) -> exp.Expr:
    if not _is_to_utc(node):
        raise UnsupportedSql("CONVERT_TIMEZONE, but of TRY_CAST(… AS TIMESTAMP_TZ) to 'UTC'")
    return call("MAKE_TIMESTAMP", call("EPOCH_US", node.args["timestamp"]))


def _is_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Case):  # as _cast writes it for a column
        return _is_date(node.args["default"]) if node.args.get("default") is not None else False
    return isinstance(node, exp.Cast) and node.to.this == Type.DATE


def _keep_date(node: exp.Expr) -> exp.Expr:
    """A date moved or truncated by whole days stays a date; DuckDB makes a timestamp of it. A bare column's type is not
    known here: cast it where the difference shows.
    """
    if not _is_date(node.this) or node.args["unit"].name.upper() not in _DATE_UNITS:
        return node
    return exp.cast(node.copy(), duckdb_type("DATE"))


def _to_char(node: exp.Expr) -> exp.Expr:
    wanted = node.args.get("format")
    if wanted is None:
        return exp.cast(node.this.copy(), duckdb_type("TEXT"))
    if not isinstance(wanted, exp.Literal):
        raise UnsupportedSql("TO_CHAR with a format that is no literal")
    rest, written = wanted.name, ""
    while rest:
        known = next((pair for pair in _FORMATS if rest.upper().startswith(pair[0])), None)
        if known is not None:
            part, rest = known[1], rest[len(known[0]) :]
        elif rest.startswith('"') and '"' in rest[1:]:  # a quoted part stands for itself
            part, _, rest = rest[1:].partition('"')
        elif not rest[0].isalnum():
            part, rest = rest[0], rest[1:]
        else:
            raise UnsupportedSql(f"TO_CHAR with the format {wanted.name}")
        written += part if known is not None else part.replace("%", "%%")
    return call("STRFTIME", node.this, text(written))


def _to_timestamp(node: exp.Expr) -> exp.Expr:
    if node.name.upper() not in ("TO_TIMESTAMP", "TO_TIMESTAMP_NTZ"):
        return node
    if len(node.expressions) != 1:
        raise UnsupportedSql(f"{node.name.upper()} with a format")
    return _cast(exp.Cast(this=node.expressions[0].copy(), to=duckdb_type("TIMESTAMP")))


def _to_date(node: exp.Expr) -> exp.Expr:
    if node.args.get("format") is not None:
        raise UnsupportedSql("TO_DATE with a format")
    return _cast(exp.Cast(this=node.this.copy(), to=duckdb_type("DATE")))


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _regexp_substr(node: exp.Expr) -> exp.Expr:
    """NULL and not '' where nothing matches."""
    return exp.Nullif(this=node.copy(), expression=text(""))


def _merge(node: exp.Expr) -> exp.Expr:
    """DuckDB knows no `SET t.x =`."""
    for update in node.find_all(exp.Update):
        for assignment in update.expressions:
            if isinstance(assignment.this, exp.Column):
                assignment.this.set("table", None)
    return node


def _inline_values(node: exp.Expr) -> exp.Expr:
    alias = node.args.get("alias")
    inside = isinstance(node.parent, (exp.From, exp.Join))
    if inside and (alias is None or not alias.args.get("columns")):
        raise UnsupportedSql("VALUES without AS name (columns)")  # COLUMN1 has another name in DuckDB
    return node


def _create(node: exp.Expr) -> exp.Expr:
    """Comments, clustering and retention say nothing to DuckDB. A dynamic table is a table that `Warehouse.refresh`
    writes.
    """
    if node.args["kind"] not in ("TABLE", "VIEW", "SCHEMA"):
        raise UnsupportedSql(f"CREATE {node.args['kind']}")
    properties = node.args.get("properties")
    kept = []
    for part in properties.expressions if properties is not None else []:
        if isinstance(part, exp.TemporaryProperty):
            kept.append(part)
        elif isinstance(part, exp.DynamicProperty):
            committed_at = exp.alias_(_now(node), ROW_LAST_COMMIT_TIME, quoted=True)
            rows = exp.Subquery(this=node.expression.copy(), alias=exp.TableAlias(this=exp.to_identifier("d")))
            node.set("expression", exp.select(exp.Star(), committed_at).from_(rows))
            node.set("this", node.this.this if isinstance(node.this, exp.Schema) else node.this)
        elif type(part) is exp.Property:
            if part.name.upper() not in _DROPPED_NAMED_PROPERTIES:
                raise UnsupportedSql(f"the property {part.name.upper()}")
        elif not isinstance(part, _DROPPED_PROPERTIES):
            raise UnsupportedSql(f"the property {part.sql('snowflake')}")
    node.set("properties", exp.Properties(expressions=[part.copy() for part in kept]) if kept else None)
    return node


def _drop(node: exp.Expr) -> exp.Expr:
    if node.args["kind"] not in ("TABLE", "VIEW", "SCHEMA"):
        raise UnsupportedSql(f"DROP {node.args['kind']}")
    return node


def _schema(node: exp.Expr) -> exp.Expr:
    """Keys are declared and not enforced, as on Snowflake: MERGE keeps them, and an index would slow every open."""
    dropped = (exp.PrimaryKey, exp.Constraint, exp.ForeignKey)
    node.set("expressions", [part for part in node.expressions if not isinstance(part, dropped)])
    return node


def _column_def(node: exp.Expr) -> exp.Expr:
    kept = (exp.NotNullColumnConstraint, exp.DefaultColumnConstraint)
    dropped = (exp.CommentColumnConstraint, exp.PrimaryKeyColumnConstraint)
    constraints = node.args.get("constraints") or []
    for constraint in constraints:
        if not isinstance(constraint.kind, kept + dropped):
            raise UnsupportedSql(f"the constraint {constraint.sql('snowflake')}")
    node.set("constraints", [c for c in constraints if isinstance(c.kind, kept)])
    return node


RULES: dict[type[exp.Expr], Rule] = {
    **dialect_json.RULES,
    exp.Anonymous: _to_timestamp,
    exp.Cast: _cast,
    exp.ColumnDef: _column_def,
    exp.Create: _create,
    exp.ConvertTimezone: _to_utc,
    exp.CurrentDate: _today,
    exp.CurrentTimestamp: _now,
    exp.DataType: _type,
    exp.DateAdd: _keep_date,
    exp.DateTrunc: _keep_date,
    exp.Drop: _drop,
    exp.Merge: _merge,
    exp.Placeholder: _placeholder,
    exp.RegexpExtract: _regexp_substr,
    exp.Schema: _schema,
    exp.TimestampTrunc: _keep_date,
    exp.ToChar: _to_char,
    exp.TryCast: _cast,
    exp.TsOrDsToDate: _to_date,
    exp.Values: _inline_values,
}
