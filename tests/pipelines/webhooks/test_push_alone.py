"""What webhooks alone bring, doubled and out of order, against what a full pull then says of the same world."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipelines.pull import pull
from pipelines.webhooks.journal import Journal
from pipelines.webhooks.receiver import create_app
from resources.broker import free_port
from resources.profile import Profile
from resources.warehouse import Warehouse
from tests.conftest import open_migrated, profile_for, vendors
from tests.pipelines.webhooks import signing
from tests.pipelines.webhooks.test_way import await_true, forwarding, land
from transforms import rows

SOURCES = ("gong", "hubspot", "linear", "slack")
TOLD = {
    "gong": ("calls",),
    "hubspot": ("companies", "contacts", "deals", "notes", "emails", "calls", "meetings", "tasks", "associations"),
    "linear": ("issues", "comments", "users", "issue_labels"),
    "slack": ("users", "channel_members", "messages"),
}
"""What webhooks bring; the rest is a pull's."""
BY_PULL_ALONE = {"reply_count", "latest_reply"}
"""Of a parent in Slack."""


@contextmanager
def serving(profile: Profile, journal: Journal, app: Any) -> Iterator[None]:
    config = uvicorn.Config(app, port=profile.webhooks.port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    await_true(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def typed(warehouse: Warehouse, source: str) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """Entity → key → the typed columns of its live row."""
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for entity in rows.entities(source):
        if entity.address.entity in TOLD[source]:
            columns = [field.name for field in entity.fields if field.name not in BY_PULL_ALONE]
            live = warehouse.query(f"SELECT {', '.join(columns)} FROM {entity.table.name} WHERE _DELETED_AT IS NULL")
            found[entity.address.entity] = {
                tuple(row[name] for name in entity.key): {c: row[c] for c in columns} for row in live.to_pylist()
            }
    return found


def test_webhooks_bring_what_a_pull_would_have_found(tmp_path: Path, broker: str) -> None:
    start = datetime.now(UTC) - timedelta(minutes=5)
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhooks"
    environ = signing.environ() | {f"SOPHIA_{source.upper()}_WEBHOOK_URL": f"{url}/{source}" for source in SOURCES}
    environ["SOPHIA_WEBHOOKS_PORT"] = str(port)
    with vendors(scale=0.15, limit_speedup=10_000, wall_clock=True, start=start) as control:
        profile = profile_for(tmp_path / "push", control, broker, **environ)
        with open_migrated(profile) as warehouse:
            for source in SOURCES:
                pull(source, profile, warehouse)
            with Journal(profile.journal_path, 10**8) as journal, forwarding(profile, journal, warehouse) as forwarder:
                with serving(profile, journal, create_app(profile, journal, forwarder)):
                    for source in SOURCES:
                        key = signing.gong_key("now").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                        signed_by = {"private_key": key.decode()} if source == "gong" else {"secret": signing.SECRET}
                        control.subscribe(source, f"{url}/{source}", **signed_by, duplicates=0.1, disorder=0.2, seed=1)
                    control.live(20, seed=1)
                    time.sleep(10)
                    changes = control.still()
                    await_true(lambda: not any(d["waiting"] for d in control.deliveries().values()))
                told = control.deliveries()
                await_true(lambda: forwarder.waiting == 0, within_s=40)
                landed = land(profile, warehouse).done
            pushed = {source: typed(warehouse, source) for source in SOURCES}
        assert {source: (d["refused"], d["given_up"]) for source, d in told.items()} == dict.fromkeys(SOURCES, ({}, 0))
        assert changes["done"] > 150
        assert landed.dead_letters == 0
        other = profile_for(tmp_path / "pull", control)
        with open_migrated(other) as warehouse:
            for source in SOURCES:
                pull(source, other, warehouse)
            pulled = {source: typed(warehouse, source) for source in SOURCES}
    for source in SOURCES:
        for entity, expected in pulled[source].items():
            found = pushed[source][entity]
            if (source, entity) == ("linear", "comments"):  # Linear tells nobody that they went with what they were of
                issues = pulled["linear"]["issues"].keys()
                orphans = {
                    key
                    for key, row in found.items()
                    if (row["issue_id"],) not in issues or (row["parent_id"] and (row["parent_id"],) not in expected)
                }
                found = {key: row for key, row in found.items() if key in expected or key not in orphans}
            assert found.keys() == expected.keys(), (source, entity)
            for key, row in expected.items():
                assert found[key] == row, (source, entity, key)
