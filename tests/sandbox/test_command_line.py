"""`python -m sandbox` as a person starts it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox", "--scale", "0.05", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_says_when_it_is_ready_and_keeps_edits(tmp_path: Path) -> None:
    for expected in (1, 2):
        with start("--port", "0", "--state", str(tmp_path)) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = line.split("ready at ")[1].split(": ")[0]
            httpx.post(f"{url}/_sandbox/clock", json={"advance_s": 60}).raise_for_status()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert len((tmp_path / "commands.jsonl").read_text().splitlines()) == expected


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])
def test_only_loopback_is_served(host: str) -> None:
    process = start("--host", host)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, len(err.splitlines())) == (1, "", 1)


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--port", str(taken.getsockname()[1]))
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, len(err.splitlines())) == (1, "", 1)
    assert "Traceback" not in err
