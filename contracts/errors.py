"""The error tree. A type says whether trying again can help; attributes hold the facts.

SophiaError
├── PermanentError            trying again without a change cannot help
│   ├── MissingSetting        a setting that this run needs is not set
│   ├── InvalidSetting        a setting has a value that cannot be used
│   ├── MalformedMessage      bytes on a topic that no reader of ours understands
│   ├── MessageTooLarge       a record that would exceed the wire limit
│   ├── VendorRefused         a vendor answered 4xx: the key, a scope, a bad request
│   ├── UnknownSlice          a part of a source that a backfill cannot read
│   ├── Fenced                a newer writer has taken over this position
│   ├── VectorMismatch        a vector of another model or dimension than the table's
│   ├── MigrationRefused      the schema's history and the files contradict each other
│   ├── StatementFailed       the warehouse refused a statement
│   ├── UnsupportedSql        a construct without a rule that was proved by a test
│   ├── CheckBroken           a data quality check could not be evaluated
│   ├── JournalTaken          another receiver writes the journal of webhooks
│   └── PortTaken             another process listens where ours should
└── TransientError            the same call can succeed later
    ├── PullFailed            a pull ended in a way that nobody foresaw
    ├── SyncFailed            a job of Airbyte's ended otherwise than well
    ├── VendorUnavailable     a vendor is down
    ├── CircuitOpen           a vendor was down for the last pulls, and is not asked
    ├── QuotaSpent            we are over a vendor's limit for longer than we wait
    ├── BrokerUnavailable     no Kafka broker answers
    ├── TopicMissing          the broker answers, but has no such topic
    ├── JournalFull           the journal of webhooks takes no more
    ├── WorkerSilent          documents wait, and no worker embeds them
    ├── ErasureIncomplete     something still names an erased person
    └── WarehouseUnavailable  the warehouse cannot be reached or is locked for too long
"""

from __future__ import annotations

from datetime import datetime

__all__ = [
    "BrokerUnavailable",
    "CheckBroken",
    "CircuitOpen",
    "ErasureIncomplete",
    "Fenced",
    "InvalidSetting",
    "JournalFull",
    "JournalTaken",
    "MalformedMessage",
    "MessageTooLarge",
    "MigrationRefused",
    "MissingSetting",
    "PermanentError",
    "PortTaken",
    "PullFailed",
    "QuotaSpent",
    "SophiaError",
    "StatementFailed",
    "SyncFailed",
    "TopicMissing",
    "TransientError",
    "UnknownSlice",
    "UnsupportedSql",
    "VectorMismatch",
    "VendorRefused",
    "VendorUnavailable",
    "WarehouseUnavailable",
    "WorkerSilent",
]


class SophiaError(Exception):
    """Root of our errors. `str()` is one line for an operator: the value, the rule, the way out."""


class PermanentError(SophiaError):
    """Trying again without a change cannot help."""


class TransientError(SophiaError):
    """The same call can succeed later."""


class MissingSetting(PermanentError):
    """A setting that this run needs is not set; `variable` names it."""

    def __init__(self, variable: str, needed_for: str) -> None:
        self.variable = variable
        self.needed_for = needed_for
        super().__init__(f"{variable} is not set; {needed_for} needs it. Set it in the environment.")


class InvalidSetting(PermanentError):
    """A setting has a value that cannot be used."""

    def __init__(self, variable: str, value: str, rule: str) -> None:
        self.variable = variable
        self.value = value
        self.rule = rule
        super().__init__(f"{variable}={value!r} cannot be used: {rule}{'' if rule.endswith('?') else '.'}")


class MalformedMessage(PermanentError):
    """Bytes on a topic that no reader of ours understands."""

    def __init__(self, schema: str, reason: str) -> None:
        self.schema = schema
        self.reason = reason
        super().__init__(f"a message of schema {schema!r} cannot be read: {reason}")


class MessageTooLarge(PermanentError):
    """A record that would exceed the wire limit."""

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        self.what = what
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(f"{what} takes {size_bytes:,} bytes on the wire; the limit is {limit_bytes:,}")


class VendorRefused(PermanentError):
    """A vendor answered with an error that a retry does not mend."""

    def __init__(self, vendor: str, status: int, answer: str, way_out: str) -> None:
        self.vendor = vendor
        self.status = status
        self.answer = answer
        super().__init__(f"{vendor} refused the request ({status}: {answer}). {way_out}")


class UnknownSlice(PermanentError):
    """A part of a source that a backfill cannot read; `by` is what a part is: a day, a channel."""

    def __init__(self, source: str, slice_: str | None = None, by: str | None = None) -> None:
        self.source = source
        self.slice = slice_
        if by is None:
            super().__init__(f"{source} can only be read whole. Use the job reconcile_{source}.")
        elif by == "day":
            super().__init__(f"{slice_!r} is no day; {source} is read again by days such as 2026-11-20.")
        else:
            super().__init__(
                f"{source} has no {by} {slice_!r} that has been landed; `sophia backfill {source} --list` names them."
            )


class Fenced(PermanentError):
    """A newer writer has taken over this position; the caller's rows were rolled back."""

    def __init__(self, position_key: str, epoch: int) -> None:
        self.position_key = position_key
        self.epoch = epoch
        super().__init__(
            f"position {position_key} is no longer held in epoch {epoch}: a newer writer has taken over. "
            "Nothing of this batch was written; the newer writer continues."
        )


class VectorMismatch(PermanentError):
    """A vector of another model or dimension than the table's."""

    def __init__(self, expected: str, received: str) -> None:
        self.expected = expected
        self.received = received
        super().__init__(
            f"memory holds vectors of {expected}, received {received}. Give the worker and the lander the "
            "same SOPHIA_EMBEDDING_* settings."
        )


