"""The rules that sqlglot 30 lacks from Snowflake to DuckDB; `tests/resources/warehouse/test_dialect.py` executes each.

VARIANT, ARRAY and OBJECT are JSON here. A rule sees a node whose children are rewritten already, and returns what
stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from contracts.errors import UnsupportedSql

Type = exp.DataType.Type
Rule = Callable[[exp.Expression], exp.Expression]

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
_COMPARISONS = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike, exp.In, exp.Between),
    *(exp.NullSafeEQ, exp.NullSafeNEQ),
)
_JSON_FUNCTIONS = {"JSON_EXTRACT", "TO_JSON", "JSON_ARRAY", "JSON_OBJECT", "JSON_MERGE_PATCH"}
_DROPPED_PROPERTIES = (
    exp.SchemaCommentProperty,
    exp.Cluster,
    exp.ClusterProperty,
    exp.TransientProperty,
    exp.CopyGrantsProperty,
    exp.SecureProperty,
)
_DROPPED_NAMED_PROPERTIES = {
    *("DATA_RETENTION_TIME_IN_DAYS", "CHANGE_TRACKING"),
    *("TARGET_LAG", "WAREHOUSE", "REFRESH_MODE"),  # of a dynamic table
}
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


def rewrite(tree: exp.Expression) -> exp.Expression:
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


def _placeholder(node: exp.Expression) -> exp.Expression:
    """`:p2`, as `dialect` has numbered it, becomes `$2`."""
    return exp.Parameter(this=exp.Literal.number(node.name.removeprefix("p")))


def _call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def _text(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _duckdb_type(name: str) -> exp.DataType:
    return exp.DataType.build(name, dialect="duckdb")


def _is_json(node: exp.Expression) -> bool:
    """The node is JSON for certain: a rule has made it."""
    if isinstance(node, exp.Paren):
        return _is_json(node.this)
    if isinstance(node, exp.Cast):
        return node.to.this == Type.JSON
    return isinstance(node, exp.Anonymous) and node.name.upper() in _JSON_FUNCTIONS


# ── types and casts ───────────────────────────────────────────────────────────────────────────────────────────────────


def _type(node: exp.Expression) -> exp.Expression:
    kind = node.this
    if kind == Type.VECTOR:
        size = next(literal for literal in node.find_all(exp.Literal) if literal.is_int)
        return _duckdb_type(f"FLOAT[{size.name}]")
    if kind in _SEMI_STRUCTURED or (kind == Type.ARRAY and not node.expressions):
        return _duckdb_type("JSON")
    if kind in _WHOLE_NUMBERS:
        return _duckdb_type("BIGINT")
    if kind == Type.DECIMAL:
        scale = node.expressions[1].name if len(node.expressions) > 1 else "0"
        return _duckdb_type("BIGINT") if scale == "0" else node
    if kind in _TEXTS:
        return _duckdb_type("TEXT")
    if kind in _TIMES:
        return _duckdb_type("TIMESTAMP")
    if kind in (Type.DOUBLE, Type.FLOAT):
        return _duckdb_type("DOUBLE")
    if kind in (Type.BOOLEAN, Type.DATE, Type.JSON) or (kind == Type.ARRAY and node.expressions):
        return node
    raise UnsupportedSql(f"the type {node.sql('snowflake')}")


def _cast(node: exp.Expression) -> exp.Expression:
    """`a:b::string` is unquoted, and what holds a VARIANT at run time is too: a column's type is not known here."""
    value, to = node.this, node.args["to"]
    if to.this == Type.ARRAY:  # a vector; from JSON or a list, whose length is then checked
        return exp.Cast(this=exp.Cast(this=value.copy(), to=_duckdb_type("FLOAT[]")), to=to.copy())
    if to.this == Type.JSON:
        return exp.cast(value.copy(), to) if _is_json(value) else _call("TO_JSON", value)
    if to.this not in _SCALARS:
        return node
    unquoted = _call("JSON_EXTRACT_STRING", exp.cast(value.copy(), _duckdb_type("TEXT")), _text("$"))
    if _is_json(value):
        return _recast(node, _call("JSON_EXTRACT_STRING", value, _text("$")))
    if isinstance(value, _OF_ANY_TYPE):
        is_json = exp.EQ(this=_call("TYPEOF", value), expression=_text("JSON"))
        return exp.Case(ifs=[exp.If(this=is_json, true=_recast(node, unquoted))], default=node.copy())
    return node


