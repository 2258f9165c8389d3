"""Takes the pictures of docs/tour.md: a data engineer's first day, clicked in a real browser. `make pictures` runs it.

    sophia dev, in a folder of its own ─► Dagster's UI ─► Chromium, by clicks ─► docs/pictures/<step>.png

What a picture shows is asserted before it is taken: in the page, by Dagster's GraphQL and in the warehouse. The steps
build on each other, in the order of STEPS. Nothing of it is left running, and nothing is written but the pictures.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from contracts.address import Address
from pipelines import dead_letters, sources
from resources.broker import dying_with_parent, free_port
from resources.profile import PREFIX, Profile, environment
from resources.warehouse import Warehouse, open_warehouse
from transforms.raw import Rejected

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PROJECT = Path(__file__).resolve().parents[1]
PICTURES = Path(__file__).with_name("pictures")
READY = "Ctrl-C stops all of it."
START_S = 300.0
STOP_S = 120.0
RUN_S = 600.0
"""Longer than any run here takes, on a busy machine too."""
CLICK_MS = 60_000.0
STILL_S = 0.4
"""Apart of two looks at a picture; once they are equal, the page has come to rest."""
RARELY = "0 5 1 1 *"
WIDTH, HEIGHT = 1400, 800
RAIL = 68
"""Width of the UI's collapsed navigation."""
SCALE = "0.3"
"""Of the synthetic world: about 35 calls."""
BACKFILLED_DAYS = 3
CALL = Address("gong", "calls")

_Found = TypeVar("_Found")


def until(what: str, look: Callable[[], _Found | None], within_s: float = RUN_S) -> _Found:
    """Look until there is something. Raises TimeoutError."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(1.0)
    raise TimeoutError(f"{what} did not come within {within_s:.0f} s")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of Dagster's that has ended."""

    id: str
    status: str
    steps: dict[str, str]
    """Step → its status; a step that was never begun is SKIPPED or absent."""


@dataclass(frozen=True)
class Platform:
    """A running `sophia dev`."""

    url: str
    """Of the Dagster UI."""
    profile: Profile

    def ask(self, query: str, **variables: Any) -> Any:
        """Dagster's answer to a GraphQL query."""
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.url}/graphql", json=body, timeout=60, trust_env=False).raise_for_status().json()
        assert "errors" not in answer, answer
        return answer["data"]

    def clicked_runs(self) -> list[str]:
        """Ids of the runs that were launched in the UI, newest first; those of sensors are not among them."""
        query = """query ($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results { id } } } }"""
        from_ui = {"tags": [{"key": "dagster/from_ui", "value": "true"}]}
        return [run["id"] for run in self.ask(query, filter=from_ui)["runsOrError"]["results"]]

    def ended(self, run_id: str) -> Run:
        """Wait for the end of a run."""
        query = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { stepKey status } } } }"""

        def look() -> Run | None:
            run = self.ask(query, id=run_id)["runOrError"]
            steps = {step["stepKey"]: step["status"] for step in run["stepStats"]}
            return Run(run_id, run["status"], steps) if run["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        return until(f"the end of run {run_id}", look)

    def backfill(self) -> dict[str, Any]:
        """The newest backfill: its id, status, and how many of its runs are in which status."""
        query = """{ partitionBackfillsOrError(limit: 1) { ... on PartitionBackfills { results {
            id status partitionNames partitionStatusCounts { runStatus count } } } } }"""
        [newest] = self.ask(query)["partitionBackfillsOrError"]["results"] or [{}]
        return dict(newest)

    def sandbox(self, command: str, **body: Any) -> Any:
        """Have the vendors' truth changed."""
        url = f"http://127.0.0.1:{self.profile.sandbox_port}/_sandbox/{command}"
        return httpx.post(url, json=body, timeout=60, trust_env=False).raise_for_status().json()

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        with open_warehouse(self.profile) as warehouse:
            yield warehouse


