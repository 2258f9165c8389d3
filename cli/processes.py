"""Programs that run together under supervisord: one that dies is started again, and none is left behind.

    we ──► python -m cli.processes: supervisord, in a session of its own ──► a process group a program

Whoever ends first, by whatever signal, takes the others along: supervisord is terminated when we end, programs are
killed when it ends, and before it ends it kills what is left of its session, such as a run that Dagster has begun.
`supervisorctl -c <home>/supervisord.conf` shows and restarts them.
"""

from __future__ import annotations

import configparser
import hashlib
import http.client
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import tenacity
from supervisor.xmlrpc import SupervisorTransport

from contracts.errors import InvalidSetting, SophiaError
from resources.broker import dying_with_parent

START_S = 20
"""A program that ends sooner than this after its start has not started."""
RETRIES = 2
STOP_S = 5
"""A program that has not ended this long after its signal is killed."""
ALL_STOPPED_S = 60.0
GRACE_S = 3.0
"""What a program has left behind is killed this long after it."""
LOG_BYTES = 10 * 1024 * 1024
LOGS_KEPT = 2
SOCKET_PATH_BYTES = 107
"""The longest path that a Unix socket can have, on Linux."""
POLL_S = 0.2
WITHOUT_WAITING = False


class ProcessFailed(SophiaError):
    """A process of ours cannot start, or has ended by itself."""


@dataclass(frozen=True, slots=True)
class Program:
    """What supervisord keeps running."""

    name: str
    command: Sequence[str]
    group: str = "work"
    """A group's programs are stopped together, and the groups one after another, the first of them last."""
    at_once: bool = True
    """Else it waits for `Processes.start_the_rest`."""
    stop_by: str = "TERM"


