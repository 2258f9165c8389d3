"""What was noted, written, said and planned about accounts and prospects in the last 120 days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from random import Random

from sandbox.company import Account, Company, Person
from sandbox.hubspot_associations import End
from sandbox.hubspot_objects import as_ms, ms_iso
from sandbox.hubspot_records import HubspotRecords
from sandbox.phrasing import Slots, account_slots, phrase
from sandbox.planted import FACTS
from sandbox.records import Record, seeded
from sandbox.synthetic_crm_cast import contact_id, new_id, owner_id, pick_account
from sandbox.synthetic_crm_texts import (
    CALLS,
    EMAIL_FORWARDED,
    EMAIL_IN,
    EMAIL_OUT,
    EMAIL_SUBJECTS,
    MEETINGS,
    NOTE_ENDS,
    NOTES,
    RIVAL_NOTE,
    TASKS,
    TOPICS,
)

ENGAGEMENTS_AT_SCALE_1 = 150
LEAST_ENGAGEMENTS = 10
DAYS = 120
DAY_MS = 86_400_000
KIND_SHARES = {"notes": 32, "emails": 24, "calls": 16, "meetings": 15, "tasks": 13}
ARCHIVED_SHARE = 0.06
"""Of the notes."""
RIVAL_SHARE = 0.15
FUTURE_SHARE = 0.3
"""Of meetings and tasks: they are planned for a time after the start."""
AMENDED_SHARE = 0.1
Values = dict[str, str | None]


class EngagementWriter:
    """Writes the engagements of one company."""

    def __init__(self, company: Company, seed: int, start: datetime) -> None:
        self._company = company
        self._seed = seed
        self._start_ms = as_ms(start)
        self._write: dict[str, Callable[[Random, Slots, str, int], Values]] = {
            "notes": _note,
            "emails": _email,
            "calls": _call,
            "meetings": self._meeting,
            "tasks": self._task,
        }

    def fill(self, hubspot: HubspotRecords, prospects: list[Account], scale: float) -> list[Record]:
        """Add engagements; returns where each planted fact went."""
        for index in range(max(LEAST_ENGAGEMENTS, round(ENGAGEMENTS_AT_SCALE_1 * scale))):
            rng = seeded(self._seed, "crm-engagement", index)
            kind = "notes" if index == 0 else rng.choices(list(KIND_SHARES), list(KIND_SHARES.values()))[0]
            account = pick_account(rng, self._company, prospects, index, ENGAGEMENTS_AT_SCALE_1)
            self._add(hubspot, rng, kind, account, archived=index == 0)
        planted = []
        facts = [fact for fact in FACTS if fact.vendor == "hubspot"]
        for fact, kind in zip(facts, ("notes", "emails"), strict=True):
            rng = seeded(self._seed, "crm-fact", fact.fact_id)
            said: Values = {"hs_note_body": f"<p>{fact.text}</p>"} if kind == "notes" else {"hs_email_text": fact.text}
            object_id = self._add(hubspot, rng, kind, rng.choice(self._company.accounts), said)
            planted.append(
                {
                    "fact_id": fact.fact_id,
                    "text": fact.text,
                    "query": fact.query,
                    "stream": f"hubspot.{kind}",
                    "key": {"id": object_id},
                }
            )
        return planted

    def _add(
        self,
        hubspot: HubspotRecords,
        rng: Random,
        kind: str,
        account: Account,
        said: Values | None = None,
        archived: bool = False,
    ) -> str:
        """Make one engagement and tie it to company, mostly person, often deal.

        Args:
            said: values instead of made-up ones.
        """
        at_ms = self._start_ms - round(rng.uniform(0.3, DAYS) * DAY_MS)
        made_ms = at_ms + rng.randrange(1_000, 7_200_000)
        author, person = self._author(rng, account), rng.choice(account.people)
        if kind in ("meetings", "tasks") and rng.random() < FUTURE_SHARE:
            at_ms = self._start_ms + rng.randrange(1, 20 * 24) * DAY_MS // 24
        slots = account_slots(rng, account)
        theme = rng.choice((*account.themes, *account.themes, rng.choice(tuple(NOTES))))
        slots |= {"contact": person.first_name, "owner": author.first_name}
        slots["topic"] = TOPICS[theme].format_map(slots)
        values = self._write[kind](rng, slots, theme, at_ms) | (said or {})
        values |= {"hs_timestamp": ms_iso(at_ms), "hubspot_owner_id": owner_id(author)}
        made = hubspot.add(kind, new_id(rng), values, made_ms, made_ms)
        if rng.random() < AMENDED_SHARE:
            hubspot.change(made, {}, min(made_ms + rng.randrange(1, 10 * DAY_MS), self._start_ms - 60_000))
        start: End = (kind, made.id)
        hubspot.tie(start, ("companies", account.company_id))
        if kind == "emails" or rng.random() < 0.85:
            hubspot.tie(start, ("contacts", contact_id(person)))
        if rng.random() < 0.6:
            hubspot.tie(start, ("deals", account.deal_id))
        if archived or (kind == "notes" and said is None and rng.random() < ARCHIVED_SHARE):
            made.archived_ms = self._start_ms - rng.randrange(60_000, DAY_MS // 4)
        return made.id

    def _author(self, rng: Random, account: Account) -> Person:
        return rng.choice((account.owner, account.owner, account.success_manager))

    def _meeting(self, rng: Random, slots: Slots, _theme: str, at_ms: int) -> Values:
        title, body = rng.choice(MEETINGS)
        outcome = rng.choice(("COMPLETED", "COMPLETED", "NO_SHOW", "RESCHEDULED"))
        return {
            "hs_meeting_title": phrase(title, slots, rng),
            "hs_meeting_body": phrase(body, slots, rng),
            "hs_meeting_start_time": ms_iso(at_ms),
            "hs_meeting_end_time": ms_iso(at_ms + rng.choice((30, 45, 60)) * 60_000),
            "hs_meeting_outcome": outcome if at_ms < self._start_ms else "SCHEDULED",
        }

    def _task(self, rng: Random, slots: Slots, _theme: str, at_ms: int) -> Values:
        subject, body = rng.choice(TASKS)
        done = at_ms < self._start_ms and rng.random() < 0.7
        return {
            "hs_task_subject": phrase(subject, slots, rng),
            "hs_task_body": phrase(body, slots, rng),
            "hs_task_status": "COMPLETED" if done else "NOT_STARTED",
            "hs_task_priority": rng.choice(("LOW", "MEDIUM", "HIGH")),
            "hs_task_type": rng.choice(("TODO", "CALL", "EMAIL")),
        }


def _note(rng: Random, slots: Slots, theme: str, _at_ms: int) -> Values:
    """In HubSpot's simple HTML: paragraphs, or lines with breaks."""
    lines = [phrase(rng.choice(NOTES[theme]), slots, rng)]
    if rng.random() < RIVAL_SHARE:
        lines.append(phrase(RIVAL_NOTE, slots, rng))
    if rng.random() < 0.7:
        lines.append(phrase(rng.choice(NOTE_ENDS), slots, rng))
    lines = [escape(line, quote=False) for line in lines]
    body = "<br>".join(lines) if rng.random() < 0.3 else "".join(f"<p>{line}</p>" for line in lines)
    return {"hs_note_body": body}


def _email(rng: Random, slots: Slots, _theme: str, _at_ms: int) -> Values:
    direction, texts = rng.choice(
        (
            ("EMAIL", EMAIL_OUT),
            ("EMAIL", EMAIL_OUT),
            ("INCOMING_EMAIL", EMAIL_IN),
            ("INCOMING_EMAIL", EMAIL_IN),
            ("FORWARDED_EMAIL", EMAIL_FORWARDED),
        )
    )
    return {
        "hs_email_subject": phrase(rng.choice(EMAIL_SUBJECTS), slots, rng),
        "hs_email_text": phrase(rng.choice(texts), slots, rng),
        "hs_email_direction": direction,
    }


def _call(rng: Random, slots: Slots, _theme: str, _at_ms: int) -> Values:
    title, body = rng.choice(CALLS)
    return {
        "hs_call_title": phrase(title, slots, rng),
        "hs_call_body": phrase(body, slots, rng),
        "hs_call_duration": str(rng.randrange(20_000, 1_800_000)),
        "hs_call_direction": rng.choice(("INBOUND", "OUTBOUND", "OUTBOUND")),
    }