@dataclass(frozen=True)
class Tour:
    """The browser before the platform."""

    page: Page
    platform: Platform
    folder: Path

    def open(self, path: str, *, height: int = HEIGHT, width: int = WIDTH) -> None:
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(f"{self.platform.url}{path}")

    def click(self, name: str) -> None:
        """A button, by what is written on it."""
        self.page.get_by_role("button", name=name).first.click()

    def sees(self, text: str) -> Locator:
        """Wait until the page shows it."""
        found = self.page.get_by_text(text).first
        found.wait_for()
        return found

    def launch(self, button: str) -> Run:
        """Click, and wait for the end of the run that this launches."""
        before = set(self.platform.clicked_runs())
        self.click(button)
        run_id = until("a run", lambda: next(iter(set(self.platform.clicked_runs()) - before), None), within_s=120)
        return self.platform.ended(run_id)

    def launch_job(self, job: str) -> Run:
        """Every asset of a job, from the job's page."""
        self.open(f"/locations/assets.definitions/jobs/{job}")
        return self.launch("Materialize all")

    def open_run(self, run: Run) -> None:
        """Its page, with room for the steps."""
        self.open(f"/runs/{run.id}")
        self.sees(f"RUN_{run.status}")
        self.page.get_by_role("button", name="Re-execute").first.locator("xpath=preceding::button[1]").click()

    def take(self, name: str, *, top: int = 0, height: int | None = None, right: int = 0) -> None:
        """Write a picture once the page has come to rest; what lies outside of it is cut off.

        Args:
            top, right: pixels to cut off; the navigation at the left always goes.
            height: of the picture.
        """
        size = self.page.viewport_size
        assert size is not None
        clip = {"x": RAIL, "y": top, "width": size["width"] - RAIL - right, "height": height or size["height"] - top}
        self.page.mouse.move(0, 0)
        before = b""
        for _ in range(30):
            time.sleep(STILL_S)
            now = self.page.screenshot(clip=clip, animations="disabled")
            if now == before:
                break
            before = now
        (self.folder / f"{name}.png").write_bytes(before)


def graph(tour: Tour) -> None:
    """The asset graph, a box a group: from the vendors to the dashboard."""
    tour.open("/asset-groups", width=1500, height=720)
    tour.sees("Hide navigation").click()
    tour.page.get_by_placeholder("Jump to…").locator("xpath=following::button[1]").click()  # hides the list of groups
    tour.page.reload()
    for group in ("vendors", *sources.names(), "catalog", "topics", "memory", "intelligence", "executive", "dashboard"):
        tour.page.get_by_text(group, exact=True).first.wait_for()
    tour.take("graph", top=50)


def whole_way(tour: Tour) -> None:
    """A click on `Materialize all` of the job whole_way, and its run at the end."""
    run = tour.launch_job("whole_way")
    assert run.status == "SUCCESS"
    assert set(run.steps.values()) == {"SUCCESS"}
    tour.open_run(run)
    tour.sees(f"Succeeded ({len(run.steps)})").click()
    tour.take("whole-way", height=740)


def asset(tour: Tour) -> None:
    """What a raw table holds: how fresh, how many rows, which columns."""
    with tour.platform.warehouse() as warehouse:
        [live] = warehouse.query(f"SELECT COUNT(*) AS LIVE FROM {CALL.table} WHERE _DELETED_AT IS NULL").to_pylist()
    tour.open(f"/assets/{CALL}", height=900)
    tour.sees("Gong's call id")
    tour.sees("Passing")
    assert tour.page.get_by_text(str(live["live"]), exact=True).count()
    tour.take("asset")


def lineage(tour: Tour) -> None:
    """What an asset is made from, and what is made from it."""
    tour.open(f"/assets/{CALL}?view=lineage", height=880)
    tour.sees("kpi_rollups")
    tour.sees("call_enrichment")
    tour.take("lineage")


def backfill(tour: Tour) -> None:
    """Three days of Gong are read again."""
    page = tour.page
    last = datetime.now(UTC).date() - timedelta(days=1)
    days = [str(last - timedelta(days=before)) for before in reversed(range(BACKFILLED_DAYS))]
    tour.open("/locations/assets.definitions/jobs/backfill_gong")
    page.get_by_role("tab", name="Partitions").or_(page.get_by_role("link", name="Partitions")).first.click()
    tour.click("Launch backfill…")
    field = page.get_by_placeholder("ex: 20")
    field.fill(f"[{days[0]}...{days[-1]}]")
    field.press("Enter")
    submit = page.get_by_role("button", name=f"Submit {BACKFILLED_DAYS} runs")
    submit.wait_for()
    tour.take("backfill-form")
    submit.click()
    started = until("a backfill", lambda: tour.platform.backfill() or None, within_s=120)
    assert sorted(started["partitionNames"]) == days

    def look() -> dict[str, Any] | None:
        newest = tour.platform.backfill()
        return newest if newest["status"] not in ("REQUESTED", "CANCELING", "FAILING") else None

    done = until("the end of the backfill", look)
    assert done["status"] == "COMPLETED_SUCCESS"
    assert done["partitionStatusCounts"] == [{"runStatus": "SUCCESS", "count": BACKFILLED_DAYS}]
    tour.open(f"/runs/b/{done['id']}?tab=runs")
    tour.sees("Completed")
    for day in days:
        tour.sees(f"partition: {day}")
    tour.take("backfill", top=50, height=520)


