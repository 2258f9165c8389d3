"""Who there is: the invented company whose tools the sandbox plays, its customers and their people.

Every vendor draws on this one cast, so that an account's CRM id on a Gong call, its people's addresses
and its Slack channel belong together. Names, domains and numbers are invented; domains end in `.example`
(RFC 2606), so that no address can ever reach anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sandbox.records import seeded

COMPANY = "Brindlewick"
DOMAIN = "brindlewick.example"
PRODUCT = "Brindle Planner"

FIRST_NAMES = (
    "Alva", "Bastian", "Corin", "Delphine", "Edda", "Fabrice", "Greta", "Hamza", "Ines", "Joris", "Kaia",
    "Lorcan", "Maren", "Nadir", "Odile", "Piet", "Quill", "Rosalba", "Sunniva", "Tobin", "Ulla", "Viggo",
    "Wanda", "Xenia", "Yusra", "Zeno", "Aurel", "Britta", "Cosmo", "Dagny", "Emeka", "Freya", "Ilse", "Jomo",
)  # fmt: skip
LAST_NAMES = (
    "Abernook", "Birkvale", "Cadderly", "Dunmarsh", "Eskelund", "Farrowby", "Grimsholt", "Hazelgrave",
    "Inverley", "Jarnfeld", "Kettlewood", "Lindqvale", "Morrowhurst", "Netherby", "Oakenshaw", "Pemberlyn",
    "Quarrington", "Rosvedt", "Stanmoor", "Thornquist", "Umberleigh", "Vandermeel", "Wexcombe", "Yardenholt",
)  # fmt: skip

EMPLOYEE_TITLES = (
    ("VP Sales", "sales"), ("Account Executive", "sales"), ("Account Executive", "sales"),
    ("Account Executive", "sales"), ("Solutions Engineer", "sales"), ("Customer Success Manager", "success"),
    ("Customer Success Manager", "success"), ("Support Engineer", "support"), ("Product Manager", "product"),
    ("Backend Engineer", "engineering"), ("Frontend Engineer", "engineering"), ("Chief Executive", "leadership"),
    ("Account Executive", "sales"), ("Support Engineer", "support"),
)  # fmt: skip
INACTIVE_EMPLOYEES = 2
"""How many people at the end of EMPLOYEE_TITLES have left; both vendors still list them."""

CUSTOMER_TITLES = (
    "Operations Director", "IT Manager", "Head of Procurement", "Shift Planning Lead", "Chief Financial Officer",
    "Information Security Officer", "HR Business Partner", "Site Manager",
)  # fmt: skip

ACCOUNT_NAMES = (
    ("Quillon Freight", "logistics", "Rotterdam"), ("Brackenfell Foods", "food production", "Graz"),
    ("Sundermere Hotels", "hospitality", "Lisbon"), ("Tarnwick Clinics", "healthcare", "Leeds"),
    ("Ferrowell Mining", "mining", "Kiruna"), ("Lumenhoek Energy", "energy", "Groningen"),
    ("Ashgrove Parcel", "parcel delivery", "Birmingham"), ("Calderstone Airports", "aviation", "Porto"),
    ("Mirefield Textiles", "manufacturing", "Lille"), ("Northwater Ferries", "transport", "Turku"),
    ("Pinecrag Resorts", "hospitality", "Innsbruck"), ("Velmora Pharma", "pharmaceuticals", "Basel"),
)  # fmt: skip

SITUATIONS = (
    ("renewal", "pricing"), ("bug", "churn"), ("pilot", "competitor"), ("security", "sso"),
    ("onboarding", "integration"), ("feature", "renewal"), ("competitor", "pricing"), ("churn", "bug"),
    ("residency", "security"), ("pilot", "onboarding"), ("integration", "feature"), ("sso", "residency"),
)  # fmt: skip
"""The two themes that most of an account's calls turn around."""

