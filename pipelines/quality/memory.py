"""Memory: vectors that search can trust, and chunks that are what the catalog says now.

    vectors    the model's dimension, finite, of length 1                                  blocking
    chunks     ids, order, tokens and hash of each chunk of a document that changed         blocking
    orphans    no chunk without a live document                                             blocking
    documents  what has landed is there: chunks, whose texts joined are the document's      blocking

A chunk whose text an edit left as it was keeps its revision, so one that should have been replaced is found by the
document's text and not by a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts import identity
from contracts.records import PUBLIC, Chunk, Section
from pipelines.quality.checks import Check, Look, Suite
from pipelines.quality.documents import CHANGED
from transforms.chunking import MAX_TOKENS, fingerprint

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

ASSET = ("memory", "memory_records")
SLICE_DOCUMENTS = 2_000
"""Documents whose chunks are held at a time."""
NORM_TOLERANCE = 1e-3

_TOUCHED = f"""
    {CHANGED}
    UNION
    SELECT DOCUMENT_ID AS DATA_ID FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5 WHERE UPDATED_AT >= ?
"""
_WANTED = "(SELECT CAST(VALUE AS VARCHAR) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))"
_CHUNKS = f"""
    SELECT
        COALESCE(M.DOCUMENT_ID, C.DATA_ID) AS DOCUMENT,
        M.MEMORY_ID,
        M.ORDINAL,
        M.CONTENT,
        M.CONTENT_HASH,
        M.SECTION_START,
        M.SECTION_END,
        M.TOKEN_COUNT,
        M.EMBEDDING,
        M.REVISION,
        M.FINGERPRINT,
        C.HEADER,
        IFF(COALESCE(M.ORDINAL, 0) = 0, C.SECTIONS, NULL) AS SECTIONS,
        COALESCE(C.LANDED_REVISION, 0) AS LANDED_REVISION,
        C.LANDED_FINGERPRINT,
        C.DATA_ID IS NOT NULL AND C.DELETED_AT IS NULL AS LIVES,
        COALESCE(C.ACCESS_SCOPE = ? AND C.DELETED_AT IS NULL AND C.LANDED_REVISION = C.REVISION, FALSE) AS HAS_LANDED
    FROM (
        SELECT * FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5 WHERE DOCUMENT_ID IN {_WANTED}
    ) AS M
    FULL JOIN (SELECT * FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID IN {_WANTED}) AS C ON M.DOCUMENT_ID = C.DATA_ID
    ORDER BY DOCUMENT, M.ORDINAL
