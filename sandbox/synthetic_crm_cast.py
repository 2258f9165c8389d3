"""Whom the CRM knows besides the cast: prospects that never had a call; and the ids of everybody in it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random

from sandbox.company import (
    COMPETITORS,
    CUSTOMER_TITLES,
    FIRST_NAMES,
    IDENTITY_PROVIDERS,
    LAST_NAMES,
    MODULES,
    SITUATIONS,
    STAGES,
    Account,
    Company,
    Person,
)
from sandbox.records import seeded
from sandbox.synthetic_crm_texts import PROSPECT_CITIES, PROSPECT_PLACES, PROSPECT_TRADES

PROSPECTS_AT_SCALE_1 = 8
FIRST_PROSPECT_NUMBER = 1000
"""Number of the first person of a prospect, well behind the cast's."""


def owner_id(person: Person) -> str:
    """The id of an employee as owner, which is not the user id."""
    return str(700_000_000 + 131 * person.number)


def user_id(person: Person) -> int:
    return 60_000_000 + 17 * person.number


def contact_id(person: Person) -> str:
    """The id that Gong's context gives the person."""
    return str(20_000_000_000 + person.number)


def new_id(rng: Random) -> str:
    return str(rng.randrange(10**10, 10**11))


def find_prospects(company: Company, seed: int, start: datetime, scale: float) -> list[Account]:
    """At least one; a bigger scale adds some and leaves the first ones be."""
    count = math.ceil(PROSPECTS_AT_SCALE_1 * scale)
    return [_prospect(index, company, seed, start) for index in range(count)]


def pick_account(rng: Random, company: Company, prospects: list[Account], index: int, at_scale_1: int) -> Account:
    """Whom an object is about: an account, or a prospect that every scale with this index has.

    Args:
        at_scale_1: how many objects of the sort there are then.
    """
    if rng.random() < 0.25:
        return prospects[rng.randrange(1 + index * PROSPECTS_AT_SCALE_1 // at_scale_1)]
    return rng.choice(company.accounts)


def _prospect(index: int, company: Company, seed: int, start: datetime) -> Account:
    rng = seeded(seed, "prospect", index)
    place = PROSPECT_PLACES[index % len(PROSPECT_PLACES)]
    trade, industry = PROSPECT_TRADES[index % len(PROSPECT_TRADES)]
    again = index // (len(PROSPECT_PLACES) * len(PROSPECT_TRADES))
    name = f"{place} {trade}" + (f" {again + 1}" if again else "")
    slug = name.lower().replace(" ", "-")
    people = []
    for number, title in enumerate(rng.sample(CUSTOMER_TITLES, 2), FIRST_PROSPECT_NUMBER + 2 * index):
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        email = f"{first}.{last}.{number}@{slug}.example".lower()
        people.append(Person(first, last, email, title, slug, number=number))
    stage, probability = rng.choice(STAGES[:3])
    return Account(
        name=name,
        slug=slug,
        domain=f"{slug}.example",
        industry=industry,
        city=rng.choice(PROSPECT_CITIES),
        company_id=new_id(rng),
        deal_id=new_id(rng),
        stage=stage,
        probability=probability,
        seats=rng.randrange(40, 600, 20),
        unit_price_eur=rng.randrange(6, 19),
        renewal_on=(start + timedelta(days=rng.randrange(20, 150))).date(),
        competitor=rng.choice(COMPETITORS),
        module=rng.choice(MODULES),
        identity_provider=rng.choice(IDENTITY_PROVIDERS),
        themes=rng.choice(SITUATIONS),
        owner=rng.choice([person for person in company.team("sales") if person.title == "Account Executive"]),
        success_manager=rng.choice(company.team("success")),
        people=tuple(people),
    )
