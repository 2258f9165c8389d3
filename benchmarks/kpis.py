"""What a refresh of the KPIs costs: after one new deal, of five days, of every day.

A world of the sandbox is pulled whole and enriched; then a deal is made in it and pulled, and the KPIs are refreshed
from the first day that it touches. A refresh is finding out what has changed, which costs the same each time, and
computing the days from there. Each time is the best of five.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

import sandbox
from pipelines import enrichment, kpis
from pipelines.pull import pull
from resources.profile import Profile
from resources.sentiment import Vader
from resources.warehouse import migrations, open_warehouse

SCALE = 20.0
"""About 1,200 deals, 2,400 calls, 3,000 issues."""
SOURCES = ("gong", "hubspot", "linear")
REPEATS = 5


def profile(home: str, control: sandbox.Control) -> Profile:
    return Profile.read(
        {
            "SOPHIA_HOME": home,
            "SOPHIA_EMBEDDING_MODEL": "hash-64",
            "SOPHIA_INTELLIGENCE_COMPETITORS": "Planora; ShiftHive; Rotawise; Timberline Crew; Dayloom",
            "SOPHIA_GONG_URL": f"{control.url}/gong",
            "SOPHIA_GONG_ACCESS_KEY": "sandbox-key",
            "SOPHIA_GONG_ACCESS_KEY_SECRET": "sandbox-secret",
            "SOPHIA_GONG_REQUESTS_PER_SECOND": "10000",
            "SOPHIA_HUBSPOT_URL": f"{control.url}/hubspot",
            "SOPHIA_HUBSPOT_TOKEN": "pat-sandbox",
            "SOPHIA_HUBSPOT_REQUESTS_PER_10_SECONDS": "100000",
            "SOPHIA_HUBSPOT_SEARCHES_PER_SECOND": "10000",
            "SOPHIA_LINEAR_URL": f"{control.url}/linear/graphql",
            "SOPHIA_LINEAR_API_KEY": "lin_api_sandbox",
            "SOPHIA_LINEAR_REQUESTS_PER_HOUR": "10000000",
            "SOPHIA_LINEAR_COMPLEXITY_PER_HOUR": "10000000000",
        }
    )


def best_of(work: Callable[[], object]) -> float:
    """Seconds."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    today = datetime.now(UTC).date()
    with (
        tempfile.TemporaryDirectory() as home,
        sandbox.running(scale=SCALE, limit_speedup=math.inf) as control,
        open_warehouse(profile(home, control)) as warehouse,
    ):
        settings = profile(home, control)
        migrations.apply(warehouse)
        for source in SOURCES:
            pull(source, settings, warehouse)
        enrichment.enrich(settings.intelligence, Vader(), warehouse)
        whole = kpis.refresh(settings.intelligence, warehouse, today)

        company = next(c for c in control.dump()["hubspot.companies"] if not c["archived"])
        deals, days = [], []

        def one_new_deal() -> float:
            deal = control.create(
                "hubspot.deals",
                dealname=f"New {len(deals)}",
                amount="12000",
                dealstage="qualifiedtobuy",
                pipeline="default",
            )
            deals.append(deal["id"])
            control.create(
                "hubspot.associations", fromType="deals", fromId=deal["id"], toType="companies", toId=company["id"]
            )
            pull("hubspot", settings, warehouse)
            begun = time.perf_counter()
            days.append(kpis.refresh(settings.intelligence, warehouse, today).days)
            return time.perf_counter() - begun

        one_deal_s = min(one_new_deal() for _ in range(REPEATS))
        computing = {
            name: best_of(lambda since=since: warehouse.refresh(kpis.KPI_DAYS, since))
            for name, since in {
                "one_day_s": today,
                "five_days_s": today - timedelta(days=4),
                "all_days_s": today - timedelta(days=whole.days),
            }.items()
        }
    finding_s = one_deal_s - computing["one_day_s"]
    figures = {
        "days": whole.days,
        "days_after_one_deal": max(days),
        "one_deal_s": round(one_deal_s, 3),
        "finding_s": round(finding_s, 3),
        **{name: round(seconds, 3) for name, seconds in computing.items()},
        "one_deal_over_five_days": round(one_deal_s / (finding_s + computing["five_days_s"]), 2),
    }
    table = Table("what", "days computed", "seconds", title=f"KPIs, a world of scale {SCALE:g}")
    table.add_row("a refresh after one new deal", str(max(days)), f"{one_deal_s:.3f}")
    table.add_row("of it, finding out what has changed", "", f"{finding_s:.3f}")
    for name, number in (("one_day_s", 1), ("five_days_s", 5), ("all_days_s", whole.days)):
        table.add_row("computing alone", str(number), f"{computing[name]:.3f}")
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
