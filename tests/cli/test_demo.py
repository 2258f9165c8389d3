"""The main job as a user runs it, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from resources.broker import free_port
from tests.cli.test_mistakes import sophia

HIT = {"score", "source", "document_id", "title", "text", "occurred_at", "people"}


def demo(home: Path, *arguments: str, timeout_s: float = 240, **settings: str) -> dict[str, Any]:
    ports = {"SOPHIA_SANDBOX_PORT": str(free_port()), "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}
    done = sophia("demo", *arguments, home=home, timeout_s=timeout_s, **ports, **settings)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout, "quiet off a terminal"
    written: dict[str, Any] = json.loads((home / "demo.json").read_text())
    for name in ("documents", "chunks", "vectors"):
        assert f"{written[name]:,}" in done.stdout
    return written


def test_the_demo_loads_searches_and_knows_when_nothing_changed(tmp_path: Path) -> None:
    home = tmp_path / "var"
    first = demo(home, "--scale", "0.2")
    assert set(first["rows"]) == {"gong", "hubspot", "linear", "slack"}
    assert all(first["rows"].values())
    assert first["chunks"] == first["vectors"] == first["embedded"] == first["memory_rows_written"] > 0
    assert first["documents"] <= first["chunks"]
    assert len(first["searches"]) == 4
    assert all(set(hit) == HIT and hit["text"] for search in first["searches"] for hit in search["hits"])
    assert first["kpis"]["total_calls"] >= first["kpis"]["unique_accounts"] > 0
    assert {"pipeline_value", "active_deals", "customer_health_score", "llm_cost_efficiency"} <= set(first["kpis"])
    assert {"start", "migrate", "load", "search", "total"} <= set(first["seconds"])

    again = demo(home, "--scale", "0.2")
    for written in (first, again):  # what the first run has embedded counts in its own numbers or in the next
        written["kpis"].pop("llm_cost_efficiency")
    same = ("rows", "streams", "documents", "chunks", "vectors", "kpis", "searches")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert (again["embedded"], again["memory_rows_written"]) == (0, 0)

    found = sophia("search", "the price of the renewal", "--json", "--limit", "2", home=home)
    hits = json.loads(found.stdout)
    assert len(hits) == 2
    assert set(hits[0]) == HIT
    assert hits[0]["score"] >= hits[1]["score"]
    assert "the price" in sophia("search", "the price of the renewal", home=home).stdout
    assert json.loads(sophia("migrate", "status", "--json", home=home).stdout)[0]["state"] == "applied"

    other = demo(home, "--scale", "0.2", "--seed", "8")
    assert other["documents"] != first["documents"]
    assert (home / "previous-1" / "warehouse.duckdb").exists()


@pytest.mark.long
def test_what_was_said_once_is_found_in_every_source(tmp_path: Path) -> None:
    """The real engine: a question in other words finds a call, a message, a note and an issue."""
    written = demo(tmp_path, timeout_s=1200, SOPHIA_EMBEDDING_MODEL="all-minilm-l6-v2")
    assert [search["hits"][0]["source"] for search in written["searches"]] == ["gong", "slack", "hubspot", "linear"]


@pytest.mark.long
def test_real_meetings_and_chats_are_loaded_and_found(tmp_path: Path, real_material: Path) -> None:
    """The real engine on the real material: 60 meetings, 1,382 messages, and something said in a meeting is found."""
    settings = {"SOPHIA_EMBEDDING_MODEL": "all-minilm-l6-v2"}
    written = demo(tmp_path, "--data", str(real_material), timeout_s=1200, **settings)
    assert (written["streams"]["gong/calls"], written["streams"]["gong/transcripts"]) == (60, 60)
    assert written["streams"]["slack/messages"] == 1382
    assert written["streams"]["linear/issues"] == 1000
    query = "penguin as a favourite animal"
    hits = json.loads(sophia("search", query, "--json", "--limit", "10", home=tmp_path, **settings).stdout)
    assert any("penguin" in hit["text"].lower() and hit["source"] == "gong" for hit in hits)
