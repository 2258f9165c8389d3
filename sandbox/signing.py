"""How each vendor signs what it sends, over the raw bytes of the body.

    Slack     v0= + hex HMAC-SHA256(signing secret, "v0:{seconds}:{body}")
    HubSpot   base64 HMAC-SHA256(client secret, METHOD + URL + body + milliseconds), "v3"
    Linear    hex HMAC-SHA256(webhook secret, body)
    Gong      a JWT, RS256, that says the URL and the hash of the body

Sources: python-slack-sdk's signature module, HubSpot's "Validating requests", Linear's SDK, Gong's help centre.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import jwt

TOKEN_LIFE_S = 300
_LEFT_PLAIN = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes in the URL before it signs; every other escape stays as it is."""


def slack_signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """The value of X-Slack-Signature."""
    return "v0=" + _hmac(secret, f"v0:{timestamp_s}:".encode() + body).hex()


def hubspot_signature(secret: str, method: str, url: str, body: bytes, timestamp_ms: int) -> str:
    """The value of X-HubSpot-Signature-v3; `url` is the one that was configured, with its query."""
    plain = _LEFT_PLAIN.sub(lambda match: chr(int(match.group(1), 16)), url)
    return base64.b64encode(_hmac(secret, f"{method}{plain}".encode() + body + str(timestamp_ms).encode())).decode()


def linear_signature(secret: str, body: bytes) -> str:
    """The value of Linear-Signature."""
    return _hmac(secret, body).hex()


def gong_token(private_key: str, url: str, body: bytes, now_s: int) -> str:
    """The JWT in Gong's Authorization header.

    Args:
        private_key: an RSA key as PEM text.
    """
    claims = {
        "webhook_url": url,
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "iat": now_s,
        "exp": now_s + TOKEN_LIFE_S,
    }
    return jwt.encode(claims, private_key, algorithm="RS256")


def _hmac(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()
