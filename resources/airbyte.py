"""Airbyte by its public API: a connection stands as it is declared, and a sync is followed to its end.

    Connection ─► reconcile ─► created, updated or unchanged; nothing is ever deleted
                      │
                      ▼
                    sync ─► POST /jobs, or the job that runs already ─► asked each poll_s ─► Sync
                                                                            └─ too long ─► cancelled

The package airbyte-api speaks it, and only this module knows it; its models take a while to load, so import this module
where a run needs it. Vendor page: reference.airbyte.com. An access token is asked for at `<url>/applications/token`, at
its full address: the package would take `/applications/token` for a path of the host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

import airbyte_api
import httpx
import msgspec
import structlog
from airbyte_api import errors, models
from airbyte_api.utils import BackoffStrategy, RetryConfig

from contracts.errors import QuotaSpent, SophiaError, SyncFailed, VendorRefused, VendorUnavailable
from resources.profile import AirbyteSettings

log = structlog.get_logger()

TIMEOUT_S = 60.0
LONGEST_WAIT_S = 60.0
"""A Retry-After beyond it ends the request at once: the package would sleep for as long as it says."""
PAGE = 100
_BACKOFF = BackoffStrategy(initial_interval=500, max_interval=10_000, exponent=1.5, max_elapsed_time=8_000)
_ANY_TIME = RetryConfig("backoff", _BACKOFF, retry_connection_errors=True)
_WHEN_REFUSED = RetryConfig("backoff", _BACKOFF, retry_connection_errors=False, status_codes_override=["429"])
"""Of a request that must not be answered twice: after a 5xx it may have been."""
_ENDED = (models.JobStatusEnum.SUCCEEDED, models.JobStatusEnum.FAILED, models.JobStatusEnum.CANCELLED)
"""An incomplete job is none of them: its attempt has failed, and Airbyte makes another."""
_WAY_OUT = "Check the settings SOPHIA_AIRBYTE_* and the source's id; Airbyte has the details."


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as it should stand: it runs when it is asked to, and syncs these streams and no others."""

    name: str
    source_id: str
    destination_id: str
    namespace: str
    """The schema in which the destination makes a table a stream."""
    streams: Mapping[str, str]
    """Stream → sync mode."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """The connection, and what had to be done."""

    connection_id: str
    outcome: Literal["created", "updated", "unchanged"]


class Sync(msgspec.Struct, frozen=True, kw_only=True):
    """A job that has ended well, as Airbyte counts it."""

    job_id: int
    started_at: datetime
    rows: int
    bytes: int
    seconds: float


class Airbyte:
    """A workspace of Airbyte.

    Raises, when it is made: MissingSetting. In every method:
        VendorUnavailable, QuotaSpent: Airbyte did not answer, after all retries.
        VendorRefused: a key, an id or a declaration that it does not take.
    """

    def __init__(self, settings: AirbyteSettings) -> None:
        self._settings = settings
        self._workspace_id = settings.needed("workspace_id")
        self._token_url = f"{settings.url}/applications/token"
        if settings.token is not None:
            security = models.Security(bearer_auth=settings.token)
        else:
            credentials = models.SchemeClientCredentials(
                client_id=settings.needed("client_id"),
                client_secret=settings.needed("client_secret"),
                token_url=self._token_url,
            )
            security = models.Security(client_credentials=credentials)
        self._http = httpx.Client(timeout=TIMEOUT_S, event_hooks={"response": [self._check]})
        self._api = airbyte_api.AirbyteAPI(
            security=security, server_url=settings.url, client=self._http, retry_config=_ANY_TIME
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def find(self, wanted: Connection) -> models.ConnectionResponse | None:
        """The connection of this name, source and destination; None where there is none."""
        offset = 0
        while True:
            with self._failures():
                answered = self._api.connections.list_connections(
                    request={"workspace_ids": [self._workspace_id], "limit": PAGE, "offset": offset}
                )
            page = answered.connections_response.data if answered.connections_response else []
            for one in page:
                if (one.name, one.source_id, one.destination_id) == (
                    wanted.name,
                    wanted.source_id,
                    wanted.destination_id,
                ):
                    return one
            if len(page) < PAGE:
                return None
            offset += PAGE

    def reconcile(self, wanted: Connection) -> Reconciled:
        """Make the connection, or change it where it differs. One of another source or destination is another one."""
        found = self.find(wanted)
        if found is None:
            return Reconciled(connection_id=self._create(wanted), outcome="created")
        if _as_declared(found, wanted):
            return Reconciled(connection_id=found.connection_id, outcome="unchanged")
        with self._failures():
            self._api.connections.patch_connection(
                request={
                    "connection_id": found.connection_id,
                    "connection_patch_request": {
                        "namespace_definition": models.NamespaceDefinitionEnumNoDefault.CUSTOM_FORMAT,
                        "namespace_format": wanted.namespace,
                        "prefix": "",
                        "schedule": {"schedule_type": models.ScheduleTypeEnum.MANUAL},
                        "status": models.ConnectionStatusEnum.ACTIVE,
                        "configurations": _configurations(wanted),
                    },
                }
            )
        log.info("connection_updated", connection=wanted.name)
        return Reconciled(connection_id=found.connection_id, outcome="updated")

    def sync(self, connection_id: str, name: str) -> Sync:
        """Start a sync, or join the one that runs, and wait for its end.

        Raises:
            SyncFailed: it ended otherwise than well, or took longer than `sync_timeout_minutes` and was cancelled.
        """
        begun = time.monotonic()
        job = self._begin(connection_id)
        log.info("sync_begun", connection=name, job_id=job.job_id)
        told = None
        while job.status not in _ENDED:
            if time.monotonic() - begun > self._settings.sync_timeout_minutes * 60:
                with self._failures():
                    self._api.jobs.cancel_job(request={"job_id": job.job_id})
                after = f"cancelled after {self._settings.sync_timeout_minutes:g} minutes"
                raise SyncFailed(name, job.job_id, f"{after}; SOPHIA_AIRBYTE_SYNC_TIMEOUT_MINUTES allows no more")
            time.sleep(self._settings.poll_s)
            job = self._job(job.job_id)
            progress = {"status": job.status.value, "rows": job.rows_synced or 0, "bytes": job.bytes_synced or 0}
            if progress != told:
                log.info("sync_progressed", connection=name, job_id=job.job_id, **progress)
                told = progress
        if job.status is not models.JobStatusEnum.SUCCEEDED:
            raise SyncFailed(name, job.job_id, job.status.value)
        started_at = _time(job.start_time)
        ended_at = _time(job.last_updated_at) if job.last_updated_at else started_at
        return Sync(
            job_id=job.job_id,
            started_at=started_at,
            rows=job.rows_synced or 0,
            bytes=job.bytes_synced or 0,
            seconds=(ended_at - started_at).total_seconds(),
        )

    def _create(self, wanted: Connection) -> str:
        with self._failures():
            answered = self._api.connections.create_connection(
                request={
                    "name": wanted.name,
                    "source_id": wanted.source_id,
                    "destination_id": wanted.destination_id,
                    "namespace_definition": models.NamespaceDefinitionEnum.CUSTOM_FORMAT,
                    "namespace_format": wanted.namespace,
                    "prefix": "",
                    "schedule": {"schedule_type": models.ScheduleTypeEnum.MANUAL},
                    "status": models.ConnectionStatusEnum.ACTIVE,
                    "configurations": _configurations(wanted),
                },
                retries=_WHEN_REFUSED,
            )
        assert answered.connection_response is not None
        log.info("connection_created", connection=wanted.name)
        return answered.connection_response.connection_id

    def _begin(self, connection_id: str) -> models.JobResponse:
        """The job that was started, or the one that already runs: of a connection there is one at a time."""
        try:
            with self._failures():
                answered = self._api.jobs.create_job(
                    request={"connection_id": connection_id, "job_type": models.JobTypeEnum.SYNC},
                    retries=_WHEN_REFUSED,
                )
            assert answered.job_response is not None
            return answered.job_response
        except VendorRefused as refusal:
            if refusal.status != httpx.codes.CONFLICT:
                raise
        with self._failures():
            listed = self._api.jobs.list_jobs(
                request={
                    "connection_id": connection_id,
                    "job_type": models.JobTypeEnum.SYNC,
                    "order_by": "createdAt|DESC",
                    "limit": 1,
                }
            )
        latest = listed.jobs_response.data if listed.jobs_response else []
        if not latest:
            raise VendorUnavailable("Airbyte", self._settings.url, "a conflict with a job that it does not list")
        return latest[0]

    def _job(self, job_id: int) -> models.JobResponse:
        with self._failures():
            answered = self._api.jobs.get_job(request={"job_id": job_id})
        assert answered.job_response is not None
        return answered.job_response

    def _check(self, response: httpx.Response) -> None:
        """What the package would not tell well: a refused token is an Exception to it, and no wait too long."""
        is_token = str(response.url) == self._token_url and response.is_error
        wait = response.headers.get("retry-after", "")
        if is_token or (wait.isdecimal() and int(wait) > LONGEST_WAIT_S):
            response.read()
            raise self._error(response)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """The package's errors as ours."""
        try:
            yield
        except errors.ResponseValidationError as error:
            raise VendorUnavailable("Airbyte", self._settings.url, "an answer of another form") from error
        except errors.AirbyteAPIError as error:
            raise self._error(error.raw_response) from error
        except (errors.NoResponseError, httpx.HTTPError) as error:
            raise VendorUnavailable("Airbyte", self._settings.url, type(error).__name__) from error

    def _error(self, response: httpx.Response) -> SophiaError:
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return QuotaSpent("Airbyte", "HTTP 429")
        if status == httpx.codes.REQUEST_TIMEOUT or status >= 500:
            return VendorUnavailable("Airbyte", self._settings.url, f"HTTP {status}")
        return VendorRefused("Airbyte", status, _answer(response), _WAY_OUT)


