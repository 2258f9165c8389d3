"""What a failure in a step means: whether Dagster tries it again, and what it says to a person.

with failures.of(context):   ─► TransientError: again, three times, after 10, 30 and 70 s, each ± 10 s
    …the step's work…        ─► anything else: fails at once, with its type and the runbook as metadata
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from assets.run_launcher import command_of
from contracts import errors

StepContext = dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext
"""What Dagster hands to a step: of an op, an asset, a check."""

RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""Long enough for a vendor's restart; what lasts longer is the next run's. A waiting step holds no slot of a pool."""

WAITED_OUT = (errors.WorkerSilent, errors.QuotaSpent, errors.CircuitOpen, errors.SyncFailed)
"""The wait is longer than all of `RETRIES`: the next run tries again, and this one frees its place."""

RUNBOOKS: dict[type[errors.SophiaError], str] = {
    errors.VendorUnavailable: "vendor-down",
    errors.CircuitOpen: "vendor-down",
    errors.VendorRefused: "vendor-down",
    errors.PullFailed: "vendor-down",
    errors.SyncFailed: "vendor-down",
    errors.QuotaSpent: "quota-spent",
    errors.BrokerUnavailable: "backlog-grows",
    errors.TopicMissing: "backlog-grows",
    errors.WorkerSilent: "backlog-grows",
    errors.WarehouseUnavailable: "backlog-grows",
    errors.MalformedMessage: "dead-letters",
    errors.MessageTooLarge: "dead-letters",
    errors.CheckBroken: "check-failed",
    errors.ErasureIncomplete: "erase-a-person",
}
"""The other errors, and what is no error of ours, came with a change: of the code, a setting or the schema."""


@contextmanager
def of(context: StepContext, retries: dg.RetryPolicy = RETRIES) -> Iterator[None]:
    """Around all of a step's work.

    Raises:
        RetryRequested: a transient error with tries left.
        Failure: any other; its cause is the error. Dagster's own exceptions pass as they are.
    """
    try:
        yield
    except (dg.DagsterError, dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:
        tries = context.retry_number
        # Somebody waits for a command's run: they are told at once, and decide.
        if _can_pass(error) and tries < retries.max_retries and command_of(context.run) is None:
            wait_s = retries.calculate_delay(tries + 1)
            raise dg.RetryRequested(max_retries=retries.max_retries, seconds_to_wait=wait_s) from error
        raise dg.Failure(
            description=line(error),
            metadata={"error": type(error).__name__, "runbook": runbook(error)},
            allow_retries=False,
        ) from error


def line(error: Exception) -> str:
    """One line that may leave the house: it quotes neither the warehouse nor a stranger, who may quote rows."""
    if isinstance(error, errors.StatementFailed):
        return "the warehouse refused a statement; the run's log in Dagster says which and why"
    if isinstance(error, errors.CheckBroken):
        return f"{error.check} could not be evaluated; the run's log in Dagster says why"
    if isinstance(error, errors.SophiaError):
        return str(error)
    return unforeseen(type(error).__name__)


def unforeseen(error_type: str) -> str:
    """The line of an error that is not of our tree."""
    return f"{error_type}, which nobody foresaw; the run's log in Dagster has the details"


def runbook(error: Exception | None = None) -> str:
    """`docs/runbooks/vendor-down.md`: the page to open."""
    name = next((page for known, page in RUNBOOKS.items() if isinstance(error, known)), "bad-deploy")
    return f"docs/runbooks/{name}.md"


def _can_pass(error: Exception) -> bool:
    return isinstance(error, errors.TransientError) and not isinstance(error, WAITED_OUT)
