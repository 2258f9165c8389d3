"""`sophia search`: a query is embedded as the memory was, and the nearest chunks are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.errors import InvalidSetting
from gpu_workers.engine import Engine, open_engine
from resources.profile import Profile
from resources.warehouse import Warehouse, open_warehouse, require_migrated
from transforms import rows

SHOWN_CHARACTERS = 320
SHOWN_PEOPLE = 4
SHOWN_TITLE = 80


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was found."""

    score: float
    """Cosine similarity, −1 … 1."""
    source: str
    document_id: str
    title: str
    text: str
    occurred_at: datetime
    people: list[str]


def find(warehouse: Warehouse, engine: Engine, query: str, *, limit: int = 5, source: str | None = None) -> list[Hit]:
    """The nearest chunks, best first."""
    vector = engine.embed_query(query)
    found = warehouse.search([float(x) for x in vector], limit=limit, source=source)
    return [
        Hit(
            score=round(row["score"], 4),
            source=row["source_system"],
            document_id=row["document_id"],
            title=row["title"],
            text=row["content"].strip(),
            occurred_at=row["occurred_at"].replace(tzinfo=UTC),
            people=msgspec.json.decode(row["metadata"]).get("people") or [],
        )
        for row in found.to_pylist()
    ]


def print_hits(
    console: Console, profile: Profile, query: str, *, limit: int, source: str | None, as_json: bool
) -> None:
    if source is not None and source not in rows.sources():
        raise InvalidSetting("--source", source, f"the sources are {', '.join(rows.sources())}")
    if not query.strip() or query.encode("utf-8", "replace").decode() != query:
        raise InvalidSetting(
            "the query", query[:SHOWN_TITLE].encode("utf-8", "replace").decode(), "say it in words, as UTF-8"
        )
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        hits = find(warehouse, open_engine(profile.embedding), query, limit=limit, source=source)
    if as_json:
        console.out(msgspec.json.encode(hits).decode(), highlight=False)
    elif hits:
        console.print(hits_table(query, hits))
    else:
        console.print("nothing found: is anything loaded? `sophia demo` or a run of the job whole_way loads it")


def hits_table(query: str, hits: list[Hit]) -> Table:
    """A row a hit, long texts shortened."""
    table = Table(
        "score",
        "found",
        title=Text(f"“{query if len(query) <= SHOWN_TITLE else query[:SHOWN_TITLE] + '…'}”"),
        title_justify="left",
        title_style="bold",
        expand=True,
    )
    table.columns[0].no_wrap = True
    for hit in hits:
        shown = hit.text if len(hit.text) <= SHOWN_CHARACTERS else hit.text[: SHOWN_CHARACTERS - 1].rstrip() + "…"
        who = ", ".join(hit.people[:SHOWN_PEOPLE]) + (" …" if len(hit.people) > SHOWN_PEOPLE else "")
        place = f"{hit.source}  {hit.occurred_at:%Y-%m-%d %H:%M} UTC  {hit.title}"
        table.add_row(f"{hit.score:.3f}", Text.assemble((place, "cyan"), f"\n{who}\n", (shown, "bold")))
    return table
