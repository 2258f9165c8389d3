"""What a query costs, and what an hour allows (Linear, rate limiting).

A property costs 0.1, an object 1, and a connection multiplies what is asked below it by `first` (50 where it
is left out); filters make nothing cheaper. The sum is taken before the query runs. Both budgets are buckets
that drip full at a constant rate, so an hour's worth is there after an hour without a request.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    value_from_ast_untyped,
)

PROPERTY, OBJECT = 0.1, 1.0
MAX_COMPLEXITY = 10_000
DEFAULT_PAGE = 50
REQUESTS_AN_HOUR = 2_500
COMPLEXITY_AN_HOUR = 3_000_000
"""Both of an API key; all keys of a user share them."""
PERIOD_S = 3600.0


def complexity(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> int:
    """The points of a valid operation, rounded up; introspection is free."""
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions
        if definition.default_value is not None
    }
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    points = _Points(schema, fragments, defaults | dict(variables))
    if schema.query_type is None:
        return 0
    # Tenths add up to odd floats: 0.1 + 0.2 must not round up to another point.
    return math.ceil(round(points.below(schema.query_type, operation.selection_set), 6))


class _Points:
    """Adds up the selections of one operation."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def below(self, parent: GraphQLNamedType | None, selected: SelectionSetNode | None) -> float:
        total = 0.0
        for node in selected.selections if selected is not None else ():
            if isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                total += self.below(self._schema.get_type(fragment.type_condition.name.value), fragment.selection_set)
            elif isinstance(node, InlineFragmentNode):
                kind = node.type_condition
                total += self.below(self._schema.get_type(kind.name.value) if kind else parent, node.selection_set)
            elif isinstance(node, FieldNode):
                total += self._field(parent, node)
        return total

    def _field(self, parent: GraphQLNamedType | None, node: FieldNode) -> float:
        name = node.name.value
        if not isinstance(parent, GraphQLObjectType) or name not in parent.fields:
            return PROPERTY if name == "__typename" else 0.0
        kind = get_named_type(parent.fields[name].type)
        if node.selection_set is None:
            return PROPERTY
        if kind.name.endswith("Connection"):
            return self._page(node) * self.below(kind, node.selection_set)
        return OBJECT + self.below(kind, node.selection_set)

    def _page(self, node: FieldNode) -> int:
        for argument in node.arguments:
            if argument.name.value in ("first", "last"):
                value: object = None
                if isinstance(argument.value, VariableNode):
                    value = self._variables.get(argument.value.name.value)
                elif isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value)
                if isinstance(value, int):
                    return max(0, value)
        return DEFAULT_PAGE


class Bucket:
    """An amount that drips full within an hour, at a constant rate, in real time."""

    def __init__(self, allowed: int, speedup: float) -> None:
        """Args: speedup: divides the hour; infinity keeps the bucket full."""
        self.allowed = allowed
        self._rate = allowed * speedup / PERIOD_S
        self._level = float(allowed)
        self._at = time.monotonic()

    def wait_s(self, amount: float) -> int | None:
        """Whole seconds, rounded up and at least 1, until this amount is there; None where it is."""
        lacking = amount - self._now()
        return max(1, math.ceil(lacking / self._rate)) if lacking > 0 else None

    def spend(self, amount: float) -> None:
        self._level = self._now() - amount

    @property
    def remaining(self) -> int:
        return max(0, math.floor(self._now()))

    @property
    def reset_ms(self) -> int:
        """Epoch milliseconds at which it is full again."""
        return round((time.time() + (self.allowed - self._now()) / self._rate) * 1000)

    def _now(self) -> float:
        now = time.monotonic()
        if math.isinf(self._rate):
            self._level = float(self.allowed)
        else:
            self._level = min(self.allowed, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level
