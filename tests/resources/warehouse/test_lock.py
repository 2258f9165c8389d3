"""The lock between processes is fair: real processes, and one that lets go only to come back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resources.warehouse.lock import FairLock

PROGRAM = Path(__file__).with_name("programs") / "turns.py"


def start(path: Path, run_s: float, hold_s: float, pause_s: float, how: str) -> subprocess.Popen[str]:
    arguments = [str(path), str(run_s), str(hold_s), str(pause_s), how]
    return subprocess.Popen([sys.executable, PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)


def results(*processes: subprocess.Popen[str]) -> list[dict[str, float]]:
    answers = [process.communicate(timeout=30)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(answer) for answer in answers]


def test_a_hog_and_a_crowd_of_readers_starve_nobody(tmp_path: Path) -> None:
    path = tmp_path / "w"
    Path(f"{path}.journal").write_text("")
    hog = start(path, 3, 0.1, 0, "alone")  # holds, lets go, and wants it again at once
    crowd = [start(path, 3, 0.05, 0, "shared") for _ in range(2)]  # readers that always overlap
    writer = start(path, 3, 0, 0.05, "alone")
    hogged, *read, written = results(hog, *crowd, writer)
    print(f"\nhog {hogged}\nreaders {read}\nwriter {written}")
    # Before it: at most the hog's turn and one of the readers', and then those who came before it again.
    assert written["max_wait_s"] < 1.0
    assert written["turns"] >= 8
    assert min(r["turns"] for r in read) >= 5
    assert int(Path(f"{path}.journal").read_text()) == hogged["turns"] + written["turns"], "two were in at once"


def test_readers_go_in_together(tmp_path: Path) -> None:
    lock, inside = FairLock(tmp_path / "w"), threading.Barrier(3, timeout=10)

    def read() -> None:
        with lock.hold(shared=True):
            inside.wait()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not inside.broken
    assert lock.waits.count == 3


def test_threads_of_a_process_exclude_each_other(tmp_path: Path) -> None:
    lock, other, counted = FairLock(tmp_path / "w"), FairLock(tmp_path / "w"), [0]

    def count(mine: FairLock) -> None:
        for _ in range(20):
            with mine.hold(shared=False):
                before = counted[0]
                time.sleep(0.0005)
                counted[0] = before + 1

    threads = [threading.Thread(target=count, args=(mine,)) for mine in (lock, lock, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert counted == [60]


def test_who_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "w"
    Path(f"{path}.journal").write_text("")
    holder = start(path, 60, 60, 0, "alone")
    lock = FairLock(path)
    while not Path(f"{path}.held").exists():
        time.sleep(0.01)
    threading.Timer(0.3, holder.send_signal, (signal.SIGKILL,)).start()
    with lock.hold(shared=False):
        assert holder.wait(10) == -signal.SIGKILL
    assert holder.stdout is not None
    holder.stdout.close()


def test_who_would_wait_for_himself_is_told(tmp_path: Path) -> None:
    lock = FairLock(tmp_path / "w")
    with lock.hold(shared=True), pytest.raises(RuntimeError, match="transaction's own"), lock.hold(shared=True):
        pass
    with lock.hold(shared=False):
        pass
    assert (lock.waits.count, lock.waits.p50_s <= lock.waits.max_s) == (2, True)
