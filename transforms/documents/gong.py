"""A Gong call is a document: its transcript's monologues are the sections.

A call without a transcript (not processed yet, or private) is no document. Names of parties are those at the time of
the call, so they are embedded; the title may change later and is an attribute.
"""

from __future__ import annotations

from typing import Any

from contracts.records import PUBLIC, Document, Section
from transforms.documents import Parts

MAX_NAMES = 8
"""Names in the header; a town hall must not fill the model's window."""


def to_document(document_id: str, parts: Parts) -> Document | None:
    calls, transcripts = parts.get("calls", ()), parts.get("transcripts", ())
    if not calls or not transcripts or calls[0]["started_at"] is None:
        return None
    call = calls[0]
    parties = call["payload"].get("parties") or []
    names = {p["speakerId"]: p["name"] for p in parties if p.get("speakerId") and p.get("name")}
    sections = tuple(
        section
        for monologue in transcripts[0]["payload"].get("transcript") or []
        if (section := _section(monologue, names)) is not None
    )
    if not sections:
        return None
    people = list(dict.fromkeys(p["name"] for p in parties if p.get("name")))
    date = call["started_at"].date().isoformat()
    return Document(
        document_id=document_id,
        source_system="gong",
        data_type="call",
        access_scope=PUBLIC if call["is_private"] is False else f"gong:call:{call['call_id']}",
        title=call["title"] or f"Call of {date}",
        header=f"Call, {date}: " + ", ".join(people[:MAX_NAMES]) if people else f"Call, {date}",
        sections=sections,
        metadata={
            "account_id": call["account_id"],
            "opportunity_id": call["opportunity_id"],
            "people": people,
            "duration_s": call["duration_s"],
            "url": call["url"],
            "tags": sorted({value.lower() for value in (call["direction"], call["scope"]) if value}),
        },
        occurred_at=call["started_at"],
    )


def _section(monologue: dict[str, Any], names: dict[str, str]) -> Section | None:
    """Sentence times are milliseconds; every other offset of Gong's is seconds."""
    sentences = [s for s in monologue.get("sentences") or [] if s["text"].strip()]
    if not sentences:
        return None
    speaker_id = monologue.get("speakerId") or ""
    return Section(
        text=" ".join(s["text"].strip() for s in sentences),
        speaker=names.get(speaker_id, "Unknown speaker"),
        author_id=speaker_id,
        start_s=sentences[0]["start"] / 1000,
        end_s=sentences[-1]["end"] / 1000,
    )
