"""What may happen to deals, companies and what was done with them."""

from __future__ import annotations

from tests.pipelines.kpi_life import ENGAGEMENTS, Events, Life, Nobody, Record

EVENTS = Events()
STAGES = {
    "default": {
        "open": ("qualifiedtobuy", "presentationscheduled", "decisionmakerboughtin", "contractsent"),
        "won": ("closedwon",),
        "lost": ("closedlost",),
    },
    "74120385": {"open": ("118234501", "118234502"), "won": ("118234503",), "lost": ("118234504",)},
}
"""Stages of each pipeline by what they mean."""
OUTCOMES = {stage: outcome for stages in STAGES.values() for outcome, known in stages.items() for stage in known}
COMPANY_NAMES = (
    *("Mount", "Mount Vesper", "Bright & Co.", "C++ Garage", "100% Rye", "snake_case GmbH", "Two  Spaces"),
    *("Åre Ski", "O'Hara's", "Ace (North)", "Zürich Süd", 'The "Inn"', "A\\B Motors"),
)
"""Names that hold one another, and characters that mean something to regular expressions, LIKE and JSON."""
LEAST_COMPANIES = 5


# Deals.


def _amount(life: Life) -> str:
    return life.pick((str(life.rng.randrange(1, 500) * 100), f"{life.rng.uniform(1, 90_000):.2f}", "0", "1.5e3"))


def _close_date(life: Life) -> str:
    return life.time((-372, -350), (-96, -78), (-40, 0), (-5, 15), (0, 5)).isoformat()


def _deal(life: Life, *outcomes: str) -> Record:
    return life.pick([deal for deal in life.live("deals") if OUTCOMES[deal["properties"]["dealstage"]] in outcomes])


def _move(life: Life, deal: Record, outcome: str) -> None:
    changes = {"dealstage": life.pick(STAGES[deal["properties"]["pipeline"]][outcome])}
    if outcome != "open" and life.maybe(0.6):
        changes["closedate"] = life.world.now.isoformat()
    life.edit("hubspot.deals", deal, **changes)


@EVENTS.weighing(6)
def deal_created(life: Life) -> None:
    pipeline = life.pick(list(STAGES))
    outcome = life.pick(("open", "open", "won", "lost"))
    fields = {"pipeline": pipeline, "dealstage": life.pick(STAGES[pipeline][outcome])}
    if life.maybe(0.8):
        fields["amount"] = _amount(life)
    if life.maybe(0.3):
        fields["deal_currency_code"] = life.pick(("USD", "GBP"))
        if life.maybe(0.3):
            fields["amount_in_home_currency"] = _amount(life)
    if life.maybe(0.9):
        fields["closedate"] = _close_date(life)
    if life.maybe(0.5):
        fields["createdate"] = life.past((-30, 0)).isoformat()
    deal = life.create("hubspot.deals", **fields)
    for place, company in enumerate(life.some(life.live("companies"), 0, 1, 1, 1, 2)):
        life.tie("deals", deal, company, primary=place == 0 and life.maybe(0.6))


@EVENTS.weighing(4)
def deal_moved(life: Life) -> None:
    _move(life, _deal(life, "open"), "open")


@EVENTS.weighing(7)
def deal_won(life: Life) -> None:
    _move(life, _deal(life, "open", "lost"), "won")


@EVENTS.weighing(5)
def deal_lost(life: Life) -> None:
    _move(life, _deal(life, "open", "won"), "lost")


@EVENTS.weighing(3)
def deal_reopened(life: Life) -> None:
    _move(life, _deal(life, "won", "lost"), "open")


@EVENTS.weighing(4)
def deal_redated(life: Life) -> None:
    life.edit("hubspot.deals", _deal(life, "won", "lost"), closedate=_close_date(life))


@EVENTS.weighing(1)
def close_date_cleared(life: Life) -> None:
    life.edit("hubspot.deals", life.pick(life.live("deals")), closedate=None)


@EVENTS.weighing(3)
def deal_reamounted(life: Life) -> None:
    life.edit("hubspot.deals", life.pick(life.live("deals")), amount=_amount(life))


