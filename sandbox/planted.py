"""Facts that are said once in a world: a search that works finds exactly these.

Each is put on one call or into one Slack message; `GET /_sandbox/planted` says where it went.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlantedFact:
    """One thing said once."""

    fact_id: str
    vendor: str
    """gong: a customer says it on a call; slack: a colleague writes it."""
    text: str
    query: str
    """A question in other words that should find it."""


FACTS = (
    PlantedFact("frozen-scanners", "gong",
                "In Turku the handheld scanners die below minus eighteen degrees, so our dock crew can't clock in.",
                "handheld devices fail in freezing temperatures"),
    PlantedFact("biscuit-tin", "gong",
                "Honestly, the master copy of the night roster is a sheet of paper in a red biscuit tin.",
                "where is the paper copy of the night schedule kept"),
    PlantedFact("swiss-invoice", "gong",
                "Our finance chief signs only if the invoice is in Swiss francs and split by fourteen cost centres.",
                "billing currency and cost centre condition for signature"),
    PlantedFact("buy-out-offer", "gong",
                "Timberline Crew offered to pay out the eleven months that are left on our contract with you.",
                "competitor offers to pay the rest of our contract"),
    PlantedFact("works-council-fingerprint", "gong",
                "The works council in Graz voted against fingerprint check-in, and there will be no second vote.",
                "employee representatives rejected biometric login"),
    PlantedFact("double-night-bonus", "slack",
                "The payroll export paid the night bonus twice to everyone on leave when the clocks changed in Lisbon.",
                "night bonus paid out two times after daylight saving"),
    PlantedFact("holiday-division", "slack",
                "Release 41.3 is pulled because the forecast view divides by the number of public holidays, "
                "and Kiruna has none this month.",
                "release withdrawn because of public holidays in the forecast"),
    PlantedFact("ferry-reference", "slack",
                "Northwater Ferries agreed to be our reference on stage in Tampere "
                "if we name a shift pattern after their oldest ship.",
                "ferry customer on stage as a reference, named after a ship"),
)  # fmt: skip
