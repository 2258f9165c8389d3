"""Fixtures that several folders use."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import sandbox
from resources.broker import LocalBroker, free_port
from resources.profile import Profile
from resources.warehouse import Warehouse, migrations, open_warehouse
from tests.vendor_contracts import CONTRACTS, assert_described

# Both measure the machine, which several tests share at a time.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
"""Material that lies beside a developer's checkout; tests that use it skip where it is absent."""


@pytest.fixture(scope="session")
def real_material() -> Path:
    """A folder with qmsum/ and slack_export/."""
    if not (SHARED / "data" / "qmsum").is_dir():
        pytest.skip("needs the folder shared/data beside the checkout: real meetings and a real chat export")
    return SHARED / "data"


@contextmanager
def open_migrated(profile: Profile) -> Iterator[Warehouse]:
    """The profile's warehouse with its tables. An embedded one is copied from one that was migrated once: that takes
    seconds.
    """
    profile.home.mkdir(parents=True, exist_ok=True)
    if profile.warehouse == "duckdb" and not profile.duckdb_path.exists():
        shutil.copy(_migrated(), profile.duckdb_path)
    with open_warehouse(profile) as warehouse:
        migrations.apply(warehouse)
        yield warehouse


@functools.cache
def _migrated() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="sophia-tests-")
    atexit.register(folder.cleanup)
    profile = profile_for(Path(folder.name))
    with open_warehouse(profile) as warehouse:
        migrations.apply(warehouse)
    return profile.duckdb_path


@pytest.fixture
def broker() -> Iterator[str]:
    """A broker of the test's own, since topics are shared by name; its address."""
    port = free_port()
    with LocalBroker(port):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def snowflake_port() -> Iterator[int]:
    """Of a server that lives as long as the tests do."""
    program = Path(__file__).parent / "resources" / "warehouse" / "fakesnow_vector.py"
    server = subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    yield int(server.stdout.readline())
    server.stdin.close()
    server.wait(10)
    server.stdout.close()


@pytest.fixture
def small_world() -> Iterator[sandbox.Control]:
    """The vendors' APIs over a small synthetic world, with limits that do not slow a test."""
    with vendors(scale=0.15, limit_speedup=10_000) as control:
        yield control


@contextmanager
def vendors(**options: Any) -> Iterator[sandbox.Control]:
    """The vendors' APIs for our own code: at the end each request that came must be one that its vendor describes.

    Where the contracts are absent none is looked at.

    Args:
        options: as for `sandbox.running`.
    """
    with sandbox.running(keep_requests=CONTRACTS.is_dir(), **options) as running, _Looking(running.url) as control:
        yield control
        assert_described(control.kept_requests())


class _Looking(sandbox.Control):
    """Looks at the requests before they are forgotten."""

    def reset_requests(self) -> None:
        assert_described(self.kept_requests())
        super().reset_requests()


def profile_for(
    home: Path, control: sandbox.Control | None = None, bootstrap: str | None = None, **more: str
) -> Profile:
    """A profile whose vendors are the sandbox, with the small engine that needs no torch."""
    return Profile.read(environ_for(home, control, bootstrap) | more)


def environ_for(home: Path, control: sandbox.Control | None = None, bootstrap: str | None = None) -> dict[str, str]:
    """The environment of that profile."""
    environ = {
        "SOPHIA_HOME": str(home),
        "SOPHIA_EMBEDDING_MODEL": "hash-64",
        "SOPHIA_KAFKA_SESSION_TIMEOUT_S": "2",
        "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
        "SOPHIA_GONG_REQUESTS_PER_SECOND": "10000",
        "SOPHIA_GONG_LOOKBACK_DAYS": "90",
        "SOPHIA_HUBSPOT_TOKEN": "pat-sandbox",
        "SOPHIA_HUBSPOT_REQUESTS_PER_10_SECONDS": "100000",
        "SOPHIA_HUBSPOT_SEARCHES_PER_SECOND": "10000",
        "SOPHIA_SLACK_TOKEN": "xoxb-sandbox",
        **{f"SOPHIA_SLACK_TIER{tier}_PER_MINUTE": "100000" for tier in (2, 3, 4)},
        "SOPHIA_LINEAR_API_KEY": "lin_api_sandbox",
        "SOPHIA_LINEAR_REQUESTS_PER_HOUR": "6000000",
        "SOPHIA_LINEAR_COMPLEXITY_PER_HOUR": "100000000000",
    }
    if control is not None:
        environ |= {
            "SOPHIA_GONG_URL": f"{control.url}/gong",
            "SOPHIA_HUBSPOT_URL": f"{control.url}/hubspot",
            "SOPHIA_SLACK_URL": f"{control.url}/slack/api",
            "SOPHIA_LINEAR_URL": f"{control.url}/linear/graphql",
        }
    if bootstrap is not None:
        environ["SOPHIA_KAFKA_BOOTSTRAP"] = bootstrap
    return environ