"""
"""A row a chunk, and one a document without any; the sections beside the first chunk alone."""

FACTS = (
    "document_id",
    "has_chunks",
    "ordinal",
    "dimension",
    "norm",
    "is_finite",
    "section_start",
    "section_end",
    "token_count",
    "revision",
    "landed_revision",
    "document_lives",
    "is_in_place",
    "is_named_so",
    "has_text",
    "hash_agrees",
    "is_of_its_model",
    "is_whole",
)
"""What the rules look at; of a document without a chunk the first two alone."""

Row = dict[str, Any]


def suites() -> Iterator[Suite]:
    yield Suite(
        (
            Check(ASSET, "vectors", "Vectors have the model's dimension and length 1, and are finite.", blocking=True),
            Check(ASSET, "chunks", "Chunks have the right ids, order, size and hash.", blocking=True),
            Check(ASSET, "orphans", "Every chunk belongs to a live document.", blocking=True),
            Check(ASSET, "documents", "Chunks of what has landed are there, and joined its text.", blocking=True),
        ),
        ("document_id", "ordinal"),
        _read,
        _rules,
    )


def _read(look: Look) -> pd.DataFrame:
    """The chunks of the documents that changed, without texts and vectors."""
    import pandas as pd

    touched = look.warehouse.query(_TOUCHED, [look.since] * 4)["data_id"].to_pylist()
    current = fingerprint(look.profile.embedding.model_id)
    facts: list[Row] = []
    for first in range(0, len(touched), SLICE_DOCUMENTS):
        wanted = msgspec.json.encode(touched[first : first + SLICE_DOCUMENTS]).decode()
        table = look.warehouse.query(_CHUNKS, [PUBLIC, wanted, wanted])
        rows = table.drop_columns(["embedding"]).to_pylist()
        for row, dimension, norm, is_finite in zip(rows, *_lengths(table["embedding"]), strict=True):
            row |= {"dimension": dimension, "norm": norm, "is_finite": is_finite}
        for _, of_document in groupby(rows, key=lambda row: row["document"]):
            facts += _facts(list(of_document), current)
    return pd.DataFrame(facts, columns=list(FACTS))


def _lengths(column: pa.ChunkedArray[Any]) -> tuple[list[int], list[float], list[bool]]:
    """Of each vector: its dimension, its length (the finite numbers alone), whether all of it is finite."""
    vectors: Any = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    numbers: npt.NDArray[np.float64] = vectors.values.to_numpy(zero_copy_only=False).astype(np.float64)
    offsets = vectors.offsets.to_numpy()
    finite = np.isfinite(numbers)
    squares = np.concatenate([[0.0], np.cumsum(np.where(finite, numbers, 0.0) ** 2)])
    wrong = np.concatenate([[0], np.cumsum(~finite)])
    first, behind = offsets[:-1], offsets[1:]
    norms = np.sqrt(squares[behind] - squares[first])
    return (behind - first).tolist(), norms.tolist(), (wrong[behind] == wrong[first]).tolist()


def _facts(rows: Sequence[Row], current: str) -> Iterator[Row]:
    """FACTS of one document's chunks, which come in order. Without a chunk there is one row."""
    landed = rows[0]["has_landed"] and rows[0]["landed_fingerprint"] == current
    text = _text(rows[0]["sections"]) if landed else None
    if rows[0]["memory_id"] is None:
        yield {"document_id": rows[0]["document"], "has_chunks": not (text or "").strip()}
        return
    for place, row in enumerate(rows):
        yield {name: row[name] for name in FACTS if name in row} | {
            "document_id": row["document"],
            "has_chunks": True,
            "landed_revision": row["landed_revision"] if row["lives"] else None,
            "document_lives": row["lives"],
            "is_in_place": row["ordinal"] == place,
            "is_named_so": row["memory_id"] == identity.memory_id(row["document"], row["ordinal"]),
            "has_text": bool(row["content"].strip()),
            "hash_agrees": _hash_agrees(row) if landed else None,
            "is_of_its_model": row["fingerprint"] == row["landed_fingerprint"] if row["lives"] else None,
            "is_whole": "".join(r["content"] for r in rows) == text if place == 0 and text is not None else None,
        }


def _text(sections: str | None) -> str | None:
    """The document's text; None where there are no sections beside this row."""
    if sections is None:
        return None
    return "\n".join(section.line for section in msgspec.json.decode(sections, type=list[Section]))


def _hash_agrees(row: Row) -> bool:
    """Whether the hash is of the embedded text. A header that would fill half of the model's window was cut."""
    header = row["header"].strip()
    cuts = (header[:end].rstrip() for end in range(len(header), -1, -1))
    chunks = (
        Chunk(ordinal=row["ordinal"], text=row["content"], header=cut, section_start=0, section_end=0) for cut in cuts
    )
    return any(identity.text_hash(chunk.embedded_text) == row["content_hash"] for chunk in chunks)


def _rules(look: Look) -> Mapping[str, Sequence[Expectation]]:
    from pipelines.quality.expectations import above, at_least, between, one_of, true

    dimension = look.profile.embedding.dimension
    return {
        "vectors": [
            one_of("dimension", [dimension], f"a vector has {dimension} numbers"),
            between("norm", 1 - NORM_TOLERANCE, 1 + NORM_TOLERANCE, "a vector has length 1"),
            true("is_finite", "a vector's numbers are finite"),
        ],
        "chunks": [
            true("is_in_place", "a document's chunks are numbered 0, 1, 2 …, each once"),
            true("is_named_so", "memory_id is the hash of document and ordinal"),
            true("has_text", "a chunk has a text"),
            true("hash_agrees", "content_hash is of the embedded text"),
            true("is_of_its_model", "fingerprint is the one that the catalog says has landed"),
            between("token_count", 1, MAX_TOKENS, f"a chunk has 1 to {MAX_TOKENS} tokens"),
            above("section_end", "section_start", "a chunk touches a section"),
            at_least("landed_revision", "revision", "a chunk's revision is not above the one that has landed"),
        ],
        "orphans": [true("document_lives", "a chunk's document lives")],
        "documents": [
            true("has_chunks", "a document that has landed has chunks"),
            true("is_whole", "the chunks joined are the document's text"),
        ],
    }
