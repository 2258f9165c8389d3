"""Take turns at a lock for some seconds and print how many there were and the longest wait; a program of test_lock.py.

Arguments: path, seconds to run, seconds to hold each turn, seconds to pause between, `shared` or `alone`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from resources.warehouse.lock import FairLock

path, run_s, hold_s, pause_s, how = sys.argv[1:]
lock = FairLock(Path(path))
journal = Path(f"{path}.journal")
end = time.monotonic() + float(run_s)
turns = 0
while time.monotonic() < end:
    with lock.hold(shared=how == "shared"):
        if how == "alone":  # nobody else may be in here: what is read is what is written
            before = int(journal.read_text() or 0)
            time.sleep(float(hold_s))
            journal.write_text(str(before + 1))
        else:
            time.sleep(float(hold_s))
        turns += 1
    time.sleep(float(pause_s))
print(json.dumps({"turns": turns, "max_wait_s": lock.waits.max_s, "p50_wait_s": lock.waits.p50_s}))
