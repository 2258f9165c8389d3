"""Turn a template into a sentence: `[one|another]` is a choice, `{slot}` a fact or a draw.

A slot that the caller knows (the account's seats, its competitor) is filled with that fact; any other is
drawn once from POOLS and then kept, so that within one conversation `{ticket}` stays the same ticket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from random import Random

from sandbox.company import PRODUCT, Account

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SENTENCE_START = re.compile(r"(?:^|[.?!] )[a-z]")

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
POOLS: Mapping[str, tuple[str, ...]] = {
    "discount": ("8", "10", "12", "15", "18", "20", "22", "25"),
    "term": ("one year", "two years", "three years", "eighteen months"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "month": ("January", "February", "March", "April", "June", "September", "October", "November"),
    "weeks": ("two", "three", "four", "six", "eight"),
    "area": (
        "shift board", "roster import", "mobile check-in", "payroll export", "forecast view", "audit log",
        "public API", "alerting", "absence calendar", "skills matrix",
    ),
    "symptom": (
        "drops the last row of every file", "shows night shifts on the wrong day",
        "times out when more than two hundred people are listed", "counts the lunch break twice",
        "forgets the filter after a refresh", "sends each notification three times",
        "rounds overtime down to the full hour", "loses swaps that were approved on a phone",
        "prints an empty page for part-time staff", "freezes while it loads the absence list",
    ),
    "cause": (
        "a time zone that was stored twice", "an index that had not been rebuilt",
        "a retry that was not idempotent", "a cache that outlived the session",
        "a change of the rounding rule in the last release", "a missing lock around the import",
        "a browser update that changed how dates are parsed",
    ),
    "feature": (
        "a view of all sites on one page", "swap requests with two approvals", "a printable weekly roster",
        "rules for minors and apprentices", "reminders before a certificate expires",
        "bulk editing of shift patterns", "a read-only link for agencies", "an export in the metric units of each site",
        "forecasting from weather data", "templates for bank holidays",
    ),
    "system": (
        "the payroll system", "the time clocks", "the data warehouse", "the HR master data", "the ticket desk",
        "the badge readers", "the calendar server",
    ),
    "protocol": ("a nightly CSV over SFTP", "the REST API", "webhooks", "a message queue", "a scheduled export"),
    "number": ("12", "17", "23", "31", "38", "44", "56", "63", "70", "85"),
    "percent": ("4", "6", "9", "11", "14", "19", "27", "33"),
    "region": ("Frankfurt", "Dublin", "Stockholm", "Zurich", "Paris"),
    "report": ("SOC 2 Type II report", "ISO 27001 certificate", "penetration test summary", "pen test letter"),
    "control": (
        "key rotation", "access reviews", "backup restores", "log retention", "incident response times",
        "subprocessors", "encryption at rest",
    ),
    "site": (
        "the north depot", "the old mill", "building C", "the harbour site", "the night hub", "the training centre",
        "the second terminal", "the cold store",
    ),
    "chat": (
        "the weather has been wild here", "the trains were late again", "I just came back from holiday",
        "we moved into the new office last week", "my neighbour is drilling, sorry for the noise",
        "I had to bring the dog today", "the coffee machine broke this morning", "it is already dark outside",
        "the children are off school this week", "we are short of meeting rooms",
    ),
    "metric": (
        "overtime", "no-shows", "planning time a week", "unfilled shifts", "manual corrections", "agency hours",
    ),
    "reason": (
        "the budget was cut", "the sponsor left", "two promised fixes slipped", "support took days to answer",
        "planners went back to spreadsheets", "the mobile app is slow on old phones",
    ),
}  # fmt: skip


class Slots(dict[str, str]):
    """The facts of one conversation: given ones, and draws that stay once made."""

    def __init__(self, rng: Random, known: Mapping[str, str]) -> None:
        super().__init__(known)
        self._rng = rng

    def __missing__(self, slot: str) -> str:
        self[slot] = self._rng.choice(POOLS[slot])
        return self[slot]


def account_slots(rng: Random, account: Account) -> Slots:
    """The slots of a conversation with or about this account."""
    known = {
        "account": account.name,
        "city": account.city,
        "industry": account.industry,
        "seats": str(account.seats),
        "price": str(account.unit_price_eur),
        "amount": f"{account.amount_eur:,}",
        "renewal": spoken_date(account.renewal_on),
        "competitor": account.competitor,
        "module": account.module,
        "idp": account.identity_provider,
        "product": PRODUCT,
        "ticket": f"BP-{rng.randrange(1000, 9999)}",
        "more_seats": str(rng.randrange(2, 30) * 10),
        "low_price": str(max(4, account.unit_price_eur - rng.randrange(1, 4))),
    }
    return Slots(rng, known)


def spoken_date(day: date) -> str:
    """A date as people write it, e.g. "3 March 2026"; without the locale, which would vary."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def phrase(template: str, slots: Slots, rng: Random) -> str:
    """Fill one template: choices first, then slots.

    Raises:
        KeyError: a slot that is neither known nor in POOLS.
    """
    chosen = _CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), template)
    return _SENTENCE_START.sub(lambda match: match.group().upper(), chosen.format_map(slots))
