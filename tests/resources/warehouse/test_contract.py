"""What both adapters promise: each test runs on DuckDB, and through Snowflake's connector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contracts import identity
from contracts.errors import Fenced, StatementFailed, VectorMismatch
from contracts.records import Chunk, MemoryBatch, Position, memory_rows
from contracts.tables import Column, ColumnType, Table
from resources.warehouse import Advance, ChildrenResult, LandResult, Warehouse
from resources.warehouse.tables import CATALOG_ENTRIES, MEMORY_RECORDS

START = datetime(2026, 1, 1, tzinfo=UTC)
LANDED_AT = datetime(2026, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)
FINGERPRINT = "hash-64/fp32|turns|v1"


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def toy(version: float, content: str = "a", toy_id: int = 1, *, deleted: bool = False) -> dict[str, Any]:
    """A raw row as `transforms.rows` makes it: `content` decides the payload, its hash and a column."""
    return {
        "maker": "acme",
        "toy_id": toy_id,
        "weight_kg": None if deleted else float(len(content)),
        "loud": None if deleted else True,
        "made_at": None if deleted else START,
        "tags": None if deleted else json.dumps([content]),
        "payload": json.dumps({"content": content, "none": None}),
        "_version": at(version),
        "_deleted_at": at(version) if deleted else None,
        "_content_hash": identity.text_hash(content),
        "_origin": "",
        "_landed_at": START,
        "_load_id": "",
    }


def land(warehouse: Warehouse, toys: Table, load_id: str, *rows: dict[str, Any], **more: Any) -> LandResult:
    return warehouse.land(toys, toys.rows(rows), load_id=load_id, landed_at=LANDED_AT, origin="pull", **more)


def stored(warehouse: Warehouse, toys: Table) -> list[dict[str, Any]]:
    rows = warehouse.query(f"SELECT * FROM {toys.name} ORDER BY maker, toy_id").to_pylist()
    for row in rows:
        row["content"] = json.loads(row["payload"])["content"]
        row["version"] = (row["_version"] - naive(START)) / timedelta(minutes=1)
    return rows


def short(warehouse: Warehouse, toys: Table) -> list[tuple[object, ...]]:
    """(id, content, version, deleted, load) of each row."""
    return [
        (r["toy_id"], r["content"], r["version"], r["_deleted_at"] is not None, r["_load_id"])
        for r in stored(warehouse, toys)
    ]


# ── landing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_land_with_the_marks_of_their_load(warehouse: Warehouse, toys: Table) -> None:
    assert land(warehouse, toys, "l1", toy(1), toy(1, "bb", 2)) == LandResult(received=2, changed=2)
    first, second = stored(warehouse, toys)
    assert (first["toy_id"], second["weight_kg"], second["loud"]) == (1, 2.0, True)
    assert json.loads(second["tags"]) == ["bb"]
    assert json.loads(first["payload"]) == {"content": "a", "none": None}
    assert (first["_origin"], first["_landed_at"], first["_load_id"]) == ("pull", naive(LANDED_AT), "l1")
    [load] = warehouse.query("SELECT * FROM SOPHIA_CORE.LOADS").to_pylist()
    assert load == {
        "load_id": "l1", "address": "gong/toys", "origin": "pull", "received": 2, "changed": 2,
        "landed_at": naive(LANDED_AT), "catalogued_at": None,
    }  # fmt: skip


def test_the_newest_version_wins_whenever_it_comes(warehouse: Warehouse, toys: Table) -> None:
    land(warehouse, toys, "l1", toy(2, "b"))
    assert land(warehouse, toys, "l2", toy(5, "e")).changed == 1
    assert land(warehouse, toys, "l3", toy(3, "c")).changed == 0
    assert short(warehouse, toys) == [(1, "e", 5, False, "l2")]
    assert stored(warehouse, toys)[0]["weight_kg"] == 1.0


def test_what_is_read_again_unchanged_moves_the_version_alone(warehouse: Warehouse, toys: Table) -> None:
    land(warehouse, toys, "l1", toy(1))
    later = LANDED_AT + timedelta(days=1)
    rows = toys.rows([toy(9)])
    result = warehouse.land(toys, rows, load_id="l2", landed_at=later, origin="push")
    assert result == LandResult(received=1, changed=0)
    [row] = stored(warehouse, toys)
    assert (row["version"], row["_origin"], row["_load_id"], row["_landed_at"]) == (9, "pull", "l1", naive(LANDED_AT))
    assert warehouse.query("SELECT load_id FROM SOPHIA_CORE.LOADS").to_pylist() == [{"load_id": "l1"}]


def test_a_batch_may_hold_a_row_more_than_once(warehouse: Warehouse, toys: Table) -> None:
    rows = (toy(2, "b"), toy(3, "c"), toy(1, "a"), toy(3, "c"), toy(1, "x", 2))
    assert land(warehouse, toys, "l1", *rows) == LandResult(received=5, changed=2)
    assert short(warehouse, toys) == [(1, "c", 3, False, "l1"), (2, "x", 1, False, "l1")]


def test_equal_versions_in_a_batch_do_not_depend_on_their_order(warehouse: Warehouse, toys: Table) -> None:
    rows = [toy(1, "x"), toy(1, "y"), toy(1, "p", 2), toy(1, "p", 2, deleted=True)]
    land(warehouse, toys, "l1", *rows)
    once = short(warehouse, toys)
    warehouse.execute(f"DELETE FROM {toys.name}")
    land(warehouse, toys, "l2", *reversed(rows))
    assert [row[:4] for row in short(warehouse, toys)] == [row[:4] for row in once]
    assert once[1][3], "a tombstone goes before a live row of its version"


def test_equal_versions_in_two_batches_do_not_depend_on_their_order(warehouse: Warehouse, toys: Table) -> None:
    rows = [toy(1, "x"), toy(1, "y"), toy(1, "p", 2), toy(1, "p", 2, deleted=True)]
    for number, row in enumerate(rows):
        land(warehouse, toys, f"l{number}", row)
    once = short(warehouse, toys)
    warehouse.execute(f"DELETE FROM {toys.name}")
    for number, row in enumerate(reversed(rows), len(rows)):
        land(warehouse, toys, f"l{number}", row)
    assert [row[:4] for row in short(warehouse, toys)] == [row[:4] for row in once]
    assert once[1][3], "a tombstone goes before a live row of its version"


def test_a_tombstone_keeps_the_last_content_and_stays(warehouse: Warehouse, toys: Table) -> None:
    land(warehouse, toys, "l1", toy(1, "a"))
    assert land(warehouse, toys, "l2", toy(5, "gone", deleted=True)).changed == 1
    assert short(warehouse, toys) == [(1, "a", 5, True, "l2")]
    assert land(warehouse, toys, "l3", toy(4, "stale")).changed == 0
    assert land(warehouse, toys, "l4", toy(6, "again", deleted=True)).changed == 0
    assert short(warehouse, toys) == [(1, "a", 6, True, "l2")]
    assert land(warehouse, toys, "l5", toy(7, "a")).changed == 1, "the same content, but it lives again"
    assert short(warehouse, toys) == [(1, "a", 7, False, "l5")]


def test_a_delete_of_an_unknown_row_is_remembered(warehouse: Warehouse, toys: Table) -> None:
    assert land(warehouse, toys, "l1", toy(5, "gone", deleted=True)).changed == 1
    assert land(warehouse, toys, "l2", toy(4, "stale")).changed == 0
    assert short(warehouse, toys) == [(1, "gone", 5, True, "l1")]


def test_nothing_to_land_is_no_landing(warehouse: Warehouse, toys: Table) -> None:
    assert land(warehouse, toys, "l1") == LandResult(received=0, changed=0)
    assert warehouse.query("SELECT COUNT(*) AS n FROM SOPHIA_CORE.LOADS")["n"].to_pylist() == [0]


def test_only_raw_tables_are_landed(warehouse: Warehouse) -> None:
    table = Table("GONG_INTEGRATION.TOYS", ("maker",), (Column("maker", ColumnType.TEXT),))
    with pytest.raises(ValueError, match="payload"):
        land(warehouse, table, "l1", {"maker": "acme"})


# ── positions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_position_is_claimed_moved_and_resumed(warehouse: Warehouse, toys: Table) -> None:
    assert warehouse.position("pull:gong/toys") is None
    first = warehouse.claim("pull:gong/toys", "one")
    assert first == Position(key="pull:gong/toys", value="", epoch=1)
    land(warehouse, toys, "l1", toy(1), advance=[Advance(first, "7")])
    resumed = warehouse.claim("pull:gong/toys", "two")
    assert resumed == Position(key="pull:gong/toys", value="7", epoch=2)
    assert warehouse.position("pull:gong/toys") == resumed
    [row] = warehouse.query("SELECT owner FROM SOPHIA_CORE.POSITIONS").to_pylist()
    assert row == {"owner": "two"}


def test_a_position_moves_without_rows(warehouse: Warehouse, toys: Table) -> None:
    held = warehouse.claim("topic:t:id:0", "one")
    assert land(warehouse, toys, "l1", advance=[Advance(held, "5")]).received == 0
    assert warehouse.position(held.key) == Position(key=held.key, value="5", epoch=1)
    [row] = warehouse.query("SELECT updated_at FROM SOPHIA_CORE.POSITIONS").to_pylist()
    assert row == {"updated_at": naive(LANDED_AT)}


@pytest.mark.parametrize("how", ["a newer epoch", "another value", "no claim"])
def test_a_fenced_writer_writes_nothing(warehouse: Warehouse, toys: Table, how: str) -> None:
    good, held = warehouse.claim("good", "one"), warehouse.claim("held", "one")
    if how == "a newer epoch":
        warehouse.claim("held", "two")
    elif how == "another value":
        held = Position(key="held", value="4", epoch=1)
    else:
        held = Position(key="unknown", value="", epoch=1)
    with pytest.raises(Fenced) as caught:
        land(warehouse, toys, "l1", toy(1), advance=[Advance(good, "1"), Advance(held, "5")])
    assert caught.value.position_key == held.key
    assert stored(warehouse, toys) == []
    assert warehouse.position("good") == good, "the position before it was rolled back too"
    with pytest.raises(Fenced):
        land(warehouse, toys, "l1", advance=[Advance(held, "5")])


# ── transactions and types ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_error_rolls_the_transaction_back(warehouse: Warehouse, toys: Table) -> None:
    def fail() -> None:
        with warehouse.transaction() as transaction:
            assert (
                transaction.execute("INSERT INTO SOPHIA_CORE.POSITIONS SELECT ?, ?, ?, ?, ?", ("k", "", 1, "", START))
                == 1
            )
            assert transaction.query("SELECT COUNT(*) AS n FROM SOPHIA_CORE.POSITIONS")["n"][0].as_py() == 1
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        fail()
    assert warehouse.position("k") is None


def test_a_refused_statement_rolls_the_transaction_back(warehouse: Warehouse) -> None:
    def fail() -> None:
        with warehouse.transaction() as transaction:
            transaction.execute("UPDATE SOPHIA_CORE.POSITIONS SET owner = 'x' WHERE position_key = 'k'")
            transaction.execute("DELETE FROM SOPHIA_CORE.NO_SUCH_TABLE")

    warehouse.claim("k", "one")
    with pytest.raises(StatementFailed, match="NO_SUCH_TABLE") as caught:
        fail()
    assert "\n" not in str(caught.value)
    assert warehouse.query("SELECT owner FROM SOPHIA_CORE.POSITIONS").to_pylist() == [{"owner": "one"}]


def test_a_transaction_that_waits_for_itself_is_told(warehouse: Warehouse) -> None:
    with warehouse.transaction(), pytest.raises(RuntimeError, match="transaction's own"):
        warehouse.query("SELECT 1 AS a")
    assert warehouse.query("SELECT 1 AS a").to_pylist() == [{"a": 1}]


def test_staged_rows_are_visible_by_their_names(warehouse: Warehouse, toys: Table) -> None:
    vectors = Table(
        "V", (), (Column("id", ColumnType.INTEGER), Column("v", ColumnType.VECTOR), Column("j", ColumnType.VARIANT))
    )
    staged = vectors.rows([{"id": 1, "v": [0.5] * 64, "j": '{"a": [1]}'}, {"id": 2, "v": [0.0] * 64, "j": None}])
    value, json_text = ColumnType.VECTOR.from_staged("v"), ColumnType.VARIANT.from_staged("j")
    with warehouse.transaction(some=(vectors, staged), none=(toys, toys.rows([]))) as transaction:
        rows = transaction.query(
            f"SELECT id, {value} AS v, {json_text}:a[0]::INT AS j FROM STAGED_SOME WHERE id > ? ORDER BY id", (0,)
        )
        assert transaction.query("SELECT COUNT(*) AS n FROM STAGED_NONE").to_pylist() == [{"n": 0}]
    assert rows.schema.field("v").type == pa.list_(pa.float32())
    assert rows["v"][0].as_py() == [0.5] * 64
    assert rows["j"].to_pylist() == [1, None]


def test_types_come_back_the_same(warehouse: Warehouse, toys: Table) -> None:
    land(warehouse, toys, "l1", toy(1), toy(2, "gone", 2, deleted=True))
    expected = {c.name: c.type.arrow for c in toys.columns}
    for condition in ("TRUE", "FALSE"):  # a result without rows has its types too
        table = warehouse.query(f"SELECT * FROM {toys.name} WHERE {condition} ORDER BY toy_id")
        assert dict(zip(table.schema.names, table.schema.types, strict=True)) == expected
    numbers = warehouse.query(
        f"SELECT COUNT(*) AS N, CAST(SUM(toy_id) AS NUMBER(38,0)) AS S, AVG(toy_id) AS A, MAX(made_at) AS M, "
        f"MIN(TO_DATE(made_at)) AS D, SUM(weight_kg) AS W, SUM(CAST(1.25 AS NUMBER(10,2))) AS P FROM {toys.name}"
    )
    assert [str(type_) for type_ in numbers.schema.types] == [
        "int64", "int64", "double", "timestamp[us]", "date32[day]", "double", "double",
    ]  # fmt: skip
    assert numbers.to_pylist() == [{"n": 2, "s": 3, "a": 1.5, "m": naive(START), "d": START.date(), "w": 1.0, "p": 2.5}]


def test_statements_count_their_rows(warehouse: Warehouse) -> None:
    insert = "INSERT INTO SOPHIA_CORE.POSITIONS (position_key, value, epoch, owner, updated_at) VALUES "
    values = ("a", "1", 1, "me", START, "b", "2", 2, "me", LANDED_AT)
    assert warehouse.execute(insert + "(?, ?, ?, ?, ?), (?, ?, ?, ?, ?)", values) == 2
    assert warehouse.execute("UPDATE SOPHIA_CORE.POSITIONS SET owner = ?", ("you",)) == 2
    assert warehouse.query("SELECT updated_at FROM SOPHIA_CORE.POSITIONS WHERE epoch = ?", (2,)).to_pylist() == [
        {"updated_at": naive(LANDED_AT)}
    ]
    assert warehouse.execute("CREATE SCHEMA IF NOT EXISTS SOPHIA_CORE") == 0
    assert warehouse.execute("DELETE FROM SOPHIA_CORE.POSITIONS WHERE position_key = ?", ("a",)) == 1


# ── memory ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def entry(document_id: str, revision: int = 1, **more: Any) -> dict[str, Any]:
    source, data_type, _ = document_id.split(":")
    return {
        "data_id": document_id, "base_id": document_id, "source_system": source, "data_type": data_type,
        "access_scope": "public", "title": f"About {document_id}", "header": "", "sections": "[]",
        "metadata": '{"account_id": "7", "tags": ["x"]}', "occurred_at": START, "content_hash": "",
        "revision": revision,
        "published_revision": None, "published_fingerprint": None, "published_at": None, "landed_revision": None,
        "landed_fingerprint": None, "error": "tired", "created_at": START, "updated_at": START, "deleted_at": None,
    } | more  # fmt: skip


def catalogue(warehouse: Warehouse, *entries: dict[str, Any]) -> None:
    values = ", ".join(column.type.from_staged(column.name) for column in CATALOG_ENTRIES.columns)
    with warehouse.transaction(entries=(CATALOG_ENTRIES, CATALOG_ENTRIES.rows(entries))) as transaction:
        names = ", ".join(CATALOG_ENTRIES.column_names)
        transaction.execute(f"INSERT INTO {CATALOG_ENTRIES.name} ({names}) SELECT {values} FROM STAGED_ENTRIES")


def unit(*parts: float) -> list[float]:
    vector = np.zeros(64)
    vector[: len(parts)] = parts
    return [float(x) for x in vector / np.linalg.norm(vector)]


def batch(
    document_id: str, texts: Sequence[str], revision: int = 1, fingerprint: str = FINGERPRINT, vectors: Any = None
) -> MemoryBatch:
    chunks = [
        Chunk(ordinal=n, text=text, header="", section_start=n, section_end=n + 1) for n, text in enumerate(texts)
    ]
    array = np.array(vectors or [unit(1)] * len(texts) or np.zeros((0, 64)), np.float32)
    rows = memory_rows(chunks, [len(text) for text in texts], array)
    return MemoryBatch(
        document_id=document_id, revision=revision, fingerprint=fingerprint, dimension=array.shape[1], rows=rows,
        tokens=10, tokens_from_cache=4, chunks_from_cache=0, compute_s=0.5,
    )  # fmt: skip


def replace(warehouse: Warehouse, *batches: MemoryBatch, **more: Any) -> ChildrenResult:
    return warehouse.replace_children(batches, fingerprint=FINGERPRINT, landed_at=LANDED_AT, **more)


def remembered(warehouse: Warehouse) -> list[tuple[str, str, int]]:
    rows = warehouse.query(
        "SELECT document_id, content, revision FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS ORDER BY document_id, ordinal"
    )
    return [tuple(row.values()) for row in rows.to_pylist()]


def landed(warehouse: Warehouse, document_id: str) -> tuple[int | None, str | None, str | None]:
    [row] = warehouse.query(
        "SELECT landed_revision, landed_fingerprint, error FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE data_id = ?",
        (document_id,),
    ).to_pylist()
    return tuple(row.values())


def landing(revision: int, fingerprint: str) -> dict[str, Any]:
    """What a catalog entry says once a batch of that kind has landed."""
    return {"landed_revision": revision, "landed_fingerprint": fingerprint}


def test_batches_take_the_place_of_what_was_there(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1", 2), entry("gong:call:2"), entry("gong:call:3"))
    assert replace(warehouse, batch("gong:call:1", ["a", "b", "c"]), batch("gong:call:2", ["z"])) == ChildrenResult(
        2, 0, 4, 0
    )
    assert landed(warehouse, "gong:call:1") == (1, FINGERPRINT, None)
    assert landed(warehouse, "gong:call:3") == (None, None, "tired")
    # fewer chunks, one changed: `a` is not written again, and the other document is not touched
    assert replace(warehouse, batch("gong:call:1", ["a", "B"], 2)) == ChildrenResult(1, 0, 1, 1)
    assert remembered(warehouse) == [("gong:call:1", "a", 1), ("gong:call:1", "B", 2), ("gong:call:2", "z", 1)]
    usage = warehouse.query("SELECT document_id, revision, chunks, tokens, tokens_from_cache, compute_s, landed_at "
                            "FROM SOPHIA_CORE.EMBEDDING_USAGE ORDER BY document_id, revision").to_pylist()  # fmt: skip
    assert [row["chunks"] for row in usage] == [3, 2, 1]
    assert list(usage[0].values())[3:] == [10, 4, 0.5, naive(LANDED_AT)]


def test_a_document_without_chunks_lands(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1", 2))
    replace(warehouse, batch("gong:call:1", ["a"]))
    assert replace(warehouse, batch("gong:call:1", [], 2)) == ChildrenResult(1, 0, 0, 1)
    assert remembered(warehouse) == []
    assert landed(warehouse, "gong:call:1")[0] == 2


def test_only_the_newest_batch_of_a_document_counts(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1", 3))
    batches = [batch("gong:call:1", [text], revision) for text, revision in (("b", 2), ("c", 3), ("a", 1))]
    stale = batch("gong:call:1", ["stale"], 3, "old model")
    assert replace(warehouse, *batches, stale) == ChildrenResult(1, 3, 1, 0)
    assert remembered(warehouse) == [("gong:call:1", "c", 3)]
    assert warehouse.query("SELECT COUNT(*) AS n FROM SOPHIA_CORE.EMBEDDING_USAGE").to_pylist() == [{"n": 4}]


@pytest.mark.parametrize(
    ("why", "known", "revision", "fingerprint", "accepted"),
    [
        ("the first", {}, 1, FINGERPRINT, True),
        ("an older revision than the catalog's, but nothing has landed", {"revision": 3}, 2, FINGERPRINT, True),
        ("newer than what landed", landing(1, FINGERPRINT) | {"revision": 2}, 2, FINGERPRINT, True),
        ("the same, from another model", landing(1, "old"), 1, FINGERPRINT, True),
        ("the same again", landing(1, FINGERPRINT), 1, FINGERPRINT, False),
        ("older than what landed", landing(3, "old") | {"revision": 3}, 2, FINGERPRINT, False),
        ("a revision that the catalog does not know", {}, 2, FINGERPRINT, False),
        ("of another model", {}, 1, "old", False),
        ("private", {"access_scope": "slack:channel:1"}, 1, FINGERPRINT, False),
        ("deleted", {"deleted_at": START}, 1, FINGERPRINT, False),
        ("unknown", {"data_id": "gong:call:9"}, 1, FINGERPRINT, False),
    ],
    ids=lambda value: value if isinstance(value, str) and value != FINGERPRINT else "",
)  # fmt: skip
def test_what_may_land(
    warehouse: Warehouse, why: str, known: dict[str, Any], revision: int, fingerprint: str, accepted: bool
) -> None:
    catalogue(warehouse, entry("gong:call:1", **known), entry("gong:call:2"))
    before = landed(warehouse, known.get("data_id", "gong:call:1"))
    other = batch("gong:call:2", ["other"])  # lands beside it in any case
    result = replace(warehouse, batch("gong:call:1", ["a"], revision, fingerprint), other)
    assert result == ChildrenResult(1 + accepted, 1 - accepted, 1 + accepted, 0)
    documents = warehouse.query(f"SELECT document_id FROM {MEMORY_RECORDS.name} ORDER BY 1")["document_id"].to_pylist()
    assert documents == (["gong:call:1"] if accepted else []) + ["gong:call:2"]
    after = landed(warehouse, known.get("data_id", "gong:call:1"))
    assert after == ((revision, FINGERPRINT, None) if accepted else before)


def test_another_fingerprint_writes_every_row_again(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1", landed_revision=None))
    replace(warehouse, batch("gong:call:1", ["a", "b"]))
    new = batch("gong:call:1", ["a", "b"], 1, "new")
    result = warehouse.replace_children([new], fingerprint="new", landed_at=LANDED_AT)
    assert result == ChildrenResult(1, 0, 2, 0)


def test_equal_text_with_other_blanks_is_written(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1", 2))
    replace(warehouse, batch("gong:call:1", ["a\n"]))
    assert replace(warehouse, batch("gong:call:1", ["a"], 2)).rows_written == 1, "chunks joined give the document"


def test_a_wrong_dimension_stops_everything(warehouse: Warehouse, toys: Table) -> None:
    held = warehouse.claim("k", "one")
    catalogue(warehouse, entry("gong:call:1"), entry("gong:call:2"))
    wrong = batch("gong:call:2", ["b"], vectors=[[1.0, 0.0]])
    with pytest.raises(VectorMismatch, match="dimension 64"):
        replace(warehouse, batch("gong:call:1", ["a"]), wrong, advance=[Advance(held, "9")])
    assert remembered(warehouse) == []
    assert warehouse.position("k") == held
    with pytest.raises(VectorMismatch):
        warehouse.search([1.0, 0.0])


def test_memory_moves_its_positions_or_nothing(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1"))
    held = warehouse.claim("k", "one")
    replace(warehouse, advance=[Advance(held, "3")])
    assert warehouse.position("k") == Position(key="k", value="3", epoch=1)
    with pytest.raises(Fenced):
        replace(warehouse, batch("gong:call:1", ["a"]), advance=[Advance(held, "4")])
    assert remembered(warehouse) == []
    assert warehouse.query("SELECT COUNT(*) AS n FROM SOPHIA_CORE.EMBEDDING_USAGE").to_pylist() == [{"n": 0}]


def test_search_ranks_by_likeness(warehouse: Warehouse) -> None:
    catalogue(warehouse, *(entry(f"gong:call:{n}") for n in range(3)), entry("slack:thread:1"), entry("linear:issue:1"))
    near, nearer, far = unit(1, 1), unit(1, 0.1), unit(0, 0, 1)
    replace(
        warehouse,
        batch("gong:call:0", ["far"], vectors=[far]),
        batch("gong:call:1", ["near", "nearer"], vectors=[near, nearer]),
        batch("slack:thread:1", ["same"], vectors=[unit(1)]),
        batch("linear:issue:1", ["same"], vectors=[unit(1)]),
    )
    found = warehouse.search(unit(1), limit=4)
    assert found.schema.names == [
        "score", "document_id", "source_system", "data_type", "title", "content", "occurred_at", "metadata", "ordinal",
    ]  # fmt: skip
    assert found["content"].to_pylist() == ["same", "same", "nearer", "near"]
    ties = sorted(["slack:thread:1", "linear:issue:1"], key=lambda document: identity.memory_id(document, 0))
    assert found["document_id"].to_pylist()[:2] == ties
    assert found["score"].to_pylist() == pytest.approx([1, 1, 0.995, 0.7071], abs=1e-3)
    hit = warehouse.search(unit(1), source="gong", limit=1).to_pylist()[0]
    assert json.loads(hit.pop("metadata")) == {"account_id": "7", "tags": ["x"]}
    assert hit.pop("score") == pytest.approx(0.995, abs=1e-3)
    assert hit == {
        "document_id": "gong:call:1", "source_system": "gong", "data_type": "call", "title": "About gong:call:1",
        "content": "nearer", "occurred_at": naive(START), "ordinal": 1,
    }  # fmt: skip


def test_search_shows_neither_private_nor_deleted(warehouse: Warehouse) -> None:
    catalogue(warehouse, entry("gong:call:1"), entry("gong:call:2"), entry("gong:call:3"))
    replace(warehouse, *(batch(f"gong:call:{n}", [str(n)]) for n in (1, 2, 3)))
    warehouse.execute("UPDATE SOPHIA_CORE.CATALOG_ENTRIES SET access_scope = 'few' WHERE data_id = 'gong:call:1'")
    warehouse.execute("UPDATE SOPHIA_CORE.CATALOG_ENTRIES SET deleted_at = ? WHERE data_id = 'gong:call:2'", (START,))
    assert warehouse.search(unit(1))["content"].to_pylist() == ["3"]


def test_the_views_derive_what_they_say(warehouse: Warehouse) -> None:
    catalogue(
        warehouse,
        entry("gong:call:1", 2),
        entry("slack:thread:1", metadata='{"account_id": null}'),
        entry("gong:call:2"),
    )
    replace(warehouse, batch("gong:call:1", ["a"]), batch("slack:thread:1", ["b"]))
    rows = warehouse.query("SELECT data_id, ai_processed FROM SOPHIA_CORE.UNIFIED_DATA_CATALOG ORDER BY 1").to_pylist()
    assert [row["ai_processed"] for row in rows] == [False, False, True]
    rows = warehouse.query(
        "SELECT importance_score, tags, embedding, category FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS ORDER BY document_id"
    ).to_pylist()
    assert [(row["importance_score"], row["tags"], row["category"]) for row in rows] == [
        (1.0, '["x"]', "call"),
        (0.5, None, "thread"),
    ]
    assert rows[0]["embedding"] == unit(1)
