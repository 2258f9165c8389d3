"""The platform on one machine: its programs, and the profile that points at them."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import assets
from cli.processes import Processes, ProcessFailed, Program
from contracts.errors import BrokerUnavailable, InvalidSetting, PortTaken
from pipelines import sources
from resources import kafka
from resources.broker import broker_command
from resources.profile import Profile
from resources.profile import environment as process_environment

PROJECT = Path(assets.__file__).parents[1]
LIMIT_SPEEDUP = 60
"""The sandbox keeps the vendors' limits; here a minute of theirs lasts a second."""
EVERY_MINUTE = "* * * * *"
MATERIAL = ("qmsum", "slack_export", "tawos")
"""Folders of real material that the sandbox can show as Gong's, Slack's and Linear's."""


@contextmanager
def platform(profile: Profile, environ: dict[str, str], world: World) -> Iterator[None]:
    """Run sandbox, broker and worker while the body runs; none is left behind.

    Raises:
        ProcessFailed: names the log to read.
    """
    with Processes(profile.home, programs(profile, world), environ) as running:
        running.wait_for(ready(profile))
        yield


def programs(profile: Profile, world: World) -> list[Program]:
    """What every way of running on one machine needs: first what the others ask, which stops last."""
    sandbox = [sys.executable, "-m", "sandbox", *world.arguments(profile)]
    return [
        Program("broker", broker_command(_broker_port(profile)), group="ground", stop_by="KILL"),
        Program("sandbox", sandbox, group="ground"),
        Program("worker", [sys.executable, "-m", "gpu_workers"]),
    ]


def ready(profile: Profile) -> dict[str, Callable[[], bool]]:
    """Whether broker and sandbox answer."""
    return {
        "broker": lambda: _broker_answers(profile),
        "sandbox": lambda: answers(profile.sandbox_port, "/_sandbox/health"),
    }


def sandbox_url(profile: Profile) -> str:
    return f"http://127.0.0.1:{profile.sandbox_port}"


def answers(port: int, path: str) -> bool:
    """Whether a server on this machine answers well. Asked often: an HTTP client would load certificates each time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _broker_answers(profile: Profile) -> bool:
    try:
        kafka.ensure_topics(profile.kafka, [])
    except BrokerUnavailable:
        return False
    return True


def environment(base: Profile) -> dict[str, str]:
    """The environment of a process whose vendors are the sandbox; what is set already stays as it is."""
    url = sandbox_url(base)
    vendors = {
        "SOPHIA_GONG_URL": f"{url}/gong",
        "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
        "SOPHIA_GONG_REQUESTS_PER_SECOND": str(3 * LIMIT_SPEEDUP),
        "SOPHIA_GONG_LOOKBACK_DAYS": "90",  # all of the sandbox's world, so that every change made there is seen
        "SOPHIA_HUBSPOT_URL": f"{url}/hubspot",
        "SOPHIA_HUBSPOT_TOKEN": "pat-sandbox",
        "SOPHIA_HUBSPOT_REQUESTS_PER_10_SECONDS": str(190 * LIMIT_SPEEDUP),
        "SOPHIA_HUBSPOT_SEARCHES_PER_SECOND": str(5 * LIMIT_SPEEDUP),
        "SOPHIA_SLACK_URL": f"{url}/slack/api",
        "SOPHIA_SLACK_TOKEN": "xoxb-sandbox",
        "SOPHIA_SLACK_TIER2_PER_MINUTE": str(20 * LIMIT_SPEEDUP),
        "SOPHIA_SLACK_TIER3_PER_MINUTE": str(50 * LIMIT_SPEEDUP),
        "SOPHIA_SLACK_TIER4_PER_MINUTE": str(100 * LIMIT_SPEEDUP),
        "SOPHIA_LINEAR_URL": f"{url}/linear/graphql",
        "SOPHIA_LINEAR_API_KEY": "lin_api_sandbox",
        "SOPHIA_LINEAR_REQUESTS_PER_HOUR": str(2_500 * LIMIT_SPEEDUP),
        "SOPHIA_LINEAR_COMPLEXITY_PER_HOUR": str(3_000_000 * LIMIT_SPEEDUP),
    }
    numbers = {
        "SOPHIA_INTELLIGENCE_COMPETITORS": "Planora; ShiftHive; Rotawise; Timberline Crew; Dayloom",
        "SOPHIA_INTELLIGENCE_HOSTED_MILLION_TOKENS": "0.02",
        "SOPHIA_INTELLIGENCE_HARDWARE_HOUR": "0.10",
    }
    crons = {f"SOPHIA_{source.upper()}_PULL_CRON": EVERY_MINUTE for source in sources.names()}
    alerts = {"SOPHIA_ALERTS_SLACK_WEBHOOK": f"{url}/slack/services/T0SANDBOX/B0SANDBOX/sandbox-webhook"}
    return {**vendors, **numbers, **crons, **alerts, **process_environment()}


@dataclass(frozen=True, slots=True)
class World:
    """What the sandbox holds: a synthetic company, or real material from a folder."""

    seed: int = 7
    scale: float = 1.0
    data: str | None = None
    """Absolute path of the folder."""

    def arguments(self, profile: Profile) -> list[str]:
        """How the sandbox is started; its state is kept below the profile's home."""
        place = ["--port", str(profile.sandbox_port), "--state", str(profile.home / "sandbox")]
        world = ["--seed", str(self.seed), "--scale", repr(self.scale), *(["--data", self.data] if self.data else [])]
        return [*place, *world, "--limit-speedup", str(LIMIT_SPEEDUP)]


