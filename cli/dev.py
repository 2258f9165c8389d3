"""`sophia dev`: the platform on this machine with the Dagster UI, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

from rich.console import Console

from cli import local
from resources.broker import dying_with_parent
from resources.profile import Profile
from resources.warehouse import migrations, open_warehouse


def run_dev(console: Console, *, port: int) -> None:
    """Run until interrupted.

    Raises:
        PortTaken, ProcessFailed, InvalidSetting.
    """
    base = Profile.read()
    environ = local.environment(base)
    profile = Profile.read(environ)
    local.prepare_home(profile)
    local.require_ports(profile)
    local.require_free(port, "the Dagster UI", "--port")
    environ["DAGSTER_HOME"] = str(local.prepare_dagster(profile))
    with local.platform(profile, environ, local.kept_world(profile) or local.World()):
        with open_warehouse(profile) as warehouse:
            migrations.apply(warehouse)
        console.print(f"Dagster UI: http://127.0.0.1:{port}", highlight=False)
        console.print(f"sandbox:    http://127.0.0.1:{profile.sandbox_port}/_sandbox/health", highlight=False)
        console.print("Ctrl-C stops all of it.")
        workspace = str(local.PROJECT / "workspace.yaml")
        dagster = [sys.executable, "-m", "dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]
        with (profile.home / "logs" / "dagster.log").open("ab") as log:
            # In a session of its own: Ctrl-C reaches us alone, and what Dagster leaves behind can be found.
            ui = subprocess.Popen(
                dying_with_parent(dagster, signal.SIGTERM),
                env=environ,
                cwd=local.PROJECT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                ui.wait()
            finally:
                _stop(ui)


def _stop(ui: subprocess.Popen[bytes]) -> None:
    """`dagster dev` ends its webserver and daemon on SIGINT; a code server can outlive them."""
    ui.send_signal(signal.SIGINT)
    try:
        ui.wait(local.STOP_S)
    except subprocess.TimeoutExpired:
        ui.kill()
        ui.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(ui.pid, signal.SIGKILL)