def _recast(cast: exp.Expression, value: exp.Expression) -> exp.Expression:
    return type(cast)(this=value, to=cast.args["to"].copy())


# ── semi-structured values ────────────────────────────────────────────────────────────────────────────────────────────


def _extract(node: exp.Expression) -> exp.Expression:
    if isinstance(node.parent, _COMPARISONS) and not _assigns(node.parent):
        raise UnsupportedSql("a VARIANT that is compared without a cast: write a:b::type")
    return _call("JSON_EXTRACT", node.this, node.expression)


def _assigns(node: exp.Expression | None) -> bool:
    return isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update)


def _bracket(node: exp.Expression) -> exp.Expression:
    [key] = node.expressions
    if not isinstance(key, exp.Literal):
        raise UnsupportedSql("a[x] where x is no literal")
    path = f'$."{key.name}"' if key.is_string else f"$[{key.name}]"
    return _call("JSON_EXTRACT", node.this, _text(path))


def _parse_json(node: exp.Expression) -> exp.Expression:
    cast = exp.TryCast if node.args.get("safe") else exp.Cast
    return cast(this=node.this.copy(), to=_duckdb_type("JSON"))


def _values(node: exp.Expression) -> exp.Expression:
    """A JSON array as DuckDB's list of JSON."""
    return exp.cast(node.copy(), _duckdb_type("JSON[]"))


def _array_size(node: exp.Expression) -> exp.Expression:
    """NULL for what is no array, as in Snowflake."""
    is_array = exp.EQ(this=_call("JSON_TYPE", node.this), expression=_text("ARRAY"))
    length = exp.cast(_call("JSON_ARRAY_LENGTH", node.this), _duckdb_type("BIGINT"))
    return exp.Case(ifs=[exp.If(this=is_array, true=length)])


def _array_contains(node: exp.Expression) -> exp.Expression:
    """ARRAY_CONTAINS(value::VARIANT, array); sqlglot has put the array first."""
    return _call("LIST_CONTAINS", _values(node.this), node.expression)


def _array_agg(node: exp.Expression) -> exp.Expression:
    """As JSON, without NULLs, `[]` for no rows. DISTINCT and ORDER BY stay inside."""
    if isinstance(node.parent, exp.WithinGroup):
        return node
    inner = node.this if isinstance(node, exp.WithinGroup) else node
    if not isinstance(inner, exp.ArrayAgg):
        if isinstance(inner, exp.GroupConcat):
            return exp.Coalesce(this=node.copy(), expressions=[_text("")])
        return node
    if isinstance(node.parent, exp.Window):
        raise UnsupportedSql("ARRAY_AGG() OVER ()")
    empty = exp.cast(_text("[]"), _duckdb_type("JSON"))
    return exp.cast(exp.Coalesce(this=_call("TO_JSON", node), expressions=[empty]), _duckdb_type("JSON"))


def _listagg(node: exp.Expression) -> exp.Expression:
    """Snowflake gives '' for no rows. In WITHIN GROUP the parent's rule wraps both."""
    if isinstance(node.parent, exp.WithinGroup):
        return node
    if isinstance(node.parent, exp.Window):
        raise UnsupportedSql("LISTAGG() OVER ()")
    return exp.Coalesce(this=node.copy(), expressions=[_text("")])


