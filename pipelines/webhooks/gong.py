"""Gong's webhook of an automation rule: a call a request, signed with a JWT,
https://help.gong.io/docs/create-a-webhook-rule.

The call comes as /v2/calls/extensive gives it; its transcript is read by its id before it lands. Gong gives no change
time, so a call's version is when its token was issued. What Gong deletes it tells nobody: a reconcile shows it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from contracts.errors import InvalidSetting
from contracts.records import Event
from pipelines.sources import SourceSettings
from pipelines.webhooks import Forged, Request, Unreadable, parsed, public_url, secrets
from pipelines.webhooks.journal import Delivery

BUSY = HTTPStatus.SERVICE_UNAVAILABLE
CLAIMS = ["exp", "webhook_url", "body_sha256"]


def verify(request: Request, settings: SourceSettings, now: datetime) -> datetime | None:
    """Returns: when the token was issued, where it says so. Raises Forged, MissingSetting, InvalidSetting."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    url = public_url("gong", settings)
    for key in secrets("gong", settings):
        try:
            claims = jwt.decode(token, public_key(key), algorithms=["RS256"], options={"require": CLAIMS})
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return _checked(claims, url, request.body)
    raise Forged("its token is not by the rule's key, or has expired")


def _checked(claims: dict[str, Any], url: str, body: bytes) -> datetime | None:
    if claims["webhook_url"] != url:
        raise Forged("its token is for another webhook than SOPHIA_GONG_WEBHOOK_URL")
    given = str(claims["body_sha256"]).encode(errors="replace")
    if not hmac.compare_digest(given, hashlib.sha256(body).hexdigest().encode()):
        raise Forged("its token is for another body")
    issued = claims.get("iat")
    return datetime.fromtimestamp(issued, UTC) if isinstance(issued, int | float) else None


@cache
def public_key(text: str) -> RSAPublicKey:
    """Of what the rule's dialog shows: SubjectPublicKeyInfo in base64, with or without its first and last line.

    Raises:
        InvalidSetting
    """
    bare = "".join(line for line in text.split() if "-" not in line)
    try:
        key = load_der_public_key(base64.b64decode(bare, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise InvalidSetting("SOPHIA_GONG_WEBHOOK_SECRET", "***", "expected the rule's public key in base64") from error
    if not isinstance(key, RSAPublicKey):
        raise InvalidSetting("SOPHIA_GONG_WEBHOOK_SECRET", "***", "expected an RSA key")
    return key


def delivery_id(request: Request) -> str:
    return ""


def events(delivery: Delivery) -> Iterator[Event]:
    """None of a test that somebody sent from the dialog. Raises Unreadable."""
    body = parsed(delivery.body)
    try:
        if body.get("isTest"):
            return
        call = body["callData"]
        call_id = call["metaData"]["id"]
        if not isinstance(call_id, str):
            raise TypeError(call_id)
        yield Event(
            event_id=hashlib.sha256(delivery.body).hexdigest(),
            source="gong",
            entity="calls",
            action="upsert",
            object_id=call_id,
            occurred_at=delivery.sent_at or delivery.received_at,
            received_at=delivery.received_at,
            payload=call,
        )
    except (KeyError, TypeError, AttributeError):
        raise Unreadable("a call of another shape than documented") from None
