"""Calls of the invented company with its accounts, in the sixty days before the world's start.

Every call is drawn from its own seeded generator, so a bigger scale adds calls and leaves the first ones be.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random

from sandbox.company import COMPANY, Account, Company, Person
from sandbox.dialogue import CLOSINGS, OPENINGS, THEMES, Exchange
from sandbox.gong_calls import CallPlan, Turn
from sandbox.gong_records import GongRecords
from sandbox.phrasing import Slots, account_slots, phrase
from sandbox.planted import FACTS, PlantedFact
from sandbox.records import CommandRefused, Moment, Record, number_id, parse_time, seeded

CALLS_AT_SCALE_1 = 120
DAYS = 60
OFFSETS_H = (-7.0, -5.0, 0.0, 0.0, 1.0, 2.0, 5.5)
"""Zones that callers sit in; `started` keeps the zone's offset."""
NO_CONTEXT_SHARE = 0.10
PRIVATE_SHARE = 0.03
LATE_CALLS = 2
"""Calls that took place before the start and are listed only hours after it: a cursor on `started` loses them."""
UNTRANSCRIBED_CALLS = 3
"""Calls that are listed at the start, and whose transcript comes hours later."""
OUTCOMES = ("Meeting held", "Next step agreed", "No decision", "Left voicemail")


