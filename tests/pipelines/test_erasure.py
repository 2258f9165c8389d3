"""A person is erased from every table; neither a full pull, a replay, a rebuild nor a straggler brings them back."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import sandbox
from cli.erase import forget_vectors
from contracts import wire
from contracts.address import DOCUMENTS_TOPIC, Address
from contracts.errors import Fenced, InvalidSetting
from contracts.records import Chunk, DeadLetter, MemoryBatch, memory_rows
from pipelines import dead_letters, enrichment, erasure, kpis, publishing
from pipelines.erased import NOBODY, Door
from pipelines.erasure import Receipt
from pipelines.landing import catalogue_again, land_rows
from resources.broker import LocalBroker, free_port
from resources.profile import IntelligenceSettings, Profile
from resources.sentiment import Vader
from resources.warehouse import migrations, open_warehouse
from tests.conftest import profile_for, vendors
from tests.pipelines.naming import Somebody, cached_vectors, contact, employee, naming
from tests.pipelines.rig import CALLS_AND_CHATS, Rig, open_rig
from tests.pipelines.test_changes import assert_memory_is_whole
from transforms import rows
from transforms.raw import Rejected, to_row

pytestmark = pytest.mark.long

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = IntelligenceSettings(competitors="Planora; ShiftHive; Rotawise; Timberline Crew; Dayloom")
AT = datetime(2026, 11, 1, tzinfo=UTC)
UNTOUCHED = (
    "REVENUE_MTD, PIPELINE_VALUE, COMPETITIVE_WIN_RATE, MRR, ACTIVE_DEALS, WIN_RATE, CALLS_ANALYZED, "
    "TEAM_PRODUCTIVITY_SCORE, ON_TIME_DELIVERY"
)
"""KPIs that count records, whoever they name; sentiment and the last touch of a customer rest on what was said."""


def erase(rig: Rig, somebody: Somebody, **more: Any) -> Receipt:
    others = {"vectors": lambda: forget_vectors(rig.profile, rig.warehouse)}
    return erasure.erase(rig.profile, rig.warehouse, emails=[somebody.email], others=others, **more)


def letters_of(rig: Rig, somebody: Somebody) -> None:
    """What could not be read: by the person, about the person, a document, a message, and bytes that nobody knows."""
    dump = rig.control.dump()
    by_them = next(m for m in dump["slack.messages"] if m.get("user") in somebody.ids or "user" not in m)
    about = next(c for c in dump["gong.calls"] if somebody.pattern.search(str(c)))
    document = publishing._document(
        rig.rows("SELECT * FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE SOURCE_SYSTEM = 'gong' ORDER BY DATA_ID")[0]
    )
    said = msgspec.structs.replace(document, header=f"Call with {somebody.name}")
    message = wire.encode_document(said)
    dead_letters.store(
        rig.warehouse,
        [
            dead_letters.of_record(
                Address("slack", "messages"), Rejected(by_them | {"reply_count": "9 "}, "a rule"), AT
            ),
            dead_letters.of_record(Address("gong", "calls"), Rejected(about | {"context": 5}, "a rule"), AT),
            dead_letters.of_document("gong", said.document_id, {"calls": [{"payload": about}]}, "TypeError"),
            DeadLetter.of(DOCUMENTS_TOPIC, message.body, "no vector", AT, said.document_id, message.headers, 1),
            DeadLetter.of(DOCUMENTS_TOPIC, b"\xff\xfe of nobody knows what", "torn", AT, "gong:call:0"),
        ],
    )


def put_into_another_models_memory(rig: Rig, somebody: Somebody) -> None:
    """As a worker of the model that SQL names had once embedded the documents."""
    other = msgspec.structs.replace(rig.warehouse.embedding, model="arctic-embed-m-v1.5")
    with open_warehouse(msgspec.structs.replace(rig.profile, embedding=other)) as warehouse:
        migrations.apply(warehouse)
        warehouse.execute(
            """
            INSERT INTO SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5 (
                MEMORY_ID, DOCUMENT_ID, ORDINAL, CONTENT, CONTENT_HASH, SECTION_START, SECTION_END, TOKEN_COUNT,
                EMBEDDING, REVISION, FINGERPRINT, CREATED_AT, UPDATED_AT
            )
            SELECT
                MEMORY_ID, DOCUMENT_ID, ORDINAL, CONTENT, CONTENT_HASH, SECTION_START, SECTION_END, TOKEN_COUNT,
                CAST(PARSE_JSON(?) AS VECTOR(FLOAT, 768)), REVISION, 'arctic|x|y', CREATED_AT, UPDATED_AT
            FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_HASH_64
            """,
            [msgspec.json.encode([1.0] + [0.0] * 767).decode()],
        )
    migrations.apply(rig.warehouse)  # the view is on the rig's own model again


def rebuild(rig: Rig) -> None:
    """Everything that may bring somebody back."""
    rig.pull(full=True)
    dead_letters.replay(rig.warehouse)
    for source in rig.sources:
        catalogue_again(source, rig.warehouse)
    rig.catalogue()
    enrichment.enrich(SETTINGS, Vader(), rig.warehouse)
    rig.publish()
    rig.land()


@pytest.mark.long
@pytest.mark.parametrize("who", [employee, contact])
def test_nothing_is_left_and_nothing_comes_back(rig_of_all: Rig, who: Any) -> None:
    rig = rig_of_all
    somebody: Somebody = who(rig.control.dump())
    with rig.worker():
        rig.load()
    enrichment.enrich(SETTINGS, Vader(), rig.warehouse)
    kpis.refresh(SETTINGS, rig.warehouse, datetime.now(UTC).date())
    letters_of(rig, somebody)
    put_into_another_models_memory(rig, somebody)
    before = naming(rig.warehouse, somebody)
    for column in (
        *("GONG_INTEGRATION.CALLS.PAYLOAD", "GONG_INTEGRATION.TRANSCRIPTS.PAYLOAD"),
        *("SOPHIA_CORE.CATALOG_ENTRIES.SECTIONS", "SOPHIA_CORE.CATALOG_ENTRIES.METADATA"),
        *("SOPHIA_CORE.DEAD_LETTERS.BODY_BASE64", "SOPHIA_AI_MEMORY.MEMORY_RECORDS_HASH_64.CONTENT"),
        "SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5.CONTENT",
    ):
        assert before[column] > 0, column
    numbers = rig.rows(f"SELECT DATE_KEY, {UNTOUCHED} FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS ORDER BY DATE_KEY")
    assert numbers
    hashes = texts_of_removed(rig, somebody)
    vectors = cached_vectors(rig.profile)

    looked = erase(rig, somebody, dry_run=True)
    assert looked.found > 0
    assert naming(rig.warehouse, somebody) == before, "a dry run changes nothing"

    receipt = erase(rig, somebody)
    assert naming(rig.warehouse, somebody) == {}
    assert (receipt.found > 0, receipt.left) == (True, 0)
    assert not somebody.pattern.search(msgspec.json.encode(receipt).decode())
    assert receipt.layers["vectors"].removed == vectors - cached_vectors(rig.profile) > 0
    kept = erasure.embedded_texts(rig.warehouse)[rig.profile.embedding.model_id]
    assert not hashes & kept
    for name in ("raw gong", "raw hubspot"):
        assert {n: getattr(looked.layers[name], n) for n in ("removed", "cleaned")} == {
            n: getattr(receipt.layers[name], n) for n in ("removed", "cleaned")
        }

    with rig.worker():
        rebuild(rig)
        assert naming(rig.warehouse, somebody) == {}
        assert_memory_is_whole(rig)
    enrichment.enrich(SETTINGS, Vader(), rig.warehouse)
    kpis.refresh(SETTINGS, rig.warehouse, datetime.now(UTC).date(), full=True)
    after = rig.rows(f"SELECT DATE_KEY, {UNTOUCHED} FROM EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS ORDER BY DATE_KEY")
    assert after == numbers, "a record that was only cleaned still counts"

    again = erase(rig, somebody)
    assert (again.found - again.layers["vectors"].removed, again.left) == (0, 0)
    assert len(rig.rows("SELECT ERASURE_ID FROM SOPHIA_CORE.ERASURES")) == 2


def texts_of_removed(rig: Rig, somebody: Somebody) -> set[str]:
    """Hashes of the chunks that name the person."""
    chunks = rig.rows("SELECT CONTENT, CONTENT_HASH FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS")
    return {chunk["content_hash"] for chunk in chunks if somebody.pattern.search(chunk["content"])}


# ── doors ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_was_erased_before_they_came_never_lands(tmp_path: Path, small_world: sandbox.Control, broker: str) -> None:
    """The vendors still have them: ids and names are learned from the records as these pass by."""
    somebody = employee(small_world.dump())
    with open_rig(profile_for(tmp_path, small_world, broker), small_world, CALLS_AND_CHATS) as rig:
        receipt = erase(rig, somebody)
        assert (receipt.found, receipt.left) == (0, 0), "nobody knows them"
        rig.pull()
        rig.catalogue()
        assert naming(rig.warehouse, somebody) == {}
        assert rig.revisions(), "the others have landed"
        [spoken] = rig.rows("SELECT COUNT(*) AS N FROM GONG_INTEGRATION.TRANSCRIPTS WHERE SENTENCES > 0")
        assert spoken["n"] > 0
        rig.pull()
        assert naming(rig.warehouse, somebody) == {}


def test_a_writer_with_an_older_list_is_fenced(tmp_path: Path, small_world: sandbox.Control, broker: str) -> None:
    """A pull that had admitted the records before the erasure cannot land them behind it."""
    somebody = employee(small_world.dump())
    messages = rows.entity(Address("slack", "messages"))
    with open_rig(profile_for(tmp_path, small_world, broker), small_world, CALLS_AND_CHATS) as rig:
        rig.pull()
        theirs = [m for m in small_world.dump()["slack.messages"] if m.get("user") in somebody.ids]
        door = Door(rig.warehouse)
        admitted = [to_row(messages, one, version=datetime.now(UTC), origin="pull")
                    for one in door.admit(messages, theirs) if one is not None]  # fmt: skip
        assert admitted
        erase(rig, somebody)
        with pytest.raises(Fenced, match="erasures"):
            land_rows(messages, admitted, "pull", rig.warehouse, [door.fence])  # type: ignore[arg-type]
        assert naming(rig.warehouse, somebody) == {}
        assert Door(rig.warehouse).admit(messages, theirs) == [None] * len(theirs)


def test_a_straggler_of_an_earlier_revision_is_refused(rig: Rig) -> None:
    somebody = employee(rig.control.dump())
    rig.pull()
    rig.catalogue()
    revisions = rig.revisions()
    sections = rig.rows("SELECT DATA_ID, SECTIONS FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID LIKE 'gong:call:%'")
    document_id = next(row["data_id"] for row in sections if somebody.pattern.search(row["sections"]))
    erase(rig, somebody)
    assert rig.revisions()[document_id] > revisions[document_id]
    chunk = Chunk(ordinal=0, text=f"{somebody.name} said", header="", section_start=0, section_end=1)
    vector = np.eye(1, 64, dtype=np.float32)
    for revision in (revisions[document_id], revisions[document_id] + 1):
        late = MemoryBatch(
            document_id=document_id, revision=revision, fingerprint="f", dimension=64, tokens=1, tokens_from_cache=0,
            rows=memory_rows([chunk], [1], vector), chunks_from_cache=0, compute_s=0.0,
        )  # fmt: skip
        landed = rig.warehouse.replace_children([late], fingerprint="f", landed_at=datetime.now(UTC))
        assert (landed.landed, landed.refused) == (0, 1)
    assert rig.memory() == {}


def test_an_emptied_document_waits_for_the_catalog_and_is_shown_to_nobody(rig: Rig) -> None:
    """Also where the erasure was stopped: the next refresh builds it again, or finds that it is gone."""
    somebody = employee(rig.control.dump())
    rig.pull()
    rig.catalogue()
    with pytest.raises(Stopped):
        erase(rig, somebody, after=stop_at("documents"))
    emptied = f"SELECT DATA_ID FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE ACCESS_SCOPE = '{NOBODY}' AND DELETED_AT IS NULL"
    waiting = {row["data_id"] for row in rig.rows(emptied)}
    assert waiting
    with rig.worker():
        rig.publish()
        rig.land()
        assert not waiting & rig.memory().keys()
    rig.catalogue()
    assert rig.rows(emptied) == []
    live = rig.revisions()
    assert 0 < len(waiting & live.keys()) < len(waiting), "some said nothing but what they had said"
    assert naming(rig.warehouse, somebody) == {}


def test_a_mistake_is_told(rig: Rig) -> None:
    for emails, names in ((["ann at example.com"], []), ([""], []), (["a@b.example"], ["Ann"])):
        with pytest.raises(InvalidSetting):
            erasure.erase(rig.profile, rig.warehouse, emails=emails, names=names)
    assert rig.rows("SELECT * FROM SOPHIA_CORE.ERASED_IDENTIFIERS") == []


# ── stops ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = ("list", "raw gong", "raw hubspot", "raw linear", "raw slack", "dead letters", "documents", "other tables",
         "catalog", "others", "kpis")  # fmt: skip


class Stopped(Exception):
    """Here the process would have died."""


def stop_at(step: str) -> Any:
    def after(done: str) -> None:
        if done == step:
            raise Stopped

    return after


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """All sources embedded, once for all stops."""
    port = free_port()
    with vendors(scale=0.15, limit_speedup=10_000) as control, LocalBroker(port):
        profile = profile_for(tmp_path_factory.mktemp("loaded"), control, f"127.0.0.1:{port}")
        with open_rig(profile, control) as rig:
            with rig.worker():
                rig.load()
            letters_of(rig, employee(control.dump()))
            yield rig


@contextmanager
def copy_of(loaded: Rig, home: Path) -> Iterator[Rig]:
    shutil.copytree(loaded.profile.home, home)
    profile: Profile = msgspec.structs.replace(loaded.profile, home=home)
    with open_rig(profile, loaded.control) as rig:
        yield rig


@pytest.mark.long
def test_a_stop_at_any_point_is_made_good_by_a_repetition(loaded: Rig, tmp_path: Path) -> None:
    somebody = employee(loaded.control.dump())
    with copy_of(loaded, tmp_path / "whole") as rig:
        receipt = erase(rig, somebody)
        assert receipt.left == 0
        expected = state(rig)
    for step in STEPS:
        with copy_of(loaded, tmp_path / step) as rig:
            with pytest.raises(Stopped):
                erase(rig, somebody, after=stop_at(step))
            assert erase(rig, somebody).left == 0
            assert naming(rig.warehouse, somebody) == {}
            assert state(rig) == expected, step


def state(rig: Rig) -> dict[str, Any]:
    """Raw rows, documents, memory and letters, without times and ids of ours."""
    raw = {
        table.name: rig.rows(f"SELECT {', '.join(table.key)}, PAYLOAD, _VERSION, _DELETED_AT, _CONTENT_HASH "
                             f"FROM {table.name} ORDER BY {', '.join(table.key)}")
        for source in rig.sources for table in rows.tables(source)
    }  # fmt: skip
    documents = "SELECT DATA_ID, TITLE, HEADER, SECTIONS, METADATA, DELETED_AT IS NULL AS LIVES FROM"
    return raw | {
        "documents": rig.rows(f"{documents} SOPHIA_CORE.CATALOG_ENTRIES ORDER BY DATA_ID"),
        "memory": rig.memory(),
        "letters": rig.rows("SELECT DEAD_LETTER_ID, BODY_BASE64 FROM SOPHIA_CORE.DEAD_LETTERS ORDER BY DEAD_LETTER_ID"),
        "due": publishing.backlog(rig.profile, rig.warehouse),
    }


@pytest.mark.long
@pytest.mark.parametrize("step", ["list", "raw gong"])
def test_a_process_that_is_killed_leaves_nothing_that_a_repetition_cannot_finish(
    loaded: Rig, tmp_path: Path, step: str
) -> None:
    somebody = employee(loaded.control.dump())
    with copy_of(loaded, tmp_path / "home") as rig:
        program = [sys.executable, "-m", "tests.pipelines.programs.killed_erasure"]
        killed = subprocess.run([*program, str(rig.profile.home), somebody.email, step], cwd=PROJECT)
        assert killed.returncode == -signal.SIGKILL
        assert naming(rig.warehouse, somebody)
        assert erase(rig, somebody).left == 0
        assert naming(rig.warehouse, somebody) == {}


@pytest.mark.long
def test_snowflake_forgets_as_well(
    tmp_path: Path, small_world: sandbox.Control, broker: str, snowflake_port: int
) -> None:
    """The real connector against fakesnow."""
    somebody = employee(small_world.dump())
    settings = {
        "SOPHIA_WAREHOUSE": "snowflake",
        "SOPHIA_SNOWFLAKE_ACCOUNT": "test",
        "SOPHIA_SNOWFLAKE_USER": "test",
        "SOPHIA_SNOWFLAKE_PASSWORD": "test",
        "SOPHIA_SNOWFLAKE_AUTHENTICATOR": "PASSWORD",
        "SOPHIA_SNOWFLAKE_DATABASE": "SOPHIA_OF_ERASURES",
        "SOPHIA_SNOWFLAKE_HOST": "127.0.0.1",
        "SOPHIA_SNOWFLAKE_PORT": str(snowflake_port),
        "SOPHIA_SNOWFLAKE_PROTOCOL": "http",
    }
    profile = profile_for(tmp_path, small_world, broker, **settings)
    with open_rig(profile, small_world, CALLS_AND_CHATS) as rig:
        with rig.worker():
            rig.load()
        letters_of(rig, somebody)
        assert naming(rig.warehouse, somebody)
        receipt = erase(rig, somebody)
        assert (receipt.found > 0, receipt.left) == (True, 0)
        assert naming(rig.warehouse, somebody) == {}
        with rig.worker():
            rebuild(rig)
            assert naming(rig.warehouse, somebody) == {}
            assert_memory_is_whole(rig)
        again = erase(rig, somebody)
        assert (again.found - again.layers["vectors"].removed, again.left) == (0, 0)
