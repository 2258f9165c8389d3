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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from rich.console import Console

from contracts.address import Address
from pipelines import dead_letters, sources
from resources.broker import dying_with_parent, free_port
from resources.profile import PREFIX, Profile, environment
from resources.warehouse import open_warehouse
from transforms import rows
from transforms.raw import Rejected

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PICTURES = Path(__file__).resolve().with_name("pictures")
PROJECT = PICTURES.parents[1]
READY = "Ctrl-C stops all of it."
STOP_S = 120.0
RUN_S = 900.0
"""Longer than any run here takes, on a busy machine too."""
CLICK_S = 120.0
"""Until something that was clicked is seen."""
STILL_S = 1.0
"""Between two looks at a page; once they are equal, it has come to rest."""
LOOKS = 20
RAIL = 68
"""Width of the UI's folded navigation."""
LAYOUT = {"dagster-nav-collapsed": "true", "dagster.panel-width.run-gantt": "100"}
"""What the browser remembers of the UI: the navigation is folded, and a run's page has its height for the steps."""
SCALE = "0.3"
"""Of the synthetic world: about 35 calls."""
DAYS = [str(datetime.now(UTC).date() - timedelta(days=before)) for before in (3, 2, 1)]
"""That are read again."""
CALLS = Address("gong", "calls")
REFUSED = "Renewal, second call"
"""Title of the call that becomes a dead letter."""
DOWNSTREAM = ("intelligence__call_enrichment", "memory__memory_records", "executive__kpi_rollups")
"""Steps that read Gong's calls, or what is made from them."""

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
    """Step → its status, of those that were begun."""