def _array(node: exp.Expression) -> exp.Expression:
    return _call("JSON_ARRAY", *node.expressions)


def _array_to_string(node: exp.Expression) -> exp.Expression:
    return _call("ARRAY_TO_STRING", exp.cast(node.this.copy(), _duckdb_type("TEXT[]")), node.expression)


def _array_cat(node: exp.Expression) -> exp.Expression:
    [second] = node.expressions
    both = exp.DPipe(this=_values(node.this), expression=_values(second))  # NULL when either is
    return _call("TO_JSON", both)


def _generate_range(node: exp.Expression) -> exp.Expression:
    """ARRAY_GENERATE_RANGE: the end is outside, as in DuckDB's RANGE."""
    step = node.args.get("step")
    return _call("TO_JSON", _call("RANGE", node.args["start"], node.args["end"], *([step] if step is not None else [])))


def _split(node: exp.Expression) -> exp.Expression:
    return _call("TO_JSON", _call("STR_SPLIT", node.this, node.expression))


def _object_construct(node: exp.Expression) -> exp.Expression:
    """Pairs whose value is NULL are left out: a merge patch does that."""
    pairs = [part for pair in node.expressions for part in (_key(pair.this), pair.expression)]
    return _call("JSON_MERGE_PATCH", exp.cast(_text("{}"), _duckdb_type("JSON")), _call("JSON_OBJECT", *pairs))


def _object_keep_null(node: exp.Expression) -> exp.Expression:
    return _call("JSON_OBJECT", *[part for pair in node.expressions for part in (_key(pair.this), pair.expression)])


def _key(node: exp.Expression) -> exp.Expression:
    return _text(node.name) if isinstance(node, exp.Identifier) else node


def _flatten(node: exp.Expression) -> exp.Expression:
    """LATERAL FLATTEN and TABLE(FLATTEN): a row an element, with key, index, value and this."""
    explode = node.this
    if not isinstance(explode, exp.Explode):
        return node
    named = {"INPUT": explode.this} if not isinstance(explode.this, exp.Kwarg) else {}
    for pair in [explode.this, *explode.expressions]:
        if isinstance(pair, exp.Kwarg):
            named[pair.this.name.upper()] = pair.expression
    if unknown := named.keys() - {"INPUT", "OUTER"}:
        raise UnsupportedSql(f"FLATTEN({', '.join(sorted(unknown))} => …)")
    source = named["INPUT"]
    outer = isinstance(named.get("OUTER"), exp.Boolean) and named["OUTER"].this
    alias = node.args.get("alias")
    name = alias.this.name if alias is not None and alias.this is not None else "_flattened"
    index = exp.TryCast(this=exp.column("key"), to=_duckdb_type("BIGINT"))
    is_index = exp.EQ(this=_call("JSON_TYPE", source), expression=_text("ARRAY"))
    rows = exp.select(
        exp.Case(ifs=[exp.If(this=exp.Not(this=is_index.copy()), true=exp.column("key"))]).as_("key"),
        exp.Case(ifs=[exp.If(this=is_index, true=index)]).as_("index"),
        exp.column("value"),
        source.copy().as_("this"),
    )
    rows = rows.from_(exp.Table(this=_call("JSON_EACH", source))).where(
        exp.In(this=_call("JSON_TYPE", source), expressions=[_text("ARRAY"), _text("OBJECT")])
    )
    lateral = exp.Lateral(this=exp.Subquery(this=rows), alias=exp.TableAlias(this=exp.to_identifier(name)), view=False)
    join = node.parent
    if isinstance(join, exp.Join):
        left = outer or join.side.upper() == "LEFT"
        join.set("side", "LEFT" if left else None)
        join.set("kind", None if left else "CROSS")
        join.set("on", exp.true() if left else None)
    elif outer:
        raise UnsupportedSql("FLATTEN(OUTER => TRUE) that stands alone in FROM")
    return lateral if isinstance(join, exp.Join) else exp.Subquery(this=rows, alias=lateral.args["alias"].copy())