MODULES = (
    "shift board", "roster import", "mobile check-in", "payroll export", "forecast view", "audit log",
    "public API", "alerting", "absence calendar", "skills matrix",
)  # fmt: skip
COMPETITORS = ("Planora", "ShiftHive", "Rotawise", "Timberline Crew", "Dayloom")
IDENTITY_PROVIDERS = ("Okta", "Entra ID", "Keycloak", "PingFederate")
STAGES = (("qualified", 0.2), ("evaluation", 0.4), ("proposal", 0.6), ("contract sent", 0.8), ("closed won", 1.0))


@dataclass(frozen=True, slots=True)
class Person:
    """One human being, inside or outside the company."""

    first_name: str
    last_name: str
    email: str
    """Unique; the same in every vendor."""
    title: str
    team: str
    """sales, success, support, product, engineering or leadership; for a customer the account's slug."""
    active: bool = True
    number: int = 0
    """Place in the cast, 0-based; ids are derived from it."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Account:
    """One customer or prospect, with the facts that all its conversations keep to."""

    name: str
    slug: str
    domain: str
    industry: str
    city: str
    company_id: str
    """HubSpot company id: what Gong's CRM context calls the Account's objectId."""
    deal_id: str
    """HubSpot deal id: the Opportunity's objectId."""
    stage: str
    probability: float
    seats: int
    unit_price_eur: int
    """List price for a seat and month."""
    renewal_on: date
    competitor: str
    module: str
    identity_provider: str
    themes: tuple[str, ...]
    owner: Person
    success_manager: Person
    people: tuple[Person, ...]

    @property
    def amount_eur(self) -> int:
        """The deal's yearly value."""
        return self.seats * self.unit_price_eur * 12


@dataclass(frozen=True, slots=True)
class Company:
    """The whole cast."""

    employees: tuple[Person, ...]
    accounts: tuple[Account, ...]

    def team(self, *teams: str) -> list[Person]:
        """The active employees of these teams."""
        return [person for person in self.employees if person.active and person.team in teams]

    def account(self, name: str) -> Account | None:
        """The account of this name, slug or HubSpot company id."""
        return next((a for a in self.accounts if name in (a.name, a.slug, a.company_id)), None)


def found_company(seed: int, start: datetime) -> Company:
    """Make the cast; the same seed and start give the same people.

    Args:
        start: the world's start; renewals lie 15 to 200 days after it.
    """
    rng = seeded(seed, "company")
    names = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
    rng.shuffle(names)
    employees = []
    for number, (title, team) in enumerate(EMPLOYEE_TITLES):
        first, last = names.pop()
        email = f"{first}.{last}@{DOMAIN}".lower()
        active = number < len(EMPLOYEE_TITLES) - INACTIVE_EMPLOYEES
        employees.append(Person(first, last, email, title, team, active, number))
    sellers = [p for p in employees if p.title == "Account Executive" and p.active]
    carers = [p for p in employees if p.team == "success"]
    situations = list(SITUATIONS)
    rng.shuffle(situations)
    accounts = []
    people_made = len(employees)
    for index, (name, industry, city) in enumerate(ACCOUNT_NAMES):
        slug = name.split()[0].lower()
        domain = f"{slug}.example"
        titles = rng.sample(CUSTOMER_TITLES, rng.choice((3, 4, 4)))
        people = []
        for title in titles:
            first, last = names.pop()
            email = f"{first}.{last}@{domain}".lower()
            people.append(Person(first, last, email, title, slug, number=people_made))
            people_made += 1
        stage, probability = rng.choice(STAGES)
        accounts.append(
            Account(
                name=name,
                slug=slug,
                domain=domain,
                industry=industry,
                city=city,
                company_id=str(rng.randrange(10**10, 10**11)),
                deal_id=str(rng.randrange(10**10, 10**11)),
                stage=stage,
                probability=probability,
                seats=rng.randrange(60, 1800, 20),
                unit_price_eur=rng.randrange(6, 19),
                renewal_on=(start + timedelta(days=rng.randrange(15, 200))).date(),
                competitor=rng.choice(COMPETITORS),
                module=rng.choice(MODULES),
                identity_provider=rng.choice(IDENTITY_PROVIDERS),
                themes=situations[index],
                owner=sellers[index % len(sellers)],
                success_manager=carers[index % len(carers)],
                people=tuple(people),
            )
        )
    return Company(tuple(employees), tuple(accounts))