def dead_letter(tour: Tour) -> None:
    """A record that an older rule refused: kept, and counted by the asset of dead letters."""
    record = tour.platform.sandbox("create", stream="gong.calls", fields={"title": "Renewal, second call"})["record"]
    letter = dead_letters.of_record(CALL, Rejected(record, "gong/calls title: a rule of last week"), datetime.now(UTC))
    with tour.platform.warehouse() as warehouse:
        dead_letters.store(warehouse, [letter])
    tour.open("/assets/core/dead_letters")
    assert tour.launch("Materialize").status == "SUCCESS"
    show_waiting(tour, 1)
    tour.take("dead-letter", height=500)


def replayed(tour: Tour) -> None:
    """The job that puts dead letters back, from its Launchpad."""
    tour.open("/locations/assets.definitions/jobs/replay_dead_letters/playground")
    run = tour.launch("Launch Run")
    assert run.status == "SUCCESS"
    with tour.platform.warehouse() as warehouse:
        landed = warehouse.query(f"SELECT TITLE FROM {CALL.table} WHERE TITLE = 'Renewal, second call'")
    assert landed.num_rows == 1
    show_waiting(tour, 0)
    tour.sees(run.id[:8])
    tour.take("replayed", height=500)


def show_waiting(tour: Tour, letters: int) -> None:
    """The newest event of the dead letters' asset."""
    tour.open("/assets/core/dead_letters?view=events")
    tour.sees("Metadata")
    shown = tour.page.get_by_role("row").filter(has=tour.page.get_by_text("waiting", exact=True))
    assert shown.inner_text().split() == ["waiting", str(letters)]


STEPS: tuple[Callable[[Tour], None], ...] = (graph, whole_way, asset, lineage, backfill, dead_letter, replayed)


@contextmanager
def platform(home: Path) -> Iterator[Platform]:
    """Run `sophia dev` while the body runs. Vendors are pulled by clicks alone."""
    port = free_port()
    ours = {
        "SOPHIA_HOME": str(home),
        "SOPHIA_SANDBOX_PORT": str(free_port()),
        "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        **{f"SOPHIA_{source.upper()}_PULL_CRON": RARELY for source in sources.names()},
    }
    theirs = {name: value for name, value in environment().items() if not name.startswith((PREFIX, "DAGSTER_"))}
    sophia = [sys.executable, "-c", "from cli.main import main; main()", "dev", "--port", str(port), "--scale", SCALE]
    command = dying_with_parent(sophia, signal.SIGTERM)
    with subprocess.Popen(command, env=theirs | ours, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        impatience = threading.Timer(START_S, process.terminate)
        impatience.start()
        try:
            assert process.stdout is not None
            if not any(READY in line for line in process.stdout):
                sys.exit("sophia dev did not start; it says above why, or took too long.")
            yield Platform(f"http://127.0.0.1:{port}", Profile.read(ours))
        finally:
            impatience.cancel()
            process.terminate()
            process.wait(STOP_S)


@contextmanager
def browser() -> Iterator[Page]:
    """A page of Chromium. Raises SystemExit: there is none, and how to get one."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no chromium here; `apt-get install chromium` gets it.")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own refuses to run as root
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = running.new_page(locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
        page.set_default_timeout(CLICK_MS)
        yield page
        running.close()


def main(folder: Path) -> None:
    """Take every step, and leave its pictures in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sophia-") as home, browser() as page, platform(Path(home)) as running:
        tour = Tour(page, running, folder)
        for step in STEPS:
            began = time.monotonic()
            step(tour)
            print(f"{step.__name__:<14} {time.monotonic() - began:5.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
