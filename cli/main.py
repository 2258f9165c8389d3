"""`sophia`: every command of the project. A mistake of the user's ends in one line and exit code 1, never in a
traceback.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.text import Text

from contracts.errors import SophiaError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
migrate = typer.Typer(no_args_is_help=True, help="The warehouse's schema: plan, apply, status.")
app.add_typer(migrate, name="migrate")

console = Console()
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="Real material instead of the synthetic world: qmsum/, slack_export/ or tawos/ in a folder."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the synthetic world.")] = 7,
    scale: Annotated[
        float, typer.Option(help="Size of the synthetic world; 1 is about 120 calls and 900 messages.")
    ] = 1.0,
) -> None:
    """Run the whole way on this machine: pull from the sandbox, embed, land, search. Writes var/demo.json.

    Example: sophia demo --seed 11
    """
    from cli.demo import run_demo

    run_demo(console, data=data, seed=seed, scale=scale)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Of the Dagster UI.")] = 3000,
) -> None:
    """Sandbox, broker, worker and the Dagster UI, until Ctrl-C.

    Example: sophia dev --port 3001
    """
    from cli.dev import run_dev

    run_dev(console, port=port)


@app.command()
def run() -> None:
    """Run the job whole_way once, in this process: every source, catalog, memory, views. Needs a broker and a worker.

    Example: sophia run
    """
    from cli.run import run_and_print

    run_and_print(console)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What somebody may have said.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Hits.")] = 5,
    source: Annotated[str | None, typer.Option(help="One source only: gong, slack.")] = None,
    json: JsonOption = False,
) -> None:
    """Find what was said, by meaning.

    Example: sophia search "who is worried about the price?" --source gong
    """
    from cli.search import print_hits
    from resources.profile import Profile

    print_hits(console, Profile.read(), query, limit=limit, source=source, as_json=json)


@app.command()
def replay(
    origin: Annotated[str | None, typer.Option(help="One origin only: gong/calls, documents.v1.")] = None,
) -> None:
    """Put dead letters back: records are read again by today's rules, documents are published again.

    Example: sophia replay --origin gong/calls
    """
    from pipelines.dead_letters import replay as put_back
    from resources.profile import Profile
    from resources.warehouse import open_warehouse, require_migrated

    with open_warehouse(Profile.read()) as warehouse:
        require_migrated(warehouse)
        done = put_back(warehouse, origin)
    console.print(
        f"{done.landed} records landed, {done.composed} documents to build, {done.published} to publish, "
        f"{done.failed} still break a rule"
    )


@migrate.command()
def plan() -> None:
    """What `apply` would run.

    Example: sophia migrate plan
    """
    from cli.migrate import print_plan

    print_plan(console)


@migrate.command()
def apply() -> None:
    """Bring the schema to what the files say.

    Example: sophia migrate apply
    """
    from cli.migrate import apply_plan

    apply_plan(console)


@migrate.command()
def status(json: JsonOption = False) -> None:
    """What has been applied, and when.

    Example: sophia migrate status --json
    """
    from cli.migrate import print_status

    print_status(console, as_json=json)


def configure_logging(level: int = logging.WARNING) -> None:
    """JSON lines on stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> None:
    """The console script."""
    configure_logging()
    # Both unwind, so that no process of ours is left behind; a shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except SophiaError as error:
        Console(stderr=True).print(Text.assemble(("sophia:", "red"), f" {error}"), soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
