"""supervisord as we use it: what dies comes back, what cannot start is named, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.processes import SOCKET_PATH_BYTES, Processes, ProcessFailed, Program, ask, socket_path
from tests.cli.test_mistakes import PROJECT, environment, processes_of

SLEEP = [sys.executable, "-c", "import os, time; print('began', os.getpid(), flush=True); time.sleep(600)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('stubborn', flush=True); time.sleep(600)"
)
LEAVES_ONE_BEHIND = [
    *(sys.executable, "-c"),
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); time.sleep(600)",
]


def await_true(is_true: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def began(running: Processes, name: str) -> list[int]:
    """The process ids that a program has had, in order."""
    log = running.log(name)
    return [int(line.split()[1]) for line in log.read_text().splitlines()] if log.exists() else []


@contextmanager
def run(home: Path, programs: Sequence[Program]) -> Iterator[Processes]:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    with Processes(home, programs, environment(home)) as running:
        yield running


def test_a_program_that_is_killed_comes_back(tmp_path: Path) -> None:
    with run(tmp_path, [Program("one", SLEEP)]) as running:
        await_true(lambda: len(began(running, "one")) == 1)
        os.kill(began(running, "one")[0], signal.SIGKILL)
        await_true(lambda: len(began(running, "one")) == 2)
        running.check()
    assert processes_of(tmp_path) == []


def test_a_program_that_cannot_start_is_named_with_its_last_word(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('first'); raise SystemExit('it lacks 100% of its weights')"]
    with (
        run(tmp_path, [Program("one", SLEEP), Program("two", command)]) as running,
        pytest.raises(
            ProcessFailed, match=r"two ends each time .* it lacks 100% of its weights \(all of it: .*two.log"
        ),
    ):
        running.wait_for({"never": lambda: False})
    assert processes_of(tmp_path) == []


def test_a_program_waits_for_its_start_and_groups_stop_in_their_order(tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = (
        "import signal, sys, time; from pathlib import Path; said = Path(sys.argv[1]).open('a')\n"
        "def end(*_): print(sys.argv[2], file=said, flush=True); time.sleep(0.5); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('began 0', flush=True); time.sleep(600)"
    )
    commands = {name: [sys.executable, "-c", program, str(said), name] for name in ("ground", "work", "late")}
    programs = [
        Program("ground", commands["ground"], "ground"),
        Program("work", commands["work"], "work"),
        Program("late", commands["late"], "control", at_once=False),
    ]
    with run(tmp_path, programs) as running:
        await_true(lambda: began(running, "ground") and began(running, "work"))
        assert began(running, "late") == []
        running.start_the_rest()
        await_true(lambda: began(running, "late"))
    assert said.read_text().split() == ["late", "work", "ground"]


def test_what_a_program_leaves_behind_ends_too(tmp_path: Path) -> None:
    with run(tmp_path, [Program("one", LEAVES_ONE_BEHIND)]) as running:
        await_true(lambda: "stubborn" in running.log("one").read_text())
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("victim", ["we", "supervisord"])
def test_whoever_is_killed_takes_the_others_along(tmp_path: Path, victim: str) -> None:
    program = (
        "import sys; from pathlib import Path; from cli.processes import Processes, Program\n"
        "from resources.profile import environment\n"
        f"programs = [Program('one', {SLEEP!r}), Program('two', {LEAVES_ONE_BEHIND!r})]\n"
        "with Processes(Path(sys.argv[1]), programs, environment()) as running:\n"
        "    running.wait_for({'never': lambda: False})"
    )
    (tmp_path / "logs").mkdir()
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, env=environment(tmp_path), cwd=PROJECT, stderr=subprocess.PIPE, text=True) as we:
        await_true(lambda: (two := tmp_path / "logs" / "two.log").exists() and "stubborn" in two.read_text())
        supervisord = int((tmp_path / "supervisord.pid").read_text())
        os.kill(we.pid if victim == "we" else supervisord, signal.SIGKILL)
        _, said = we.communicate(timeout=30)
        assert we.returncode != 0
        assert victim == "we" or "supervisord has ended" in said
    await_true(lambda: processes_of(tmp_path) == [])


@pytest.mark.parametrize("name", ["100% of it, and 'more'", "long" * 50])
def test_any_home_will_do(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    socket = socket_path(home, "supervisord")
    assert len(os.fsencode(socket)) <= SOCKET_PATH_BYTES
    with run(home, [Program("one", [*SLEEP, name])]) as running:
        await_true(lambda: began(running, "one"))
        assert [one["name"] for one in ask(socket, "getAllProcessInfo")] == ["one"]
    assert processes_of(home) == []
    if name.startswith("long"):
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        socket.parent.rmdir()
