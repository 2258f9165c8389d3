"""`sophia doctor`: whether everything that the profile names is there, answers and fits together.

All is asked at once, each check in a thread of its own, and what has not answered after DEADLINE_S is wrong.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import dagster as dg
import msgspec
from rich.console import Console
from rich.text import Text

from cli import local
from cli.processes import ProcessFailed, ask, socket_path
from contracts.address import DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic, worker_group
from contracts.errors import SophiaError
from gpu_workers.engine import find_weights
from pipelines import airbyte, sources
from pipelines.health import documents_lag
from resources import kafka
from resources.profile import Profile
from resources.warehouse import open_warehouse, require_migrated
from transforms.chunking import fingerprint

DEADLINE_S = 15.0
SILENT_DAEMON_S = 120.0
"""Dagster's daemons give a sign of life every 30 s."""
FREE_BYTES, FREE_BYTES_AT_LEAST = 5 * 1024**3, 1024**3
TOPICS = (DOCUMENTS_TOPIC, MEMORY_TOPIC, dead_letter_topic(DOCUMENTS_TOPIC))

State = Literal["ok", "warning", "wrong"]
_COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "wrong": "red"}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what was found."""

    name: str
    state: State
    says: str
    """One line; where it is not ok, with the way to mend it. Never a secret."""


Found = tuple[State, str]


def examine(*, sandbox: bool) -> list[Check]:
    """
    Args:
        sandbox: ask the vendors of `sophia dev`, with its settings.
    """
    try:
        profile = Profile.read()
        if sandbox:
            profile = Profile.read(local.environment(profile))
        for source in sources.names():
            profile.section(source, sources.module(source).Settings)
    except SophiaError as error:
        return [Check(name="settings", state="wrong", says=str(error))]
    checks: dict[str, Callable[[], Found]] = {
        "home": partial(_home, profile),
        "warehouse": partial(_warehouse, profile),
        "Kafka": partial(_kafka, profile),
        "worker": partial(_worker, profile),
        "model": partial(_model, profile),
        **{source: partial(_vendor, profile, source) for source in sources.names()},
        "Dagster": partial(_dagster, profile),
        "alerts": partial(_alerts, profile),
        "programs": partial(_programs, profile),
    }
    return [Check(name="settings", state="ok", says="every value can be used"), *_all_at_once(checks)]


def print_findings(console: Console, *, sandbox: bool, as_json: bool) -> bool:
    """Returns: whether nothing is wrong."""
    found = examine(sandbox=sandbox)
    if as_json:
        console.out(msgspec.json.encode(found).decode(), highlight=False)
    else:
        for one in found:
            line = Text.assemble((f"{one.state:<8}", _COLOURS[one.state]), f"{one.name:<10} {one.says}")
            console.print(line, soft_wrap=True)
    return all(one.state != "wrong" for one in found)


def _all_at_once(checks: dict[str, Callable[[], Found]]) -> list[Check]:
    found: dict[str, Found] = {}

    def run(name: str, check: Callable[[], Found]) -> None:
        try:
            found[name] = check()
        except SophiaError as error:
            found[name] = ("wrong", str(error))
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is a finding too
            found[name] = ("wrong", f"{type(error).__name__}: it could not be examined")

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in checks.items()]
    for thread in threads:
        thread.start()
    ends_at = time.monotonic() + DEADLINE_S
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
    late: Found = ("wrong", f"no answer within {DEADLINE_S:.0f} s")
    results = {name: found.get(name, late) for name in checks}
    return [Check(name=name, state=state, says=says) for name, (state, says) in results.items()]


def _home(profile: Profile) -> Found:
    if not profile.home.is_dir():
        return "wrong", f"there is no folder {profile.home}; run sophia migrate apply, or set SOPHIA_HOME"
    try:
        with tempfile.TemporaryFile(dir=profile.home):
            free = shutil.disk_usage(profile.home).free
    except OSError as error:
        return "wrong", f"{profile.home} cannot be written ({error.strerror}); mend its rights, or set SOPHIA_HOME"
    says = f"{profile.home} has {free / 1024**3:.1f} GiB free"
    if free < FREE_BYTES:
        return "warning" if free > FREE_BYTES_AT_LEAST else "wrong", f"{says}; make room, or set SOPHIA_HOME"
    return "ok", says


def _warehouse(profile: Profile) -> Found:
    if profile.warehouse == "duckdb" and not profile.duckdb_path.exists():
        return "wrong", f"there is no {profile.duckdb_path}; run sophia migrate apply"
    with open_warehouse(profile) as warehouse:
        require_migrated(warehouse)
        counted = warehouse.query(_MEMORY, [fingerprint(profile.embedding.model_id)])
    [documents] = counted.to_pylist()
    says = f"{profile.warehouse}, migrated, {documents['landed']:,} documents in memory"
    if documents["others"]:
        others = f"{documents['others']:,} by another model than {profile.embedding.model_id}"
        return "warning", f"{says}, {others}; the next run of the job whole_way embeds them anew"
    return "ok", says


_MEMORY = """
SELECT COUNT_IF(LANDED_REVISION IS NOT NULL) AS LANDED, COUNT_IF(LANDED_FINGERPRINT <> ?) AS OTHERS
FROM SOPHIA_CORE.CATALOG_ENTRIES
WHERE DELETED_AT IS NULL
"""


def _kafka(profile: Profile) -> Found:
    held = kafka.replication(profile.kafka)
    missing = [topic for topic in TOPICS if topic not in held]
    if missing:
        return "warning", f"{profile.kafka.bootstrap} lacks {', '.join(missing)}; a worker makes them when it starts"
    low = [topic for topic in TOPICS if held[topic] < profile.kafka.replication]
    if low:
        wanted = f"SOPHIA_KAFKA_REPLICATION asks for {profile.kafka.replication}"
        return "warning", f"{', '.join(low)}: replication {min(held[topic] for topic in low)}, {wanted}; reassign them"
    return "ok", f"{profile.kafka.bootstrap}, {len(TOPICS)} topics, replication {min(held[topic] for topic in TOPICS)}"


def _worker(profile: Profile) -> Found:
    group = worker_group(kafka.topic_id(profile.kafka, DOCUMENTS_TOPIC))
    members, lag = kafka.members(profile.kafka, group), documents_lag(profile)
    if members == 0:
        return "wrong", f"nobody reads documents.v1, {lag:,} messages wait; start one with python -m gpu_workers"
    if members is None and lag:
        return "warning", f"{lag:,} messages of documents.v1 wait, and the broker does not tell who reads; see again"
    return "ok", f"{'some' if members is None else members} in the group, {lag:,} messages wait"


def _model(profile: Profile) -> Found:
    if profile.embedding.model == "hash-64":
        return "warning", "hash-64 finds nothing by meaning; it is for tests. Unset SOPHIA_EMBEDDING_MODEL"
    try:
        return "ok", f"{profile.embedding.model_id}, weights in {find_weights(profile.embedding)}"
    except SophiaError as error:
        return "warning", f"this machine can neither embed nor search: {error}"


def _vendor(profile: Profile, source: str) -> Found:
    module = sources.module(source)
    settings = profile.section(source, module.Settings)
    if settings.via == "airbyte":
        return "ok", airbyte.probe(source, settings, profile)
    if not hasattr(module, "probe"):
        return "warning", f"pipelines/sources/{source}.py has no probe, so the vendor was not asked"
    module.probe(settings)
    return "ok", f"{settings.url} takes the key"


def _dagster(profile: Profile) -> Found:
    home = local.dagster_home(profile)
    if home is None:
        return "wrong", f"no dagster.yaml in {profile.dagster_home}; run sophia dev, or set DAGSTER_HOME"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        heartbeats = {name: one.last_heartbeat for name, one in instance.get_daemon_statuses().items()}
    now = time.time()
    silent = [name for name, last in heartbeats.items() if last is None or now - last.timestamp > SILENT_DAEMON_S]
    if silent:
        return "wrong", f"no sign of life of {', '.join(silent).lower()}; start dagster-daemon, or sophia dev"
    return "ok", f"{len(heartbeats)} daemons live, home {home}"


def _alerts(profile: Profile) -> Found:
    channels = {"Slack": profile.alerts.slack_webhook, "mail": profile.alerts.email_to}
    used = [name for name, setting in channels.items() if setting]
    if not used:
        rule = "set SOPHIA_ALERTS_SLACK_WEBHOOK or SOPHIA_ALERTS_EMAIL_TO"
        return "warning", f"failed runs and checks are told nobody; {rule}"
    return "ok", f"told by {' and '.join(used)}"


def _programs(profile: Profile) -> Found:
    try:
        programs = ask(socket_path(profile.home, "supervisord"), "getAllProcessInfo")
    except ProcessFailed:
        return "ok", "sophia dev does not run here"
    down = [one["name"] for one in programs if one["statename"] not in ("RUNNING", "STARTING")]
    if down:
        return "wrong", f"{', '.join(down)}: down; see {profile.home / 'logs'}"
    return "ok", f"sophia dev runs {len(programs)} of them"