# ── vectors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _vector_function(name: str) -> Rule:
    """sqlglot writes VECTOR_COSINE_SIMILARITY as a distance; the ranking would be upside down."""

    def rule(node: exp.Expression) -> exp.Expression:
        return exp.cast(_call(name, node.this, node.expression), _duckdb_type("DOUBLE"))

    return rule


# ── times ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _now(_: exp.Expression) -> exp.Expression:
    """UTC: DuckDB would cast now() to the machine's own zone."""
    return _call("MAKE_TIMESTAMP", _call("EPOCH_US", _call("NOW")))


def _today(node: exp.Expression) -> exp.Expression:
    return exp.cast(_now(node), _duckdb_type("DATE"))


def _is_date(node: exp.Expression) -> bool:
    if isinstance(node, exp.Case):  # as _cast writes it for a column
        return _is_date(node.args["default"]) if node.args.get("default") is not None else False
    return isinstance(node, exp.Cast) and node.to.this == Type.DATE


def _keep_date(node: exp.Expression) -> exp.Expression:
    """A date moved or truncated by whole days stays a date; DuckDB makes a timestamp of it. A bare column's type is not
    known here: cast it where the difference shows.
    """
    if not _is_date(node.this) or node.args["unit"].name.upper() not in _DATE_UNITS:
        return node
    return exp.cast(node.copy(), _duckdb_type("DATE"))


def _to_char(node: exp.Expression) -> exp.Expression:
    wanted = node.args.get("format")
    if wanted is None:
        return exp.cast(node.this.copy(), _duckdb_type("TEXT"))
    if not isinstance(wanted, exp.Literal):
        raise UnsupportedSql("TO_CHAR with a format that is no literal")
    rest, written = wanted.name, ""
    while rest:
        for theirs, ours in _FORMATS:
            if rest.upper().startswith(theirs):
                written, rest = written + ours, rest[len(theirs) :]
                break
        else:
            if rest[0].isalnum() and rest[0] != "T":
                raise UnsupportedSql(f"TO_CHAR with the format {wanted.name}")
            written, rest = written + rest[0], rest[1:]
    return _call("STRFTIME", node.this, _text(written))


def _to_timestamp(node: exp.Expression) -> exp.Expression:
    if node.name.upper() not in ("TO_TIMESTAMP", "TO_TIMESTAMP_NTZ"):
        return node
    if len(node.expressions) != 1:
        raise UnsupportedSql(f"{node.name.upper()} with a format")
    return _cast(exp.Cast(this=node.expressions[0].copy(), to=_duckdb_type("TIMESTAMP")))


def _to_date(node: exp.Expression) -> exp.Expression:
    if node.args.get("format") is not None:
        raise UnsupportedSql("TO_DATE with a format")
    return _cast(exp.Cast(this=node.this.copy(), to=_duckdb_type("DATE")))


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _regexp_substr(node: exp.Expression) -> exp.Expression:
    """NULL and not '' where nothing matches."""
    return exp.Nullif(this=node.copy(), expression=_text(""))


def _merge(node: exp.Expression) -> exp.Expression:
    """DuckDB knows no `SET t.x =`."""
    for update in node.find_all(exp.Update):
        for assignment in update.expressions:
            if isinstance(assignment.this, exp.Column):
                assignment.this.set("table", None)
    return node


def _inline_values(node: exp.Expression) -> exp.Expression:
    alias = node.args.get("alias")
    inside = isinstance(node.parent, (exp.From, exp.Join))
    if inside and (alias is None or not alias.args.get("columns")):
        raise UnsupportedSql("VALUES without AS name (columns)")  # COLUMN1 has another name in DuckDB
    return node


