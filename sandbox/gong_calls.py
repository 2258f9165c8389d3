"""How a Gong call is put together: from who spoke and what was said to the record that the API gives.

A `CallPlan` says what happened; `build_call` makes the extensive record, its transcript and what Gong's
analysis would find in it. Times inside a transcript are milliseconds, every other offset is seconds
(Gong API, calls/transcript and calls/extensive).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from sandbox.company import COMPETITORS
from sandbox.records import Record, as_iso, number_id

MS_A_WORD = 400
SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
TRACKERS: Mapping[str, tuple[str, ...]] = {
    "Competitors": tuple(name.lower() for name in COMPETITORS),
    "Pricing": ("price", "discount", "budget", "euros"),
    "Security": ("security", "soc 2", "encryption", "audit log"),
    "Churn signals": ("cancel", "leaving", "notice", "mistrust"),
    "Blockers": ("blocked", "can't roll out", "before we can sign", "must not"),
}
ACTION_SIGNS = ("next steps", "action item", "i will ", "you will have")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says before the next one does."""

    speaker_id: str
    topic: str
    text: str


@dataclass(slots=True)
class CallPlan:
    """What happened on a call."""

    title: str
    started: datetime
    scheduled: datetime
    """Equal to `started` where nothing was scheduled."""
    parties: list[Record]
    turns: list[Turn]
    visible_at: datetime
    """World time from which the API lists the call."""
    transcript_at: datetime | None
    """World time from which there is a transcript; None: never."""
    primary_user_id: str | None = None
    context: list[Record] = field(default_factory=list)
    """CRM objects with `timing`, both timings; empty where the call has no CRM context."""
    is_private: bool = False
    direction: str = "Conference"
    system: str = "Zoom"
    scope: str = "External"
    brief: str = ""
    key_points: list[str] = field(default_factory=list)
    outcome: str | None = None
    comments: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """One call as Gong stores it."""

    record: Record
    """Every section of an extensive call; a reader gets those that its contentSelector names."""
    transcript: list[Record]
    """Monologues."""
    started: datetime
    scheduled: datetime
    visible_at: datetime
    transcript_at: datetime | None

    def is_visible(self, now: datetime) -> bool:
        return self.visible_at <= now

    def has_transcript(self, now: datetime) -> bool:
        return self.transcript_at is not None and self.transcript_at <= now and bool(self.transcript)


def build_call(call_id: str, plan: CallPlan, workspace_id: str) -> Call:
    """Make the call's record from its plan."""
    transcript = transcribe(plan.turns)
    meta: Record = {
        "id": call_id,
        "url": f"https://app.gong.io/call?id={call_id}",
        "title": plan.title,
        "scheduled": as_iso(plan.scheduled),
        "started": as_iso(plan.started),
        "duration": seconds_of(transcript) or 60,
        "direction": plan.direction,
        "system": plan.system,
        "scope": plan.scope,
        "media": "Video" if plan.direction == "Conference" else "Audio",
        "language": "eng",
        "workspaceId": workspace_id,
        "isPrivate": plan.is_private,
    }
    if plan.primary_user_id is not None:
        meta["primaryUserId"] = plan.primary_user_id
    if plan.direction == "Conference":
        meta["meetingUrl"] = f"https://meet.example/{call_id[-9:]}"
        meta["calendarEventId"] = f"{call_id[-12:]}@calendar.example"
    record: Record = {
        "metaData": meta,
        "context": plan.context,
        "parties": plan.parties,
        "content": {},
        "interaction": {},
        "collaboration": {"publicComments": plan.comments},
        "media": {"audioUrl": f"https://media.example/{call_id}.mp3"},
    }
    if plan.direction == "Conference":
        record["media"]["videoUrl"] = f"https://media.example/{call_id}.mp4"
    if plan.brief:
        record["content"]["brief"] = plan.brief
    if plan.key_points:
        record["content"]["keyPoints"] = [{"text": text} for text in plan.key_points]
    if plan.outcome:
        name = plan.outcome
        record["content"]["callOutcome"] = {"id": number_id(f"outcome:{name}"), "category": "Completed", "name": name}
    call = Call(record, transcript, plan.started, plan.scheduled, plan.visible_at, plan.transcript_at)
    analyse(call)
    return call


def transcribe(turns: Sequence[Turn]) -> list[Record]:
    """Monologues with timed sentences: consecutive turns of one speaker on one topic are one monologue."""
    monologues = []
    clock_ms = 0
    for (speaker_id, topic), group in groupby(turns, key=lambda turn: (turn.speaker_id, turn.topic)):
        sentences = []
        for turn in group:
            for text in SENTENCE_END.split(turn.text.strip()):
                end_ms = clock_ms + MS_A_WORD * max(1, text.count(" ") + 1)
                sentences.append({"start": clock_ms, "end": end_ms, "text": text})
                clock_ms = end_ms
        monologues.append({"speakerId": speaker_id, "topic": topic, "sentences": sentences})
    return monologues


