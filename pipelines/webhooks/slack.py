"""Slack's Events API: an event a request, https://docs.slack.dev/apis/events-api, verification as in
https://docs.slack.dev/authentication/verifying-requests-from-slack.

A message event carries the message as conversations.history gives it, a change the message's new form. Slack tells
nobody that a parent's reply_count has moved, and of a channel only what is new: both come with the next pull.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Any

from contracts.records import Event
from pipelines.sources import SourceSettings
from pipelines.webhooks import Forged, Request, Unreadable, parsed, require_recent, secrets
from pipelines.webhooks.journal import Delivery
from transforms.raw import from_epoch

BUSY = HTTPStatus.SERVICE_UNAVAILABLE
WINDOW_S = 300.0
PULLED_CHANNELS = (None, "channel", "group")
"""Of these kinds are the channels that a pull reads; what is said between two or a few people is never taken."""
ENVELOPE = ("event_ts", "channel_type")
"""What an event adds to the message."""


def verify(request: Request, settings: SourceSettings, now: datetime) -> datetime:
    """Returns: the time that was signed. Raises Forged, MissingSetting."""
    stamp = request.headers.get("x-slack-request-timestamp", "")
    given = request.headers.get("x-slack-signature", "").encode("latin-1", "replace")
    signed = b"v0:" + stamp.encode("latin-1", "replace") + b":" + request.body
    if not any(
        hmac.compare_digest(given, b"v0=" + hmac.new(s.encode(), signed, hashlib.sha256).hexdigest().encode())
        for s in secrets("slack", settings)
    ):
        raise Forged("X-Slack-Signature is not by our signing secret")
    return require_recent(stamp, 1, now, WINDOW_S)


def delivery_id(request: Request) -> str:
    return ""  # the envelope has it


def answer(body: bytes) -> bytes | None:
    """What a handshake must be answered with; None where it is none."""
    if b"url_verification" not in body:
        return None
    envelope = parsed(body)
    if not isinstance(envelope, dict) or envelope.get("type") != "url_verification":
        return None
    return str(envelope.get("challenge", "")).encode()


def events(delivery: Delivery) -> Iterator[Event]:
    """Raises Unreadable."""
    envelope = parsed(delivery.body)
    try:
        if envelope["type"] != "event_callback":
            return
        for number, (entity, action, key, payload, moment) in enumerate(_changes(envelope)):
            yield Event(
                event_id=f"{envelope['event_id']}/{number}" if number else str(envelope["event_id"]),
                source="slack",
                entity=entity,
                action="delete" if action == "delete" else "upsert",
                object_id=key,
                occurred_at=from_epoch(moment),
                received_at=delivery.received_at,
                payload=payload,
            )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Unreadable("an event of another shape than documented") from None


def _changes(envelope: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any], str]]:
    """(entity, action, key, payload, the vendor's time) of what an event changes."""
    event = envelope["event"]
    kind, moment = event["type"], str(event.get("event_ts") or envelope["event_time"])
    if kind == "message":
        # A nested message without the subtype of a change is message_replied, which at times lacks its own.
        replied = "message" in event and event.get("subtype") != "message_changed"
        if not replied and event.get("channel_type") in PULLED_CHANNELS:
            yield _message(event)
    elif kind in ("user_change", "team_join"):
        yield "users", "upsert", event["user"]["id"], event["user"], moment
    elif kind in ("member_joined_channel", "member_left_channel"):
        member = {"channel": event["channel"], "user": event["user"]}
        action = "upsert" if kind == "member_joined_channel" else "delete"
        yield "channel_members", action, f"{event['channel']}/{event['user']}", member, moment


def _message(event: dict[str, Any]) -> tuple[str, str, str, dict[str, Any], str]:
    channel, moment = event["channel"], event.get("event_ts") or event["ts"]
    if event.get("subtype") == "message_deleted":
        gone = {"channel": channel, "ts": event["deleted_ts"]}
        return "messages", "delete", f"{channel}/{event['deleted_ts']}", gone, moment
    message = event["message"] if event.get("subtype") == "message_changed" else event
    record = {"channel": channel} | {name: value for name, value in message.items() if name not in ENVELOPE}
    return "messages", "upsert", f"{channel}/{message['ts']}", record, moment
