"""Another model: everything is embedded anew, in a table of its own beside the old one."""

from __future__ import annotations

from pathlib import Path

import pytest

import sandbox
from tests.conftest import profile_for
from tests.pipelines.rig import CALLS_AND_CHATS, open_rig
from tests.pipelines.test_changes import assert_memory_is_whole


@pytest.mark.long
def test_a_new_model_stands_beside_the_old_and_the_old_can_come_back(
    tmp_path: Path, small_world: sandbox.Control, broker: str
) -> None:
    small = profile_for(tmp_path, small_world, broker)
    large = profile_for(tmp_path, small_world, broker, SOPHIA_EMBEDDING_MODEL="all-minilm-l6-v2")
    with open_rig(small, small_world, CALLS_AND_CHATS) as rig, rig.worker():
        rig.load()
        before = rig.memory()
    with open_rig(large, small_world, CALLS_AND_CHATS) as rig, rig.worker():
        assert rig.memory() == {}, "the view is on the new model's table"
        landed = rig.load()
        assert landed.documents == len(before)
        assert_memory_is_whole(rig)
        assert rig.memory().keys() == before.keys()
        [kept] = rig.rows("SELECT COUNT(*) AS N FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_HASH_64")
        assert kept["n"] == sum(len(rows) for rows in before.values())
    with open_rig(small, small_world, CALLS_AND_CHATS) as rig, rig.worker():
        landed = rig.load()
        assert (landed.chunks_embedded, landed.rows_written) == (0, 0), "from the cache, into rows that are still there"
        assert rig.memory() == before
