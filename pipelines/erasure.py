"""The erasure of a person, in an order in which a stop at any point leaves nothing that a repetition cannot finish.

    the list         who never lands again; from here on every pull and replay goes by it
    raw rows         theirs deleted, others rewritten; what catalog and memory made of them is emptied with them
    dead letters     and what else names them in catalog, memory and every other table
    catalog          what is left of the emptied documents is built again, and due to be embedded
    others, KPIs     what lies outside the warehouse; numbers that counted a deleted record
    proof            everything is looked through once more
    receipt          SOPHIA_CORE.ERASURES

A repetition goes by the list, so it needs nothing of what the first try has deleted. docs/adr/0011-erasure.md
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic
from contracts.errors import BrokerUnavailable, InvalidSetting
from pipelines import catalog, kpis, leftovers
from pipelines.erased import NOBODY, enter, found_in, memory_tables, prepare, read, sweep
from pipelines.landing import new_load_id
from resources import kafka
from resources.profile import Profile
from resources.warehouse import Warehouse
from transforms import erasure, rows
from transforms.erasure import Erased, Identifier, Listed

log = structlog.get_logger()

TOPICS = (DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic(DOCUMENTS_TOPIC), dead_letter_topic(MEMORY_TOPIC))
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Layer(msgspec.Struct, kw_only=True):
    """What an erasure did in one place."""

    removed: int = 0
    """Records, dead letters, documents, rows of memory or vectors that went whole."""
    cleaned: int = 0
    """Those that stay, without the person; documents are built again of what is left."""
    left: int | None = None
    """Those that still named the person when all was done; None where nobody can look."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure did. It names nobody."""

    erasure_id: str
    finished_at: datetime
    is_dry_run: bool
    identifier_hashes: list[str]
    """Of what was given and found, as SOPHIA_CORE.ERASED_IDENTIFIERS has them."""
    identifiers: dict[str, int]
    """Kind → how many of these."""
    layers: dict[str, Layer]
    stays: list[str]
    """What an erasure cannot reach, and for how long it stays."""

    @property
    def found(self) -> int:
        return sum(layer.removed + layer.cleaned for layer in self.layers.values())

    @property
    def left(self) -> int:
        return sum(layer.left or 0 for layer in self.layers.values())


def erase(
    profile: Profile,
    warehouse: Warehouse,
    *,
    emails: Sequence[str],
    names: Sequence[str] = (),
    others: Mapping[str, Callable[[], int]] | None = None,
    dry_run: bool = False,
    after: Callable[[str], None] = lambda step: None,
) -> Receipt:
    """Remove a person from everything, and keep the person out.

    Args:
        emails: all of one person.
        names: full names; what the vendors call the owner of these addresses is found without.
        others: what lies outside the warehouse: its name → what removes from it and returns how many went. Called when
            the warehouse is clean, and again by every repetition.
        dry_run: count alone; nothing is entered or changed.
        after: told each step that is done; a test stops here.
    Raises:
        InvalidSetting: no address, or a name of one word.
    """
    given = _given(emails, names)
    erasure_id = new_load_id()
    if not dry_run:
        prepare(warehouse)
    erased, entries = _listed(given, warehouse, erasure_id, write=not dry_run, after=after)
    before = _emptied(warehouse)
    layers = _go_through(erased, warehouse, write=not dry_run, after=after)
    if not dry_run:
        emptied = _emptied(warehouse) - before
        for source in rows.sources():
            catalog.refresh(source, warehouse)
        after("catalog")
        gone = _emptied(warehouse) - before
        layers["catalog"] = Layer(removed=gone, cleaned=emptied - gone)
        for name, remove in (others or {}).items():
            layers[name] = Layer(removed=remove())
        after("others")
        kpis.refresh(profile.intelligence, warehouse, datetime.now(UTC).date(), full=True)
        after("kpis")
        for name, still in _go_through(erased, warehouse, write=False).items():
            layers[name].left = still.removed + still.cleaned
    receipt = Receipt(
        erasure_id=erasure_id,
        finished_at=datetime.now(UTC),
        is_dry_run=dry_run,
        identifiers=dict(Counter(one.kind for one in entries)),
        identifier_hashes=sorted(one.digest.hex() for one in entries),
        layers=layers,
        stays=_stays(profile),
    )
    if not dry_run:
        warehouse.execute(
            "INSERT INTO SOPHIA_CORE.ERASURES (ERASURE_ID, FINISHED_AT, RECEIPT) SELECT ?, ?, PARSE_JSON(?)",
            [erasure_id, receipt.finished_at, msgspec.json.encode(receipt).decode()],
        )
    log.info("erased", erasure_id=erasure_id, found=receipt.found, left=receipt.left, dry_run=dry_run)
    return receipt


