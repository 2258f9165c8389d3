"""The asset graph as text, a line an asset: what a data engineer sees of it, compared with tests/graph.txt.

`python -m tests.assets.test_graph` writes the file again.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets import schemas
from assets.definitions import defs

GRAPH = Path(__file__).resolve().parents[1] / "graph.txt"


def picture() -> str:
    graph = defs.resolve_asset_graph()
    checks: dict[dg.AssetKey, list[str]] = {}
    for key in sorted(graph.asset_check_keys, key=str):
        blocking = "!" if graph.get(key).blocking else ""
        checks.setdefault(key.asset_key, []).append(f"{key.name}{blocking}")
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        schema = node.metadata.get("dagster/column_schema")
        lineage = node.metadata.get("dagster/column_lineage")
        condition = node.automation_condition
        facts = {
            "group": node.group_name,
            "kinds": "+".join(sorted(node.kinds)),
            "owners": "+".join(node.owners),
            "table": node.metadata.get("dagster/table_name", ""),
            "columns": len(schema.columns) if schema else "",
            "lineage": len(lineage.deps_by_column) if lineage else "",
            "pool": "+".join(sorted(node.pools or ())),
            "code": "versioned" if node.code_version else "",
            "fresh": type(node.freshness_policy or "").__name__.removesuffix("FreshnessPolicy").removesuffix("str"),
            "made": condition.get_label() if condition else "",
            "checks": " ".join(checks.get(key, ())),
            "from": " ".join(sorted(parent.to_user_string() for parent in node.parent_keys)),
        }
        said = "; ".join(f"{name} {value}" for name, value in facts.items() if value)
        lines.append(f"{key.to_user_string()}: {said}")
    return "\n".join(lines) + "\n"


def test_the_graph_is_as_drawn() -> None:
    assert picture() == GRAPH.read_text(), "the graph has changed: python -m tests.assets.test_graph draws it again"


def test_every_asset_that_we_make_says_what_an_engineer_looks_for() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        table = node.metadata.get("dagster/table_name")
        lacking = {
            name
            for name, value in {
                "group": node.group_name,
                "kinds": node.kinds,
                "owners": node.owners,
                "description": node.description,
                "table": table,
                "columns": node.metadata.get("dagster/column_schema"),
                "code version": node.code_version,
                "lineage": node.metadata.get("dagster/column_lineage") or schemas.view_lineage(table),
                "freshness": node.freshness_policy,
                "pool": node.pools,
                "parents": node.parent_keys,
            }.items()
            if not value
        }
        assert lacking == set(), key
        columns = node.metadata["dagster/column_schema"].columns
        assert all(column.description for column in columns), key


def test_lineage_runs_from_the_vendors_to_the_dashboard() -> None:
    graph = defs.resolve_asset_graph()
    above = {dg.AssetKey(["dashboard", "page"])}
    waiting = list(above)
    while waiting:
        for parent in graph.get(waiting.pop()).parent_keys - above:
            above.add(parent)
            waiting.append(parent)
    vendors = {key for key in graph.get_all_asset_keys() if key.path[0] == "vendors"}
    assert vendors
    assert vendors <= above


if __name__ == "__main__":
    GRAPH.write_text(picture())