def _configurations(wanted: Connection) -> models.StreamConfigurationsTypedDict:
    streams: list[models.StreamConfigurationTypedDict] = [
        {"name": name, "sync_mode": models.ConnectionSyncModeEnum(mode)} for name, mode in wanted.streams.items()
    ]
    return {"streams": streams}


def _as_declared(found: models.ConnectionResponse, wanted: Connection) -> bool:
    """What Airbyte adds of itself, a stream's key and cursor, is not looked at."""
    streams = {one.name: one.sync_mode and one.sync_mode.value for one in found.configurations.streams or []}
    return (
        streams == wanted.streams
        and found.namespace_definition is models.NamespaceDefinitionEnum.CUSTOM_FORMAT
        and found.namespace_format == wanted.namespace
        and not found.prefix
        and found.schedule.schedule_type is models.ScheduleTypeWithBasicEnum.MANUAL
        and found.status is models.ConnectionStatusEnum.ACTIVE
    )


def _answer(response: httpx.Response) -> str:
    """What Airbyte says is wrong, in at most 200 characters."""
    try:
        body = response.json()
    except ValueError:
        return response.reason_phrase or "no JSON"
    said = [body[name] for name in ("detail", "message", "title") if body.get(name)] if isinstance(body, dict) else []
    return str(said[0] if said else response.reason_phrase)[:200]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
