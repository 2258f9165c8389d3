"""The CRM of the invented company: its accounts and prospects, their people, deals and what was noted about them.

The current deal of an account says what the CRM context of its Gong calls says. Every object is drawn from its own
seeded generator, so a bigger scale adds objects and leaves the first ones be.
"""

from __future__ import annotations

from datetime import datetime
from random import Random

from sandbox.company import STAGES, Account, Company, Person
from sandbox.hubspot_associations import TYPES, End
from sandbox.hubspot_objects import as_ms, ms_iso
from sandbox.hubspot_pipelines import LOST_LABEL, RENEWAL_STAGES, RENEWALS, SALES, STAGE_IDS, owner_record
from sandbox.hubspot_records import HubspotRecords
from sandbox.phrasing import account_slots, phrase
from sandbox.records import Record, seeded
from sandbox.synthetic_crm_cast import contact_id, find_prospects, new_id, owner_id, pick_account, user_id
from sandbox.synthetic_crm_engagements import EngagementWriter
from sandbox.synthetic_crm_texts import LOST_REASONS

PAST_DEALS_AT_SCALE_1 = 40
"""Besides one current deal of every account and prospect."""
LEAST_PAST_DEALS = 4
DEAL_DAYS = 180
ARCHIVED_EVERY = 15
"""The first past deal, and every so many further ones, is archived at the start."""
FOREIGN_SHARE = 0.12
NO_AMOUNT_SHARE = 0.1
DAY_MS = 86_400_000
AT_THAT_TIME = "now"
"""Stands for the time of the change itself."""
LABELS = tuple(label for label, _ in STAGES)
Values = dict[str, str | None]


