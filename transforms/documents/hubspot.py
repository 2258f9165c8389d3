"""HubSpot documents: a deal (`hubspot:deal:<id>`) and a company (`hubspot:company:<id>`).

The first section holds the facts that people search by; the notes, emails, calls and meetings follow in order of time.
A company tells what belongs to it and to no deal; what belongs to a deal is told there alone. Amount, stage, close
date, pipeline and owner change, so they are attributes and are not embedded; names change too, so the header, which is
embedded with every section, has none.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from contracts.records import PUBLIC, Document, Section
from transforms.documents import Parts

Row = Mapping[str, Any]

KEYS = {
    "companies": "company_id",
    "contacts": "contact_id",
    "notes": "note_id",
    "emails": "email_id",
    "calls": "call_id",
    "meetings": "meeting_id",
}
SAID = {"notes": ("body",), "emails": ("subject", "body"), "calls": ("title", "body"), "meetings": ("title", "body")}
"""What is told of an activity; tasks say what is to be done and are none."""
MAX_PEOPLE = 50
"""People named in the facts and in the metadata; a company may have thousands."""
UNKNOWN = "Unknown"

LINES = frozenset("address article blockquote br dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre table tr ul".split())
"""Tags that begin a line."""
UNSEEN = frozenset(("script", "style", "head", "title"))

_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>")
"""No `<ann@example.com>`, which stands in mails."""


def to_document(document_id: str, parts: Parts) -> Document | None:
    """None where the deal or company itself does not live, or was never made."""
    _, kind, native_id = document_id.split(":", 2)
    entity, key = ("deals", "deal_id") if kind == "deal" else ("companies", "company_id")
    subject = next((row for row in parts.get(entity, ()) if row[key] == native_id), None)
    if subject is None or subject["created_at"] is None:
        return None
    return _deal(document_id, subject, parts) if kind == "deal" else _company(document_id, subject, parts)


def _deal(document_id: str, deal: Row, parts: Parts) -> Document:
    end = ("deals", deal["deal_id"])
    ties = [tie for tie in parts.get("associations", ()) if (tie["from_type"], tie["from_id"]) == end]
    main_first = sorted(ties, key=lambda tie: (not tie["is_primary"], _by_id(tie["to_id"])))
    companies = _live(parts, "companies", [tie["to_id"] for tie in main_first if tie["to_type"] == "companies"])
    contacts = _live(parts, "contacts", [tie["to_id"] for tie in main_first if tie["to_type"] == "contacts"])
    names = [_company_name(company) for company in companies]
    name = deal["name"] or f"Deal {deal['deal_id']}"
    stages = {(stage["pipeline_id"], stage["stage_id"]): stage["label"] for stage in parts.get("deal_stages", ())}
    pipelines = {pipeline["pipeline_id"]: pipeline["label"] for pipeline in parts.get("pipelines", ())}
    date = deal["created_at"].date().isoformat()
    facts = [name, *([f"Company: {', '.join(names)}"] if names else []), *_people(contacts)]
    return Document(
        document_id=document_id,
        source_system="hubspot",
        data_type="deal",
        access_scope=PUBLIC,
        title=name,
        header=f"Deal, {date}",
        sections=_sections(facts, parts, _tied_to(parts, "deals", {deal["deal_id"]}), deal["created_at"]),
        metadata={
            "account_id": companies[0]["company_id"] if companies else None,
            "company": names[0] if names else None,
            **_people_metadata(contacts),
            "owner": _owners(parts).get(deal["owner_id"]),
            "amount": deal["amount"],
            "currency": deal["currency"],
            "pipeline": pipelines.get(deal["pipeline_id"], deal["pipeline_id"]),
            "stage": stages.get((deal["pipeline_id"], deal["stage_id"]), deal["stage_id"]),
            "close_at": deal["close_at"].isoformat() if deal["close_at"] else None,
            "url": None,
            "tags": ["deal"],
        },
        occurred_at=deal["created_at"],
    )


def _company(document_id: str, company: Row, parts: Parts) -> Document:
    tied = _tied_to(parts, "companies", {company["company_id"]})
    of_deals = _tied_to(parts, "deals", {deal["deal_id"] for deal in parts.get("deals", ())})
    people = (from_id for from_type, from_id in tied if from_type == "contacts")
    contacts = _live(parts, "contacts", sorted(people, key=_by_id))
    name = _company_name(company)
    facts = [name]
    facts += [f"{field.capitalize()}: {company[field]}" for field in ("industry", "city", "domain") if company[field]]
    facts += _people(contacts)
    return Document(
        document_id=document_id,
        source_system="hubspot",
        data_type="company",
        access_scope=PUBLIC,
        title=name,
        header="Company",
        sections=_sections(facts, parts, tied - of_deals, company["created_at"]),
        metadata={
            "account_id": company["company_id"],
            "company": name,
            **_people_metadata(contacts),
            "owner": _owners(parts).get(company["owner_id"]),
            "url": None,
            "tags": ["company"],
        },
        occurred_at=company["created_at"],
    )


def _tied_to(parts: Parts, to_type: str, to_ids: set[str]) -> set[tuple[str, str]]:
    """Type and id of what live associations tie to these. Rows also come by associations that live no more."""
    ties = parts.get("associations", ())
    return {(tie["from_type"], tie["from_id"]) for tie in ties if tie["to_type"] == to_type and tie["to_id"] in to_ids}


def _live(parts: Parts, entity: str, ids: Iterable[str]) -> list[Row]:
    """The live rows of these ids, in their order."""
    key = KEYS[entity]
    rows = {row[key]: row for row in parts.get(entity, ())}
    return [rows[one] for one in dict.fromkeys(ids) if one in rows]


def _by_id(native_id: str) -> tuple[int, str]:
    """Orders ids as the numbers that they are."""
    return len(native_id), native_id


def _company_name(company: Row) -> str:
    return str(company["name"] or company["domain"] or f"Company {company['company_id']}")


def _person_name(person: Row) -> str:
    """Of a contact or an owner."""
    name = " ".join(part for part in (person["first_name"], person["last_name"]) if part)
    return name or person["email"] or UNKNOWN


def _people(contacts: Sequence[Row]) -> list[str]:
    named = [
        f"{_person_name(contact)} ({contact['job_title']})" if contact["job_title"] else _person_name(contact)
        for contact in contacts[:MAX_PEOPLE]
    ]
    return [f"People: {', '.join(named)}"] if named else []


def _people_metadata(contacts: Sequence[Row]) -> dict[str, Any]:
    named = [_person_name(contact) for contact in contacts[:MAX_PEOPLE]]
    return {"people": named} | ({"people_count": len(contacts)} if len(contacts) > len(named) else {})


def _owners(parts: Parts) -> dict[str | None, str]:
    return {owner["owner_id"]: _person_name(owner) for owner in parts.get("owners", ())}


def _sections(
    facts: Sequence[str], parts: Parts, told: set[tuple[str, str]], begun_at: datetime
) -> tuple[Section, ...]:
    """The facts, then what was said, by time and id.

    Args:
        told: type and id of the activities that belong here.
        begun_at: what the sections' seconds count from.
    """
    said: list[tuple[datetime, tuple[int, str], str, Section]] = []
    for entity, fields in SAID.items():
        for row in parts.get(entity, ()):
            native_id = row[KEYS[entity]]
            text = "\n".join(filter(None, (plain_text(row[field] or "") for field in fields)))
            if (entity, native_id) not in told or not text:
                continue
            moment = row["occurred_at"] or row["created_at"] or begun_at
            start_s = (moment - begun_at).total_seconds()
            section = Section(
                text=text,
                author_id=row["owner_id"] or "",
                start_s=start_s,
                end_s=start_s,
            )
            said.append((moment, _by_id(native_id), entity, section))
    said.sort(key=lambda one: one[:3])
    return (Section(text=f"{'. '.join(facts)}."), *(section for *_, section in said))


def plain_text(body: str) -> str:
    """What a reader sees of HTML, a line a paragraph; text without a tag keeps its lines."""
    if _TAG.search(body):
        reader = _Reader()
        reader.feed(body)
        reader.close()
        body = "".join(reader.seen)
    else:
        body = html.unescape(body)
    lines = (" ".join(line.split()) for line in body.splitlines())
    return "\n".join(line for line in lines if line)


class _Reader(HTMLParser):
    """Collects the text that HTML shows."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body" or tag in LINES:
            self._unseen = 0  # what may stand only in the body ends a head, whose own end is often left out
        self._unseen += tag in UNSEEN
        if tag in LINES:
            self.seen.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in UNSEEN and self._unseen > 0
        if tag in LINES:
            self.seen.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.seen.append(" ".join(data.split("\n")))
