"""docs/tour.md and docs/pictures.py: a picture a step, all shown, in their order; and all of it where it can run."""

from __future__ import annotations

import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages
from tests.cli.test_mistakes import processes_of
from tests.pages import PROJECT

TOUR = "docs/tour.md"
SCRIPT = PROJECT / "docs" / "pictures.py"
PICTURES = PROJECT / "docs" / "pictures"
AT_MOST_BYTES = 150_000

MISSING = [
    *([] if shutil.which("chromium") else ["chromium (apt-get install chromium)"]),
    *([] if importlib.util.find_spec("playwright") else ["playwright (make pictures installs it)"]),
]


def steps() -> list[str]:
    return [f"{step.__name__.replace('_', '-')}.png" for step in runpy.run_path(str(SCRIPT))["STEPS"]]


def test_the_tour_shows_the_picture_of_every_step_in_order() -> None:
    shown = [Path(target) for target in pages.links(TOUR) if target.endswith(".png")]
    assert [path.name for path in shown] == steps()
    assert {path.parent.as_posix() for path in shown} == {"pictures"}


def test_every_picture_exists_and_no_other() -> None:
    assert {path.name for path in PICTURES.iterdir()} == set(steps())


def test_pictures_are_small() -> None:
    assert {path.name: path.stat().st_size for path in PICTURES.iterdir() if path.stat().st_size > AT_MOST_BYTES} == {}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")
def test_the_pictures_can_be_taken_again_and_nothing_is_left_running(tmp_path: Path) -> None:
    taken = tmp_path / "pictures"
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, SCRIPT, taken], env=environ, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in taken.iterdir()} == set(steps())
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("sophia-*")) == []