class MigrationRefused(PermanentError):
    """The schema's history and the migration files contradict each other."""


class StatementFailed(PermanentError):
    """The warehouse refused a statement; `reason` is its first line, the adapter's own error is the cause."""

    def __init__(self, statement: str, reason: str) -> None:
        self.statement = statement
        self.reason = reason
        head = " ".join(statement.split())
        super().__init__(f"the warehouse refused {head[:90]}{'…' if len(head) > 90 else ''}: {reason}")


class UnsupportedSql(PermanentError):
    """A construct that the DuckDB adapter has no proved rule for."""

    def __init__(self, construct: str) -> None:
        self.construct = construct
        super().__init__(
            f"the DuckDB adapter has no proved rule for {construct}; add one to resources/warehouse/dialect.py "
            "with a test that executes it"
        )


class CheckBroken(PermanentError):
    """A data quality check could not be evaluated; nothing is known of the data that it was to look at."""

    def __init__(self, check: str, reason: str) -> None:
        self.check = check
        self.reason = reason
        super().__init__(
            f"{check} could not be evaluated: {reason}. The rule or its rows' columns are wrong, not the data."
        )


class PortTaken(PermanentError):
    """Another process listens where ours should."""

    def __init__(self, port: int, what: str, variable: str) -> None:
        self.port = port
        super().__init__(f"port {port} is taken, so {what} cannot start. Stop what listens there or set {variable}.")


class PullFailed(TransientError):
    """A pull ended in a way that nobody foresaw; the cause has the details."""

    def __init__(self, source: str, kind: str) -> None:
        self.source = source
        self.kind = kind
        super().__init__(
            f"the pull of {source} failed ({kind}); nothing was landed of it. The run's log in Dagster has the details."
        )


class SyncFailed(TransientError):
    """A job of Airbyte's ended otherwise than well; Airbyte's API does not say why."""

    def __init__(self, connection: str, job_id: int, outcome: str) -> None:
        self.connection = connection
        self.job_id = job_id
        self.outcome = outcome
        super().__init__(
            f"Airbyte's job {job_id} of the connection {connection} ended as {outcome}; nothing was landed. "
            "Its log in Airbyte has the details."
        )


class VendorUnavailable(TransientError):
    """A vendor is down."""

    def __init__(self, vendor: str, url: str, reason: str) -> None:
        self.vendor = vendor
        self.url = url
        super().__init__(f"{vendor} does not answer at {url} ({reason}). Check the URL, or try again later.")


class CircuitOpen(TransientError):
    """A vendor was down for the last pulls; it is not asked before `until`."""

    def __init__(self, vendor: str, until: datetime) -> None:
        self.vendor = vendor
        self.until = until
        super().__init__(
            f"{vendor} was down for the last pulls and is not asked before {_minute(until)}; the next pull then tries. "
            "SOPHIA_CORE.VENDOR_CIRCUITS has its state."
        )


class QuotaSpent(TransientError):
    """We are over a vendor's limit for longer than we wait; `until` says how long, where that is known."""

    def __init__(self, vendor: str, reason: str, until: datetime | None = None) -> None:
        self.vendor = vendor
        self.until = until
        when = f"It goes on after {_minute(until)}" if until else "The next pull tries again"
        super().__init__(f"{vendor}'s limit is spent ({reason}). {when}; its settings set the pace.")


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


class BrokerUnavailable(TransientError):
    """No Kafka broker answers."""

    def __init__(self, bootstrap: str, reason: str) -> None:
        self.bootstrap = bootstrap
        super().__init__(f"no Kafka broker answers at {bootstrap} ({reason}). Start it or set SOPHIA_KAFKA_BOOTSTRAP.")


class TopicMissing(TransientError):
    """The broker answers, but has no such topic (yet, or no longer)."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        super().__init__(f"the broker at {bootstrap} has no topic {topic}. Start what writes to it.")


class JournalTaken(PermanentError):
    """Another receiver writes the journal in `folder`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        super().__init__(f"Another receiver writes the journal in {folder}. Stop it, or set another SOPHIA_HOME.")


class JournalFull(TransientError):
    """The journal in `folder` takes no more: it holds `max_bytes`, or its disk refuses."""

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        super().__init__(
            f"The journal of webhooks in {folder} takes no more: it holds {max_bytes:,} bytes that have not landed, or "
            "its disk is full. See whether broker, lander and disk are well; SOPHIA_WEBHOOKS_JOURNAL_MB is its limit."
        )


class WorkerSilent(TransientError):
    """Documents wait, and no worker embeds them."""

    def __init__(self, waiting: int, silent_s: float) -> None:
        self.waiting = waiting
        self.silent_s = silent_s
        super().__init__(
            f"{waiting} documents wait and no vector has come for {silent_s:.0f} s. Is a worker running? "
            "Start one with: python -m gpu_workers"
        )


class ErasureIncomplete(TransientError):
    """Something still names an erased person."""

    def __init__(self, erasure_id: str, left: int) -> None:
        self.erasure_id = erasure_id
        self.left = left
        super().__init__(
            f"{left} records still name whom {erasure_id} was to erase: something was written that does not go by the "
            "list. Erase the person again; the receipt in SOPHIA_CORE.ERASURES says where they are."
        )


class WarehouseUnavailable(TransientError):
    """The warehouse cannot be reached, or is locked for too long."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        super().__init__(f"the warehouse at {where} cannot be opened: {reason}")
