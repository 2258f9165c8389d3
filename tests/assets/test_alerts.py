"""The sensors that tell what has failed: from runs that really failed, to the sandbox's webhook and a mail server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import msgspec
import pytest
import structlog
from dagster._core.definitions.sensor_definition import SensorExecutionData

import sandbox
from assets import failures
from assets.alerts import SENSORS, Cursor, since
from contracts import errors
from contracts.errors import VendorRefused
from resources.alerts import Alert
from resources.profile import Profile
from tests.assets.machine import open_machine, wait_for
from tests.conftest import profile_for, vendors
from tests.resources.mail_server import mail_server

PROJECT = Path(__file__).resolve().parents[2]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
DOWN = errors.VendorUnavailable("Gong", "https://api.gong.example", "HTTP 503")
VENDOR = "slack_incoming_webhook"
SENSOR = {sensor.name: sensor for sensor in SENSORS}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """As the project's is; its event log is a file a run, and one over all."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def control() -> Iterator[sandbox.Control]:
    with vendors(scale=0.1, limit_speedup=10_000) as running:
        yield running


def step(error: Exception | None, name: str = "gong") -> dg.AssetsDefinition:
    """Two assets in one step that fails with the error, without another try."""

    @dg.multi_asset(name=name, specs=[dg.AssetSpec([name, "calls"]), dg.AssetSpec([name, "users"])])
    def made(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        with failures.of(context, dg.RetryPolicy(max_retries=0)):
            if error is not None:
                raise error
            for key in context.selected_asset_keys:
                yield dg.MaterializeResult(key)

    return made


def check(result: dg.AssetCheckResult, *, blocking: bool = False) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=dg.AssetKey(["gong", "calls"]), name="fresh", blocking=blocking)
    def fresh() -> dg.AssetCheckResult:
        return result

    return fresh


def run(
    instance: dg.DagsterInstance, *parts: dg.AssetsDefinition | dg.AssetChecksDefinition, job: str = "gong_pull"
) -> str:
    """Run all of it as one job; its run id."""
    assets = [part for part in parts if not isinstance(part, dg.AssetChecksDefinition)]
    checks = [part for part in parts if isinstance(part, dg.AssetChecksDefinition)]
    defs = dg.Definitions(assets=assets, asset_checks=checks, jobs=[dg.define_asset_job(job)])
    made = defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET)
    return made.run_id


def tick(instance: dg.DagsterInstance, way: str, profile: Profile, cursor: str | None = None) -> SensorExecutionData:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"profile": profile})
    return SENSOR[f"alerts_to_{way}"].evaluate_tick(context)


def told(instance: dg.DagsterInstance, cursor: Cursor) -> tuple[list[tuple[str, str]], Cursor]:
    """What of each alert tells it apart."""
    alerts, after = since(instance, cursor)
    return [(alert.what, alert.line) for alert in alerts], after


def test_a_failed_step_is_told_in_full(instance: dg.DagsterInstance) -> None:
    run_id = run(instance, step(DOWN))
    alerts, _ = since(instance, Cursor())
    assert alerts == [
        Alert(
            what="job gong_pull, step gong",
            made=("gong/calls", "gong/users"),
            line=str(DOWN),
            run_id=run_id,
            runbook="docs/runbooks/vendor-down.md",
        )
    ]


def test_the_same_failure_is_told_once_until_it_has_passed(instance: dg.DagsterInstance) -> None:
    run(instance, step(DOWN))
    alerts, cursor = told(instance, Cursor())
    assert len(alerts) == 1
    run(instance, step(DOWN))
    run(instance, step(DOWN), job="reconcile")
    assert told(instance, cursor)[0] == []
    run(instance, step(errors.QuotaSpent("Gong", "HTTP 429")))
    alerts, cursor = told(instance, cursor)
    assert [line for _, line in alerts] == [
        "Gong's limit is spent (HTTP 429). The next pull tries again; its settings set the pace."
    ]
    run(instance, step(DOWN))
    run(instance, step(None))
    run(instance, step(DOWN))
    alerts, cursor = told(instance, cursor)
    assert [line for _, line in alerts] == [str(DOWN)]


