"""Every mistake of a user's: one clear line with the way out, an exit code, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sandbox
from resources.broker import free_port
from resources.warehouse import migrations, open_warehouse
from tests.conftest import profile_for

PROJECT = Path(__file__).resolve().parents[2]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOPHIA_", "DAGSTER_"))}
    return kept | {"SOPHIA_HOME": str(home), "SOPHIA_EMBEDDING_MODEL": "hash-64", **settings}


def sophia(
    *arguments: str, home: Path, program: str = "", timeout_s: float = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does; `program` is another module than the command line's."""
    start = ["-m", program] if program else ["-c", "from cli.main import main; main()"]
    command = [sys.executable, *start, *arguments]
    environ = environment(home, **settings)
    return subprocess.run(command, env=environ, cwd=PROJECT, capture_output=True, text=True, timeout=timeout_s)


def says(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line on stderr that holds the words; nothing of a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    with open_warehouse(profile_for(tmp_path)) as warehouse:
        migrations.apply(warehouse)
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SOPHIA_WAREHOUSE", "bigquery", ("SOPHIA_WAREHOUSE='bigquery'", "cannot be used")),
        ("SOPHIA_WAREHOSE", "duckdb", ("no setting has this name", "did you mean SOPHIA_WAREHOUSE?")),
        ("SOPHIA_KAFKA_PARTITIONS", "many", ("SOPHIA_KAFKA_PARTITIONS='many'", "int")),
        ("SOPHIA_GONG_LOOKBACK_DAYS", "two weeks", ("SOPHIA_GONG_LOOKBACK_DAYS='two weeks'", "int")),
    ],
)
def test_a_broken_setting_is_named(migrated: Path, variable: str, value: str, words: tuple[str, ...]) -> None:
    says(sophia("run", home=migrated, **{variable: value}), *words)


def test_a_secret_is_never_shown(migrated: Path) -> None:
    done = sophia("run", home=migrated, SOPHIA_SNOWFLAKE_TOKENN="hunter2")
    says(done, "SOPHIA_SNOWFLAKE_TOKENN")
    assert "hunter2" not in done.stderr


def test_a_missing_secret_is_named(migrated: Path, broker: str) -> None:
    says(
        sophia("run", home=migrated, SOPHIA_KAFKA_BOOTSTRAP=broker),
        "SOPHIA_GONG_ACCESS_KEY is not set",
        "a pull from Gong",
    )


def test_a_wrong_key_is_refused(migrated: Path, broker: str, small_world: sandbox.Control) -> None:
    settings = {
        "SOPHIA_GONG_URL": small_world.gong_url,
        "SOPHIA_GONG_ACCESS_KEY": "wrong",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "wrong-too",
    }
    says(
        sophia("run", home=migrated, SOPHIA_KAFKA_BOOTSTRAP=broker, **settings),
        "Gong refused",
        "401",
        "SOPHIA_GONG_ACCESS_KEY",
    )


