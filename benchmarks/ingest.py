"""How fast a large vendor is read and landed, in how little memory, by how few requests.

    ours      pull: what is new, to Parquet, through the door, into raw rows
    listing   the way of dlt's verified sources: list everything each time, and have dlt merge it into DuckDB

A sandbox in a process of its own holds messages of three years and deals, at rates without limits. Each measurement is
a process too, whose peak is of its whole life. `vs_listing`: seconds of a first load and of the next after 100 changes,
theirs over ours.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import dlt
import msgspec
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from rich.console import Console
from rich.table import Table

import sandbox
from pipelines.pull import pull
from pipelines.sources import gong, hubspot, linear, slack
from resources.profile import Profile
from resources.warehouse import migrations, open_warehouse

Record = dict[str, Any]
T = TypeVar("T")

MESSAGES, DEALS = 10_000, 2_500
"""At 1x."""
CHANNELS = 4
THREAD_EVERY, REPLIES = 100, 2
"""Messages a thread, its replies among them."""
CHANGES = 100
START = datetime(2026, 1, 5, tzinfo=UTC)
SPAN_S = 3 * 365 * 86_400
HOUR_S = 3600.0
TEXT = "The delivery to the depot in the north was late again, so the team there asked for a second van on Mondays. "


class Loaded(msgspec.Struct, frozen=True):
    """What one process did."""

    rows: int
    """Messages and deals that its tables then hold."""
    changed: int
    """Rows that it wrote as new or different; 0 where that is not told."""
    seconds: float
    peak_mb: float


def environ(home: Path, url: str) -> dict[str, str]:
    return {
        "SOPHIA_HOME": str(home),
        "SOPHIA_EMBEDDING_MODEL": "hash-64",
        "SOPHIA_GONG_URL": f"{url}/gong",
        "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
        "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
        "SOPHIA_GONG_REQUESTS_PER_SECOND": "10000",
        "SOPHIA_HUBSPOT_URL": f"{url}/hubspot",
        "SOPHIA_HUBSPOT_TOKEN": "pat-sandbox",
        "SOPHIA_HUBSPOT_REQUESTS_PER_10_SECONDS": "100000",
        "SOPHIA_HUBSPOT_SEARCHES_PER_SECOND": "10000",
        "SOPHIA_SLACK_URL": f"{url}/slack/api",
        "SOPHIA_SLACK_TOKEN": "xoxb-sandbox",
        **{f"SOPHIA_SLACK_TIER{tier}_PER_MINUTE": "100000" for tier in (2, 3, 4)},
        "SOPHIA_LINEAR_URL": f"{url}/linear/graphql",
        "SOPHIA_LINEAR_API_KEY": "lin_api_sandbox",
        "SOPHIA_LINEAR_REQUESTS_PER_HOUR": "6000000",
        "SOPHIA_LINEAR_COMPLEXITY_PER_HOUR": "100000000000",
    }


def ours(home: Path, url: str, sources: tuple[str, ...] = ("slack", "hubspot")) -> Loaded:
    profile = Profile.read(environ(home, url))
    home.mkdir(parents=True, exist_ok=True)
    with open_warehouse(profile) as warehouse:
        migrations.apply(warehouse)
        begun = time.perf_counter()
        landed = [one for source in sources for one in pull(source, profile, warehouse)]
        seconds = time.perf_counter() - begun
        live = (
            f"(SELECT COUNT(*) FROM {table} WHERE _DELETED_AT IS NULL)"
            for table in ("SLACK_INTEGRATION.MESSAGES", "HUBSPOT_INTEGRATION.DEALS")
        )
        held = warehouse.query(f"SELECT {' + '.join(live)} AS N")["n"][0].as_py()
    counted = [one.changed for one in landed if one.address.entity in ("messages", "deals")]
    return Loaded(held, sum(counted), seconds, peak_mb())


def listing(home: Path, url: str) -> Loaded:
    pipeline = dlt.pipeline(
        "listing",
        pipelines_dir=str(home / "pipelines"),
        destination=dlt.destinations.duckdb(str(home / "listing.duckdb")),
        dataset_name="listed",
    )
    begun = time.perf_counter()
    pipeline.run([deals_of(f"{url}/hubspot"), messages_of(f"{url}/slack/api")])
    seconds = time.perf_counter() - begun
    with pipeline.sql_client() as client:
        held = client.execute_sql("SELECT (SELECT COUNT(*) FROM messages) + (SELECT COUNT(*) FROM deals)")
    assert held is not None
    return Loaded(held[0][0], 0, seconds, peak_mb())


def deals_of(url: str) -> Any:
    client = RESTClient(url, auth=BearerTokenAuth("pat-sandbox"))
    paginator = JSONResponseCursorPaginator("paging.next.after", cursor_param="after")

    @dlt.resource(name="deals", primary_key="id", write_disposition="merge")
    def deals() -> Iterator[Any]:
        names = [one["name"] for one in client.get("/crm/v3/properties/deals").json()["results"]]
        params = {"limit": hubspot.PAGE, "properties": ",".join(names)}
        yield from client.paginate("/crm/v3/objects/deals", params=params, data_selector="results", paginator=paginator)

    return deals


def messages_of(url: str) -> Any:
    client = RESTClient(url, auth=BearerTokenAuth("xoxb-sandbox"))

    def pages(method: str, key: str, **params: Any) -> Iterator[list[Record]]:
        paginator = JSONResponseCursorPaginator("response_metadata.next_cursor", cursor_param="cursor")
        yield from client.paginate(f"/{method}", params=params, data_selector=key, paginator=paginator)

    @dlt.resource(name="messages", primary_key=("channel", "ts"), write_disposition="merge")
    def messages() -> Iterator[Any]:
        for listed in pages("conversations.list", "channels", types=slack.CHANNEL_TYPES, limit=slack.LIST_PAGE):
            for channel in (one["id"] for one in listed if one["is_member"]):
                for page in pages("conversations.history", "messages", channel=channel, limit=slack.PAGE):
                    yield [{"channel": channel, **message} for message in page]
                    for parent in (one["ts"] for one in page if one.get("thread_ts") == one["ts"]):
                        for thread in pages("conversations.replies", "messages", channel=channel, ts=parent):
                            yield [{"channel": channel, **message} for message in thread if message["ts"] != parent]

    return messages


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux gives KiB


def alone(work: Callable[..., T], *args: Any) -> T:
    """In a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *args).result()


