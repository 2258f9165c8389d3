"""Airbyte on this machine: its public API as far as a client of connections and jobs sees it, over HTTP.

    POST   /v1/applications/token       client_id, client_secret → a bearer token
    GET    /v1/connections              ?workspaceIds&limit&offset; POST; PATCH and DELETE /v1/connections/{id}
    GET    /v1/jobs                     ?connectionId&limit&orderBy; POST; GET and DELETE /v1/jobs/{id}

Paths, fields and statuses are those of Airbyte's OpenAPI document. A job goes one step on each time it is asked for,
and what it moves is moved by a test.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serving import bind, url_of

Json = dict[str, Any]
Move = Callable[[Json], int]
"""Moves what a connection is to move; returns how many rows that was."""

SYNCED = ("pending", "running", "running", "succeeded")
BYTES_A_ROW = 100
DELETED = "deprecated"


@dataclass
class Job:
    """A sync; `steps` are the states that it will yet have."""

    record: Json
    steps: list[str]


@dataclass
class AirbyteServer:
    """What the workspace holds, and what was asked of it."""

    move: Move = lambda _connection: 0
    steps: Sequence[str] = SYNCED
    """Of the next jobs."""
    workspace_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    source_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    destination_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_secret: str = field(default_factory=lambda: uuid.uuid4().hex)
    url: str = ""
    connections: dict[str, Json] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(method, path), in order."""
    faults: list[tuple[str, str, Response]] = field(default_factory=list)
    """(method, path, answer): each is given once, in the place of the true answer."""
    _tokens: set[str] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def environ(self, source: str = "gong") -> dict[str, str]:
        """The settings of who uses it."""
        return {
            "SOPHIA_AIRBYTE_URL": f"{self.url}/v1",
            "SOPHIA_AIRBYTE_CLIENT_ID": self.client_id,
            "SOPHIA_AIRBYTE_CLIENT_SECRET": self.client_secret,
            "SOPHIA_AIRBYTE_WORKSPACE_ID": self.workspace_id,
            "SOPHIA_AIRBYTE_DESTINATION_ID": self.destination_id,
            "SOPHIA_AIRBYTE_POLL_S": "0.01",
            f"SOPHIA_{source.upper()}_VIA": "airbyte",
            f"SOPHIA_{source.upper()}_AIRBYTE_SOURCE_ID": self.source_id,
        }

    def app(self) -> Starlette:
        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            return await run_in_threadpool(self._answer, request, body)

        return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST", "PATCH", "DELETE"])])

    def _answer(self, request: Request, body: Json) -> Response:
        method, path = request.method, request.url.path
        self.requests.append((method, path))
        for fault in self.faults:
            if fault[:2] == (method, path):
                self.faults.remove(fault)
                return fault[2]
        if (method, path) == ("POST", "/v1/applications/token"):
            return self._token(body)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return problem(401, "unauthorized", "the access token is missing, wrong or too old")
        parts = path.removeprefix("/v1/").split("/")
        answers: dict[tuple[str, str, int], Callable[[], Response]] = {
            ("GET", "connections", 1): lambda: self._list_connections(request),
            ("POST", "connections", 1): lambda: self._create_connection(body),
            ("PATCH", "connections", 2): lambda: self._patch_connection(parts[1], body),
            ("DELETE", "connections", 2): lambda: self._delete_connection(parts[1]),
            ("GET", "jobs", 1): lambda: self._list_jobs(request),
            ("POST", "jobs", 1): lambda: self._create_job(body),
            ("GET", "jobs", 2): lambda: self._job(int(parts[1])),
            ("DELETE", "jobs", 2): lambda: self._cancel_job(int(parts[1])),
        }
        answer = answers.get((method, parts[0], len(parts)))
        return answer() if answer is not None else problem(404, "resource-not-found", f"no {path}")

    def _token(self, body: Json) -> Response:
        if (body.get("client_id"), body.get("client_secret")) != (self.client_id, self.client_secret):
            return problem(401, "unauthorized", "no application has this id and secret")
        token = uuid.uuid4().hex
        self._tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 180})

    # Connections.

    def _list_connections(self, request: Request) -> Response:
        wanted = request.query_params.getlist("workspaceIds")
        offset, limit = (int(request.query_params.get(name, most)) for name, most in (("offset", 0), ("limit", 20)))
        found = [
            one
            for one in self.connections.values()
            if one["status"] != DELETED and (not wanted or one["workspaceId"] in wanted)
        ]
        page = [_with_defaults(one) for one in found[offset : offset + limit]]
        return JSONResponse({"previous": "", "next": "", "data": page})

    def _create_connection(self, body: Json) -> Response:
        if body["sourceId"] != self.source_id or body["destinationId"] != self.destination_id:
            return problem(400, "bad-request", "no such source or destination in the workspace")
        connection = {
            "connectionId": str(uuid.uuid4()),
            "name": "unnamed",
            "workspaceId": self.workspace_id,
            "status": "active",
            "schedule": {"scheduleType": "manual"},
            "dataResidency": "auto",
            "namespaceDefinition": "destination",
            "nonBreakingSchemaUpdatesBehavior": "ignore",
            "configurations": {"streams": []},
            "createdAt": int(datetime.now(UTC).timestamp()),
            "tags": [],
            **body,
        }
        self.connections[connection["connectionId"]] = connection
        return JSONResponse(_with_defaults(connection))

    def _patch_connection(self, connection_id: str, body: Json) -> Response:
        connection = self.connections.get(connection_id)
        if connection is None:
            return problem(404, "resource-not-found", "no such connection")
        connection |= body
        return JSONResponse(_with_defaults(connection))

    def _delete_connection(self, connection_id: str) -> Response:
        self.connections[connection_id]["status"] = DELETED
        return Response(status_code=204)

    # Jobs.

    def _create_job(self, body: Json) -> Response:
        connection_id = body["connectionId"]
        if any(job.steps for job in self.jobs.values() if job.record["connectionId"] == connection_id):
            return problem(409, "try-again-later", f"A sync is already running for: {connection_id}")
        return JSONResponse(self.start(connection_id).record)

    def start(self, connection_id: str) -> Job:
        """A sync that runs now, as if a person had asked for it."""
        at = _now()
        record = {
            "jobId": next(self._ids),
            "jobType": "sync",
            "status": self.steps[0],
            "connectionId": connection_id,
            "startTime": at,
            "lastUpdatedAt": at,
        }
        job = self.jobs[record["jobId"]] = Job(record, list(self.steps[1:]))
        return job

    def _list_jobs(self, request: Request) -> Response:
        wanted = request.query_params.get("connectionId")
        found = [job.record for job in self.jobs.values() if wanted in (None, job.record["connectionId"])]
        if request.query_params.get("orderBy") == "createdAt|DESC":
            found.reverse()
        return JSONResponse({"previous": "", "next": "", "data": found[: int(request.query_params.get("limit", 20))]})

    def _job(self, job_id: int) -> Response:
        job = self.jobs.get(job_id)
        if job is None:
            return problem(404, "resource-not-found", "no such job")
        if job.steps:
            status = job.steps.pop(0)
            if status == "succeeded":
                rows = self.move(self.connections[job.record["connectionId"]])
                job.record |= {"rowsSynced": rows, "bytesSynced": rows * BYTES_A_ROW, "duration": "PT1S"}
            job.record |= {"status": status, "lastUpdatedAt": _now()}
        return JSONResponse(job.record)

    def _cancel_job(self, job_id: int) -> Response:
        job = self.jobs[job_id]
        job.steps.clear()
        job.record |= {"status": "cancelled", "lastUpdatedAt": _now()}
        return JSONResponse(job.record)


def problem(status: int, title: str, detail: str, **headers: str) -> Response:
    """An error in Airbyte's shape."""
    content = {"status": status, "type": "https://reference.airbyte.com/reference/errors", "title": title}
    return JSONResponse(
        content | {"detail": detail}, status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@contextmanager
def airbyte_running() -> Iterator[AirbyteServer]:
    """A server in a thread of this process, on a free port, until the block ends."""
    airbyte = AirbyteServer()
    listener = bind("127.0.0.1", 0)
    airbyte.url = url_of(listener)
    config = uvicorn.Config(airbyte.app(), log_level="critical", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="airbyte", daemon=True)
    thread.start()
    try:
        yield airbyte  # what is asked before it is ready waits in the listener's queue
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def _with_defaults(connection: Json) -> Json:
    """As Airbyte answers: each stream with what its connector declares beside."""
    streams = connection["configurations"].get("streams", [])
    told = [{"cursorField": ["updatedAt"], "primaryKey": [["id"]], "mappers": [], **one} for one in streams]
    return connection | {"configurations": {"streams": told}}


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _body(request: Request) -> Json:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl((await request.body()).decode()))
    body: Json = await request.json() if await request.body() else {}
    return body
