"""The broker of one machine: it starts, refuses a taken port, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import PortTaken, TopicMissing
from resources import kafka
from resources.broker import LocalBroker, free_port
from resources.profile import KafkaSettings

ROOT = Path(__file__).resolve().parents[2]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_answers_while_the_block_lasts_and_frees_its_port(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "logs" / "broker.log"
    with LocalBroker(port, log) as broker:
        kafka.ensure_topics(KafkaSettings(bootstrap=broker.bootstrap), ["a"])
        assert log.stat().st_size > 0
    assert not _listens(port)
    with LocalBroker(port) as broker, pytest.raises(TopicMissing):  # started again it is empty
        kafka.topic_id(KafkaSettings(bootstrap=broker.bootstrap), "a")


def test_a_taken_port_is_named_with_its_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} is taken.*SOPHIA_KAFKA_BOOTSTRAP"), LocalBroker(port):
            pass


def test_stops_when_the_block_fails() -> None:
    port = free_port()
    with pytest.raises(RuntimeError, match="ours"), LocalBroker(port):
        raise RuntimeError("ours")
    assert not _listens(port)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: only there a child dies with its parent")
def test_dies_with_its_parent() -> None:
    port = free_port()
    program = f"""
import time
from resources.broker import LocalBroker
with LocalBroker({port}):
    print("ready", flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"ready\n"
        assert _listens(port)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 5
    while _listens(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _listens(port)
