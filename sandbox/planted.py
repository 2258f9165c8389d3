"""Facts that are said once in a world: a search that works finds exactly these.

Each is put on one call, into one Slack message, CRM record, issue or comment; `GET /_sandbox/planted` says where.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlantedFact:
    """One thing said once."""

    fact_id: str
    vendor: str
    """gong: a customer says it on a call; slack: a colleague writes it; hubspot: it stands in a note or an email;
    linear: in an issue's description (the first), in a comment (the second)."""
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
    PlantedFact("crane-lease", "hubspot",
                "The purchase waits until the lease of the quay cranes in Setubal ends, "
                "because both are paid out of one budget line.",
                "deal held up by a rental of harbour equipment from the same budget"),
    PlantedFact("harvest-exit", "hubspot",
                "Our auditors accept the contract only with a way out in the fortnight after each beetroot harvest.",
                "auditors demand a right to cancel once the crop is in"),
    PlantedFact("sunrise-shifts", "linear",
                "Above the polar circle the board draws each night shift twice, because its end was stored as sunrise.",
                "overnight shifts shown doubled in the far north"),
    PlantedFact("kiosk-barcode", "linear",
                "We keep the old barcode endpoint alive until the eleven kiosks in Porto's staff car park are gone.",
                "why can the legacy scanning interface not be switched off"),
)  # fmt: skip
