"""A Dagster instance on the project's dagster.yaml, and real processes on it that can be killed one by one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import dagster as dg
import yaml

from resources.broker import dying_with_parent, free_port

PROJECT = Path(__file__).resolve().parents[2]
SOON_S = 120.0
"""On two shared cores, with the daemon's intervals of 10 s; seen: 20 to 40 s."""

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], within_s: float = SOON_S) -> Found:
    """What it finds first that is neither None, False nor empty."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.2)
    return found


class Machine:
    """An instance with one code location, and the folder that its runs of `held` write to."""

    def __init__(self, folder: Path, location: str, stack: ExitStack) -> None:
        self.folder = folder
        self.environ: dict[str, str] = {}
        """What a process gets besides."""
        self._location = location
        self.home = folder / "dagster"
        self.home.mkdir()
        shutil.copy(PROJECT / "dagster.yaml", self.home)
        self.instance = stack.enter_context(dg.DagsterInstance.from_config(str(self.home)))
        self._stack = stack
        self._port = free_port()
        server = {"host": "127.0.0.1", "port": self._port, "location_name": location}
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOPHIA_", "DAGSTER_"))}
        environ = self.environ | {"DAGSTER_HOME": str(self.home), "HELD_FOLDER": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            command = dying_with_parent([sys.executable, *arguments])
            process = subprocess.Popen(command, env=kept | environ, cwd=PROJECT, stdout=log, stderr=log)
        self._stack.callback(kill, process)
        return process

    def start_code_server(self) -> subprocess.Popen[bytes]:
        address = ["-h", "127.0.0.1", "-p", str(self._port)]
        code = ["-m", self._location, "-d", str(PROJECT)]
        server = self.start("-m", "dagster", "code-server", "start", *code, *address)
        wait_for(self._listens)
        return server

    def start_daemon(self) -> subprocess.Popen[bytes]:
        return self.start("-m", "dagster._daemon", "run", "-w", str(self.folder / "workspace.yaml"))

    def started(self, *, but: tuple[str, ...] = ()) -> tuple[str, int]:
        """A run that works, with its process; waits for one."""
        return wait_for(lambda: next((run for run in self.runs() if run[0] not in but), None))

    def runs(self) -> list[tuple[str, int]]:
        return [(path.stem, int(path.read_text())) for path in self.folder.glob("*.pid")]

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def holders(self) -> set[str]:
        """Runs that hold the pool."""
        info = self.instance.event_log_storage.get_concurrency_info("vendor")
        return {slot.run_id for slot in info.claimed_slots}

    def kill_all_but(self, spared: subprocess.Popen[bytes] | None = None) -> None:
        """Kill every process that was started here and those that they have started, as the end of a container does."""
        for environ in Path("/proc").glob("[0-9]*/environ"):
            pid = int(environ.parent.name)
            with suppress(OSError):  # it has ended meanwhile
                is_ours = f"HELD_FOLDER={self.folder}".encode() in environ.read_bytes().split(b"\0")
                if is_ours and (spared is None or pid != spared.pid):
                    os.kill(pid, signal.SIGKILL)

    def go(self) -> None:
        (self.folder / "go").touch()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(30)


@contextmanager
def open_machine(folder: Path, location: str) -> Iterator[Machine]:
    """
    Args:
        location: module of its definitions.
    """
    with ExitStack() as stack:
        machine = Machine(folder, location, stack)
        try:
            yield machine
        finally:
            machine.kill_all_but()