def _create(node: exp.Expression) -> exp.Expression:
    """Comments, clustering and retention say nothing to DuckDB. A dynamic table is a view: as fresh as can be."""
    if node.args["kind"] not in ("TABLE", "VIEW", "SCHEMA"):
        raise UnsupportedSql(f"CREATE {node.args['kind']}")
    properties = node.args.get("properties")
    kept = []
    for part in properties.expressions if properties is not None else []:
        if isinstance(part, exp.TemporaryProperty):
            kept.append(part)
        elif isinstance(part, exp.DynamicProperty):
            node.set("kind", "VIEW")
        elif type(part) is exp.Property:
            if part.name.upper() not in _DROPPED_NAMED_PROPERTIES:
                raise UnsupportedSql(f"the property {part.name.upper()}")
        elif not isinstance(part, _DROPPED_PROPERTIES):
            raise UnsupportedSql(f"the property {part.sql('snowflake')}")
    node.set("properties", exp.Properties(expressions=[part.copy() for part in kept]) if kept else None)
    return node


def _drop(node: exp.Expression) -> exp.Expression:
    if node.args["kind"] not in ("TABLE", "VIEW", "SCHEMA"):
        raise UnsupportedSql(f"DROP {node.args['kind']}")
    return node


def _schema(node: exp.Expression) -> exp.Expression:
    """Keys are declared and not enforced, as on Snowflake: MERGE keeps them, and an index would slow every open."""
    dropped = (exp.PrimaryKey, exp.Constraint, exp.ForeignKey)
    node.set("expressions", [part for part in node.expressions if not isinstance(part, dropped)])
    return node


def _column_def(node: exp.Expression) -> exp.Expression:
    kept = (exp.NotNullColumnConstraint, exp.DefaultColumnConstraint)
    dropped = (exp.CommentColumnConstraint, exp.PrimaryKeyColumnConstraint)
    constraints = node.args.get("constraints") or []
    for constraint in constraints:
        if not isinstance(constraint.kind, kept + dropped):
            raise UnsupportedSql(f"the constraint {constraint.sql('snowflake')}")
    node.set("constraints", [c for c in constraints if isinstance(c.kind, kept)])
    return node


RULES: dict[type[exp.Expression], Rule] = {
    exp.Anonymous: _to_timestamp,
    exp.Array: _array,
    exp.ArrayAgg: _array_agg,
    exp.ArrayConcat: _array_cat,
    exp.ArrayContains: _array_contains,
    exp.ArraySize: _array_size,
    exp.ArrayToString: _array_to_string,
    exp.Bracket: _bracket,
    exp.Cast: _cast,
    exp.ColumnDef: _column_def,
    exp.CosineDistance: _vector_function("ARRAY_COSINE_SIMILARITY"),
    exp.Create: _create,
    exp.CurrentDate: _today,
    exp.CurrentTimestamp: _now,
    exp.DataType: _type,
    exp.DateAdd: _keep_date,
    exp.DateTrunc: _keep_date,
    exp.DotProduct: _vector_function("ARRAY_INNER_PRODUCT"),
    exp.Drop: _drop,
    exp.EuclideanDistance: _vector_function("ARRAY_DISTANCE"),
    exp.GenerateSeries: _generate_range,
    exp.GroupConcat: _listagg,
    exp.JSONExtract: _extract,
    exp.JSONObject: _object_keep_null,
    exp.Lateral: _flatten,
    exp.Merge: _merge,
    exp.ParseJSON: _parse_json,
    exp.Placeholder: _placeholder,
    exp.RegexpExtract: _regexp_substr,
    exp.Schema: _schema,
    exp.Split: _split,
    exp.Struct: _object_construct,
    exp.TableFromRows: _flatten,
    exp.TimestampTrunc: _keep_date,
    exp.ToChar: _to_char,
    exp.TryCast: _cast,
    exp.TsOrDsToDate: _to_date,
    exp.Values: _inline_values,
    exp.WithinGroup: _array_agg,
}
