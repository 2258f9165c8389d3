from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sandbox
from tests.conftest import profile_for
from tests.pipelines.rig import CALLS_AND_CHATS, Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path, small_world: sandbox.Control, broker: str) -> Iterator[Rig]:
    """Everything but a worker, over calls and chats of the small world: a source of each shape, for what the spine
    promises of any.
    """
    with open_rig(profile_for(tmp_path, small_world, broker), small_world, CALLS_AND_CHATS) as opened:
        yield opened


@pytest.fixture
def rig_of_all(tmp_path: Path, small_world: sandbox.Control, broker: str) -> Iterator[Rig]:
    """The same, with every source."""
    with open_rig(profile_for(tmp_path, small_world, broker), small_world) as opened:
        yield opened
