from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sandbox
from tests.conftest import profile_for
from tests.pipelines.rig import Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path, small_world: sandbox.Control, broker: str) -> Iterator[Rig]:
    """Everything but a worker, over the small world."""
    with open_rig(profile_for(tmp_path, small_world, broker), small_world) as opened:
        yield opened
