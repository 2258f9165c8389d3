"""A fifth source is new files only: laid over a copy of the project, Asana is pulled, searched and in the asset graph.

`tests/fifth_source/` holds its files in the project's own folders; nothing that stands is touched. The copy is run in a
process of its own, against a real tracker (`server.py`), broker, worker and warehouse.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.test_layout import PACKAGES, SIBLINGS

PROJECT = Path(__file__).resolve().parents[1]
FIFTH_SOURCE = PROJECT / "tests" / "fifth_source"
LIVE = {"asana:task:101", "asana:task:102", "asana:task:104", "asana:task:105"}
DELETED = "asana:task:103"


def its_files() -> list[Path]:
    """Relative to the project's root."""
    folders = (FIFTH_SOURCE / name for name in (*PACKAGES, "tests"))
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(FIFTH_SOURCE) for path in files if "__pycache__" not in path.parts)


def placed(file: Path) -> Path:
    """Where a file belongs: a V file takes the number behind the newest, as who adds a source gives it."""
    if not file.name.startswith("V"):
        return file
    newest = max(int(path.name[1:5]) for path in (PROJECT / "sql" / "migrations").glob("V*__*.sql"))
    return file.with_name(f"V{newest + 1:04d}{file.name[5:]}")


def lay_over_a_copy(folder: Path, files: dict[Path, str]) -> Path:
    """The project with these files (path → text) beside its own."""
    for package in (*PACKAGES, "docs", "tests/sql", "tests/sandbox", "tests/pipelines/sources", "tests/fifth_source"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/conftest.py", "tests/vendor_contracts.py", "tests/test_layout.py"):
        shutil.copyfile(PROJECT / name, folder / name)
    for file, text in files.items():
        target = folder / placed(file)
        assert target.parent.is_dir(), f"{target.parent.relative_to(folder)} is no folder of the project"
        assert not target.exists(), f"{file} stands already: a fifth source adds files and changes none"
        target.write_text(text)
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a fifth source."""
    files = {file: (FIFTH_SOURCE / file).read_text() for file in its_files()}
    return lay_over_a_copy(tmp_path_factory.mktemp("project").resolve(), files)


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A module of Python's in the copy, whose packages come before the project's own."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{PROJECT}"},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def told(copy: Path) -> dict[str, Any]:
    """What `tests/fifth_source/whole_way.py` saw in the copy."""
    done = run(copy, "tests.fifth_source.whole_way", str(copy / "var"))
    assert done.returncode == 0, done.stderr[-4000:]
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert seen["from_elsewhere"] == [], "the copy must be what ran"
    return seen


def test_it_has_every_sibling_that_a_source_has() -> None:
    for sibling in SIBLINGS:
        assert list(FIFTH_SOURCE.glob(sibling.format("asana"))), f"asana lacks {sibling.format('asana')}"


def test_it_is_made_of_siblings_alone() -> None:
    siblings = {path for sibling in SIBLINGS for path in FIFTH_SOURCE.glob(sibling.format("asana"))}
    assert {FIFTH_SOURCE / file for file in its_files()} == siblings


def test_the_projects_own_tests_of_sql_hold_for_its_files(copy: Path) -> None:
    """Snowflake's grammar, a comment on everything, DDL equal to ENTITIES."""
    done = run(copy, "pytest", "tests/sql", "-k", "asana or every_view", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_profile_reads_its_settings_and_refuses_others(told: dict[str, Any]) -> None:
    assert told["settings"]["read"]["token"] == "asana-fixture"
    assert told["settings"]["read"]["requests_per_minute"] == 60_000
    assert "did you mean SOPHIA_ASANA_TOKEN?" in told["settings"]["refused"]


def test_its_records_are_in_raw_over_pages_and_a_429(told: dict[str, Any]) -> None:
    assert told["answers"] == {"200": 2 + 3, "429": 1}
    assert told["pulled"] == {
        "asana/users": {"received": 3, "changed": 3, "deleted": 0, "rejected": 0},
        "asana/tasks": {"received": 5, "changed": 5, "deleted": 0, "rejected": 0},
    }
    assert told["raw"] == {"users": 3, "tasks": 5}


def test_its_documents_are_in_the_catalog(told: dict[str, Any]) -> None:
    assert told["catalogued"] == {"looked_at": 5, "revised": 5, "deleted": 0}
    assert told["catalog"] == {
        "source_system": "asana",
        "data_type": "task",
        "access_scope": "public",
        "title": "Export fails for leap years",
        "header": "Task, 2026-03-01",
        "metadata": {
            "assignee": "Ines Marlow",
            "completed": False,
            "people": ["Ines Marlow"],
            "url": "https://app.asana.com/0/0/101",
            "tags": ["open"],
        },
        "revision": 1,
        "ai_processed": True,
        "is_deleted": False,
    }


def test_its_chunks_are_in_memory_and_found(told: dict[str, Any]) -> None:
    assert told["published"] == 5
    assert told["memory"].keys() == LIVE | {DELETED}
    assert sum(map(len, told["memory"].values())) == 5
    assert told["hits"][0] == {
        "document_id": DELETED,
        "source": "asana",
        "text": "Renew the certificate\nThe gateway's certificate ends in May.",
    }


def test_it_is_in_the_asset_graph_and_the_memory_waits_for_it(told: dict[str, Any]) -> None:
    memory = told["assets"].pop("memory/memory_records")
    assert told["assets"] == {
        "vendors/asana": {"group": "vendors", "follows": []},
        "asana/users": {"group": "asana", "follows": ["vendors/asana"]},
        "asana/tasks": {"group": "asana", "follows": ["vendors/asana"]},
        "catalog/asana": {"group": "catalog", "follows": ["asana/tasks", "asana/users"]},
    }
    assert "catalog/asana" in memory["follows"]


def test_a_second_pull_changes_nothing(told: dict[str, Any]) -> None:
    assert told["second"] == {
        "pulled": {
            "asana/users": {"received": 3, "changed": 0, "deleted": 0, "rejected": 0},
            "asana/tasks": {"received": 5, "changed": 0, "deleted": 0, "rejected": 0},
        },
        "catalogued": {"looked_at": 0, "revised": 0, "deleted": 0},
        "published": 0,
        "tables_are_the_same": True,
    }


def test_a_deleted_task_is_a_tombstone_and_leaves_memory(told: dict[str, Any]) -> None:
    after = told["after_a_delete"]
    assert after["pulled"]["asana/tasks"] == {"received": 4, "changed": 1, "deleted": 1, "rejected": 0}
    assert after["raw"] == {"users": 3, "tasks": 4}
    assert after["tombstones"] == [{"task_id": "103", "name": "Renew the certificate"}], "its last content stays"
    assert after["catalogued"] == {"looked_at": 1, "revised": 0, "deleted": 1}
    assert (after["entry"]["is_deleted"], after["entry"]["ai_processed"]) == (True, False)
    assert after["memory"].keys() == LIVE
    assert DELETED not in {hit["document_id"] for hit in after["hits"]}
