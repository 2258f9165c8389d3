"""Run the sandbox: in the foreground for people, in a thread for tests. Loopback addresses only."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from sandbox.app import create_app
from sandbox.client import Control
from sandbox.records import SandboxError
from sandbox.world import open_world

START_TIMEOUT_S = 10.0


class AddressRefused(SandboxError):
    """The address is no loopback address, or its port is taken."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; port 0 takes a free one.

    Raises:
        AddressRefused: another machine could reach the address, or the port is taken.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise AddressRefused(f"{host!r} is no address; use 127.0.0.1.") from error
    if not address.is_loopback:
        raise AddressRefused(f"{host} is not a loopback address; the sandbox has no secrets to keep, so use 127.0.0.1.")
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise AddressRefused(f"Port {port} on {host} can't be used: {error.strerror}.") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The base URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Tells when it is ready to answer."""

    def __init__(self, app: Starlette, on_ready: Callable[[], None]) -> None:
        # A cut connection is ordered, so uvicorn's complaint about it is no news.
        super().__init__(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def serve(app: Starlette, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Answer requests until the process is asked to stop."""
    # uvicorn raises the signal again when it has finished; Ctrl-C is how a person ends it, not an error.
    with suppress(KeyboardInterrupt):
        _Server(app, on_ready).run(sockets=[listener])


@contextmanager
def running(
    *,
    seed: int = 7,
    scale: float = 1.0,
    start: datetime | None = None,
    state: Path | None = None,
    data: Path | None = None,
    port: int = 0,
    **options: Any,
) -> Iterator[Control]:
    """A sandbox in a thread of this process, on a free port, until the block ends.

    Args:
        seed, scale, start, state, data: the world, as for `open_world`.
        options: as for `create_app`; limits are the vendors' own unless `limit_speedup` says otherwise.
    Returns:
        The control plane's client; its `url`, `gong_url` and `slack_url` say where the APIs are.
    Raises:
        SandboxError: the world or the address was refused.
    """
    world = open_world(seed, scale, start, state, data)
    listener = bind("127.0.0.1", port)
    ready = threading.Event()
    app = create_app(world, **options)
    server = _Server(app, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
    thread.start()
    try:
        if not ready.wait(START_TIMEOUT_S):
            raise AddressRefused(f"The sandbox was not ready within {START_TIMEOUT_S} s.")
        with Control(url_of(listener)) as control:
            yield control
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)
        app.state.webhooks.close()
        listener.close()
        world.close()
