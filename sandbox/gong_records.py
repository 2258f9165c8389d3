"""Gong's truth: users, calls and their transcripts, and what control commands do to them.

Nothing here pages, limits or checks a key; that is `gong`, which reads these records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.gong_calls import Call, CallPlan, Turn, analyse, build_call, seconds_of, transcribe
from sandbox.records import (
    CommandRefused,
    Moment,
    Record,
    as_iso,
    as_utc_iso,
    command_time,
    number_id,
    refuse_unknown,
)

META_FIELDS = frozenset(
    (
        "title",
        "started",
        "scheduled",
        "duration",
        "primaryUserId",
        "direction",
        "system",
        "scope",
        "media",
        "language",
        "isPrivate",
        "purpose",
        "meetingUrl",
        "calendarEventId",
        "sdrDisposition",
        "clientUniqueId",
        "customData",
    )
)
"""Fields of CallBasicData that a command may set (Gong API, calls)."""
USER_FIELDS = frozenset(
    (
        "emailAddress",
        "active",
        "emailAliases",
        "trustedEmailAddress",
        "firstName",
        "lastName",
        "title",
        "phoneNumber",
        "extension",
        "personalMeetingUrls",
        "settings",
        "managerId",
        "meetingConsentPageUrl",
        "spokenLanguages",
        "created",
    )
)
TIMING_FIELDS = frozenset(("visible_at", "transcript_at"))
SECTION_FIELDS = frozenset(("context", "parties", "brief", "keyPoints", "comments"))
CREATE_FIELDS = META_FIELDS | TIMING_FIELDS | SECTION_FIELDS | {"turns", "account", "themes", "crm"}

Composer = Callable[[Record, Moment], CallPlan]
"""Makes the plan of a call that a command asks for without saying what was said on it."""


@dataclass(slots=True)
class GongRecords:
    """All that Gong knows."""

    workspace: Record
    users: dict[str, Record] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    compose: Composer | None = None
    """Absent in a world of real material."""

    def add_user(
        self, user_id: str, email: str, first: str, last: str, title: str, created: datetime, active: bool = True
    ) -> None:
        """List a user, with the settings that an ordinary one has."""
        self.users[user_id] = {
            "id": user_id,
            "emailAddress": email,
            "created": as_utc_iso(created),
            "active": active,
            "emailAliases": [],
            "trustedEmailAddress": email,
            "firstName": first,
            "lastName": last,
            "title": title,
            "personalMeetingUrls": [],
            "settings": {
                "webConferencesRecorded": True,
                "preventWebConferenceRecording": False,
                "telephonyCallsImported": True,
                "emailsImported": False,
                "preventEmailImport": True,
                "nonRecordedMeetingsImported": False,
                "gongConnectEnabled": False,
            },
            "spokenLanguages": [{"language": "en-US", "primary": True}],
        }

    def add_call(self, call_id: str, plan: CallPlan) -> Call:
        """Store a call made from its plan."""
        call = build_call(call_id, plan, self.workspace["id"])
        self.calls[call_id] = call
        return call

    def visible_calls(self, now: datetime) -> list[tuple[str, Call]]:
        """Calls that the API lists at `now`, earliest start first."""
        visible = [(call_id, call) for call_id, call in self.calls.items() if call.is_visible(now)]
        return sorted(visible, key=lambda pair: (pair[1].started, pair[0]))

    def full_record(self, call: Call, now: datetime) -> Record:
        """The call with every section that exists at `now`: what the analysis finds comes with the transcript."""
        record = dict(call.record)
        if not call.has_transcript(now):
            del record["content"], record["interaction"]
        return record

    def transcripts(self, now: datetime) -> list[tuple[str, Call]]:
        """Calls whose transcript is ready; it may be so before the call itself is listed (Gong, seen by peers)."""
        ready = [(call_id, call) for call_id, call in self.calls.items() if call.has_transcript(now)]
        return sorted(ready, key=lambda pair: (pair[1].started, pair[0]))

    # What the world asks of every vendor.

    def counts(self, now: datetime) -> dict[str, int]:
        return {
            "users": len(self.users),
            "calls": sum(call.is_visible(now) for call in self.calls.values()),
            "transcripts": sum(call.has_transcript(now) for call in self.calls.values()),
        }

    def streams(self, now: datetime) -> dict[str, list[Record]]:
        return {
            "users": list(self.users.values()),
            "calls": [self.full_record(call, now) for _, call in self.visible_calls(now)],
            "transcripts": [{"callId": i, "transcript": call.transcript} for i, call in self.transcripts(now)],
        }

    def create(self, stream: str, fields: Record, moment: Moment) -> Record:
        if stream == "users":
            return self._create_user(fields, moment)
        if stream == "calls":
            return self._create_call(fields, moment)
        raise CommandRefused(f"gong.{stream} can't be created; gong.calls and gong.users can.")

    def edit(self, stream: str, key: Mapping[str, Any], fields: Record, moment: Moment) -> Record:
        if stream == "users":
            user_id = str(key.get("id"))
            if user_id not in self.users:
                raise CommandRefused(f"Gong has no user {user_id!r}.")
            refuse_unknown(fields, USER_FIELDS, "A Gong user")
            self.users[user_id] = self.users[user_id] | fields
            return self.users[user_id]
        if stream == "calls":
            return self._edit_call(self._call(key), fields, moment)
        if stream == "transcripts":
            return self._edit_transcript(self._call(key), fields, moment)
        raise CommandRefused(f"There is no stream gong.{stream}; there are gong.users, gong.calls, gong.transcripts.")

    def delete(self, stream: str, key: Mapping[str, Any], moment: Moment) -> Record:
        if stream != "calls":
            raise CommandRefused(f"gong.{stream} can't be deleted, only gong.calls; set a user's active to false.")
        call = self._call(key)
        del self.calls[call.record["metaData"]["id"]]
        return self.full_record(call, moment.now)

    # Commands.

    def _call(self, key: Mapping[str, Any]) -> Call:
        call = self.calls.get(str(key.get("id")))
        if call is None:
            raise CommandRefused(f"Gong has no call {key.get('id')!r}.")
        return call

    def _create_user(self, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, USER_FIELDS, "A Gong user")
        user_id = number_id(f"user:{moment.rng.random()}")
        first, last = fields.get("firstName", "New"), fields.get("lastName", "User")
        email = fields.get("emailAddress", f"{first}.{last}.{user_id[-4:]}@brindlewick.example".lower())
        self.add_user(user_id, email, first, last, fields.get("title", ""), moment.now)
        self.users[user_id] |= fields
        return self.users[user_id]

    def _create_call(self, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, CREATE_FIELDS, "A new Gong call")
        started = command_time(fields, "started", moment.now)
        if "turns" in fields:
            plan = self._plan_from_turns(fields, started)
        elif self.compose is None:
            raise CommandRefused("A world of real material makes up no talk; give turns as [[speaker, text], ...].")
        else:
            plan = self.compose(fields | {"started": as_iso(started)}, moment)
        plan.scheduled = command_time(fields, "scheduled", started)
        plan.visible_at = command_time(fields, "visible_at", started)
        plan.transcript_at = command_time(fields, "transcript_at", plan.visible_at)
        call = build_call(number_id(f"call:{moment.rng.random()}"), plan, self.workspace["id"])
        edits = {name: value for name, value in fields.items() if name in META_FIELDS | SECTION_FIELDS}
        record = self._edit_call(call, edits, moment)
        self.calls[call.record["metaData"]["id"]] = call
        return record

    def _plan_from_turns(self, fields: Record, started: datetime) -> CallPlan:
        """A plan from `[[speaker, text], ...]` or `[{"speaker", "text"}, ...]`; who is named as a user is that user."""
        spoken = [_spoken(turn) for turn in _as_list(fields["turns"], "turns")]
        users = {user["emailAddress"]: user for user in self.users.values()}
        users |= {f"{user['firstName']} {user['lastName']}": user for user in self.users.values()}
        parties: dict[str, Record] = {}
        for speaker, _ in spoken:
            user = users.get(speaker)
            party: Record = {
                "id": number_id(f"party:{speaker}"),
                "name": speaker,
                "speakerId": number_id(f"speaker:{speaker}"),
                "methods": ["Attendee"],
            }
            if user is not None:
                party |= {
                    "name": f"{user['firstName']} {user['lastName']}",
                    "emailAddress": user["emailAddress"],
                    "userId": user["id"],
                    "affiliation": "Internal",
                }
            else:
                party["affiliation"] = "External"
            parties.setdefault(speaker, party)
        turns = [Turn(str(parties[speaker]["speakerId"]), "Discussion", text) for speaker, text in spoken]
        hosts = [party["userId"] for party in parties.values() if "userId" in party]
        title = fields.get("title", "Untitled call")
        return CallPlan(
            title,
            started,
            started,
            list(parties.values()),
            turns,
            started,
            started,
            primary_user_id=hosts[0] if hosts else None,
        )

    def _edit_call(self, call: Call, fields: Record, moment: Moment) -> Record:
        refuse_unknown(fields, META_FIELDS | SECTION_FIELDS | TIMING_FIELDS, "A Gong call")
        started = command_time(fields, "started", call.started)
        scheduled = command_time(fields, "scheduled", call.scheduled)
        visible_at = command_time(fields, "visible_at", call.visible_at)
        transcript_at = call.transcript_at
        if "transcript_at" in fields:
            transcript_at = command_time(fields, "transcript_at", moment.now)
        key_points = _as_list(fields.get("keyPoints", []), "keyPoints")
        sections: Record = {name: _as_list(fields[name], name) for name in ("context", "parties") if name in fields}
        comments = _as_list(fields.get("comments", []), "comments")
        call.started, call.scheduled = started, scheduled
        call.visible_at, call.transcript_at = visible_at, transcript_at
        call.record["metaData"] |= {name: value for name, value in fields.items() if name in META_FIELDS}
        call.record |= sections
        if "comments" in fields:
            call.record["collaboration"] = {"publicComments": comments}
        if "brief" in fields:
            call.record["content"]["brief"] = str(fields["brief"])
        if "keyPoints" in fields:
            call.record["content"]["keyPoints"] = [{"text": str(text)} for text in key_points]
        return self.full_record(call, moment.now)

    def _edit_transcript(self, call: Call, fields: Record, moment: Moment) -> Record:
        """Say something else: one sentence, or all turns anew."""
        refuse_unknown(fields, frozenset(("monologue", "sentence", "text", "turns")), "A transcript edit")
        if "turns" in fields:
            plan = self._plan_from_turns(fields, call.started)
            # Who speaks again under the same name keeps the speakerId; others join the parties.
            speakers = {str(p["name"]): str(p["speakerId"]) for p in call.record["parties"] if "speakerId" in p}
            new = [party for party in plan.parties if party["name"] not in speakers]
            same = {p["speakerId"]: speakers[p["name"]] for p in plan.parties if p["name"] in speakers}
            turns = [Turn(same.get(t.speaker_id, t.speaker_id), t.topic, t.text) for t in plan.turns]
            call.transcript = transcribe(turns)
            call.record["parties"] = call.record["parties"] + new
            call.record["metaData"]["duration"] = seconds_of(call.transcript) or call.record["metaData"]["duration"]
            call.transcript_at = call.transcript_at or moment.now
        else:
            try:
                monologue = call.transcript[int(fields.get("monologue", 0))]
                sentence = monologue["sentences"][int(fields.get("sentence", 0))]
                text = fields["text"]
            except (IndexError, KeyError, TypeError, ValueError) as error:
                raise CommandRefused(
                    "A transcript edit needs text, and a monologue and sentence that exist."
                ) from error
            if not isinstance(text, str) or not text.strip():
                raise CommandRefused("The text of a sentence must not be empty.")
            sentence["text"] = text
        analyse(call)
        return {"callId": call.record["metaData"]["id"], "transcript": call.transcript}


def _spoken(turn: object) -> tuple[str, str]:
    """Speaker and text of a turn."""
    match turn:
        case [str(speaker), str(text)] | {"speaker": str(speaker), "text": str(text)} if speaker and text.strip():
            return speaker, text
    raise CommandRefused(f"A turn is [speaker, text], both not empty, not {turn!r}.")


def _as_list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise CommandRefused(f"{name} is a list, not {value!r}.")
    return value