@contextmanager
def vendors(times: int) -> Iterator[sandbox.Control]:
    """A sandbox in a process of its own, so that its memory is not ours, with so many times MESSAGES and DEALS."""
    world = ["--port", "0", "--scale", "0.01", "--start", START.isoformat(), "--limit-speedup", "inf"]
    process = subprocess.Popen([sys.executable, "-m", "sandbox", *world], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[3].rstrip(":")
    try:
        with sandbox.Control(url) as control:
            fill(control, times)
            yield control
    finally:
        process.terminate()
        process.wait(10)


def fill(control: sandbox.Control, times: int) -> None:
    channels = [control.create("slack.channels", name=f"depot-{n}")["id"] for n in range(CHANNELS)]
    control.fill("slack.messages", posted(channels, MESSAGES * times - control.counts()["slack.messages"]))
    hours = 25
    lacking = DEALS * times - control.counts()["hubspot.deals"]
    for hour in range(hours):  # else all were modified at one time, and read again with the newest
        some = range(hour * lacking // hours, (hour + 1) * lacking // hours)
        control.fill("hubspot.deals", ({"dealname": f"Deal {n}", "amount": 1000 + n} for n in some))
        control.advance(HOUR_S)


def posted(channels: list[str], count: int) -> Iterator[Record]:
    """Evenly over SPAN_S, a thread at a time, its replies behind it."""
    begin, step_s = int(START.timestamp()) - SPAN_S, SPAN_S // count
    for n in range(count):
        thread, place = divmod(n, THREAD_EVERY)
        ts = f"{begin + n * step_s}.000100"
        message = {"channel": channels[thread % len(channels)], "ts": ts, "text": f"{n}: {TEXT}"}
        if 1 <= place <= REPLIES:
            message["thread_ts"] = f"{begin + thread * THREAD_EVERY * step_s}.000100"
        yield message


def change(control: sandbox.Control) -> None:
    """Half of CHANGES in old deals, half in new messages."""
    control.advance(HOUR_S)
    dump = control.dump()
    living = [deal["id"] for deal in dump["hubspot.deals"] if not deal["archived"]]
    for deal in living[:: len(living) // (CHANGES // 2)][: CHANGES // 2]:
        control.edit("hubspot.deals", deal, amount=77)
    channel = next(one["id"] for one in dump["slack.channels"] if one["name"] == "depot-0")
    control.fill("slack.messages", ({"channel": channel, "text": f"New {n}"} for n in range(CHANGES // 2)))


def least_requests(dump: dict[str, list[Record]]) -> dict[str, int]:
    """The fewest that read such a world whole, by vendor: Σ ceil(rows / page), and one for a thread with replies, and
    ceil(ids / 1000) an association pair, and one pass of what is archived.

    Args:
        dump: of a sandbox, when the app is in every channel that it may join.
    """

    def pages(found: Collection[Any], size: int) -> int:
        return max(1, math.ceil(len(found) / size))

    public = [call for call in dump["gong.calls"] if not call["metaData"]["isPrivate"]]
    least = {"gong": pages(dump["gong.users"], 100) + pages(dump["gong.calls"], 100)}
    least["gong"] += pages(public, gong.TRANSCRIPTS_A_REQUEST)

    least["hubspot"] = 1  # pipelines are not paged
    for kind in ("owners", *hubspot.PROPERTIES):
        size = hubspot.PAGE_WITH_HISTORY if kind in hubspot.HISTORY else hubspot.PAGE
        archived = [record for record in dump[f"hubspot.{kind}"] if record["archived"]]
        least["hubspot"] += pages(range(len(dump[f"hubspot.{kind}"]) - len(archived)), size) + pages(archived, size)
    for kind, _ in hubspot.PAIRS:
        living = sum(not record["archived"] for record in dump[f"hubspot.{kind}"])
        least["hubspot"] += math.ceil(living / hubspot.ASSOCIATIONS_A_REQUEST)

    least["slack"] = pages(dump["slack.channels"], slack.LIST_PAGE) + pages(dump["slack.users"], slack.LIST_PAGE)
    for channel in dump["slack.channels"]:
        members = [one for one in dump["slack.channel_members"] if one["channel"] == channel["id"]]
        messages = [one for one in dump["slack.messages"] if one["channel"] == channel["id"]]
        listed = [
            m for m in messages if m.get("thread_ts") in (None, m["ts"]) or m.get("subtype") == "thread_broadcast"
        ]
        least["slack"] += pages(members, slack.PAGE) + (pages(listed, slack.PAGE) if channel["is_member"] else 0)
        least["slack"] += sum(pages(range(m["reply_count"]), slack.PAGE - 1) for m in listed if "reply_count" in m)

    queries = linear.LISTED | linear.CHANGING
    least["linear"] = sum(pages(dump[f"linear.{entity}"], query.first) for entity, query in queries.items())
    return least


def sent(control: sandbox.Control) -> dict[str, int]:
    """Requests by vendor, since the last reset."""
    return {vendor: sum(p["total"] for p in paths.values()) for vendor, paths in control.requests().items()}


def measured(home: Path, times: int) -> dict[str, Any]:
    """First loads by both ways, 100 changes, the next loads. Of 1x only the first of ours, for its peak."""
    with vendors(times) as control:
        first = alone(ours, home / "ours", control.url)
        assert first.rows == sum(control.counts()[stream] for stream in ("slack.messages", "hubspot.deals")), first
        if times == 1:
            return {"first": first}
        alone(ours, home / "others", control.url, ("gong", "linear"))
        requests, least = sent(control), least_requests(control.dump())
        listed = alone(listing, home / "listing", control.url)
        change(control)
        again = alone(ours, home / "ours", control.url)
        assert again.changed == CHANGES, again
        listed_again = alone(listing, home / "listing", control.url)
        assert listed_again.rows == again.rows, (listed_again, again)
    ratios = {vendor: round(requests[vendor] / least[vendor], 3) for vendor in least}
    return {"first": first, "again": again, "listed": listed, "listed_again": listed_again, "ratios": ratios}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        small, large = (measured(Path(home) / f"{times}x", times) for times in (1, 10))
    steps: dict[str, Loaded] = {
        "ours, 1x, first": small["first"],
        "ours, 10x, first": large["first"],
        "listing, 10x, first": large["listed"],
        f"ours, 10x, after {CHANGES} changes": large["again"],
        f"listing, 10x, after {CHANGES} changes": large["listed_again"],
    }
    first: Loaded = large["first"]
    seconds = first.seconds + large["again"].seconds
    figures = {
        "rows_per_s": round(first.rows / first.seconds),
        "peak_mb_1x": round(small["first"].peak_mb),
        "peak_mb_10x": round(first.peak_mb),
        "requests_ratio": large["ratios"],
        "vs_listing": round((large["listed"].seconds + large["listed_again"].seconds) / seconds, 2),
    }
    table = Table(
        "a load", "rows held", "seconds", "peak MB", title=f"{MESSAGES:,} messages and {DEALS:,} deals are 1x"
    )
    for name, step in steps.items():
        table.add_row(name, f"{step.rows:,}", f"{step.seconds:.1f}", f"{step.peak_mb:.0f}")
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
