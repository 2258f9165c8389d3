"""Slack documents: a thread (`slack:thread:<channel>/<thread ts>`), and the messages outside threads of one channel
and UTC day (`slack:day:<channel>/<date>`).

Display names and channel names change, so they are attributes and are not embedded.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.records import PUBLIC, Document, Section
from transforms.documents import Parts
from transforms.raw import from_epoch

NOISE = frozenset(
    "channel_join channel_leave channel_topic channel_purpose channel_name channel_archive channel_unarchive "
    "group_join group_leave group_topic group_purpose group_name group_archive group_unarchive "
    "bot_add bot_remove pinned_item unpinned_item reminder_add tombstone".split()
)
"""Subtypes that say that something happened, and nothing that somebody said. A tombstone is a deleted parent."""

_MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")


def to_document(document_id: str, parts: Parts) -> Document | None:
    _, kind, native_id = document_id.split(":", 2)
    channel_id, _, place = native_id.partition("/")
    rows = [m for m in parts.get("messages", ()) if (m["thread_ts"] is not None) == (kind == "thread")]
    said = [(m, text) for m in sorted(rows, key=lambda m: m["ts"]) if (text := _text(m))]
    if not said:
        return None
    thread = kind == "thread"
    occurred_at = from_epoch(place if thread else said[0][0]["ts"])
    channels = parts.get("channels", ())
    channel = channels[0] if channels else None
    names = {u["user_id"]: u["display_name"] or u["real_name"] or u["name"] for u in parts.get("users", ())}
    people = dict.fromkeys(str(names.get(m["user_id"]) or m["user_id"] or m["bot_id"] or "?") for m, _ in said)
    channel_name = channel["name"] if channel else channel_id
    return Document(
        document_id=document_id,
        source_system="slack",
        data_type="thread" if thread else "day",
        # a channel that was never listed might be private: nobody sees it until it is known
        access_scope=PUBLIC if channel and channel["is_private"] is False else f"slack:channel:{channel_id}",
        title=f"#{channel_name}: {_shortened(said[0][1])}" if thread else f"#{channel_name}, {place}",
        header=f"Slack {'thread' if thread else 'messages'}, {occurred_at.date().isoformat()}",
        sections=tuple(_section(m, text, occurred_at) for m, text in said),
        metadata={
            "channel_id": channel_id,
            "channel": channel_name,
            "people": list(people),
            "tags": ["archived"] if channel and channel["is_archived"] else [],
        },
        occurred_at=occurred_at,
    )


def _section(message: Mapping[str, Any], text: str, occurred_at: datetime) -> Section:
    start_s = (from_epoch(message["ts"]) - occurred_at).total_seconds()
    return Section(text=text, author_id=message["user_id"] or message["bot_id"] or "", start_s=start_s, end_s=start_s)


def _text(message: Mapping[str, Any]) -> str:
    """What was said, attachments included, without Slack's markup."""
    if message["subtype"] in NOISE:
        return ""
    attached = (
        str(attachment[field])
        for attachment in message["payload"].get("attachments") or []
        for field in ("title", "text")
        if attachment.get(field)
    )
    return "\n".join(plain for raw in (message["text"] or "", *attached) if (plain := _plain(raw)))


def _plain(text: str) -> str:
    """`<https://x|label>` → label, `<@U1|name>` → @name, `<#C1|name>` → #name, `<!here>` → @here; entities
    unescaped.
    """

    def shown(match: re.Match[str]) -> str:
        sign, target, label = match.groups()
        mark = {"@": "@", "#": "#", "!": "@"}.get(sign, "")
        return mark + (label or target)

    return html.unescape(_MARKUP.sub(shown, text)).strip()


def _shortened(text: str, characters: int = 60) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"