@EVENTS.weighing(2)
def amount_cleared(life: Life) -> None:
    life.edit("hubspot.deals", life.pick(life.live("deals")), amount=None)


@EVENTS.weighing(1)
def currency_changed(life: Life) -> None:
    life.edit("hubspot.deals", life.pick(life.live("deals")), deal_currency_code=life.pick(("EUR", "USD", "GBP")))


@EVENTS.weighing(1)
def home_amount_changed(life: Life) -> None:
    foreign = [d for d in life.live("deals") if d["properties"]["deal_currency_code"] not in (None, "EUR")]
    life.edit("hubspot.deals", life.pick(foreign), amount_in_home_currency=life.pick((None, _amount(life))))


@EVENTS.weighing(1)
def pipeline_changed(life: Life) -> None:
    deal = life.pick(life.live("deals"))
    [other] = set(STAGES) - {deal["properties"]["pipeline"]}
    life.edit("hubspot.deals", deal, pipeline=other, dealstage=life.pick(STAGES[other][life.pick(("open", "won"))]))


@EVENTS.weighing(2)
def deal_deleted(life: Life) -> None:
    life.delete("hubspot.deals", life.pick(life.live("deals")), hard=life.maybe(0.3))


@EVENTS.weighing(2)
def something_restored(life: Life) -> None:
    kind = life.pick(("deals", "deals", "companies", "notes", "meetings"))
    archived = [one for one in life.all(f"hubspot.{kind}") if one["archived"]]
    life.edit(f"hubspot.{kind}", life.pick(archived), archived=False)


@EVENTS.weighing(1.5)
def deals_merged(life: Life) -> None:
    winner, loser = life.pick(life.live("deals")), life.pick(life.live("deals"))
    life.edit("hubspot.deals", winner, merge=loser["id"])


@EVENTS.weighing(3)
def deal_associated(life: Life) -> None:
    life.tie("deals", life.pick(life.live("deals")), life.pick(life.live("companies")), primary=life.maybe(0.6))


@EVENTS.weighing(2)
def deal_dissociated(life: Life) -> None:
    life.untie("deals")


# Customers, and what was done with them.


@EVENTS.weighing(3)
def company_created(life: Life) -> None:
    life.create("hubspot.companies", name=life.pick(COMPANY_NAMES))


@EVENTS.weighing(1)
def company_renamed(life: Life) -> None:
    life.edit("hubspot.companies", life.pick(life.live("companies")), name=life.pick((*COMPANY_NAMES, None)))


@EVENTS.weighing(2.5)
def companies_merged(life: Life) -> None:
    companies = life.live("companies")
    if len(companies) < LEAST_COMPANIES:
        raise Nobody
    life.edit("hubspot.companies", life.pick(companies), merge=life.pick(companies)["id"])


@EVENTS.weighing(1)
def company_deleted(life: Life) -> None:
    if len(life.live("companies")) < LEAST_COMPANIES:
        raise Nobody
    life.delete("hubspot.companies", life.pick(life.live("companies")), hard=life.maybe(0.3))


@EVENTS.weighing(6)
def customer_touched(life: Life) -> None:
    kind = life.pick(ENGAGEMENTS)
    at = life.pick((life.time((-75, -50), (-20, 0), (-3, 3)).isoformat(), None))
    made = life.create(f"hubspot.{kind}", **({"hs_timestamp": at} if at else {}))
    for company in life.some(life.live("companies"), 0, 1, 1, 1, 2):
        life.tie(kind, made, company)


@EVENTS.weighing(2)
def touch_deleted(life: Life) -> None:
    kind = life.pick(ENGAGEMENTS[:4])
    life.delete(f"hubspot.{kind}", life.pick(life.live(kind)))


@EVENTS.weighing(1.5)
def touch_redated(life: Life) -> None:
    kind = life.pick(ENGAGEMENTS[:4])
    at = life.pick((None, life.time((-70, 2)).isoformat()))
    life.edit(f"hubspot.{kind}", life.pick(life.live(kind)), hs_timestamp=at)


@EVENTS.weighing(1)
def touch_dissociated(life: Life) -> None:
    life.untie(life.pick(ENGAGEMENTS[:4]))
