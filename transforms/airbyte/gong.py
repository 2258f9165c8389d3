"""Gong by Airbyte: users, calls with their content, transcripts; the connector's records are Gong's own.

All three are read whole by each sync, since Gong tells nothing of changes, deletions, or of a call that was made
private. So a sync costs a request for each hundred calls, and one or more for their transcripts, of the 10,000 a day.
The connector asks for the transcripts of private calls too: they stay in Airbyte's table, and go no further. Versions
of it that do not ask for a call's CRM context (before 2026) leave account_id and opportunity_id NULL.
"""

from __future__ import annotations

from transforms.airbyte import Feed, Stream, as_it_is

USERS = Stream(
    "users",
    (
        *("id", "emailAddress", "emailAliases", "trustedEmailAddress", "firstName", "lastName", "title", "active"),
        *("created", "managerId", "phoneNumber", "extension", "spokenLanguages", "settings"),
        *("personalMeetingUrls", "meetingConsentPageUrl"),
    ),
    is_whole=True,
)
EXTENSIVE_CALLS = Stream(
    "extensiveCalls",
    ("metaData", "context", "parties", "content", "interaction", "collaboration", "media"),
    is_whole=True,
)
CALL_TRANSCRIPTS = Stream("callTranscripts", ("callId", "transcript"), is_whole=True)

FEEDS = (
    Feed("users", USERS, as_it_is),
    Feed("calls", EXTENSIVE_CALLS, as_it_is),
    Feed("transcripts", CALL_TRANSCRIPTS, as_it_is, public_by=("calls", "callId")),
)