@dataclass(frozen=True)
class Platform:
    """A running `sophia dev`, and where its Dagster UI is."""

    url: str
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
            steps = {step["stepKey"]: step["status"] for step in run["stepStats"] if step["status"] != "SKIPPED"}
            return Run(run_id, run["status"], steps) if run["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        return until(f"the end of run {run_id}", look)

    def backfill(self, *, ended: bool = False) -> dict[str, Any] | None:
        """The newest backfill, if there is one, and if it has ended where that is asked."""
        query = """{ partitionBackfillsOrError(limit: 1) { ... on PartitionBackfills { results {
            id status partitionNames partitionStatusCounts { runStatus count } } } } }"""
        newest = next(iter(self.ask(query)["partitionBackfillsOrError"]["results"]), None)
        return None if newest and ended and newest["status"] == "REQUESTED" else newest

    def change_vendor(self, command: str, **body: Any) -> Any:
        """Change the vendors' truth, by the sandbox's control plane."""
        url = f"http://127.0.0.1:{self.profile.sandbox_port}/_sandbox/{command}"
        return httpx.post(url, json=body, timeout=60, trust_env=False).raise_for_status().json()


@dataclass(frozen=True)
class Tour:
    """The browser before the platform."""

    page: Page
    platform: Platform
    folder: Path

    def open(self, path: str, *, width: int = 1400, height: int = 800) -> None:
        """A page of the UI, in a window of this size."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(f"{self.platform.url}{path}", wait_until="networkidle")

    def sees(self, text: str) -> Locator:
        """Wait until the page shows it."""
        found = self.page.get_by_text(text).first
        found.wait_for()
        return found

    def button(self, name: str) -> Locator:
        """By what is written on it."""
        return self.page.get_by_role("button", name=name).first

    def launch(self, clicked: Locator) -> Run:
        """Click, and wait for the end of the run that this launches."""
        before = set(self.platform.clicked_runs())
        clicked.click()
        run_id = until("a run", lambda: next(iter(set(self.platform.clicked_runs()) - before), None), CLICK_S)
        return self.platform.ended(run_id)

    def launch_whole_way(self) -> Run:
        """Every asset, from the job's page."""
        self.open("/locations/assets.definitions/jobs/whole_way")
        return self.launch(self.button("Materialize all"))

    def open_run(self, run_id: str, status: str) -> None:
        self.open(f"/runs/{run_id}", height=960)
        self.page.get_by_text(status, exact=True).first.wait_for()

    def take(self, name: str, *, top: int = 0, right: int = 0, height: int | None = None) -> None:
        """Write a picture once the page has come to rest; what is cut off is given in pixels."""
        size = self.page.viewport_size or {}
        clip = {"x": RAIL, "y": top, "width": size["width"] - RAIL - right, "height": height or size["height"] - top}
        self.page.mouse.move(0, 0)
        picture = b""
        for _ in range(LOOKS):
            before, picture = picture, self.page.screenshot(clip=clip, animations="disabled")
            if picture == before:
                break
            time.sleep(STILL_S)
        (self.folder / f"{name}.png").write_bytes(picture)


def graph(tour: Tour) -> None:
    """The asset graph, a box a group: from the vendors to the dashboard."""
    tour.open("/asset-groups", width=1500, height=720)
    tour.page.get_by_placeholder("Jump to…").locator("xpath=following::button[1]").click()  # hides the list of groups
    for group in ("vendors", *sources.names(), "catalog", "topics", "memory", "intelligence", "executive", "dashboard"):
        tour.page.get_by_text(group, exact=True).locator("visible=true").first.wait_for()
    tour.take("graph", top=110, right=250, height=560)


def whole_way(tour: Tour) -> None:
    """A click on `Materialize all` of the job whole_way, and its run at the end."""
    run = tour.launch_whole_way()
    assert run.status == "SUCCESS"
    assert set(run.steps.values()) == {"SUCCESS"}
    tour.open_run(run.id, "Success")
    tour.sees(f"Succeeded ({len(run.steps)})").click()
    tour.take("whole-way", height=880)


def asset(tour: Tour) -> None:
    """What a raw table holds: how fresh, how many rows, which columns."""
    with open_warehouse(tour.platform.profile) as warehouse:
        [counted] = warehouse.query(f"SELECT COUNT(*) AS LIVE FROM {CALLS.table} WHERE _DELETED_AT IS NULL").to_pylist()
    tour.open(f"/assets/{CALLS}", height=900)
    tour.sees("Gong's call id")
    tour.sees("Passing")
    tour.page.get_by_text(str(counted["live"]), exact=True).first.wait_for()
    tour.take("asset")


def lineage(tour: Tour) -> None:
    """What an asset is made from, and what is made from it."""
    tour.open(f"/assets/{CALLS}?view=lineage", height=880)
    tour.sees("kpi_rollups")
    tour.take("lineage")


def checks(tour: Tour) -> None:
    """What is promised of a table's rows, and that it holds."""
    tour.open(f"/assets/{CALLS}?view=checks")
    tour.sees("This is a blocking asset check.")
    tour.sees("Passed")
    tour.take("checks", height=560)


def check_failed(tour: Tour) -> None:
    """A row that somebody has copied by hand: its check fails, and nothing is made from it."""
    columns = rows.entity(CALLS).table.column_names
    copied = ", ".join("? AS _LANDED_AT" if name == "_landed_at" else name for name in columns)
    a_call = f"SELECT {copied} FROM {CALLS.table} WHERE CALL_ID = (SELECT MIN(CALL_ID) FROM {CALLS.table})"
    with open_warehouse(tour.platform.profile) as warehouse:
        warehouse.execute(f"INSERT INTO {CALLS.table} ({', '.join(columns)}) {a_call}", [datetime.now(UTC)])
    run = tour.launch_whole_way()
    assert run.status == "FAILURE"
    assert [step for step, status in run.steps.items() if status == "FAILURE"] == ["check_gong"]
    assert run.steps.keys().isdisjoint(DOWNSTREAM)
    tour.open_run(run.id, "Failure")
    tour.sees("Errored (1)")
    tour.sees("Not executed").click()
    for step in DOWNSTREAM:
        tour.sees(step)
    tour.take("check-failed", height=880)


def check_why(tour: Tour) -> None:
    """Which rule does not hold, and for which rows."""
    tour.open(f"/assets/{CALLS}?view=checks")
    tour.page.get_by_text("Failed", exact=True).first.wait_for()
    tour.sees("Show JSON").click()
    tour.sees("a key stands once")
    tour.take("check-why", height=760)


def check_mended(tour: Tour) -> None:
    """The copy is deleted, and the run goes on from where it failed: its check and what is downstream."""
    with open_warehouse(tour.platform.profile) as warehouse:
        newest = f"(SELECT MAX(_LANDED_AT) FROM {CALLS.table})"
        assert warehouse.execute(f"DELETE FROM {CALLS.table} WHERE _LANDED_AT = {newest}") == 1
    tour.open_run(tour.platform.clicked_runs()[0], "Failure")
    tour.button("Re-execute").locator("xpath=following::button[1]").click()  # the arrow beside it
    run = tour.launch(tour.page.get_by_role("menuitem", name="From failure"))
    assert run.status == "SUCCESS"
    assert run.steps.keys() >= {"check_gong", *DOWNSTREAM}
    assert "gong" not in run.steps
    tour.open_run(run.id, "Success")
    tour.sees(f"Succeeded ({len(run.steps)})").click()
    tour.take("check-mended", height=880)


def check_passed(tour: Tour) -> None:
    """The check is green again, and remembers."""
    tour.open(f"/assets/{CALLS}?view=checks", height=980)
    tour.sees("Passed")
    tour.take("check-passed")


def backfill_form(tour: Tour) -> None:
    """Three days of Gong are chosen."""
    tour.open("/locations/assets.definitions/jobs/backfill_gong")
    tour.page.get_by_role("tab", name="Partitions").or_(tour.page.get_by_role("link", name="Partitions")).first.click()
    tour.button("Launch backfill…").click()
    days = tour.page.get_by_placeholder("ex: 20")
    days.fill(f"[{DAYS[0]}...{DAYS[-1]}]")
    days.press("Enter")
    tour.button(f"Submit {len(DAYS)} runs").wait_for()
    tour.take("backfill-form")


def backfill(tour: Tour) -> None:
    """They are read again: a run a day."""
    tour.button(f"Submit {len(DAYS)} runs").click()
    asked = until("a backfill", tour.platform.backfill, CLICK_S)
    assert sorted(asked["partitionNames"]) == DAYS
    done = until("the backfill's end", lambda: tour.platform.backfill(ended=True))
    assert done["status"] == "COMPLETED_SUCCESS"
    assert done["partitionStatusCounts"] == [{"runStatus": "SUCCESS", "count": len(DAYS)}]
    tour.open(f"/runs/b/{done['id']}?tab=runs")
    tour.sees("Succeeded")
    for day in DAYS:
        tour.sees(f"partition: {day}")
    tour.take("backfill", top=50, height=470)


def dead_letter(tour: Tour) -> None:
    """A record that an older rule refused: it is kept, and the asset of dead letters counts it."""
    record = tour.platform.change_vendor("create", stream="gong.calls", fields={"title": REFUSED})["record"]
    letter = dead_letters.of_record(CALLS, Rejected(record, f"{CALLS} title: a rule of last week"), datetime.now(UTC))
    with open_warehouse(tour.platform.profile) as warehouse:
        dead_letters.store(warehouse, [letter])
    tour.open("/assets/core/dead_letters")
    assert tour.launch(tour.button("Materialize")).status == "SUCCESS"
    _show_waiting(tour, 1)
    tour.take("dead-letter", height=480)


def replayed(tour: Tour) -> None:
    """The job replay_dead_letters, from its Launchpad, has put it into its table."""
    tour.open("/locations/assets.definitions/jobs/replay_dead_letters/playground")
    run = tour.launch(tour.button("Launch Run"))
    assert run.status == "SUCCESS"
    with open_warehouse(tour.platform.profile) as warehouse:
        landed = warehouse.query(f"SELECT CALL_ID FROM {CALLS.table} WHERE TITLE = ?", [REFUSED])
    assert landed.num_rows == 1
    _show_waiting(tour, 0)
    tour.sees(run.id[:8])
    tour.take("replayed", height=480)


def _show_waiting(tour: Tour, letters: int) -> None:
    tour.open("/assets/core/dead_letters?view=events")
    shown = tour.page.get_by_role("row").filter(has=tour.page.get_by_text("waiting", exact=True))
    assert shown.inner_text().split() == ["waiting", str(letters)]


STEPS = (
    *(graph, whole_way, asset, lineage, checks, check_failed, check_why, check_mended, check_passed),
    *(backfill_form, backfill, dead_letter, replayed),
)
"""A picture each, of its name."""


@contextmanager
def platform(home: Path) -> Iterator[Platform]:
    """Run `sophia dev` while the body runs. Vendors are pulled by clicks alone."""
    port = free_port()
    ours = {
        "SOPHIA_HOME": str(home),
        "SOPHIA_SANDBOX_PORT": str(free_port()),
        "SOPHIA_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        **{f"SOPHIA_{source.upper()}_PULL_CRON": "0 5 1 1 *" for source in sources.names()},
    }
    theirs = {name: value for name, value in environment().items() if not name.startswith((PREFIX, "DAGSTER_"))}
    sophia = [sys.executable, "-c", "from cli.main import main; main()", "dev", "--port", str(port), "--scale", SCALE]
    command = dying_with_parent(sophia, signal.SIGTERM)
    own = {"cwd": PROJECT, "env": theirs | ours, "start_new_session": True}  # a Ctrl-C reaches us alone, and we stop it
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **own) as process:
        try:
            if process.stdout is None or not any(READY in line for line in process.stdout):
                sys.exit("sophia dev did not start; it says above why.")
            yield Platform(f"http://127.0.0.1:{port}", Profile.read(ours))
        finally:
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
        page.set_default_timeout(CLICK_S * 1000)
        for name, value in LAYOUT.items():
            page.add_init_script(f"localStorage.setItem('{name}', '{value}')")
        yield page
        running.close()


def main(folder: Path) -> None:
    """Take every step, and leave its pictures in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sophia-") as home, browser() as page, platform(Path(home)) as running:
        tour = Tour(page, running, folder)
        for step in STEPS:
            Console().print(step.__name__)
            step(tour)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
