"""`sophia receive`: the receiver of webhooks, until SIGTERM or Ctrl-C.

uvicorn ─► pipelines.webhooks.receiver ─► journal ─► forwarder, a thread ─► events.<source>.v1
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
import uvicorn

from cli.local import require_free
from pipelines import sources, webhooks
from pipelines.webhooks.forwarder import Forwarder
from pipelines.webhooks.journal import Journal
from pipelines.webhooks.receiver import create_app
from resources.profile import Profile
from resources.warehouse import open_warehouse

log = structlog.get_logger()


def receive() -> None:
    """Raises InvalidSetting, PortTaken, JournalTaken: nothing was begun."""
    profile = Profile.read()
    settings = profile.webhooks
    for source in webhooks.names():
        profile.section(source, sources.module(source).Settings)  # a wrong setting ends it here, before any delivery
    require_free(settings.port, "the receiver of webhooks", "SOPHIA_WEBHOOKS_PORT")
    stop = threading.Event()
    with (
        Journal(profile.journal_path, settings.journal_mb * 1024 * 1024) as journal,
        open_warehouse(profile) as warehouse,
    ):
        forwarder = Forwarder(profile, journal, warehouse)
        log.info("receiver_started", host=settings.host, port=settings.port)
        config = uvicorn.Config(
            create_app(profile, journal, forwarder),
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        server = uvicorn.Server(config)

        def forward() -> None:
            """A receiver that sends nothing on must not go on as if it did: whoever keeps it running starts it anew."""
            try:
                forwarder.run(stop)
            finally:
                server.should_exit = True

        with ThreadPoolExecutor(1, "forwarder") as thread:
            forwarding = thread.submit(forward)
            try:
                with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has finished
                    server.run()
            finally:
                stop.set()
                journal.grown.set()
            forwarding.result()