def test_a_step_that_passes_in_a_run_that_fails_has_passed(instance: dg.DagsterInstance) -> None:
    run(instance, step(DOWN))
    _, cursor = told(instance, Cursor())
    run(instance, step(None), step(DOWN, "slack"))
    alerts, cursor = told(instance, cursor)
    assert [what for what, _ in alerts] == ["job gong_pull, step slack"]
    run(instance, step(DOWN))
    assert [what for what, _ in told(instance, cursor)[0]] == ["job gong_pull, step gong"]


def test_what_nobody_foresaw_is_told_without_its_words(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def careless() -> None:
        raise ValueError("cannot convert 'Ada Lovelace' to INTEGER")

    run(instance, careless)
    run(instance, step(errors.StatementFailed("MERGE", "duplicate key 'Ada Lovelace'")))
    alerts, _ = since(instance, Cursor())
    assert len(alerts) == 2
    assert all("Ada" not in str(alert) for alert in alerts)
    assert alerts[0].line.startswith("ValueError, which nobody foresaw")


def test_a_resource_that_cannot_be_made_is_told(instance: dg.DagsterInstance) -> None:
    @dg.resource
    def profile() -> None:
        raise errors.InvalidSetting("SOPHIA_HOME", "secret", "no")

    @dg.asset(required_resource_keys={"profile"})
    def needs() -> None: ...

    job = dg.Definitions(assets=[needs], resources={"profile": profile}).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET)
    [alert], _ = since(instance, Cursor())
    assert alert.line == "InvalidSetting, which nobody foresaw; the run's log in Dagster has the details"
    assert alert.runbook == "docs/runbooks/bad-deploy.md"


def test_a_run_that_died_is_told(instance: dg.DagsterInstance) -> None:
    @dg.job
    def gong_pull() -> None: ...

    dead = instance.create_run_for_job(gong_pull, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(dead, "The process of this run is gone.")
    [alert], cursor = since(instance, Cursor())
    assert (alert.what, alert.run_id) == ("job gong_pull", dead.run_id)
    assert alert.line == "no step failed; Dagster says: The process of this run is gone."
    run(instance, step(None))
    assert since(instance, cursor)[1].failing == frozenset()


def test_a_check_is_told_once_and_with_its_words(instance: dg.DagsterInstance) -> None:
    bad = dg.AssetCheckResult(passed=False, description="the last landing is 3 h old\nmore")
    run_id = run(instance, step(None), check(bad))
    alerts, cursor = since(instance, Cursor())
    assert alerts == [
        Alert(
            what="check fresh of gong/calls, job gong_pull",
            line="the last landing is 3 h old",
            run_id=run_id,
            runbook="docs/runbooks/check-failed.md",
        )
    ]
    run(instance, step(None), check(bad))
    assert since(instance, cursor)[0] == []
    run(instance, step(None), check(dg.AssetCheckResult(passed=True)))
    run(instance, step(None), check(bad))
    assert len(since(instance, cursor)[0]) == 1


def test_a_blocking_check_is_told_once_and_its_run_not_again(instance: dg.DagsterInstance) -> None:
    run(instance, step(None), check(dg.AssetCheckResult(passed=False), blocking=True))
    alerts, _ = since(instance, Cursor())
    assert [alert.what for alert in alerts] == ["check fresh of gong/calls, job gong_pull"]


def test_a_warning_is_no_alert(instance: dg.DagsterInstance) -> None:
    warning = dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)
    run(instance, step(None), check(warning))
    assert since(instance, Cursor())[0] == []


