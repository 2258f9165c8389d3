"""How each vendor posts its webhooks: what stands in a body and its headers, when it tries again, when it gives up.

Slack     one event a POST; 2xx within 3 s; again at once, after 1 min and after 5 min, unless told not to
HubSpot   up to 100 events a POST; 2xx within 5 s; 10 retries over 24 h, none after a refusal for good
Linear    one event a POST; 200 within 5 s; again after 1 min, 1 h and 6 h, stamped and signed anew
Gong      one call a POST; no retry is documented, so there is none
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx
import msgspec

from sandbox.records import Record
from sandbox.signing import gong_token, hubspot_signature, linear_signature, slack_signature
from sandbox.webhook_events import Event

FINAL_STATUSES = (400, 401, 403, 404, 405)
"""After these HubSpot does not try again."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a vendor's events go, and what goes wrong on the way."""

    vendor: str
    url: str
    key: str
    """The secret; for Gong the private key as PEM text."""
    duplicates: float = 0.0
    disorder: float = 0.0
    lost: float = 0.0
    retry_speedup: float = 1.0
    """Divides the wait before every retry."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not do."""

    reason: str
    """The status, or `http_timeout` or `connection_failed`."""
    response: httpx.Response | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """A vendor's way of posting."""

    stamp: Callable[[Subscription, Sequence[Event], int, str], tuple[bytes, Mapping[str, str]]]
    """Body and headers for these events, on this attempt (0-based), after this failure (empty at first)."""
    timeout_s: float
    waits_s: tuple[float, ...]
    """Before each retry."""
    batch: int = 1
    """Events that one POST holds at most."""
    gather_s: float = 0.0
    """How long events are gathered for one POST."""
    only_200: bool = False


def slack_post(subscription: Subscription, body: Record, attempt: int, reason: str) -> tuple[bytes, Mapping[str, str]]:
    """Body and headers of an event, or of the handshake."""
    raw, now_s = msgspec.json.encode(body), int(time.time())
    headers = {
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": str(now_s),
        "X-Slack-Signature": slack_signature(subscription.key, now_s, raw),
    }
    if attempt:
        said = "http_error" if reason.isdigit() else reason
        headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": said}
    return raw, headers


def _slack(s: Subscription, events: Sequence[Event], attempt: int, reason: str) -> tuple[bytes, Mapping[str, str]]:
    return slack_post(s, events[0].body, attempt, reason)


def _hubspot(s: Subscription, events: Sequence[Event], attempt: int, _reason: str) -> tuple[bytes, Mapping[str, str]]:
    raw, now_ms = msgspec.json.encode([event.body | {"attemptNumber": attempt} for event in events]), _now_ms()
    return raw, {
        "User-Agent": "HubSpot Connect 2.0 (https://developers.hubspot.com)",
        "X-HubSpot-Request-Timestamp": str(now_ms),
        "X-HubSpot-Signature-v3": hubspot_signature(s.key, "POST", s.url, raw, now_ms),
        "X-HubSpot-Signature-Version": "v3",
    }


def _linear(s: Subscription, events: Sequence[Event], _attempt: int, _reason: str) -> tuple[bytes, Mapping[str, str]]:
    now_ms = _now_ms()
    raw = msgspec.json.encode(events[0].body | {"webhookTimestamp": now_ms})
    return raw, {
        "User-Agent": "Linear-Webhook",
        "Linear-Delivery": events[0].event_id,
        "Linear-Event": events[0].kind,
        "Linear-Signature": linear_signature(s.key, raw),
        "Linear-Timestamp": str(now_ms),
    }


def _gong(s: Subscription, events: Sequence[Event], _attempt: int, _reason: str) -> tuple[bytes, Mapping[str, str]]:
    raw = msgspec.json.encode(events[0].body)
    return raw, {"Authorization": f"Bearer {gong_token(s.key, s.url, raw, int(time.time()))}"}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


POSTINGS: Mapping[str, Posting] = {
    "slack": Posting(_slack, 3.0, (0.0, 60.0, 300.0)),
    "hubspot": Posting(
        _hubspot, 5.0, (60, 300, 900, 1800, 3600, 7200, 10800, 14400, 21600, 25740), batch=100, gather_s=0.05
    ),
    "linear": Posting(_linear, 5.0, (60.0, 3600.0, 21600.0), only_200=True),
    "gong": Posting(_gong, 5.0, ()),
}


def retry_wait_s(vendor: str, attempt: int, failure: Failure) -> float | None:
    """Seconds until the next attempt; None where the vendor gives up.

    Args:
        attempt: the one that failed, 0-based.
    """
    waits = POSTINGS[vendor].waits_s
    if attempt >= len(waits):
        return None
    response = failure.response
    if response is not None and vendor == "slack" and response.headers.get("X-Slack-No-Retry") == "1":
        return None
    if response is not None and vendor == "hubspot":
        if response.status_code in FINAL_STATUSES:
            return None
        asked = response.headers.get("Retry-After", "")
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS and asked.isdigit():
            return float(asked)
    return waits[attempt]
