"""Rules of `dialect_rules` for what DuckDB keeps otherwise: VARIANT, ARRAY and OBJECT are JSON, VECTOR is FLOAT[n]."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from contracts.errors import UnsupportedSql

Rule = Callable[[exp.Expr], exp.Expr]

_TAKES_VARIANTS = (exp.Func, exp.Is, exp.PropertyEQ, exp.JSONKeyValue, exp.Kwarg)
"""Binary nodes that are no comparison and no arithmetic."""
_JSON_FUNCTIONS = {"JSON_EXTRACT", "TO_JSON", "JSON_ARRAY", "JSON_OBJECT", "JSON_MERGE_PATCH"}


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def text(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def duckdb_type(name: str) -> exp.DataType:
    return exp.DataType.build(name, dialect="duckdb")


def is_json(node: exp.Expr) -> bool:
    """The node is JSON for certain: a rule has made it."""
    if isinstance(node, exp.Paren):
        return is_json(node.this)
    if isinstance(node, exp.Cast):
        return bool(node.to.this == exp.DataType.Type.JSON)
    return isinstance(node, exp.Anonymous) and node.name.upper() in _JSON_FUNCTIONS


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def _extract(node: exp.Expr) -> exp.Expr:
    refuse_bare(node)
    return call("JSON_EXTRACT", node.this, node.expression)


def refuse_bare(node: exp.Expr) -> None:
    """Snowflake casts a VARIANT that is compared or computed with; JSON keeps its quotes and would differ silently."""
    parent = node.parent
    operand = isinstance(parent, (exp.Binary, exp.Neg, exp.In, exp.Between)) and not isinstance(parent, _TAKES_VARIANTS)
    if operand and not (isinstance(parent, exp.EQ) and isinstance(parent.parent, exp.Update)):
        raise UnsupportedSql(f"a VARIANT without a cast: write {node.sql('snowflake')}::type")


def _typeof(node: exp.Expr) -> exp.Expr:
    """Of a VARIANT, by Snowflake's names; a number with a fraction is DOUBLE, where Snowflake mostly has DECIMAL."""
    kind = call("JSON_TYPE", node.this)
    names = {"BIGINT": "INTEGER", "UBIGINT": "INTEGER", "NULL": "NULL_VALUE"}
    renamed = [exp.If(this=text(theirs), true=text(ours)) for theirs, ours in names.items()]
    return exp.Case(this=kind, ifs=renamed, default=kind.copy())


def _bracket(node: exp.Expr) -> exp.Expr:
    [key] = node.expressions
    if not isinstance(key, exp.Literal):
        raise UnsupportedSql("a[x] where x is no literal")
    path = f'$."{key.name}"' if key.is_string else f"$[{key.name}]"
    return call("JSON_EXTRACT", node.this, text(path))


def _parse_json(node: exp.Expr) -> exp.Expr:
    cast = exp.TryCast if node.args.get("safe") else exp.Cast
    return cast(this=node.this.copy(), to=duckdb_type("JSON"))


def _values(node: exp.Expr) -> exp.Expr:
    """A JSON array as DuckDB's list of JSON."""
    return exp.cast(node.copy(), duckdb_type("JSON[]"))


def _array_size(node: exp.Expr) -> exp.Expr:
    """NULL for what is no array, as in Snowflake."""
    is_array = exp.EQ(this=call("JSON_TYPE", node.this), expression=text("ARRAY"))
    length = exp.cast(call("JSON_ARRAY_LENGTH", node.this), duckdb_type("BIGINT"))
    return exp.Case(ifs=[exp.If(this=is_array, true=length)])


def _array_contains(node: exp.Expr) -> exp.Expr:
    """ARRAY_CONTAINS(value::VARIANT, array); sqlglot has put the array first."""
    return call("LIST_CONTAINS", _values(node.this), node.expression)


def _array_agg(node: exp.Expr) -> exp.Expr:
    """As JSON, without NULLs, `[]` for no rows. DISTINCT and ORDER BY stay inside."""
    if isinstance(node.parent, exp.WithinGroup):
        return node
    inner = node.this if isinstance(node, exp.WithinGroup) else node
    if not isinstance(inner, exp.ArrayAgg):
        if isinstance(inner, exp.GroupConcat):
            return exp.Coalesce(this=node.copy(), expressions=[text("")])
        return node
    if isinstance(node.parent, exp.Window):
        raise UnsupportedSql("ARRAY_AGG() OVER ()")
    empty = exp.cast(text("[]"), duckdb_type("JSON"))
    return exp.cast(exp.Coalesce(this=call("TO_JSON", node), expressions=[empty]), duckdb_type("JSON"))