def test_a_vendor_that_is_down_is_named(migrated: Path, broker: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = {"SOPHIA_GONG_URL": url, "SOPHIA_GONG_ACCESS_KEY": "k", "SOPHIA_GONG_ACCESS_KEY_SECRET": "s"}
    says(sophia("run", home=migrated, SOPHIA_KAFKA_BOOTSTRAP=broker, **settings), "Gong does not answer", url)


def test_a_broker_that_is_down_is_named(migrated: Path, small_world: sandbox.Control) -> None:
    bootstrap = f"127.0.0.1:{free_port()}"
    settings = {
        "SOPHIA_GONG_URL": small_world.gong_url,
        "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
        "SOPHIA_KAFKA_BOOTSTRAP": bootstrap,
    }
    says(sophia("run", home=migrated, **settings), "no Kafka broker answers", bootstrap, "SOPHIA_KAFKA_BOOTSTRAP")
    says(
        sophia(home=migrated, program="gpu_workers", SOPHIA_KAFKA_BOOTSTRAP=bootstrap),
        "no Kafka broker answers",
        bootstrap,
    )


def test_a_taken_port_is_named(tmp_path: Path, taken: int) -> None:
    says(
        sophia("demo", home=tmp_path, SOPHIA_KAFKA_BOOTSTRAP=f"127.0.0.1:{taken}"),
        f"port {taken} is taken",
        "SOPHIA_KAFKA_BOOTSTRAP",
    )
    free = f"127.0.0.1:{free_port()}"
    done = sophia("demo", home=tmp_path, SOPHIA_KAFKA_BOOTSTRAP=free, SOPHIA_SANDBOX_PORT=str(taken))
    says(done, f"port {taken} is taken", "SOPHIA_SANDBOX_PORT")


def test_a_warehouse_that_was_never_migrated_says_how(tmp_path: Path) -> None:
    says(sophia("search", "anything", home=tmp_path), "sophia migrate apply")


def test_a_warehouse_of_a_newer_version_is_refused(migrated: Path) -> None:
    with open_warehouse(profile_for(migrated)) as warehouse:
        warehouse.execute(
            "INSERT INTO SOPHIA_CORE.SCHEMA_HISTORY "
            "(VERSION, DESCRIPTION, SCRIPT, SCRIPT_TYPE, CHECKSUM, EXECUTION_MS, INSTALLED_AT) "
            "SELECT '9999', 'later', 'migrations/V9999__later.sql', 'V', 'x', 1, TO_TIMESTAMP_NTZ('2026-01-01')"
        )
    for command in (("search", "anything"), ("run",), ("migrate", "apply")):
        says(sophia(*command, home=migrated), "newer version")


def test_a_folder_without_material_is_refused(tmp_path: Path) -> None:
    says(sophia("demo", "--data", str(tmp_path), home=tmp_path / "var"), "qmsum/ or slack_export/")


def test_the_broker_of_another_machine_is_no_place_for_the_demo(tmp_path: Path) -> None:
    says(sophia("demo", home=tmp_path, SOPHIA_KAFKA_BOOTSTRAP="kafka.example.com:9092"), "SOPHIA_KAFKA_BOOTSTRAP")


def test_a_command_without_arguments_helps(tmp_path: Path) -> None:
    assert "Usage" in sophia("--help", home=tmp_path).stdout
    assert sophia("migrate", "plan", home=tmp_path).stdout.startswith("would run migrations/V0001__core.sql")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SOPHIA_SANDBOX_PORT": "99999"}, ("SOPHIA_SANDBOX_PORT='99999'",)),
        ({"SOPHIA_KAFKA_BOOTSTRAP": "127.0.0.1:99999"}, ("SOPHIA_KAFKA_BOOTSTRAP", "1 to 65535")),
        ({"SOPHIA_KAFKA_PARTITIONS": "0"}, ("SOPHIA_KAFKA_PARTITIONS='0'",)),
    ],
)
def test_a_number_out_of_its_bounds_is_named(tmp_path: Path, settings: dict[str, str], words: tuple[str, ...]) -> None:
    says(sophia("demo", home=tmp_path, **settings), *words)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SOPHIA_SLACK_TIER2_PER_MINUTE", "0"),
        ("SOPHIA_SLACK_LOOKBACK_DAYS", "999999999"),
        ("SOPHIA_GONG_URL", "nonsense"),
        ("SOPHIA_GONG_START", "yesterday"),
    ],
)
def test_a_vendors_setting_out_of_its_bounds_is_named(
    migrated: Path, broker: str, small_world: sandbox.Control, variable: str, value: str
) -> None:
    settings = {
        "SOPHIA_GONG_URL": small_world.gong_url,
        "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
        "SOPHIA_SLACK_TOKEN": "xoxb-sandbox",
        "SOPHIA_KAFKA_BOOTSTRAP": broker,
    }
    says(sophia("run", home=migrated, **settings | {variable: value}), f"{variable}={value!r}")


def test_a_home_that_cannot_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    for home in (file, file / "below"):
        says(sophia("migrate", "apply", home=home), "SOPHIA_HOME", str(home))


@pytest.mark.parametrize("query", ["", "   "])
def test_a_blank_query_is_refused(migrated: Path, query: str) -> None:
    says(sophia("search", query, home=migrated), "say it in words")


def test_brackets_in_what_a_user_says_are_shown_as_they_are(migrated: Path) -> None:
    says(sophia("search", "x", "--source", "[/b]", home=migrated), "--source='[/b]'", "gong, hubspot, linear, slack")


def test_a_demo_that_is_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    ports = {"SOPHIA_SANDBOX_PORT": str(free_port()), "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}
    program = [sys.executable, "-c", "from cli.main import main; main()", "demo", "--scale", "0.2"]
    environ = environment(tmp_path, **ports)
    running = subprocess.Popen(
        program, env=environ, cwd=PROJECT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "warehouse.duckdb").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    running.terminate()
    _, errors = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "Traceback" not in errors
    assert processes_of(tmp_path) == []


def processes_of(home: Path) -> list[str]:
    """Process ids whose environment names this home."""
    wanted = f"SOPHIA_HOME={home}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environ.read_bytes():
                found.append(environ.parent.name)
        except OSError:  # it has ended meanwhile
            continue
    return found
