"""`sophia receive`: what it has answered is on the disk, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli import local
from pipelines.webhooks.journal import Journal
from resources.broker import free_port
from tests.cli.test_mistakes import PROJECT, environment, says, sophia
from tests.cli.test_processes import await_true
from tests.conftest import open_migrated, profile_for
from tests.pipelines.webhooks import signing


def settings() -> dict[str, str]:
    """Of a receiver whose broker is away."""
    return signing.environ() | {
        "SOPHIA_WEBHOOKS_PORT": str(free_port()),
        "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
    }


@contextmanager
def receiving(home: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "from cli.main import main; main()", "receive"]
    process = subprocess.Popen(command, env=environment(home, **environ), cwd=PROJECT, stderr=subprocess.DEVNULL)
    port = int(environ["SOPHIA_WEBHOOKS_PORT"])
    try:
        await_true(lambda: local.answers(port, "/ready"), within_s=60)
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_answered_is_in_the_journal_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    environ = settings()
    with open_migrated(profile_for(tmp_path)):
        pass
    url = f"http://127.0.0.1:{environ['SOPHIA_WEBHOOKS_PORT']}"
    sent = signing.one_of_each()
    with receiving(tmp_path, environ) as process:
        for signed in sent:
            answer = httpx.post(url + signed.path, content=signed.body, headers=signed.headers)
            assert answer.status_code == 200
        process.send_signal(how)
        process.wait(30)
    with Journal(tmp_path / "webhooks", 10**8) as journal:
        kept = [entry.delivery.body for number in journal.segments() for entry in journal.read(number)]
    assert kept == [signed.body for signed in sent]


def test_a_second_one_says_whose_journal_it_is(tmp_path: Path) -> None:
    with Journal(tmp_path / "webhooks", 10**8):
        says(sophia("receive", home=tmp_path, **settings()), "SOPHIA_HOME", "writes the journal")