def material(data: Path | None) -> str | None:
    """The folder as `World.data` has it. Raises InvalidSetting: it holds no material."""
    if data is None:
        return None
    if not any((data / part).is_dir() for part in MATERIAL):
        raise InvalidSetting("--data", str(data), f"the folder must hold {' or '.join(f'{m}/' for m in MATERIAL)}")
    return str(data.resolve())


def kept_world(profile: Profile) -> World | None:
    """The world of an earlier start, None where there is none."""
    kept = profile.home / "sandbox" / "world.json"
    if not kept.exists():
        return None
    try:
        world = json.loads(kept.read_text())
        return World(world["seed"], world["scale"], world["data"])
    except (ValueError, KeyError) as error:
        raise ProcessFailed(f"{kept} cannot be read; remove {kept.parent} to begin with a new world") from error


def set_other_world_aside(profile: Profile, world: World) -> Path | None:
    """Two worlds in one warehouse would be a mixture: what another one left in `home` is moved to `home/previous-N`.

    Returns:
        Where it lies now; None where nothing had to move.
    """
    if kept_world(profile) in (None, world):
        return None
    number = next(n for n in range(1, 10_000) if not (profile.home / f"previous-{n}").exists())
    aside = profile.home / f"previous-{number}"
    aside.mkdir()
    own = (profile.home / "sandbox", profile.home / "demo.json", profile.dagster_home)
    for path in (*own, *profile.home.glob(f"{profile.duckdb_path.name}*")):
        if path.exists():
            shutil.move(path, aside / path.name)
    return aside


def prepare_home(profile: Profile) -> None:
    """Raises InvalidSetting: nothing can be written there."""
    try:
        (profile.home / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"no folder can be made there ({error.strerror})"
        raise InvalidSetting("SOPHIA_HOME", str(profile.home), rule) from error


def require_ports(profile: Profile) -> None:
    """Raises PortTaken, InvalidSetting: before anything is moved or started."""
    require_free(profile.sandbox_port, "the sandbox", "SOPHIA_SANDBOX_PORT")
    require_free(_broker_port(profile), "the broker", "SOPHIA_KAFKA_BOOTSTRAP")


def dagster_home(profile: Profile) -> Path | None:
    """Where Dagster keeps its runs, by $DAGSTER_HOME or below the profile's home; None where nothing is yet."""
    home = Path(process_environment().get("DAGSTER_HOME") or profile.dagster_home)
    return home if (home / "dagster.yaml").exists() else None


def prepare_dagster(profile: Profile) -> Path:
    """A DAGSTER_HOME below the profile's home, with the project's dagster.yaml."""
    home = profile.dagster_home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    return home


def require_free(port: int, what: str, variable: str) -> None:
    """Raises PortTaken."""
    if not 0 < port < 65_536:
        raise InvalidSetting(variable, str(port), "a port is a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(port, what, variable) from error


def _broker_port(profile: Profile) -> int:
    host, _, port = profile.kafka.bootstrap.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isdecimal():
        raise InvalidSetting(
            "SOPHIA_KAFKA_BOOTSTRAP",
            profile.kafka.bootstrap,
            "the demo's broker runs on this machine: 127.0.0.1:<port>",
        )
    return int(port)
