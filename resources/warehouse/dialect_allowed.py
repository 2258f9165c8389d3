"""What may pass from Snowflake's dialect to DuckDB: constructs that `test_dialect.py` has executed, and nothing else.

A line is a node of sqlglot's tree and the parts of it that were used. The test makes the list from its samples and
compares it, so a construct gets in by a sample with its expected answer, and gets out with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from contracts.errors import UnsupportedSql

PROVED = """
Abs this
Add expression this
Alias alias this
All this
Alter actions kind this
And expression this
Any this
AnyValue this
ArgMax expression this
ArgMin expression this
Array expressions
ArrayAgg nulls_excluded this
ArrayConcat expressions null_propagation this
ArrayContains check_null expression this
ArraySize this
ArrayToString expression null_delim_is_null null_is_empty this
Avg this
Between high low this
Boolean this
Bracket expressions this
CTE alias this
Case default ifs this
Cast this to
Ceil this
ClusterProperty expressions
Coalesce expressions this
Column table this
ColumnConstraint kind
ColumnDef constraints exists kind this
CommentColumnConstraint this
Concat expressions safe
ConcatWs expressions safe
Constraint expressions this
Contains expression this
ConvertTimezone target_tz timestamp
CopyGrantsProperty
CosineDistance expression this
Count big_int this
CountIf this zero_on_all_null
Create exists expression kind properties replace this
CurrentDate
CurrentTimestamp sysdate
DPipe expression safe this
DataType expressions nested this
DataTypeParam this
DateAdd expression this unit
DateDiff date_part_boundary expression this unit
DateTrunc this unit
Day this
DayOfWeek this
DayOfWeekIso this
DecodeCase expressions
DefaultColumnConstraint this
Delete this where
DenseRank
Distinct expressions
Div expression this
DotProduct expression this
Drop exists kind tables
DynamicProperty
EQ expression this
EndsWith expression this
EqualNull expression this
EuclideanDistance expression this
Except distinct expression order this with_
Exists this
Exp this
Explode expressions this
Extract expression this
FirstValue this
Floor this
From this
GT expression this
GTE expression this
GenerateSeries end is_end_exclusive start
Generator rowcount
Greatest expressions this
Group all expressions
GroupConcat separator this
Having this
Hour this
ILike expression this
Identifier quoted this
If false this true
In expressions query this
IndexParameters
Insert expression this
Intersect distinct expression this
Interval this unit
Is expression this
JSONExtract expression requires_json this variant_extract
JSONKeyValue expression this
JSONObject expressions
JSONPath expressions
JSONPathKey quoted this
JSONPathRoot
JSONPathSubscript this
Join kind on side this using
Kwarg expression this
LT expression this
LTE expression this
Lag this
LastDay this
LastValue this
Lateral alias this
Lead offset this
Least expressions this
Left expression negative_length_returns_empty this
Length binary this
Like expression this
Limit expression
Literal is_string this
Ln this
LogicalAnd this
LogicalOr this
Lower this
MD5 this
Max this
Median this
Merge on this using whens
Min this
Mod expression this
Month this
Mul expression this
NEQ expression this
Neg this
Not this
NotNullColumnConstraint
Ntile this
Null
NullSafeEQ expression this
NullSafeNEQ expression this
Nullif expression this
Nvl2 false this true
Offset expression
Or expression this
Order expressions this
Ordered desc nulls_first this
Pad expression fill_pattern is_left this
Paren this
ParseJSON safe this
PercentileCont this
Placeholder this
Pow expression this
PrimaryKey expressions include
Properties expressions
Property this value
PropertyEQ expression this
Qualify this
Quarter this
Rank
RegexpCount expression this
RegexpExtract expression group null_if_pos_overflow this
RegexpLike expression full_match this
RegexpReplace expression replacement this
Repeat this times
Replace expression replacement this
Reverse this
Right expression negative_length_returns_empty this
Round casts_non_integer_decimals decimals this
RowNumber
SHA2 this
Schema expressions this
SchemaCommentProperty this
SecureProperty
Select distinct expressions from_ group having joins limit offset order qualify where with_
Seq4
Sign this
Split empty_delimiter_returns_whole expression null_returns_null this
SplitPart delimiter empty_delimiter_returns_whole part_index part_index_zero_as_one this
Sqrt this
Star except_
StartsWith expression this
Stddev this
StrPosition clamp_position substr this
Struct expressions
Sub expression this
Subquery alias this
Substring length start this zero_start
Sum this
TO_TIMESTAMP() expressions this
TO_TIMESTAMP_NTZ() expressions this
Table alias db this
TableAlias columns this
TableFromRows alias this
TimestampTrunc input_type_preserved this unit
ToBoolean safe this
ToChar format this
ToDouble this
ToNumber precision safe scale this
TransientProperty
Trim expression position this
TryCast probe_date_format requires_string safe this to
TsOrDsToDate this
Tuple expressions
Typeof this
Union distinct expression limit order this with_
Update expressions from_ this where
Upper this
Values alias expressions
Var this
Variance this
WeekOfYear this
When condition matched then
Whens expressions
Where this
Window order over partition_by spec this
WindowSpec end end_side kind start start_side
With expressions recursive
WithinGroup expression this
Year this
"""


def refuse_unproved(tree: exp.Expr) -> None:
    """Raises UnsupportedSql: names the first construct, or the first part of one, that no sample has used."""
    for name, parts in constructs(tree):
        if name not in _PROVED:
            raise UnsupportedSql(name)
        if unknown := parts - _PROVED[name]:
            raise UnsupportedSql(f"{name} with {', '.join(sorted(unknown))}")


def constructs(tree: exp.Expr) -> Iterator[tuple[str, set[str]]]:
    """Each node's name (of a function that sqlglot does not know: its own) and its parts that are not empty."""
    for node in tree.walk():
        name = f"{node.name.upper()}()" if isinstance(node, exp.Anonymous) else type(node).__name__
        yield name, {part for part, value in node.args.items() if value}


_PROVED = {name: set(parts) for name, *parts in (line.split() for line in PROVED.strip().splitlines())}
