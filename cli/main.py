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
schema = typer.Typer(no_args_is_help=True, help="What vendors send, against what the tables declare: diff.")
app.add_typer(schema, name="schema")

console = Console()
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


DataOption = Annotated[
    Path | None,
    typer.Option(help="Real material instead of the synthetic world: qmsum/, slack_export/ or tawos/ in a folder."),
]


@app.command()
def demo(
    data: DataOption = None,
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
    data: DataOption = None,
    seed: Annotated[int | None, typer.Option(help="As in demo; without any of these the world of before.")] = None,
    scale: Annotated[float | None, typer.Option(help="As in demo.")] = None,
) -> None:
    """Sandbox, broker, worker and Dagster with its UI, until Ctrl-C. What dies is started again.

    Example: sophia dev --port 3001
    """
    from cli.dev import run_dev

    run_dev(console, port=port, data=data, seed=seed, scale=scale)


@app.command()
def run(json: JsonOption = False) -> None:
    """Run the job whole_way once, in this process: every source, catalog, memory, views. Needs a broker and a worker.

    Example: sophia run
    """
    from cli.run import run_and_print

    run_and_print(console, as_json=json)


@app.command()
def land(
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until SIGTERM, as SOPHIA_AUTOMATION_LANDER=resident wants it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Land the events and the vectors that wait on the topics.

    Example: sophia land --follow
    """
    from cli.land import land_and_print

    if follow:
        configure_logging(logging.INFO)
    land_and_print(console, follow=follow, as_json=json)


@app.command("receive")
def receive() -> None:
    """Take webhooks, keep them on the disk, send them on to the broker, until SIGTERM or Ctrl-C.

    Example: sophia receive
    """
    from cli.receive import receive

    configure_logging(logging.INFO)
    receive()


@app.command("status")
def show_status(json: JsonOption = False) -> None:
    """How the platform does: a line a source, what waits, how far Kafka's readers are behind.

    Example: sophia status --json
    """
    from cli.status import print_status

    print_status(console, as_json=json)


@app.command()
def doctor(
    sandbox: Annotated[bool, typer.Option("--sandbox", help="With the vendors of sophia dev.")] = False,
    json: JsonOption = False,
) -> None:
    """Ask everything that the settings name whether it is there and takes our keys; exit code 1 if anything is wrong.

    Example: sophia doctor
    """
    from cli.doctor import print_findings

    if not print_findings(console, sandbox=sandbox, as_json=json):
        raise typer.Exit(1)


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
def backfill(
    source: Annotated[str, typer.Argument(help="gong, hubspot, linear, slack.")],
    slices: Annotated[
        list[str] | None, typer.Argument(help="Days (gong, hubspot), channel ids (slack) or team ids (linear).")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="First day of a range.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Its last day.")] = None,
    list_known: Annotated[bool, typer.Option("--list", help="Print the parts that there are.")] = False,
    json: JsonOption = False,
) -> None:
    """Read parts of a source again, whole. Cursors stay where they are.

    Example: sophia backfill gong --from 2026-11-01 --to 2026-11-03
    """
    from cli.backfill import backfill_and_print

    backfill_and_print(console, source, slices or [], since=since, until=until, list_known=list_known, as_json=json)


@app.command()
def replay(
    origin: Annotated[str | None, typer.Option(help="One origin only: gong/calls, documents.v1.")] = None,
    json: JsonOption = False,
) -> None:
    """Put dead letters back: records are read again by today's rules, documents are published again.

    Example: sophia replay --origin gong/calls
    """
    from cli.replay import replay_and_print

    replay_and_print(console, origin, as_json=json)


@app.command()
def erase(
    person: Annotated[list[str], typer.Option(help="A mail address of the person; again for another one of theirs.")],
    name: Annotated[
        list[str] | None, typer.Option(help="Full name, where the vendors know it otherwise; may be given again.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove a person from everything, for good, and keep them out of what is pulled later. Prints a receipt.

    Example: sophia erase --person ann.lee@example.com --dry-run
    """
    from cli.erase import erase_and_print

    erase_and_print(console, person, name or [], dry_run=dry_run, as_json=json)


@migrate.command()
def plan(json: JsonOption = False) -> None:
    """What `apply` would run.

    Example: sophia migrate plan
    """
    from cli.migrate import print_plan

    print_plan(console, as_json=json)


@migrate.command()
def apply(json: JsonOption = False) -> None:
    """Bring the schema to what the files say.

    Example: sophia migrate apply
    """
    from cli.migrate import apply_plan

    apply_plan(console, as_json=json)


@migrate.command()
def status(json: JsonOption = False) -> None:
    """What has been applied, and when.

    Example: sophia migrate status --json
    """
    from cli.migrate import print_status

    print_status(console, as_json=json)


@schema.command()
def diff(
    source: Annotated[str | None, typer.Option(help="One source only: gong, slack.")] = None,
    newest: Annotated[int, typer.Option("--rows", min=1, help="Newest rows of each table to look at.")] = 1_000,
    json: JsonOption = False,
) -> None:
    """Fields of the vendors' records that no column reads, the newest first. Names and types, never a value.

    Example: sophia schema diff --source gong
    """
    from cli.schema import print_diff

    print_diff(console, source, newest=newest, as_json=json)


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
