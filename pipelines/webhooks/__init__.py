"""Webhooks: a module a vendor, found by its presence here, and what takes, keeps and sends on what they bring.

    vendor ─► receiver: verify ─► journal (fsync) ─► 2xx
                                     └─► forwarder: events ─► events.<source>.v1, in order by key

A module defines `verify(request, settings, now)`, which proves who sent it; `events(delivery)`, what it says; where the
vendor shakes hands, `answer(body)`; and `BUSY`, the status that has it try again later.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import Any

from contracts.address import Address
from contracts.errors import MissingSetting
from pipelines import sources
from pipelines.sources import SourceSettings
from resources.profile import Profile


@cache
def names() -> tuple[str, ...]:
    """Every source that can send webhooks, in alphabetical order."""
    return tuple(name for name in sources.names() if importlib.util.find_spec(f"{__name__}.{name}"))


@cache
def module(source: str) -> ModuleType:
    """Raises ModuleNotFoundError: no such source."""
    return importlib.import_module(f"pipelines.webhooks.{source}")


def switched_on(profile: Profile) -> tuple[str, ...]:
    """The sources whose webhooks have an address."""
    return tuple(source for source in names() if profile.vendors.get(source, {}).get("webhook_url"))


def topic(source: str) -> str:
    """`events.slack.v1`."""
    return Address(source, "any").topic


@dataclass(frozen=True, slots=True)
class Request:
    """What a vendor's signature covers."""

    method: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Forged(Exception):
    """The request is not its vendor's, or too old to be believed; the message says by which rule."""


class Unreadable(Exception):
    """A genuine delivery of a shape that its vendor does not document; the message never holds a value."""


def secrets(source: str, settings: SourceSettings) -> tuple[str, ...]:
    """What the vendor may have signed with: during a rotation two.

    Raises:
        MissingSetting
    """
    public_url(source, settings)
    if settings.webhook_secret is None:
        raise MissingSetting(f"SOPHIA_{source.upper()}_WEBHOOK_SECRET", f"webhooks of {source.title()}")
    return tuple(secret for secret in (settings.webhook_secret, settings.webhook_secret_before) if secret)


def public_url(source: str, settings: SourceSettings) -> str:
    """The address as the vendor has it, which it signs. Raises MissingSetting."""
    if settings.webhook_url is None:
        raise MissingSetting(f"SOPHIA_{source.upper()}_WEBHOOK_URL", f"webhooks of {source.title()}")
    return settings.webhook_url


def require_recent(stamp: str, per_second: int, now: datetime, window_s: float) -> datetime:
    """A signed time, as a number since 1970, that is no further from now than the vendor allows. Raises Forged."""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 15):
        raise Forged("no time that was signed")
    sent_at = datetime.fromtimestamp(int(stamp) / per_second, UTC)
    if abs((now - sent_at).total_seconds()) > window_s:
        raise Forged(f"its time is more than {window_s:g} s from ours")
    return sent_at


def parsed(body: bytes) -> Any:
    """Raises Unreadable."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None  # theirs shows the text
