"""`python -m sandbox`: the vendors' APIs on this machine, until interrupted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox import gong, hubspot, linear, slack
from sandbox.app import create_app
from sandbox.records import SandboxError, as_utc_iso, parse_time
from sandbox.serving import bind, serve, url_of
from sandbox.world import open_world


def main(arguments: list[str] | None = None) -> int:
    """Run the server; returns the exit code, 1 where the address or the world is refused."""
    options = _parser().parse_args(arguments)
    try:
        # The port first: a second start on one state folder must not touch its journal.
        listener = bind(options.host, options.port)
        world = open_world(options.seed, options.scale, options.start, options.state, options.data)
    except SandboxError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line speaks
        return 1
    app = create_app(
        world,
        limit_speedup=options.limit_speedup,
        slack_restricted=options.slack_restricted,
        gong_key=options.gong_key,
        gong_secret=options.gong_secret,
        slack_token=options.slack_token,
        linear_key=options.linear_key,
        hubspot_token=options.hubspot_token,
        hubspot_search_delay_s=options.hubspot_search_delay,
        wall_clock=options.wall_clock,
    )
    counts = world.counts()
    ready = (
        f"sandbox ready at {url_of(listener)}: seed {options.seed}, scale {options.scale:g}, "
        f"world time {as_utc_iso(world.now)}, {counts['gong.calls']} calls, {counts['slack.messages']} messages, "
        f"{counts['linear.issues']} issues"
    )
    serve(app, listener, lambda: print(ready, flush=True))  # noqa: T201
    app.state.webhooks.close()
    world.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="equal seeds make equal worlds (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is about 120 calls, 900 messages, 160 issues")
    parser.add_argument("--start", type=parse_time, help="world time at the beginning, ISO-8601 (default: now)")
    parser.add_argument("--state", type=Path, help="folder that keeps the world and its edits")
    parser.add_argument("--data", type=Path, help="folder with qmsum/, slack_export/ or tawos/: real material instead")
    parser.add_argument(
        "--limit-speedup",
        type=_positive,
        default=1.0,
        metavar="N",
        help="divide every rate limit's period by N; inf switches limits off",
    )
    parser.add_argument("--slack-restricted", action="store_true", help="history and replies at 1 a minute, 15 a page")
    parser.add_argument("--gong-key", default=gong.DEFAULT_KEY, help="default: %(default)s")
    parser.add_argument("--gong-secret", default=gong.DEFAULT_SECRET, help="default: %(default)s")
    parser.add_argument("--slack-token", default=slack.DEFAULT_TOKEN, help="default: %(default)s")
    parser.add_argument("--linear-key", default=linear.DEFAULT_KEY, help="default: %(default)s")
    parser.add_argument("--hubspot-token", default=hubspot.DEFAULT_TOKEN, help="default: %(default)s")
    parser.add_argument(
        "--hubspot-search-delay",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds of world time until HubSpot's search knows of a change (default: %(default)s)",
    )
    parser.add_argument("--wall-clock", action="store_true", help="world time follows the wall clock once it is later")
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