class Processes:
    """Programs that run while the `with` block lasts; what they say is in `<home>/logs/<name>.log`.

    Raises:
        ProcessFailed: on entering: supervisord itself cannot start.
    """

    def __init__(self, home: Path, programs: Sequence[Program], environ: Mapping[str, str]) -> None:
        self._home = home.resolve()
        self._config = self._home / "supervisord.conf"
        self._socket = socket_path(home, "supervisord")
        self._programs = programs
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Processes:
        self._write_config()
        command = dying_with_parent([sys.executable, "-m", "cli.processes", str(self._config)], signal.SIGTERM)
        with self.log("supervisord").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Idempotent."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(ALL_STOPPED_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_session(self._process.pid, grace_s=0)  # nothing is left, unless supervisord was killed
        self._process = None

    def start_the_rest(self) -> None:
        """The programs that were to wait."""
        for program in self._programs:
            if not program.at_once:
                self._ask("startProcess", f"{program.group}:{program.name}", WITHOUT_WAITING)

    def check(self) -> None:
        """Raises ProcessFailed: a program ends each time it is started, or supervisord has ended."""
        for program in self._ask("getAllProcessInfo"):
            if program["statename"] == "FATAL":
                name = program["name"]
                raise ProcessFailed(f"{name} ends each time it is started: {self._last_line(name)}")

    def wait_for(
        self, ready: Mapping[str, Callable[[], bool]], on_ready: Callable[[str], None] = lambda name: None
    ) -> None:
        """Ask each until it says True.

        Raises:
            ProcessFailed: as `check`.
        """
        waiting = dict(ready)
        while waiting:
            self.check()
            for name in [name for name, is_ready in waiting.items() if is_ready()]:
                del waiting[name]
                on_ready(name)
            time.sleep(POLL_S)

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self._home / "logs" / f"{name}.log"

    def _await_answer(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Silent),
            wait=tenacity.wait_fixed(0.05),
            stop=tenacity.stop_after_delay(START_S),
            reraise=True,
        )
        attempts(self._ask, "getState")

    def _ask(self, method: str, *arguments: Any) -> Any:
        if self._process is None or self._process.poll() is not None:
            raise ProcessFailed(f"supervisord has ended: {self._last_line('supervisord')}")
        return ask(self._socket, method, *arguments)

    def _last_line(self, name: str) -> str:
        path = self.log(name)
        said = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        lines = [line for line in said if not line.startswith("For help, use ")]  # supervisord's own last one
        return f"{lines[-1] if lines else 'it said nothing'} (all of it: {path})"

    def _write_config(self) -> None:
        config = configparser.RawConfigParser()
        config["supervisord"] = {
            "nodaemon": "true",
            "silent": "true",
            "nocleanup": "true",
            "logfile": _literal(self.log("supervisord")),
            "logfile_maxbytes": str(LOG_BYTES),
            "logfile_backups": str(LOGS_KEPT),
            "pidfile": _literal(self._home / "supervisord.pid"),
        }
        config["unix_http_server"] = {"file": _literal(self._socket), "chmod": "0700"}
        config["supervisorctl"] = {"serverurl": _literal(f"unix://{self._socket}")}
        config["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        for number, group in enumerate(dict.fromkeys(program.group for program in self._programs), 1):
            members = ",".join(program.name for program in self._programs if program.group == group)
            config[f"group:{group}"] = {"programs": members, "priority": str(number)}
        for program in self._programs:
            config[f"program:{program.name}"] = {
                "command": _literal(shlex.join(dying_with_parent(list(program.command)))),
                "autostart": str(program.at_once).lower(),
                "autorestart": "true",
                "startsecs": str(START_S),
                "startretries": str(RETRIES),
                "stopsignal": program.stop_by,
                "stopwaitsecs": str(STOP_S),
                "stopasgroup": "true",
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": _literal(_literal(self.log(program.name))),  # supervisor 4.3 reads it twice
                "stdout_logfile_maxbytes": str(LOG_BYTES),
                "stdout_logfile_backups": str(LOGS_KEPT),
            }
        with self._config.open("w") as file:
            config.write(file)


def _literal(text: object) -> str:
    """As supervisord reads it: a % begins one of its variables."""
    return str(text).replace("%", "%%")


class _Silent(ProcessFailed):
    """supervisord does not answer (yet)."""


def ask(socket: Path, method: str, *arguments: Any) -> Any:
    """Call a method of supervisord's XML-RPC interface.

    Raises:
        ProcessFailed: nobody answers there.
    """
    server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl=f"unix://{socket}"))
    try:
        with server:
            return getattr(server.supervisor, method)(*arguments)
    except (OSError, http.client.HTTPException) as error:
        raise _Silent(f"supervisord does not answer at {socket}") from error


def socket_path(home: Path, name: str) -> Path:
    """`<home>/<name>.sock`; where that is too long for a socket, a short one in a folder that is ours alone.

    Raises:
        InvalidSetting: somebody else has made the folder.
    """
    path = home.resolve() / f"{name}.sock"
    # Whoever binds a socket may do so under a name with a suffix, and rename it.
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES - len(".1234567"):
        return path
    folder = Path(tempfile.gettempdir()) / f"sophia-{hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise InvalidSetting("SOPHIA_HOME", str(home), f"its path is too long for a socket, and {folder} is not ours")
    return folder / f"{name}.sock"


def end_session(session: int, grace_s: float) -> None:
    """Kill the processes of a session that have not ended after `grace_s`, but not this one."""
    deadline = time.monotonic() + grace_s
    while left := _processes_of(session):
        if time.monotonic() >= deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _processes_of(session: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(")")  # behind the name, which may hold anything
        except OSError:  # it has ended meanwhile
            continue
        state, _, _, its_session = rest.split()[:4]
        pid = int(stat.parent.name)
        if int(its_session) == session and state != "Z" and pid != os.getpid():
            found.append(pid)
    return found


def main(config: str) -> None:
    """supervisord in the foreground, and an end to what it leaves."""
    from supervisor import supervisord

    try:
        supervisord.main(["-c", config])
    finally:
        end_session(os.getsid(0), GRACE_S)


if __name__ == "__main__":
    main(sys.argv[1])
