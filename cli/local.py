"""The platform on one machine: sandbox, broker and worker as processes, and the profile that points at them."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import tenacity

import assets
from contracts.errors import InvalidSetting, PortTaken, SophiaError
from resources.broker import LocalBroker, dying_with_parent
from resources.profile import Profile
from resources.profile import environment as process_environment

PROJECT = Path(assets.__file__).parents[1]
STOP_S = 20.0
"""A process that has not ended this long after SIGTERM is killed."""
SANDBOX_READY_S = 60.0
LIMIT_SPEEDUP = 60
"""The sandbox keeps the vendors' limits; here a minute of theirs lasts a second."""


class ProcessFailed(SophiaError):
    """A process of ours has ended by itself."""


@contextmanager
def platform(profile: Profile, environ: dict[str, str], world: World) -> Iterator[None]:
    """Run sandbox, broker and worker while the body runs; none is left behind.

    Raises:
        PortTaken: what listens there is not ours.
        ProcessFailed: names the log to read.
    """
    logs = profile.home / "logs"
    with ExitStack() as stack:
        stack.enter_context(LocalBroker(_broker_port(profile)))
        vendors = stack.enter_context(
            _process(["-m", "sandbox", *world.arguments(profile)], environ, logs / "sandbox.log")
        )
        stack.enter_context(_process(["-m", "gpu_workers"], environ, logs / "worker.log"))
        _await_sandbox(vendors, profile.sandbox_port, logs / "sandbox.log")
        yield


def environment(base: Profile) -> dict[str, str]:
    """The environment of a process whose vendors are the sandbox; what is set already stays as it is."""
    url = f"http://127.0.0.1:{base.sandbox_port}"
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
    return {**vendors, **numbers, **process_environment()}


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


def prepare_dagster(profile: Profile) -> Path:
    """A DAGSTER_HOME below the profile's home, with the project's dagster.yaml."""
    home = profile.dagster_home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    return home


@contextmanager
def _process(arguments: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        command = dying_with_parent([sys.executable, *arguments])
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_sandbox(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(httpx.TransportError),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(SANDBOX_READY_S),
        reraise=True,
    )
    def ask() -> None:
        if process.poll() is not None:
            raise ProcessFailed(f"the sandbox has ended: {_last_line(log)} (all of it: {log})")
        httpx.get(f"http://127.0.0.1:{port}/_sandbox/health", timeout=5.0).raise_for_status()

    ask()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


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