class CrmWriter:
    """Writes the CRM of one company."""

    def __init__(self, company: Company, seed: int, start: datetime) -> None:
        self._company = company
        self._seed = seed
        self._start = start
        self._start_ms = as_ms(start)

    def fill(self, hubspot: HubspotRecords, scale: float) -> list[Record]:
        """Add owners, objects and associations; returns where each planted fact went."""
        for person in self._company.employees:
            made_ms = self._start_ms - (900 - 37 * person.number) * DAY_MS
            names = (person.email, person.first_name, person.last_name, person.team)
            owner = owner_record(owner_id(person), user_id(person), *names, made_ms, archived=not person.active)
            hubspot.owners[owner["id"]] = owner
        prospects = find_prospects(self._company, self._seed, self._start, scale)
        for account in (*self._company.accounts, *prospects):
            self._write_company(hubspot, account, account in prospects)
            self._write_current_deal(hubspot, account)
        for index in range(max(LEAST_PAST_DEALS, round(PAST_DEALS_AT_SCALE_1 * scale))):
            self._write_past_deal(hubspot, index, prospects)
        self._merge_contacts(hubspot, self._company.accounts[0])
        engagements = EngagementWriter(self._company, self._seed, self._start)
        return engagements.fill(hubspot, prospects, scale)

    def _write_company(self, hubspot: HubspotRecords, account: Account, is_prospect: bool) -> None:
        rng = seeded(self._seed, "crm-company", account.slug)
        stage = "opportunity" if is_prospect else "customer"
        made_ms = self._before(rng, 200, 500)
        values = {
            "name": account.name,
            "domain": account.domain,
            "industry": account.industry,
            "city": account.city,
            "numberofemployees": str(account.seats * rng.randrange(1, 4)),
            "lifecyclestage": "lead",
            "hubspot_owner_id": owner_id(account.owner),
        }
        company = hubspot.add("companies", account.company_id, values, made_ms, made_ms)
        hubspot.change(company, {"lifecyclestage": stage}, self._before(rng, 1, 180))
        for place, person in enumerate(account.people):
            born_ms = made_ms + rng.randrange(3_600_000, 20 * DAY_MS)
            contact = hubspot.add("contacts", contact_id(person), self._contact(account, person), born_ms, born_ms)
            if rng.random() < 0.4:
                hubspot.change(contact, {"jobtitle": f"{person.title} (interim)"}, self._before(rng, 60, 170))
                hubspot.change(contact, {"jobtitle": person.title}, self._before(rng, 1, 60))
            hubspot.tie(("contacts", contact.id), ("companies", company.id), primary=True)
            if place == 0 and rng.random() < 0.5:
                at_ms = max(contact.last_ms + 1, self._before(rng, 0.5, 40))
                hubspot.change(contact, {"lifecyclestage": stage}, at_ms)

    def _contact(self, account: Account, person: Person) -> Values:
        return {
            "email": person.email,
            "firstname": person.first_name,
            "lastname": person.last_name,
            "jobtitle": person.title,
            "company": account.name,
            "city": account.city,
            "phone": f"+00 555 {person.number:04d}",
            "lifecyclestage": "lead",
            "hubspot_owner_id": owner_id(account.owner),
        }

    def _write_current_deal(self, hubspot: HubspotRecords, account: Account) -> None:
        """The deal that Gong's context names, with the way it came to where it is."""
        rng = seeded(self._seed, "crm-current", account.slug)
        close = f"{account.renewal_on.isoformat()}T00:00:00Z"
        way = [STAGE_IDS[label] for label in LABELS[: LABELS.index(account.stage) + 1]]
        if len(way) > 2 and rng.random() < 0.3:
            way[2:2] = way[:2]  # moved back to the beginning once
        born_ms = self._before(rng, 50, 150)
        first = str(round(account.amount_eur * rng.choice((0.8, 0.9, 1.0, 1.1))))
        values: Values = {
            "dealname": f"{account.name} - {account.seats} seats",
            "pipeline": SALES,
            "dealstage": way[0],
            "amount": first if rng.random() < 0.8 else None,
            "deal_currency_code": "EUR",
            "closedate": ms_iso(born_ms + rng.randrange(60, 200) * DAY_MS),
            "dealtype": "existingbusiness" if account in self._company.accounts else "newbusiness",
            "hubspot_owner_id": owner_id(account.owner),
        }
        changes: list[Values] = [{"dealstage": stage} for stage in way[1:]]
        changes.insert(rng.randrange(len(changes) + 1), {"amount": str(account.amount_eur)})
        changes.insert(rng.randrange(len(changes) + 1), {"closedate": close})
        self._write_deal(hubspot, rng, account, account.deal_id, values, changes, born_ms, self._before(rng, 0.5, 25))

    def _write_past_deal(self, hubspot: HubspotRecords, index: int, prospects: list[Account]) -> None:
        """A deal that was won, lost, opened again or left lying."""
        rng = seeded(self._seed, "crm-deal", index)
        account = pick_account(rng, self._company, prospects, index, PAST_DEALS_AT_SCALE_1)
        renews = account in self._company.accounts and rng.random() < 0.3
        born_ms = self._before(rng, 40, DEAL_DAYS)
        seats = rng.randrange(20, 400, 10)
        amount = None if rng.random() < NO_AMOUNT_SHARE else str(seats * account.unit_price_eur * 12)
        currency = "USD" if rng.random() < FOREIGN_SHARE or index == 1 else "EUR"
        way = self._way(rng, renews)
        values: Values = {
            "dealname": f"{account.name} - {'renewal' if renews else rng.choice(('extension', 'pilot', 'new site'))}",
            "pipeline": RENEWALS if renews else SALES,
            "dealstage": way[0],
            "amount": amount,
            "deal_currency_code": currency,
            "closedate": ms_iso(born_ms + rng.randrange(20, 90) * DAY_MS),
            "dealtype": "existingbusiness" if account in self._company.accounts else "newbusiness",
            "hubspot_owner_id": owner_id(self._seller(rng, account)),
        }
        end_ms = min(born_ms + rng.randrange(15, 120) * DAY_MS, self._before(rng, 1, 10))
        changes: list[Values] = [{"dealstage": stage} for stage in way[1:]]
        if way[-1] == STAGE_IDS[LOST_LABEL]:
            changes[-1]["closed_lost_reason"] = phrase(rng.choice(LOST_REASONS), account_slots(rng, account), rng)
        if way[-1] != STAGE_IDS["proposal"]:
            changes[-1]["closedate"] = AT_THAT_TIME
        for _ in range(rng.choice((0, 1, 1, 2))):
            later = ms_iso(end_ms + rng.randrange(5, 60) * DAY_MS)
            changes.insert(rng.randrange(len(changes)), {"closedate": later})
        if amount is not None and rng.random() < 0.5:
            newer = str(round(int(amount) * rng.choice((0.7, 0.85, 1.2, 1.5))))
            changes.insert(rng.randrange(len(changes) + 1), {"amount": newer})
        deal_id = new_id(rng)
        self._write_deal(hubspot, rng, account, deal_id, values, changes, born_ms, end_ms)
        if index % ARCHIVED_EVERY == 0:
            hubspot.objects["deals"][deal_id].archived_ms = self._before(rng, 0.2, 1)

    def _way(self, rng: Random, renews: bool) -> list[str]:
        """The stages of a past deal, in order."""
        if renews:
            due, talks, renewed, lost = (stage_id for _, stage_id, _ in RENEWAL_STAGES)
            return rng.choice(([due, talks, renewed], [due, renewed], [due, talks, lost], [due, talks, due, lost]))
        won, lost = "closed won", LOST_LABEL
        labels = rng.choice(
            (
                ("qualified", "evaluation", "proposal", "contract sent", won),
                ("qualified", "proposal", "contract sent", won),
                ("evaluation", "proposal", "evaluation", "proposal", won),
                ("qualified", "evaluation", lost),
                ("qualified", "evaluation", "proposal", lost),
                ("qualified", lost, "evaluation", "proposal", won),
                ("qualified", "evaluation", won, "contract sent", lost),
                ("qualified", "evaluation", "proposal"),
            )
        )
        return [STAGE_IDS[label] for label in labels]

    def _write_deal(
        self,
        hubspot: HubspotRecords,
        rng: Random,
        account: Account,
        deal_id: str,
        values: Values,
        changes: list[Values],
        born_ms: int,
        end_ms: int,
    ) -> None:
        """Make the deal, spread its changes over the time until `end_ms`, and tie it to company and people."""
        deal = hubspot.add("deals", deal_id, values, born_ms, born_ms)
        moments = sorted(rng.sample(range(born_ms + 60_000, max(end_ms, born_ms + DAY_MS)), len(changes)))
        for change, at_ms in zip(changes, moments, strict=True):
            dated = {"closedate": ms_iso(at_ms)} if change.get("closedate") == AT_THAT_TIME else {}
            hubspot.change(deal, change | dated, at_ms)
        start: End = ("deals", deal_id)
        hubspot.tie(start, ("companies", account.company_id), primary=True)
        decides = TYPES["deals", "contacts"][1].type_id
        for place, person in enumerate(rng.sample(account.people, rng.choice((1, 1, 2)))):
            hubspot.tie(start, ("contacts", contact_id(person)), type_id=decides if place == 0 else None)

    def _merge_contacts(self, hubspot: HubspotRecords, account: Account) -> None:
        """One person was entered twice; the second entry was merged into the first."""
        rng = seeded(self._seed, "crm-merge")
        person, born_ms = account.people[0], self._before(rng, 60, 90)
        values = self._contact(account, person) | {"email": f"{person.first_name}@{account.domain}".lower()}
        loser = hubspot.add("contacts", new_id(rng), values, born_ms, born_ms)
        hubspot.tie(("contacts", loser.id), ("companies", account.company_id), primary=True)
        winner = hubspot.objects["contacts"][contact_id(person)]
        hubspot.merge(winner, loser, max(winner.last_ms + 1, self._before(rng, 10, 50)))

    def _seller(self, rng: Random, account: Account) -> Person:
        """The account's owner, at times somebody who has left since."""
        leavers = [person for person in self._company.employees if not person.active and person.team == "sales"]
        return rng.choice(leavers) if leavers and rng.random() < 0.15 else account.owner

    def _before(self, rng: Random, least_days: float, most_days: float) -> int:
        """Epoch milliseconds of some time so many days before the start."""
        return self._start_ms - round(rng.uniform(least_days, most_days) * DAY_MS)