def seconds_of(transcript: Sequence[Record]) -> int:
    """The length of what was said, in whole seconds, rounded up."""
    return -(-transcript[-1]["sentences"][-1]["end"] // 1000) if transcript else 0


def analyse(call: Call) -> None:
    """Write what Gong finds by itself into the record: structure, topics, trackers, talk times, questions."""
    content, transcript = call.record["content"], call.transcript
    users = {p["speakerId"]: p.get("userId") for p in call.record["parties"] if "speakerId" in p}
    talk_s: dict[str, float] = {}
    topic_s: dict[str, float] = {}
    found: dict[str, dict[str, list[Record]]] = {}
    actions: list[Record] = []
    questions = {"companyCount": 0, "nonCompanyCount": 0}
    for monologue in transcript:
        speaker_id = monologue["speakerId"]
        spoken_s = (monologue["sentences"][-1]["end"] - monologue["sentences"][0]["start"]) / 1000
        talk_s[speaker_id] = talk_s.get(speaker_id, 0) + spoken_s
        topic_s[monologue["topic"]] = topic_s.get(monologue["topic"], 0) + spoken_s
        for sentence in monologue["sentences"]:
            text, start_s = sentence["text"].lower(), sentence["start"] / 1000
            if text.endswith("?"):
                questions["companyCount" if users.get(speaker_id) else "nonCompanyCount"] += 1
            for tracker, phrases in TRACKERS.items():
                for spoken in phrases:
                    if spoken in text:
                        seen = found.setdefault(tracker, {}).setdefault(spoken, [])
                        seen.append({"startTime": start_s, "speakerId": speaker_id})
            if any(sign in text for sign in ACTION_SIGNS):
                end_s = sentence["end"] / 1000
                actions.append(
                    {
                        "snippetStartTime": start_s,
                        "snippetEndTime": end_s,
                        "speakerID": speaker_id,
                        "snippet": sentence["text"],
                    }
                )
    content["structure"] = [
        {"name": topic, "duration": round(_span_s(list(group)))}
        for topic, group in groupby(transcript, key=lambda monologue: str(monologue["topic"]))
    ]
    content["topics"] = [{"name": topic, "duration": round(spoken)} for topic, spoken in topic_s.items()]
    content["trackers"] = [_tracker(name, phrases) for name, phrases in found.items()]
    content["pointsOfInterest"] = {"actionItems": actions}
    content["outline"] = [
        _outline_section(topic, list(group)) for topic, group in groupby(transcript, key=lambda m: str(m["topic"]))
    ]
    content["highlights"] = (
        [
            {
                "title": "Next steps",
                "items": [{"text": a["snippet"], "startTimes": [a["snippetStartTime"]]} for a in actions],
            }
        ]
        if actions
        else []
    )
    total_s = sum(talk_s.values()) or 1.0
    company_s = sum(spoken for speaker_id, spoken in talk_s.items() if users.get(speaker_id))
    call.record["interaction"] = {
        "speakers": [
            {"id": speaker_id, "talkTime": spoken} | ({"userId": users[speaker_id]} if users.get(speaker_id) else {})
            for speaker_id, spoken in talk_s.items()
        ],
        "interactionStats": [{"name": "Talk Ratio", "value": round(company_s / total_s, 3)}],
        "video": [],
        "questions": questions,
    }


def _span_s(monologues: Sequence[Record]) -> float:
    """Seconds from the first word to the last."""
    ms: int = monologues[-1]["sentences"][-1]["end"] - monologues[0]["sentences"][0]["start"]
    return ms / 1000


def _outline_section(topic: str, monologues: Sequence[Record]) -> Record:
    first = monologues[0]["sentences"][0]
    start_s = first["start"] / 1000
    return {
        "section": topic,
        "startTime": start_s,
        "duration": _span_s(monologues),
        "items": [{"text": first["text"], "startTime": start_s}],
    }


def _tracker(name: str, phrases: Mapping[str, list[Record]]) -> Record:
    occurrences = [seen for found in phrases.values() for seen in found]
    return {
        "id": number_id(f"tracker:{name}"),
        "name": name,
        "count": len(occurrences),
        "type": "KEYWORD",
        "occurrences": sorted(occurrences, key=lambda seen: float(seen["startTime"])),
        "phrases": [{"count": len(found), "occurrences": found, "phrase": spoken} for spoken, found in phrases.items()],
    }
