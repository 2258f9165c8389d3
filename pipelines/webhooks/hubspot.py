"""HubSpot's webhooks: up to 100 notices a request, https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3,
signature v3 as in https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation.

A notice names an object and, of a change, one property; the object itself is read by its id before it lands. Notices
come in any order and their `eventId` is not unique, so neither is relied upon.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from contracts import identity
from contracts.records import Event
from pipelines.sources import SourceSettings
from pipelines.webhooks import Forged, Request, Unreadable, parsed, public_url, require_recent, secrets
from pipelines.webhooks.journal import Delivery

BUSY = HTTPStatus.TOO_MANY_REQUESTS
"""HubSpot honours its Retry-After."""
WINDOW_S = 300.0
_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes in the URL before it signs; nothing else."""
ENTITIES = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "0-1": "contacts",
    "0-2": "companies",
    "0-3": "deals",
    "0-46": "notes",
    "0-47": "meetings",
    "0-48": "calls",
    "0-49": "emails",
    "0-27": "tasks",
}
"""What a subscription is named after, or the type of a generic one's object."""
IDENTITY = ("portalId", "subscriptionType", "objectId", "fromObjectId", "toObjectId", "eventId", "occurredAt")
"""What tells one notice from another."""


def verify(request: Request, settings: SourceSettings, now: datetime) -> datetime:
    """Returns: the time that was signed. Raises Forged, MissingSetting."""
    stamp = request.headers.get("x-hubspot-request-timestamp", "")
    given = request.headers.get("x-hubspot-signature-v3", "").encode("latin-1", "replace")
    url = signed_url(public_url("hubspot", settings))
    signed = request.method.encode() + url.encode() + request.body + stamp.encode("latin-1", "replace")
    if not any(
        hmac.compare_digest(given, base64.b64encode(hmac.new(s.encode(), signed, hashlib.sha256).digest()))
        for s in secrets("hubspot", settings)
    ):
        raise Forged("X-HubSpot-Signature-v3 is not by our client secret over SOPHIA_HUBSPOT_WEBHOOK_URL")
    return require_recent(stamp, 1000, now, WINDOW_S)


def signed_url(url: str) -> str:
    """The URL in the form that is signed."""
    return _DECODED.sub(lambda found: chr(int(found[1], 16)), url)


def delivery_id(request: Request) -> str:
    return ""


def events(delivery: Delivery) -> Iterator[Event]:
    """One for each object that a notice names. Raises Unreadable."""
    notices = parsed(delivery.body)
    try:
        for notice in notices:
            kind = notice["subscriptionType"].partition(".")[0]
            entity = ENTITIES.get(notice["objectTypeId"] if kind == "object" else kind)
            if entity is None:
                continue
            for object_id in sorted(_ids(notice)):
                yield Event(
                    event_id=identity.record_hash([[notice.get(name) for name in IDENTITY], object_id]),
                    source="hubspot",
                    entity=entity,
                    action="read",
                    object_id=object_id,
                    occurred_at=datetime.fromtimestamp(notice["occurredAt"] / 1000, UTC),
                    received_at=delivery.received_at,
                    payload=notice,
                )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError):
        raise Unreadable("notices of another shape than documented") from None


def _ids(notice: dict[str, Any]) -> set[str]:
    """Of the objects that are of the notice's own type."""
    named = [
        notice.get("objectId"),
        notice.get("fromObjectId"),
        notice.get("primaryObjectId"),
        notice.get("newObjectId"),
    ]
    found = {str(one) for one in [*named, *(notice.get("mergedObjectIds") or [])] if one is not None}
    if not found or not all(one.isdecimal() for one in found):
        raise ValueError("a notice without an object")
    return found
