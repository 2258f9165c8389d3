"""The way of the fifth source, run in a project that has it: vendor, raw, catalog, worker, memory, search, asset graph.

Prints one JSON object. argv: a folder that the run may write to.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from assets.definitions import defs
from cli.search import find
from contracts.errors import InvalidSetting
from gpu_workers.engine import open_engine
from pipelines import catalog, publishing, sources
from pipelines.pull import pull
from resources.broker import LocalBroker, free_port
from resources.profile import Profile
from tests.conftest import profile_for
from tests.fifth_source import server
from tests.pipelines.rig import Rig, open_rig
from tests.test_layout import PACKAGES

NO_SANDBOX: Any = None
"""The rig keeps its control for the tests of the vendors that the sandbox speaks for."""
QUERY = "renew the certificate of the gateway"
DELETED = "103"


def whole_way(rig: Rig, tracker: server.Tracker) -> dict[str, Any]:
    """First pull to search, a second pull, and a pull after a task was deleted."""
    first = pull("asana", rig.profile, rig.warehouse)
    catalogued = catalog.refresh("asana", rig.warehouse)
    with rig.worker():
        published = publishing.publish(rig.profile, rig.warehouse)
        rig.land()
    told = {
        "answers": dict(tracker.answers),
        "pulled": pulled(first),
        "catalogued": catalogued,
        "published": published,
        "raw": raw(rig),
        "catalog": catalog_entry(rig, "asana:task:101"),
        "memory": memory(rig),
        "hits": search(rig),
    }

    before = tables(rig)
    told["second"] = {
        "pulled": pulled(pull("asana", rig.profile, rig.warehouse)),
        "catalogued": catalog.refresh("asana", rig.warehouse),
        "published": publishing.publish(rig.profile, rig.warehouse),
        "tables_are_the_same": tables(rig) == before,
    }

    tracker.delete_task(DELETED)
    told["after_a_delete"] = {
        "pulled": pulled(pull("asana", rig.profile, rig.warehouse)),
        "catalogued": catalog.refresh("asana", rig.warehouse),
        "published": publishing.publish(rig.profile, rig.warehouse),
        "raw": raw(rig),
        "tombstones": rig.rows("SELECT TASK_ID, NAME FROM ASANA_INTEGRATION.TASKS WHERE _DELETED_AT IS NOT NULL"),
        "entry": catalog_entry(rig, f"asana:task:{DELETED}"),
        "memory": memory(rig),
        "hits": search(rig),
    }
    return told


def pulled(landed: list[Any]) -> dict[str, dict[str, int]]:
    return {
        str(one.address): {name: getattr(one, name) for name in ("received", "changed", "deleted", "rejected")}
        for one in landed
    }


def raw(rig: Rig) -> dict[str, int]:
    """Live rows a table."""
    live = "WHERE _DELETED_AT IS NULL"
    return {
        "users": rig.rows(f"SELECT COUNT(*) AS N FROM ASANA_INTEGRATION.USERS {live}")[0]["n"],
        "tasks": rig.rows(f"SELECT COUNT(*) AS N FROM ASANA_INTEGRATION.TASKS {live}")[0]["n"],
    }


def catalog_entry(rig: Rig, document_id: str) -> dict[str, Any]:
    [entry] = rig.rows(
        "SELECT SOURCE_SYSTEM, DATA_TYPE, ACCESS_SCOPE, TITLE, HEADER, METADATA, REVISION, AI_PROCESSED, "
        "DELETED_AT IS NOT NULL AS IS_DELETED "
        f"FROM SOPHIA_CORE.UNIFIED_DATA_CATALOG WHERE DATA_ID = '{document_id}'"
    )
    return entry | {"metadata": msgspec.json.decode(entry["metadata"])}


def memory(rig: Rig) -> dict[str, list[str]]:
    """Document → the texts of its chunks, in order."""
    return {document: [chunk["content"] for chunk in chunks] for document, chunks in rig.memory().items()}


def search(rig: Rig) -> list[dict[str, str]]:
    """Best first."""
    hits = find(rig.warehouse, open_engine(rig.profile.embedding), QUERY, source="asana")
    return [{"document_id": hit.document_id, "source": hit.source, "text": hit.text} for hit in hits]


def tables(rig: Rig) -> list[Any]:
    """What a pull that finds nothing new must leave alone: `_VERSION` moves, the content and its landing stay."""
    return [
        rig.rows("SELECT * EXCLUDE (_VERSION) FROM ASANA_INTEGRATION.USERS ORDER BY USER_ID"),
        rig.rows("SELECT * EXCLUDE (_VERSION) FROM ASANA_INTEGRATION.TASKS ORDER BY TASK_ID"),
        rig.rows("SELECT * FROM SOPHIA_CORE.CATALOG_ENTRIES ORDER BY DATA_ID"),
        rig.memory(),
    ]


def settings(profile: Profile) -> dict[str, Any]:
    """What the profile reads of `SOPHIA_ASANA_*`, and what it says to a name that the source does not know."""
    section = sources.module("asana").Settings
    try:
        Profile.read({"SOPHIA_ASANA_TOKN": "x"}).section("asana", section)
    except InvalidSetting as error:
        refused = str(error)
    return {"read": profile.section("asana", section), "refused": refused}


def asset_graph() -> dict[str, dict[str, Any]]:
    """Asset key → its group and what it follows; the assets of the fifth source, and the memory."""
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    return {
        key: {"group": spec.group_name, "follows": sorted(d.asset_key.to_user_string() for d in spec.deps)}
        for key, spec in specs.items()
        if "asana" in key or key == "memory/memory_records"
    }


def from_elsewhere() -> list[str]:
    """Modules of ours that this process did not take from the folder that it runs in."""
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES}
    return [name for name, module in ours.items() if not Path(str(module.__file__)).is_relative_to(Path.cwd())]


def main(home: Path) -> None:
    port = free_port()
    with server.running() as tracker, LocalBroker(port):
        profile = profile_for(
            home,
            bootstrap=f"127.0.0.1:{port}",
            SOPHIA_ASANA_URL=tracker.url,
            SOPHIA_ASANA_TOKEN=server.TOKEN,
            SOPHIA_ASANA_REQUESTS_PER_MINUTE="60000",
        )
        with open_rig(profile, NO_SANDBOX) as rig:
            told = whole_way(rig, tracker)
    told |= {"settings": settings(profile), "assets": asset_graph(), "from_elsewhere": from_elsewhere()}
    print(msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
