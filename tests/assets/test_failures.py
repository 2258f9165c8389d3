"""Retries by error type, on Dagster's in-process executor: what is tried again, what fails at once, what it says."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets import failures
from assets.alerts import CHECK_FAILED
from assets.run_launcher import PROCESS, this_process
from contracts import errors

PROJECT = Path(__file__).resolve().parents[2]
AT_ONCE = dg.RetryPolicy(max_retries=3)
DOWN = errors.VendorUnavailable("Gong", "https://api.gong.example", "HTTP 503")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
PAGES = {path.stem for path in (PROJECT / "docs" / "runbooks").glob("*.md")}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def with_pools(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """As the project's is."""
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def run(
    instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    job = dg.Definitions(assets=assets).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags, run_config=QUIET)


def failing(error: Callable[[], Exception], times: int = 99) -> tuple[dg.AssetsDefinition, list[int]]:
    """An asset that fails so many times, and where its tries are counted."""
    tries: list[int] = []

    @dg.asset
    def step(context: dg.AssetExecutionContext) -> None:
        with failures.of(context, AT_ONCE):
            tries.append(context.retry_number)
            if len(tries) <= times:
                raise error()

    return step, tries


def failure_of(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, object]]:
    """What the UI shows of the failed step."""
    [event] = result.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", {name: value.value for name, value in data.metadata.items()}


def test_what_can_pass_is_tried_again(instance: dg.DagsterInstance) -> None:
    step, tries = failing(lambda: DOWN, times=2)
    result = run(instance, step)
    assert result.success
    assert tries == [0, 1, 2]


def test_what_does_not_pass_fails_in_one_line(instance: dg.DagsterInstance) -> None:
    step, tries = failing(lambda: DOWN)
    result = run(instance, step)
    assert tries == [0, 1, 2, 3]
    line, metadata = failure_of(result)
    assert line == str(DOWN)
    assert metadata == {"error": "VendorUnavailable", "runbook": "docs/runbooks/vendor-down.md"}


@pytest.mark.parametrize(
    ("error", "page"),
    [
        (errors.MissingSetting("SOPHIA_GONG_ACCESS_KEY", "a pull from Gong"), "bad-deploy"),
        (errors.VendorRefused("Gong", 401, "no", "Check the key."), "vendor-down"),
        (errors.Fenced("pull:gong/calls", 3), "bad-deploy"),  # again, it would fence the one that goes on
        (errors.WorkerSilent(12, 180.0), "backlog-grows"),
        (errors.QuotaSpent("HubSpot", "HTTP 429"), "quota-spent"),
    ],
)
def test_what_another_try_cannot_mend_fails_at_once(
    instance: dg.DagsterInstance, error: errors.SophiaError, page: str
) -> None:
    step, tries = failing(lambda: error)
    line, metadata = failure_of(run(instance, step))
    assert tries == [0]
    assert line == str(error)
    assert metadata == {"error": type(error).__name__, "runbook": f"docs/runbooks/{page}.md"}


def test_a_mistake_of_ours_fails_at_once_and_quotes_nothing(instance: dg.DagsterInstance) -> None:
    step, tries = failing(lambda: ValueError("cannot convert 'Ada Lovelace' to INTEGER"))
    line, metadata = failure_of(run(instance, step))
    assert tries == [0]
    assert line == "ValueError, which nobody foresaw; the run's log in Dagster has the details"
    assert metadata["runbook"] == "docs/runbooks/bad-deploy.md"


@pytest.mark.parametrize("error", [errors.StatementFailed, errors.CheckBroken])
def test_what_others_say_may_hold_a_row_and_stays_in_the_log(
    instance: dg.DagsterInstance, error: Callable[[str, str], Exception]
) -> None:
    step, _ = failing(lambda: error("MERGE INTO T", "cannot convert 'Ada Lovelace' to INTEGER"))
    result = run(instance, step)
    line, _ = failure_of(result)
    assert "Ada" not in line
    [event] = result.get_step_failure_events()
    error = event.step_failure_data.error
    assert error is not None
    assert error.cause is not None
    assert "Ada Lovelace" in error.cause.message


def test_a_command_is_told_at_once_and_gets_the_error_itself(instance: dg.DagsterInstance) -> None:
    step, tries = failing(lambda: DOWN)
    job = dg.Definitions(assets=[step]).resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.Failure) as failure:
        job.execute_in_process(instance=instance, tags={PROCESS: this_process()}, run_config=QUIET)
    assert failure.value.__cause__ is DOWN
    assert tries == [0]


def test_dagsters_own_exceptions_pass(instance: dg.DagsterInstance) -> None:
    step, tries = failing(lambda: dg.RetryRequested(max_retries=1))
    assert not run(instance, step).success
    assert tries == [0, 1]


def test_a_step_that_yields_is_tried_again_as_a_whole(instance: dg.DagsterInstance) -> None:
    tries: list[int] = []

    @dg.multi_asset(specs=[dg.AssetSpec("a"), dg.AssetSpec("b")])
    def two(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        with failures.of(context, AT_ONCE):
            yield dg.MaterializeResult("a")
            tries.append(context.retry_number)
            if len(tries) == 1:
                raise DOWN
            yield dg.MaterializeResult("b")

    result = run(instance, two)
    assert result.success
    made = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key]
    assert made == ["a", "a", "b"]


def test_a_step_that_waits_holds_no_pool(with_pools: dg.DagsterInstance) -> None:
    order: list[str] = []

    @dg.asset(pool="vendor")
    def first(context: dg.AssetExecutionContext) -> None:
        with failures.of(context, dg.RetryPolicy(max_retries=1, delay=1)):
            order.append("first")
            if order == ["first"]:
                raise DOWN

    @dg.asset(pool="vendor")
    def second() -> None:
        order.append("second")

    assert run(with_pools, first, second).success
    assert order == ["first", "second", "first"]


def test_the_waits_grow_and_vary() -> None:
    for tries, middle_s in ((1, 10), (2, 30), (3, 70)):
        waits = {failures.RETRIES.calculate_delay(tries) for _ in range(50)}
        assert len(waits) > 1
        assert all(middle_s - 10 <= wait <= middle_s + 10 for wait in waits)


def test_every_page_is_one_of_the_runbooks() -> None:
    assert set(failures.RUNBOOKS.values()) | {"bad-deploy"} == PAGES
    assert (PROJECT / CHECK_FAILED).exists()
    assert failures.runbook() == failures.runbook(ValueError()) == "docs/runbooks/bad-deploy.md"


def test_a_check_fails_in_the_same_words(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def checked() -> None: ...

    @dg.asset_check(asset=checked)
    def reads(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with failures.of(context):
            raise errors.MissingSetting("SOPHIA_HOME", "a check")

    job = dg.Definitions(assets=[checked], asset_checks=[reads]).resolve_implicit_global_asset_job_def()
    line, _ = failure_of(job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET))
    assert line.startswith("SOPHIA_HOME is not set")
