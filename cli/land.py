"""`sophia land`: the lander as a process of its own, which tells Dagster now and then what it has landed.

memory.v1 ──► SOPHIA_AI_MEMORY, SOPHIA_CORE.POSITIONS ──► every 30 s a materialization of memory/memory_records
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import structlog
import tenacity
from rich.console import Console

from cli.local import dagster_home
from contracts.errors import Fenced, InvalidSetting, TransientError, VendorRefused
from pipelines.health import memory_lag
from pipelines.memory import Lander, MemoryLanded, waiting
from resources.profile import Profile
from resources.warehouse import Warehouse, open_warehouse, require_migrated

log = structlog.get_logger()

REPORT_S = 30.0
SNOWFLAKE_FLUSH_S = 60.0
"""A MERGE every few seconds would keep a Snowflake warehouse awake all day."""


def land(*, follow: bool) -> MemoryLanded:
    """Land what memory.v1 holds, or what comes until SIGTERM or SIGINT; the batch in hand is landed first.

    Raises:
        InvalidSetting: to follow, while the profile has Dagster's runs land.
        SophiaError: of broker or warehouse; when it follows, only what waiting cannot mend.
    """
    profile = Profile.read()
    if follow and profile.automation.lander != "resident":
        rule = "with it Dagster's runs land; set resident, so that sophia land --follow does"
        raise InvalidSetting("SOPHIA_AUTOMATION_LANDER", profile.automation.lander, rule)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_warehouse(profile) as warehouse:
        lander = Lander(profile, warehouse)
        with _reports(profile, warehouse, lander.done):
            if follow:
                _follow(profile, warehouse, lander, stop)
            else:
                require_migrated(warehouse)
                lander.run(until=lambda: not waiting(profile, warehouse), stop=stop)
    return lander.done


def land_and_print(console: Console, *, follow: bool, as_json: bool) -> None:
    """Raises SophiaError, as `land`."""
    done = land(follow=follow)
    if as_json:
        console.out(msgspec.json.encode(done).decode(), highlight=False)
        return
    for name, count in msgspec.structs.asdict(done).items():
        console.print(f"{name.replace('_', ' ')}: {count:,}", highlight=False)


def _follow(profile: Profile, warehouse: Warehouse, lander: Lander, stop: threading.Event) -> None:
    """A lander is fenced where a partition goes to another one during its landing; it takes what it is given next. One
    vendor that refuses us leaves its events waiting, and must not end the landing of the others.
    """

    def run() -> None:
        require_migrated(warehouse)
        lander.run(stop=stop, flush_s=SNOWFLAKE_FLUSH_S if profile.warehouse == "snowflake" else 0.0)

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((TransientError, Fenced, VendorRefused)),
        wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=10, jitter=0.2),
        stop=tenacity.stop_when_event_set(stop),
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=_tell,
        retry_error_callback=lambda _: None,
    )(run)


def _tell(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning("landing_interrupted", error=str(error), attempt=state.attempt_number)


@contextmanager
def _reports(profile: Profile, warehouse: Warehouse, done: MemoryLanded) -> Iterator[None]:
    """While the body runs and counts in `done`, Dagster is told; where it has no home, nobody is."""
    home = dagster_home(profile)
    ended = threading.Event()

    def report_now_and_then() -> None:
        told = msgspec.structs.replace(done)
        is_last = False
        while not is_last:
            is_last = ended.wait(REPORT_S)
            now = msgspec.structs.replace(done)
            if now == told:
                continue
            try:
                _report(str(home), told, now, memory_lag(profile, warehouse))
                told = now
            except Exception as error:  # noqa: BLE001 - whatever keeps its storage away, landing goes on
                log.warning("report_failed", error=type(error).__name__)

    thread = threading.Thread(target=report_now_and_then, name="reports", daemon=True)
    if home is not None:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.is_alive():
            thread.join()


def _report(home: str, before: MemoryLanded, now: MemoryLanded, lag: int) -> None:
    """What has landed between the two, as a materialization."""
    import dagster as dg

    from assets.memory import MEMORY_KEY

    counts = {name: getattr(now, name) - getattr(before, name) for name in now.__struct_fields__}
    with dg.DagsterInstance.from_config(home) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(MEMORY_KEY, metadata={**counts, "lag": lag}))