def _listagg(node: exp.Expr) -> exp.Expr:
    """Snowflake gives '' for no rows. In WITHIN GROUP the parent's rule wraps both."""
    if isinstance(node.parent, exp.WithinGroup):
        return node
    if isinstance(node.parent, exp.Window):
        raise UnsupportedSql("LISTAGG() OVER ()")
    return exp.Coalesce(this=node.copy(), expressions=[text("")])


def _array(node: exp.Expr) -> exp.Expr:
    return call("JSON_ARRAY", *node.expressions)


def _array_to_string(node: exp.Expr) -> exp.Expr:
    return call("ARRAY_TO_STRING", exp.cast(node.this.copy(), duckdb_type("TEXT[]")), node.expression)


def _array_cat(node: exp.Expr) -> exp.Expr:
    [second] = node.expressions
    both = exp.DPipe(this=_values(node.this), expression=_values(second))  # NULL when either is
    return call("TO_JSON", both)


def _generate_range(node: exp.Expr) -> exp.Expr:
    """ARRAY_GENERATE_RANGE: the end is outside, as in DuckDB's RANGE."""
    step = node.args.get("step")
    return call("TO_JSON", call("RANGE", node.args["start"], node.args["end"], *([step] if step is not None else [])))


def _split(node: exp.Expr) -> exp.Expr:
    return call("TO_JSON", call("STR_SPLIT", node.this, node.expression))


def _object_construct(node: exp.Expr) -> exp.Expr:
    """Pairs whose value is NULL are left out: a merge patch does that, and inside of values too."""
    pairs = [part for pair in node.expressions for part in (_key(pair.this), pair.expression)]
    return call("JSON_MERGE_PATCH", exp.cast(text("{}"), duckdb_type("JSON")), call("JSON_OBJECT", *pairs))


def _object_keep_null(node: exp.Expr) -> exp.Expr:
    return call("JSON_OBJECT", *[part for pair in node.expressions for part in (_key(pair.this), pair.expression)])


def _key(node: exp.Expr) -> exp.Expr:
    return text(node.name) if isinstance(node, exp.Identifier) else node


def _flatten(node: exp.Expr) -> exp.Expr:
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
    select = node.find_ancestor(exp.Select)
    for column in select.find_all(exp.Column) if select is not None else ():
        if column.table.upper() == name.upper() and column.name.upper() in ("VALUE", "THIS"):
            refuse_bare(column)
    index = exp.TryCast(this=exp.column("key"), to=duckdb_type("BIGINT"))
    is_index = exp.EQ(this=call("JSON_TYPE", source), expression=text("ARRAY"))
    rows = exp.select(
        exp.Case(ifs=[exp.If(this=exp.Not(this=is_index.copy()), true=exp.column("key"))]).as_("key"),
        exp.Case(ifs=[exp.If(this=is_index, true=index)]).as_("index"),
        exp.column("value"),
        source.copy().as_("this"),
    )
    rows = rows.from_(exp.Table(this=call("JSON_EACH", source))).where(
        exp.In(this=call("JSON_TYPE", source), expressions=[text("ARRAY"), text("OBJECT")])
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

    def rule(node: exp.Expr) -> exp.Expr:
        return exp.cast(call(name, node.this, node.expression), duckdb_type("DOUBLE"))

    return rule


RULES: dict[type[exp.Expr], Rule] = {
    exp.Array: _array,
    exp.ArrayAgg: _array_agg,
    exp.ArrayConcat: _array_cat,
    exp.ArrayContains: _array_contains,
    exp.ArraySize: _array_size,
    exp.ArrayToString: _array_to_string,
    exp.Bracket: _bracket,
    exp.CosineDistance: _vector_function("ARRAY_COSINE_SIMILARITY"),
    exp.DotProduct: _vector_function("ARRAY_INNER_PRODUCT"),
    exp.EuclideanDistance: _vector_function("ARRAY_DISTANCE"),
    exp.GenerateSeries: _generate_range,
    exp.GroupConcat: _listagg,
    exp.JSONExtract: _extract,
    exp.JSONObject: _object_keep_null,
    exp.Lateral: _flatten,
    exp.ParseJSON: _parse_json,
    exp.Split: _split,
    exp.Struct: _object_construct,
    exp.TableFromRows: _flatten,
    exp.Typeof: _typeof,
    exp.WithinGroup: _array_agg,
}
