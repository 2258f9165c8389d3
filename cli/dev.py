"""`sophia dev`: the platform on this machine with the Dagster UI, until Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

from rich.console import Console

from cli import local
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
            ui = subprocess.Popen(dagster, env=environ, cwd=local.PROJECT, stdout=log, stderr=log)
            try:
                ui.wait()
            finally:
                ui.terminate()
                ui.wait()
