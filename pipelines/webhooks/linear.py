"""Linear's webhooks: a change a request, https://linear.app/developers/webhooks.

The entity comes with the ids of what it belongs to (`teamId`), where a query gives objects (`team { id }`). A request's
time is signed to the minute, so a delivery that Linear tries again without a new time is refused; a pull brings it.
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

BUSY = HTTPStatus.SERVICE_UNAVAILABLE
WINDOW_S = 60.0
ENTITIES = {
    "Issue": "issues",
    "Comment": "comments",
    "Project": "projects",
    "Cycle": "cycles",
    "User": "users",
    "IssueLabel": "issue_labels",
}
LINKED = {
    "issues": ("team", "state", "assignee", "creator", "delegate", "project", "projectMilestone", "cycle", "parent"),
    "comments": ("user",),
    "projects": ("status", "lead", "creator"),
    "cycles": ("team",),
    "users": (),
    "issue_labels": ("team", "parent"),
}
"""Entity → what a query gives as an object and a webhook as an id."""


def verify(request: Request, settings: SourceSettings, now: datetime) -> datetime:
    """Returns: the time that was signed. Raises Forged, MissingSetting."""
    given = request.headers.get("linear-signature", "").encode("latin-1", "replace")
    if not any(
        hmac.compare_digest(given, hmac.new(s.encode(), request.body, hashlib.sha256).hexdigest().encode())
        for s in secrets("linear", settings)
    ):
        raise Forged("Linear-Signature is not by our signing secret")
    return require_recent(_stamp(request), 1000, now, WINDOW_S)


def _stamp(request: Request) -> str:
    """Of the body, which is signed; of the header where the body cannot be read."""
    try:
        body = parsed(request.body)
    except Unreadable:
        body = None
    stamp = body.get("webhookTimestamp") if isinstance(body, dict) else None
    return str(stamp) if stamp is not None else request.headers.get("linear-timestamp", "")


def delivery_id(request: Request) -> str:
    return request.headers.get("linear-delivery", "")[:100]


def events(delivery: Delivery) -> Iterator[Event]:
    """Raises Unreadable."""
    body = parsed(delivery.body)
    try:
        entity = ENTITIES.get(body["type"])
        if entity is None:
            return
        data = body["data"]
        if body["action"] != "remove" and entity == "projects" and not isinstance(data.get("status"), dict):
            return  # a project without its status would lose it; projects are read whole by every pull
        yield Event(
            event_id=delivery.delivery_id or hashlib.sha256(delivery.body).hexdigest(),
            source="linear",
            entity=entity,
            action="delete" if body["action"] == "remove" else "upsert",
            object_id=data["id"],
            occurred_at=datetime.fromisoformat(body["createdAt"]),
            received_at=delivery.received_at,
            payload=_as_queried(entity, data),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Unreadable("a change of another shape than documented") from None


def _as_queried(entity: str, data: dict[str, Any]) -> dict[str, Any]:
    record = dict(data)
    for name in LINKED[entity]:
        linked_id = record.pop(f"{name}Id", None)
        linked = record.get(name)
        if not isinstance(linked, dict) or "id" not in linked:
            record[name] = {"id": linked_id} if linked_id is not None else None
    return record