def test_a_check_that_cannot_be_executed_is_told(instance: dg.DagsterInstance) -> None:
    @dg.asset_check(asset=dg.AssetKey(["gong", "calls"]))
    def broken(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with failures.of(context):
            raise errors.MissingSetting("SOPHIA_SLACK_TOKEN", "a check")

    run(instance, step(None), broken)
    [(what, line)], _ = told(instance, Cursor())
    assert what == "job gong_pull, step gong__calls_broken"
    assert line.startswith("SOPHIA_SLACK_TOKEN is not set")


def test_a_backlog_is_told_whole_whatever_a_tick_reads(on_disk: dg.DagsterInstance) -> None:
    for error in (DOWN, None, None, None, DOWN, None, None, errors.QuotaSpent("Gong", "HTTP 429")):
        run(on_disk, step(error))
    whole, end = since(on_disk, Cursor())
    assert len(whole) == 3
    for runs in (1, 2, 3):
        alerts, cursor = [], Cursor()
        while (page := since(on_disk, cursor, runs))[1] != cursor:
            alerts += page[0]
            cursor = page[1]
        assert (alerts, cursor) == (whole, end)


def test_fifty_failures_are_one_message(tmp_path: Path, instance: dg.DagsterInstance, control: sandbox.Control) -> None:
    run(instance, *(step(DOWN, f"source{number}") for number in range(50)))
    before = len(control.posted())
    ticked = tick(instance, "slack", profile_for(tmp_path, SOPHIA_ALERTS_SLACK_WEBHOOK=control.slack_webhook_url))
    assert ticked.skip_message == "50 new failures"
    [posted] = control.posted()[before:]
    assert posted["text"].startswith("50 failures")


def test_what_could_not_be_told_is_told_by_the_next_tick(
    tmp_path: Path, instance: dg.DagsterInstance, control: sandbox.Control
) -> None:
    profile = profile_for(tmp_path, SOPHIA_ALERTS_SLACK_WEBHOOK=control.slack_webhook_url)
    cursor = tick(instance, "slack", profile).cursor
    run(instance, step(DOWN))
    before = len(control.posted())
    control.fault(VENDOR, "status", status=404)
    with pytest.raises(VendorRefused) as failure:  # so the tick fails, and Dagster keeps the cursor as it was
        tick(instance, "slack", profile, cursor)
    assert control.slack_webhook_url not in str(failure.value)
    cursor = tick(instance, "slack", profile, cursor).cursor
    assert len(control.posted()) == before + 1
    assert tick(instance, "slack", profile, cursor).cursor == cursor
    assert len(control.posted()) == before + 1


def test_one_way_that_fails_does_not_hold_up_the_other(
    tmp_path: Path, instance: dg.DagsterInstance, control: sandbox.Control
) -> None:
    run(instance, step(DOWN))
    with mail_server() as server:
        more = {"SOPHIA_ALERTS_EMAIL_TO": "ops@sophia.example", "SOPHIA_ALERTS_SMTP_PORT": str(server.port)}
        profile = profile_for(tmp_path, SOPHIA_ALERTS_SLACK_WEBHOOK=control.slack_webhook_url, **more)
        control.fault(VENDOR, "status", status=410)
        with pytest.raises(VendorRefused):
            tick(instance, "slack", profile)
        tick(instance, "mail", profile)
        assert [mail["Subject"] for mail in server.taken] == ["Failed: job gong_pull, step gong"]


def test_a_way_that_is_not_set_up_tells_nothing_later(
    tmp_path: Path, instance: dg.DagsterInstance, control: sandbox.Control
) -> None:
    run(instance, step(DOWN))
    skipped = tick(instance, "slack", profile_for(tmp_path))
    assert skipped.skip_message == "this way is not set up"
    before = len(control.posted())
    tick(
        instance, "slack", profile_for(tmp_path, SOPHIA_ALERTS_SLACK_WEBHOOK=control.slack_webhook_url), skipped.cursor
    )
    assert len(control.posted()) == before


def test_the_log_is_told_where_nobody_is(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    run_id = run(instance, step(DOWN))
    with structlog.testing.capture_logs() as logged:
        tick(instance, "log", profile_for(tmp_path))
    assert [(line["event"], line["run_id"]) for line in logged] == [("failure_told", run_id)]


@pytest.mark.long
def test_a_daemon_tells_and_tries_again(tmp_path: Path, control: sandbox.Control) -> None:
    with open_machine(tmp_path, "tests.assets.alerting") as machine:
        machine.environ["SOPHIA_ALERTS_SLACK_WEBHOOK"] = control.slack_webhook_url
        control.clear_faults()
        before = len(control.posted())
        control.fault(VENDOR, "status", status=404)
        run_id = run(machine.instance, step(DOWN))
        machine.start_code_server()
        machine.start_daemon()
        wait_for(lambda: len(control.posted()) > before)
        [posted] = control.posted()[before:]
        assert run_id in posted["text"]
        asked = control.requests()[VENDOR].popitem()[1]["statuses"]
        assert asked["404"] >= 1  # the tick before this one failed


def test_all_of_them_run_by_themselves() -> None:
    assert {sensor.default_status for sensor in SENSORS} == {dg.DefaultSensorStatus.RUNNING}
    assert set(SENSOR) == {"alerts_to_slack", "alerts_to_mail", "alerts_to_log"}


def test_the_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor(7, frozenset({("step gong", "VendorUnavailable")}))
    assert msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor) == cursor
