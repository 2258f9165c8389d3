"""What a refresh of the KPIs costs: after one new deal, of five days, of every day.

A world of the sandbox is pulled whole and enriched; then a deal is made in it and pulled, or a note that is four days
old, and the KPIs are refreshed from the first day that it acts on. A refresh is finding out what has changed, which
costs about the same each time, and computing the days from there. Each time is the best of five.
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
        deals: list[str] = []
        days: list[int] = []

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
            return refreshed()

        def note_of_four_days_ago() -> float:
            note = control.create(
                "hubspot.notes", hs_note_body="Late.", hs_timestamp=(datetime.now(UTC) - timedelta(days=4)).isoformat()
            )
            control.create(
                "hubspot.associations", fromType="notes", fromId=note["id"], toType="companies", toId=company["id"]
            )
            pull("hubspot", settings, warehouse)
            return refreshed()

        def refreshed() -> float:
            begun = time.perf_counter()
            days.append(kpis.refresh(settings.intelligence, warehouse, today).days)
            return time.perf_counter() - begun

        def full() -> float:
            begun = time.perf_counter()
            kpis.refresh(settings.intelligence, warehouse, today, full=True)
            return time.perf_counter() - begun

        def best_of(work: Callable[[], float]) -> tuple[float, int]:
            """Seconds, and the most days that were computed."""
            days.clear()
            return min(work() for _ in range(REPEATS)), max(days, default=whole.days)

        one_deal_s, days_after_one_deal = best_of(one_new_deal)
        five_days_s, days_after_a_late_note = best_of(note_of_four_days_ago)
        all_days_s, _ = best_of(full)
    figures = {
        "days": whole.days,
        "days_after_one_deal": days_after_one_deal,
        "one_deal_s": round(one_deal_s, 3),
        "five_days_s": round(five_days_s, 3),
        "all_days_s": round(all_days_s, 3),
        "one_deal_over_five_days": round(one_deal_s / five_days_s, 2),
        "one_deal_over_all_days": round(one_deal_s / all_days_s, 2),
    }
    table = Table("a refresh", "days computed", "seconds", title=f"KPIs, a world of scale {SCALE:g}")
    table.add_row("after one new deal", str(days_after_one_deal), f"{one_deal_s:.3f}")
    table.add_row("after a note of four days ago", str(days_after_a_late_note), f"{five_days_s:.3f}")
    table.add_row("of every day", str(whole.days), f"{all_days_s:.3f}")
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
