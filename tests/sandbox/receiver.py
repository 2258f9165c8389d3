"""A receiver of webhooks on a free port of this machine, that keeps what came and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.serving import bind, url_of

Answer = tuple[int, dict[str, str]]


@dataclass
class Arrived:
    """One POST."""

    path: str
    headers: dict[str, str]
    raw: bytes
    at: float
    """Wall clock, seconds."""

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Receiver:
    """What came, and how to answer."""

    url: str
    arrived: list[Arrived] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """For the next POSTs, in order; after them 200."""
    challenged: list[Arrived] = field(default_factory=list)
    challenge: Callable[[str], Any] = lambda challenge: {"challenge": challenge}

    def to(self, path: str) -> list[Arrived]:
        return [one for one in self.arrived if one.path.startswith(path)]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Runs until the block ends."""
    listener = bind("127.0.0.1", 0)
    receiver = Receiver(url_of(listener))

    async def take(request: Request) -> Response:
        arrived = Arrived(request.url.path, dict(request.headers), await request.body(), time.time())
        if arrived.raw.startswith(b"{") and arrived.body.get("type") == "url_verification":
            receiver.challenged.append(arrived)
            answer = receiver.challenge(arrived.body["challenge"])
            return PlainTextResponse(answer) if isinstance(answer, str) else JSONResponse(answer)
        receiver.arrived.append(arrived)
        status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
        return Response(status_code=status, headers=headers)

    app = Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