def embedded_texts(warehouse: Warehouse) -> dict[str, set[str]]:
    """Model id → hashes of the texts whose vectors stand in memory: what a cache of vectors may keep."""
    found: dict[str, set[str]] = {}
    for table in memory_tables(warehouse):
        sql = f'SELECT DISTINCT FINGERPRINT, CONTENT_HASH FROM SOPHIA_AI_MEMORY."{table}"'
        for row in warehouse.query(sql).to_pylist():
            model_id = row["fingerprint"].partition("|")[0]
            found.setdefault(model_id, set()).add(row["content_hash"])
    return found


def _given(emails: Sequence[str], names: Sequence[str]) -> set[Identifier]:
    given: set[Identifier] = set()
    for address in emails:
        if not _EMAIL.fullmatch(address.strip()):
            raise InvalidSetting("--person", address, "expected a mail address, such as ann@example.com")
        given.add(erasure.email(address))
    for full_name in names:
        ways = erasure.names(full_name)
        if not ways:
            raise InvalidSetting(
                "--name", full_name, "expected a full name: one word alone would be taken out of every text"
            )
        given |= ways
    return given


def _listed(
    given: set[Identifier], warehouse: Warehouse, erasure_id: str, *, write: bool, after: Callable[[str], None]
) -> tuple[Erased, list[Listed]]:
    """Enter what was given, then what the person's records tell beside, until they tell nothing more.

    Returns:
        The list, and what of it is this person's.
    """
    erased = read(warehouse)
    new = [erased.entry(one, is_given=True) for one in given]
    entries: list[Listed] = []
    while new:
        if write:
            enter(warehouse, new, erasure_id)
            after("list")
        erased = erased.with_entries(new)
        entries += new
        found = {one for source in rows.sources() for one in found_in(source, erased, warehouse)}
        new = [erased.entry(one, is_given=False) for one in found]
    return erased, entries


def _go_through(
    erased: Erased, warehouse: Warehouse, *, write: bool, after: Callable[[str], None] = lambda step: None
) -> dict[str, Layer]:
    """Every table, once."""
    layers: dict[str, Layer] = {}
    chunks = 0
    for source in rows.sources():
        swept = sweep(source, erased, warehouse, write=write)
        layers[f"raw {source}"] = Layer(removed=swept.erased, cleaned=swept.cleaned)
        chunks += swept.chunks
        after(f"raw {source}")
    removed, cleaned = leftovers.clear_letters(erased, warehouse, write=write)
    layers["dead letters"] = Layer(removed=removed, cleaned=cleaned)
    after("dead letters")
    entries, more_chunks = leftovers.empty_what_names(erased, warehouse, write=write)
    layers["catalog"] = Layer(cleaned=entries)
    layers["memory"] = Layer(removed=chunks + more_chunks)
    after("documents")
    layers["other tables"] = Layer(cleaned=leftovers.clear_other_tables(erased, warehouse, write=write))
    after("other tables")
    return layers


def _emptied(warehouse: Warehouse) -> int:
    """Catalog entries that nothing stands in; after a refresh, those of documents that are gone."""
    sql = f"SELECT COUNT(*) AS EMPTIED FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE ACCESS_SCOPE = '{NOBODY}'"
    return int(warehouse.query(sql)["emptied"][0].as_py())


def _stays(profile: Profile) -> list[str]:
    stays = []
    try:
        for topic, days in kafka.retention_days(profile.kafka, TOPICS).items():
            kept = "as long as its settings say" if days is None else f"{days:g} days"
            stays.append(f"Kafka, {topic}: what was sent before, {kept}")
    except BrokerUnavailable:
        stays.append("Kafka: what was sent before, as long as the topics keep it; no broker answered")
    if profile.warehouse == "snowflake":
        stays.append("Snowflake: Time Travel for DATA_RETENTION_TIME_IN_DAYS, then Fail-safe for 7 days")
    else:
        stays.append(f"{profile.duckdb_path.name}: freed blocks, until something else is written over them")
    if profile.landing_path.is_dir() and any(profile.landing_path.iterdir()):
        stays.append("landing: what a pull that runs or was killed has read, until the next pull of that source")
    stays.append("tables that others made of ours in this database, and copies outside of it")
    stays.append("workers on other machines: their caches of vectors; delete the folder vectors, it fills again")
    return stays
