"""Genuine deliveries of each vendor, signed as the vendor's page says; written apart from the code that verifies."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

URL = "https://hooks.example.com"
SECRET = "the-secret-of-now"
SECRET_BEFORE = "the-secret-of-before"


@functools.cache
def gong_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_text(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def environ() -> dict[str, str]:
    """Every vendor's webhooks switched on, in the middle of a rotation."""
    found: dict[str, str] = {}
    for source in ("gong", "hubspot", "linear", "slack"):
        prefix = f"SOPHIA_{source.upper()}_WEBHOOK_"
        found[f"{prefix}URL"] = f"{URL}/webhooks/{source}"
        found[f"{prefix}SECRET"] = public_text(gong_key("now")) if source == "gong" else SECRET
        found[f"{prefix}SECRET_BEFORE"] = public_text(gong_key("before")) if source == "gong" else SECRET_BEFORE
    return found


@dataclass
class Signed:
    """A request as it goes over the wire."""

    source: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/webhooks/{self.source}"


def slack(event: dict[str, Any], event_id: str = "Ev0001", secret: str = SECRET, at: float | None = None) -> Signed:
    moment = time.time() if at is None else at
    envelope = {
        "type": "event_callback",
        "team_id": "T1",
        "event_id": event_id,
        "event_time": int(moment),
        "event": event,
    }
    return slack_body(json.dumps(envelope).encode(), secret, moment)


def slack_body(body: bytes, secret: str = SECRET, at: float | None = None) -> Signed:
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return Signed("slack", body, {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"})


def hubspot(notices: object, secret: str = SECRET, at: float | None = None) -> Signed:
    body = json.dumps(notices).encode()
    stamp = str(int((time.time() if at is None else at) * 1000))
    message = f"POST{URL}/webhooks/hubspot".encode() + body + stamp.encode()
    signature = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
    headers = {"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": signature}
    return Signed("hubspot", body, headers)


def notice(kind: str, object_id: int, occurred_at_ms: int = 1_790_000_000_000, **more: object) -> dict[str, Any]:
    return {
        "eventId": 1,
        "subscriptionId": 7,
        "portalId": 62515,
        "appId": 3,
        "occurredAt": occurred_at_ms,
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": object_id,
        **more,
    }


def linear(
    type_: str, action: str, data: dict[str, Any], created_at: str = "2026-11-20T10:00:00.000Z", secret: str = SECRET,
    at: float | None = None,
) -> Signed:  # fmt: skip
    stamp = int((time.time() if at is None else at) * 1000)
    body = json.dumps(
        {"type": type_, "action": action, "data": data, "createdAt": created_at, "webhookTimestamp": stamp}
    ).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    delivery = hashlib.sha256(body).hexdigest()[:32]
    return Signed("linear", body, {"Linear-Signature": digest, "Linear-Delivery": delivery, "Linear-Event": type_})


def gong(
    call: dict[str, Any], is_test: bool = False, key: str = "now", at: float | None = None, **claims: object
) -> Signed:
    body = json.dumps({"callData": call, "isTest": is_test}).encode()
    moment = time.time() if at is None else at
    payload = {
        "iat": int(moment),
        "exp": int(moment) + 300,
        "webhook_url": f"{URL}/webhooks/gong",
        "body_sha256": hashlib.sha256(body).hexdigest(),
        **claims,
    }
    return Signed("gong", body, {"Authorization": jwt.encode(payload, gong_key(key), algorithm="RS256")})


def one_of_each() -> list[Signed]:
    return [
        slack({"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1790000000.000100"}),
        hubspot([notice("deal.propertyChange", 123, propertyName="amount", propertyValue="500")]),
        linear("Issue", "create", {"id": "i1", "title": "Broken", "teamId": "t1", "createdAt": "2026-11-20T10:00:00Z"}),
        gong({"metaData": {"id": "9007199254740993001", "isPrivate": False}}),
    ]
