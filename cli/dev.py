"""`sophia dev`: the platform on this machine with the Dagster UI, until Ctrl-C.

    broker, sandbox, worker, code server   at once, while the warehouse is migrated
    webserver, daemon, lander              when the code server answers and the warehouse has its tables

Runs live in the code server; the UI's Reload button has it load edited code.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from cli import local
from cli.processes import Processes, Program, socket_path
from resources.profile import Profile
from resources.warehouse import migrations, open_warehouse

CODE_LOCATION = "assets.definitions"
"""Named as in workspace.yaml, so that both ways of starting Dagster share what was switched on and off."""
CODE_SERVER = "code-server"
CONTROL = "control"
"""What asks the code server, and hangs where it ends first: stopped before it."""
WATCH_S = 1.0


def run_dev(console: Console, *, port: int, data: Path | None, seed: int | None, scale: float | None) -> None:
    """Run until interrupted.

    Args:
        data, seed, scale: the sandbox's world; all None for the one that it had before.
    Raises:
        PortTaken, ProcessFailed, InvalidSetting, MigrationRefused.
    """
    began, began_at = time.monotonic(), datetime.now(UTC)
    environ = local.environment(Profile.read())
    profile = Profile.read(environ)
    local.prepare_home(profile)
    local.require_ports(profile)
    local.require_free(port, "the Dagster UI", "--port")
    world = _world(profile, data, seed, scale)
    aside = local.set_other_world_aside(profile, world)
    if aside is not None:
        console.print(f"Another world lay in {profile.home}; it is kept in {aside}.", highlight=False, markup=False)
    environ["DAGSTER_HOME"] = str(local.prepare_dagster(profile))
    code_socket = socket_path(profile.home, "code")
    code_socket.unlink(missing_ok=True)
    places = {
        "warehouse": str(profile.duckdb_path) if profile.warehouse == "duckdb" else profile.snowflake.database,
        "broker": profile.kafka.bootstrap,
        "sandbox": f"{local.sandbox_url(profile)}/_sandbox/health",
        "Dagster UI": f"http://127.0.0.1:{port}",
    }
    with Processes(profile.home, _programs(profile, world, code_socket, port), environ) as running:

        def tell(name: str) -> None:
            line = f"{name:<12} ready after {time.monotonic() - began:5.1f} s  {places.get(name, '')}"
            console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)
            if name == CODE_SERVER:
                running.start_the_rest()

        with open_warehouse(profile) as warehouse:
            migrations.apply(warehouse)
        tell("warehouse")
        ready = {
            **local.ready(profile),
            CODE_SERVER: lambda: _listens(code_socket),
            "worker": lambda: _has_joined(running.log("worker"), began_at),
            "Dagster UI": lambda: local.answers(port, "/server_info"),
        }
        running.wait_for(ready, tell)
        console.print(f"Ctrl-C stops all of it. Logs: {profile.home / 'logs'}", highlight=False, markup=False)
        while True:
            time.sleep(WATCH_S)
            running.check()


def _world(profile: Profile, data: Path | None, seed: int | None, scale: float | None) -> local.World:
    asked = local.World(7 if seed is None else seed, 1.0 if scale is None else scale, local.material(data))
    if (data, seed, scale) == (None, None, None):
        return local.kept_world(profile) or asked
    return asked


def _programs(profile: Profile, world: local.World, code_socket: Path, port: int) -> list[Program]:
    python = sys.executable
    logs = ("--log-format", "json")
    code = ["-m", CODE_LOCATION, "--location-name", CODE_LOCATION, "--socket", str(code_socket)]
    workspace = ["--workspace", str(_write_workspace(profile, code_socket))]
    ui = ["--host", "127.0.0.1", "--port", str(port)]
    land = [python, "-c", "from cli.main import main; main()", "land", "--follow"]
    lander = [Program("lander", land, at_once=False)] if profile.automation.lander == "resident" else []
    return [
        *local.programs(profile, world),
        *lander,
        Program(CODE_SERVER, [python, "-m", "dagster", "code-server", "start", *code, *logs]),
        Program("daemon", [python, "-m", "dagster._daemon", "run", *workspace, *logs], CONTROL, at_once=False),
        Program("webserver", [python, "-m", "dagster_webserver", *ui, *workspace, *logs], CONTROL, at_once=False),
    ]


def _write_workspace(profile: Profile, code_socket: Path) -> Path:
    server = {"socket": str(code_socket), "location_name": CODE_LOCATION}
    path = profile.dagster_home / "workspace.yaml"
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))  # JSON is YAML
    return path


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _has_joined(log: Path, since: datetime) -> bool:
    """Whether a worker that was started since then has loaded its model and has been given partitions."""
    for line in reversed(log.read_text(errors="replace").splitlines() if log.exists() else []):
        with suppress(ValueError, KeyError, TypeError):  # not all that a worker says is JSON
            said = json.loads(line)
            if said["event"] == "partitions_assigned" and datetime.fromisoformat(said["timestamp"]) >= since:
                return True
    return False