class CallWriter:
    """Writes the calls of one company."""

    def __init__(self, company: Company, seed: int, start: datetime) -> None:
        self._company = company
        self._seed = seed
        self._start = start

    def fill(self, gong: GongRecords, scale: float) -> list[Record]:
        """Add users and calls; returns where each planted fact went."""
        for person in self._company.employees:
            created = self._start - timedelta(days=900 - 37 * person.number)
            gong.add_user(
                self._user_id(person),
                person.email,
                person.first_name,
                person.last_name,
                person.title,
                created,
                person.active,
            )
        gong.compose = self.compose
        total = max(1, round(CALLS_AT_SCALE_1 * scale))
        facts = [fact for fact in FACTS if fact.vendor == "gong"]
        planted = []
        for index in range(total):
            rng = seeded(self._seed, "call", index)
            age_s = _age_s(index, rng)
            # Facts sit on early numbers: every scale has them, and a greater one does not move them.
            fact = facts[index - 5] if 5 <= index < 5 + len(facts) else None
            plan = self._plan(rng, self._start - timedelta(seconds=age_s), fact=fact)
            if index < LATE_CALLS:
                plan.visible_at = self._start + timedelta(hours=2 + 3 * index)
                plan.transcript_at = plan.visible_at + timedelta(minutes=30)
            elif index < LATE_CALLS + UNTRANSCRIBED_CALLS:
                plan.transcript_at = self._start + timedelta(hours=1 + 4 * index)
            call_id = number_id(f"{self._seed}:call:{index}")
            gong.add_call(call_id, plan)
            if fact is not None:
                planted.append(
                    {
                        "fact_id": fact.fact_id,
                        "text": fact.text,
                        "query": fact.query,
                        "stream": "gong.transcripts",
                        "key": {"id": call_id},
                    }
                )
        return planted

    def compose(self, fields: Record, moment: Moment) -> CallPlan:
        """The plan of a call that a command asks for: with `account`, `themes` and `crm`, all optional."""
        account = None
        if "account" in fields:
            account = self._company.account(str(fields["account"]))
            if account is None:
                names = ", ".join(account.slug for account in self._company.accounts)
                raise CommandRefused(f"There is no account {fields['account']!r}; there are {names}.")
        themes = fields.get("themes", [])
        if not isinstance(themes, list) or not set(themes) <= set(THEMES):
            raise CommandRefused(f"themes is a list out of {', '.join(THEMES)}.")
        plan = self._plan(moment.rng, parse_time(fields["started"]), account=account, themes=tuple(themes))
        plan.is_private = False
        if fields.get("crm") is False:
            plan.context = []
        return plan

    def _plan(
        self,
        rng: Random,
        started: datetime,
        account: Account | None = None,
        themes: tuple[str, ...] = (),
        fact: PlantedFact | None = None,
    ) -> CallPlan:
        account = account or rng.choice(self._company.accounts)
        if not themes:
            other = rng.choice(tuple(THEMES))
            themes = rng.choice((account.themes[:1], account.themes, account.themes[::-1], (account.themes[1], other)))
        slots = account_slots(rng, account)
        host = account.owner if rng.random() < 0.7 else account.success_manager
        leavers = [person for person in self._company.employees if not person.active]
        if started < self._start - timedelta(days=40) and rng.random() < 0.2:
            host = rng.choice(leavers)
        colleagues = [p for p in self._company.team("sales", "support", "product", "success") if p != host]
        ours = [host, *rng.sample(colleagues, rng.choice((0, 1, 1, 2)))]
        theirs = rng.sample(account.people, min(len(account.people), rng.choice((1, 1, 2, 3))))
        by_phone = rng.random() < 0.15
        parties = [self._party(person, rng) for person in (*ours, *theirs)]
        turns = self._turns(rng, slots, themes, ours, theirs)
        if fact is not None:
            turns.insert(len(turns) // 2, Turn(_speaker_id(theirs[0]), THEMES[themes[0]].topic, fact.text))
        self._hide_some(parties, {turn.speaker_id for turn in turns}, rng)
        zone = timezone(timedelta(hours=rng.choice(OFFSETS_H)))
        exact = rng.random() < 0.25
        started = started.astimezone(zone).replace(microsecond=rng.randrange(1, 999_999) if exact else 0)
        scheduled = started if by_phone else _quarter_before(started)
        first = THEMES[themes[0]]
        return CallPlan(
            title=phrase(rng.choice(first.titles), slots, rng),
            started=started,
            scheduled=scheduled,
            parties=parties,
            turns=turns,
            visible_at=started,
            transcript_at=started + timedelta(hours=1),
            primary_user_id=self._user_id(host),
            context=[] if rng.random() < NO_CONTEXT_SHARE else self._context(account, rng),
            is_private=rng.random() < PRIVATE_SHARE and fact is None,
            direction=rng.choice(("Inbound", "Outbound")) if by_phone else "Conference",
            system="Aircall" if by_phone else "Zoom",
            brief=" ".join(phrase(THEMES[theme].brief, slots, rng) for theme in themes),
            key_points=[phrase(point, slots, rng) for theme in themes for point in THEMES[theme].key_points],
            outcome=rng.choice(OUTCOMES),
            comments=self._comments(rng, started, ours),
        )

    def _turns(
        self, rng: Random, slots: Slots, themes: tuple[str, ...], ours: list[Person], theirs: list[Person]
    ) -> list[Turn]:
        """Small talk, the themes, next steps; 15 to 60 turns."""
        turns = _speak(rng.choice(OPENINGS), "Small talk", rng, slots, ours, theirs)
        for theme in themes:
            exchanges = list(THEMES[theme].exchanges)
            rng.shuffle(exchanges)
            for exchange in exchanges[: rng.randrange(5, 9)]:
                turns += _speak(exchange, THEMES[theme].topic, rng, slots, ours, theirs)
        return turns + _speak(rng.choice(CLOSINGS), "Wrap up", rng, slots, ours, theirs)

    def _party(self, person: Person, rng: Random) -> Record:
        party: Record = {
            "id": number_id(f"{self._seed}:party:{person.number}:{rng.random()}"),
            "emailAddress": person.email,
            "name": person.name,
            "title": person.title,
            "speakerId": _speaker_id(person),
            "affiliation": "External" if "@brindlewick." not in person.email else "Internal",
            "methods": ["Invitee", "Attendee"],
        }
        if party["affiliation"] == "Internal":
            party["userId"] = self._user_id(person)
        else:
            contact = {
                "objectType": "Contact",
                "objectId": str(20_000_000_000 + person.number),
                "fields": [],
                "timing": "Now",
            }
            party["context"] = [{"system": "HubSpot", "objects": [contact]}]
        return party

    def _hide_some(self, parties: list[Record], speaking: set[str], rng: Random) -> None:
        """Gaps as Gong has them: who did not speak has no speakerId, some lack an address or were only invited."""
        for party in parties:
            if party["speakerId"] not in speaking:
                del party["speakerId"]
                party["methods"] = ["Invitee"]
            elif party["affiliation"] == "External" and rng.random() < 0.12:
                del party["emailAddress"], party["context"]
        if rng.random() < 0.1:
            room: Record = {"id": number_id(f"room:{rng.random()}"), "name": "Meeting room", "affiliation": "Unknown"}
            parties.append(room | {"methods": ["Attendee"]})

    def _context(self, account: Account, rng: Random) -> list[Record]:
        """CRM objects with their fields now, and as they were at the time of the call."""
        account_now = {"Name": account.name, "Website": f"https://{account.domain}", "Industry": account.industry}
        deal_now = {
            "Name": f"{account.name} - {account.seats} seats",
            "StageName": account.stage,
            "Probability": account.probability * 100,
            "Amount": account.amount_eur,
            "CloseDate": account.renewal_on.isoformat(),
        }
        deal_then = deal_now | {"Amount": round(account.amount_eur * rng.choice((0.8, 0.9, 1.0, 1.1)))}
        objects = [
            _crm_object("Account", account.company_id, account_now, "Now"),
            _crm_object("Opportunity", account.deal_id, deal_now, "Now"),
            _crm_object("Account", account.company_id, account_now, "TimeOfCall"),
            _crm_object("Opportunity", account.deal_id, deal_then, "TimeOfCall"),
        ]
        return [{"system": "HubSpot", "objects": objects}]

    def _comments(self, rng: Random, started: datetime, ours: list[Person]) -> list[Record]:
        if rng.random() > 0.15:
            return []
        at_s = float(rng.randrange(30, 300))
        return [
            {
                "id": number_id(f"comment:{rng.random()}"),
                "audioStartTime": at_s,
                "audioEndTime": at_s + 20,
                "commenterUserId": self._user_id(ours[-1]),
                "comment": rng.choice(("Good question.", "Follow up here.")),
                "posted": (started + timedelta(hours=3)).astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "duringCall": False,
            }
        ]

    def _user_id(self, person: Person) -> str:
        return number_id(f"{self._seed}:user:{person.number}")


def workspace(seed: int) -> Record:
    """The one Gong workspace of a world."""
    return {"id": number_id(f"{seed}:workspace"), "name": COMPANY, "description": "Everything"}


def _age_s(index: int, rng: Random) -> float:
    """Seconds before the start; calls that are late or untranscribed at the start are of its last day."""
    if index < LATE_CALLS + UNTRANSCRIBED_CALLS:
        return 3600.0 * (5 + 2 * index)
    return rng.uniform(0.4 * 86400, DAYS * 86400)


def _speaker_id(person: Person) -> str:
    return number_id(f"speaker:{person.email}")


def _speak(
    exchange: Exchange, topic: str, rng: Random, slots: Slots, ours: list[Person], theirs: list[Person]
) -> list[Turn]:
    turns = []
    for line in exchange:
        side, template = line.split(": ", 1)
        people = theirs if side == "c" else ours
        # The first of a side talks most.
        speaker = people[0] if rng.random() < 0.65 else rng.choice(people)
        turns.append(Turn(_speaker_id(speaker), topic, phrase(template, slots, rng)))
    return turns


def _crm_object(object_type: str, object_id: str, fields: Record, timing: str) -> Record:
    named = [{"name": name, "value": value} for name, value in fields.items()]
    return {"objectType": object_type, "objectId": object_id, "fields": named, "timing": timing}


def _quarter_before(moment: datetime) -> datetime:
    """The full quarter of an hour that a web conference was scheduled for."""
    return moment.replace(minute=moment.minute - moment.minute % 15, second=0, microsecond=0)
