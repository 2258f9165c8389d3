"""The lander by itself: when a batch is landed."""

from __future__ import annotations

import threading
import time

import pytest

from pipelines import memory
from pipelines.health import memory_lag
from pipelines.memory import Lander
from tests.pipelines.rig import Rig
from tests.pipelines.test_changes import assert_memory_is_whole


@pytest.mark.parametrize("flush_s", [0.0, 600.0])
def test_a_batch_waits_for_more_where_that_is_asked_for(rig: Rig, flush_s: float) -> None:
    """As on Snowflake: all that comes meanwhile is one landing, and a stop does not wait."""
    rig.pull()
    rig.catalogue()
    landings: list[float] = []
    stop = threading.Event()
    lander = Lander(rig.profile, rig.warehouse)
    how = {"stop": stop, "flush_s": flush_s, "before_landing": lambda: landings.append(time.monotonic())}
    thread = threading.Thread(target=lander.run, kwargs=how)
    thread.start()
    with rig.worker():
        published = rig.publish()
        deadline = time.monotonic() + 60
        while memory_lag(rig.profile, rig.warehouse) + lander.done.documents < published:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(4 * memory.POLL_S)
    stopped_at = time.monotonic()
    stop.set()
    thread.join(60)
    assert lander.done.documents == published
    if flush_s:
        assert [landed_at > stopped_at - memory.POLL_S for landed_at in landings] == [True]
    else:
        assert landings[0] < stopped_at - 3 * memory.POLL_S
    assert_memory_is_whole(rig)
