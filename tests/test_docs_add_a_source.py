"""docs/add-a-source.md to the letter: its blocks are laid over a copy of the project, and its commands run there.

What the source then does in searches, second pulls and deletes is tests/test_fifth_source.py's, over the same files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages
from tests.cli.test_mistakes import environment
from tests.fifth_source import server
from tests.pages import PROJECT
from tests.test_fifth_source import FIFTH_SOURCE, its_files, lay_over_a_copy

pytestmark = pytest.mark.long

PAGE = "docs/add-a-source.md"
SHOWN = {Path(block.path): block.text for block in pages.blocks(PAGE) if block.path}


def test_the_page_shows_the_fifth_source_whole() -> None:
    files = {file: (FIFTH_SOURCE / file).read_text() for file in its_files()}
    assert files == SHOWN, "docs/add-a-source.md is old; run make docs"


def test_a_newcomer_who_follows_the_page_pulls_from_the_vendor(tmp_path: Path, broker: str) -> None:
    copy = lay_over_a_copy(tmp_path / "project", SHOWN)
    settings = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{copy}{os.pathsep}{PROJECT}",
        "DAGSTER_HOME": str(tmp_path),
        "SOPHIA_KAFKA_BOOTSTRAP": broker,
        "SOPHIA_ASANA_TOKEN": server.TOKEN,
    }
    with server.running() as tracker:
        environ = environment(tmp_path / "var", **settings, SOPHIA_ASANA_URL=tracker.url)
        for command in (c for block in pages.blocks(PAGE) for c in pages.commands(block)):
            done = subprocess.run(
                ["bash", "-c", command.text.replace(".venv/bin/", "")],
                cwd=copy,
                env=environ,
                capture_output=True,
                text=True,
                timeout=240,
            )
            assert done.returncode == 0, f"{command.text}\n{done.stdout}{done.stderr}"
            assert pages.matches(command.printed, done.stdout), f"{command.text}\n{done.stdout}"
    assert tracker.answers[200] >= 5, "Asana was asked"
