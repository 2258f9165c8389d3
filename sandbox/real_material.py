"""Real material in the vendors' shapes: recorded meetings as Gong calls, a workspace export as Slack.

The folder holds `qmsum/*.json` (QMSum meetings: `meeting_transcripts[]{speaker, content}`, `topic_list[]`) and
`slack_export/` (`channels.json`, `users*.json`, a folder a channel with a file a day, as Slack exports them).
Either may be absent; then that vendor is empty. What the material lacks (ids, addresses, dates) is made from
a hash of its own names, so it is the same each time.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.gong_calls import CallPlan, Turn
from sandbox.gong_records import GongRecords
from sandbox.records import Record, WorldRefused, number_id
from sandbox.slack_channels import Channel, channel_record
from sandbox.slack_records import SlackRecords

MEETING_DAYS = 60
MARKER = re.compile(r"\{\w+\}")
SPACED_PUNCTUATION = re.compile(r"\s+([.,?!;:])")


def load_meetings(folder: Path, gong: GongRecords, start: datetime) -> None:
    """Add every meeting as a call, public and without CRM context, and its speakers as users.

    A speaker is one person throughout a series of meetings (`ES2002a` and `ES2002c` are of series `ES2002`).
    A meeting has no date: its hash puts it into the sixty days before the start.
    """
    for path in sorted(folder.glob("*.json")):
        meeting = _read(path)
        name, series = path.stem, path.stem[:-1]
        call_id = number_id(f"meeting:{name}")
        parties: dict[str, Record] = {}
        turns = []
        for spoken in meeting["meeting_transcripts"]:
            speaker, text = spoken["speaker"], spoken_text(spoken["content"])
            parties.setdefault(speaker, _party(series, speaker))
            if text:
                turns.append(Turn(parties[speaker]["speakerId"], "Discussion", text))
        for speaker, party in parties.items():
            gong.add_user(party["userId"], party["emailAddress"], speaker, series, speaker, start - timedelta(days=365))
        age_s = int(number_id(f"date:{name}")) % (MEETING_DAYS * 86400 - 7200) + 7200
        started = start - timedelta(seconds=age_s)
        topics = [topic["topic"] for topic in meeting["topic_list"]]
        gong.add_call(
            call_id,
            CallPlan(
                title=f"{name}: {topics[0]}" if topics else name,
                started=started,
                scheduled=started,
                parties=list(parties.values()),
                turns=turns,
                visible_at=started,
                transcript_at=started,
                primary_user_id=next(iter(parties.values()))["userId"],
                scope="Internal",
                key_points=topics,
            ),
        )


def spoken_text(content: str) -> str:
    """What was said, without markers such as `{vocalsound}` and with punctuation joined to its word."""
    return SPACED_PUNCTUATION.sub(r"\1", " ".join(MARKER.sub(" ", content).split())).strip()


def _party(series: str, speaker: str) -> Record:
    who = f"{series}:{speaker}"
    address = f"{speaker}.{series}@meetings.example".lower().replace(" ", "-")
    return {
        "id": number_id(f"party:{who}"),
        "emailAddress": address,
        "name": speaker,
        "title": speaker,
        "userId": number_id(f"user:{who}"),
        "speakerId": number_id(f"speaker:{who}"),
        "affiliation": "Internal",
        "methods": ["Attendee"],
    }


def load_slack_export(folder: Path, slack: SlackRecords) -> None:
    """Add the export as it is: every message with its own ts, archived channels, users, members.

    The bot may read all channels, but is added to no member list and to no user list.

    Raises:
        WorldRefused: two messages of one channel have the same ts.
    """
    users = next(iter(sorted(folder.glob("users*.json"))), None)
    for user in _read(users) if users else []:
        # Both are required in Slack's user object, and younger than the export.
        slack.users[user["id"]] = {"updated": 0, "is_app_user": False} | user
        slack.team["id"] = user["team_id"]
    for exported in _read(folder / "channels.json"):
        created = datetime.fromtimestamp(int(exported["created"])).astimezone()
        record = channel_record(exported["id"], exported["name"], exported["creator"], created)
        record |= {"is_archived": exported["is_archived"], "is_general": exported["is_general"]}
        for name in ("topic", "purpose"):
            record[name] = exported[name] | {"last_set": int(exported[name]["last_set"])}
        channel = Channel(record, list(exported["members"]), is_member=True)
        for day in sorted((folder / exported["name"]).glob("*.json")):
            for message in _read(day):
                if message["ts"] in channel.messages:
                    raise WorldRefused(f"{exported['name']} holds two messages at {message['ts']}.")
                channel.add(message)
        slack.channels[channel.id] = channel


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
