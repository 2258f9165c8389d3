"""Which sections of a call a reader gets: Gong's contentSelector (Gong API, calls/extensive)."""

from __future__ import annotations

from sandbox.records import Record

CONTEXTS = ("None", "Basic", "Extended")
CONTENT_PARTS = (
    "structure",
    "topics",
    "trackers",
    "pointsOfInterest",
    "brief",
    "outline",
    "highlights",
    "callOutcome",
    "keyPoints",
)
FULL_SELECTOR: Record = {
    "context": "Extended",
    "contextTiming": ["Now", "TimeOfCall"],
    "exposedFields": {
        "parties": True,
        "content": dict.fromkeys((*CONTENT_PARTS, "trackerOccurrences"), True),
        "interaction": dict.fromkeys(("speakers", "video", "personInteractionStats", "questions"), True),
        "collaboration": {"publicComments": True},
        "media": True,
    },
}
"""The contentSelector with which extensive calls look as in the control plane's dump."""


def select(record: Record, selector: Record) -> Record:
    """The sections of an extensive call that a contentSelector names; without one only `metaData`."""
    chosen: Record = {"metaData": record["metaData"]}
    detail = selector.get("context", "None")
    if detail != "None":
        timings = selector.get("contextTiming") or ["Now"]
        chosen["context"] = [_context(c, timings, detail == "Extended") for c in record["context"]]
    exposed = selector.get("exposedFields") or {}
    if exposed.get("parties"):
        chosen["parties"] = record["parties"]
        if detail == "None":
            chosen["parties"] = [{k: v for k, v in party.items() if k != "context"} for party in record["parties"]]
    wanted = exposed.get("content") or {}
    if any(wanted.values()) and "content" in record:
        content = {
            part: record["content"][part] for part in CONTENT_PARTS if wanted.get(part) and part in record["content"]
        }
        if "trackers" in content and not wanted.get("trackerOccurrences"):
            content["trackers"] = [_without_occurrences(tracker) for tracker in content["trackers"]]
        chosen["content"] = content
    wanted = exposed.get("interaction") or {}
    if any(wanted.values()) and "interaction" in record:
        parts = {"personInteractionStats": "interactionStats"}
        chosen["interaction"] = {
            parts.get(part, part): record["interaction"][parts.get(part, part)]
            for part, is_wanted in wanted.items()
            if is_wanted and parts.get(part, part) in record["interaction"]
        }
    if (exposed.get("collaboration") or {}).get("publicComments"):
        chosen["collaboration"] = record["collaboration"]
    if exposed.get("media"):
        chosen["media"] = record["media"]
    return chosen


def _context(context: Record, timings: list[str], extended: bool) -> Record:
    objects = [o for o in context["objects"] if o.get("timing", "Now") in timings]
    if not extended:
        objects = [{"objectType": o["objectType"], "objectId": o["objectId"]} for o in objects]
    return context | {"objects": objects}


def _without_occurrences(tracker: Record) -> Record:
    phrases = [{k: v for k, v in spoken.items() if k != "occurrences"} for spoken in tracker["phrases"]]
    return {k: v for k, v in tracker.items() if k != "occurrences"} | {"phrases": phrases}
