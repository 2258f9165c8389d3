"""Where a warehouse names a person: every column of text or JSON of every table, without the code that erases."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

import lmdb
import zstandard

from resources.profile import Profile
from resources.warehouse import Warehouse

Record = dict[str, Any]
_TEXT_TYPES = ("VARCHAR", "TEXT", "JSON", "VARIANT", "ARRAY", "OBJECT")


@dataclass(frozen=True)
class Somebody:
    """A person of the sandbox's world."""

    email: str
    name: str
    ids: tuple[str, ...]
    """Of every vendor, speakers' of calls among them."""

    @property
    def pattern(self) -> re.Pattern[str]:
        ways = (self.email, *self.ids, re.sub(r"\W+", r"[\\s._-]{1,3}", self.name))
        escaped = [way if way == ways[-1] else re.escape(way) for way in ways]
        return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(escaped)})(?![A-Za-z0-9])", re.IGNORECASE)


def employee(dump: dict[str, list[Record]]) -> Somebody:
    """One who speaks in calls, owns deals, writes in chats and opens issues."""
    creators = {issue["creator"]["id"] for issue in dump["linear.issues"] if issue["creator"]}
    creators |= {comment["user"]["id"] for comment in dump["linear.comments"] if comment["user"]}
    owners = {note["properties"]["hubspot_owner_id"] for note in dump["hubspot.notes"]}
    speakers = {party.get("userId") for call in dump["gong.calls"] for party in call["parties"]}
    for user in dump["gong.users"]:
        email = user["emailAddress"]
        [slack] = [one["id"] for one in dump["slack.users"] if one["profile"].get("email") == email]
        [linear] = [one["id"] for one in dump["linear.users"] if one["email"] == email]
        [owner] = [one for one in dump["hubspot.owners"] if one["email"] == email]
        if user["id"] in speakers and linear in creators and owner["id"] in owners:
            ids = (user["id"], slack, linear, owner["id"], str(owner["userId"]), *_speakers(dump, email))
            return Somebody(email, f"{user['firstName']} {user['lastName']}", ids)
    raise AssertionError("nobody in this world is in all four")


def contact(dump: dict[str, list[Record]]) -> Somebody:
    """A customer's, who speaks in a call that everybody may read."""
    private = {call["metaData"]["id"] for call in dump["gong.calls"] if call["metaData"]["isPrivate"]}
    read = (one["transcript"] for one in dump["gong.transcripts"] if one["callId"] not in private)
    heard = {monologue["speakerId"] for monologues in read for monologue in monologues}
    for one in dump["hubspot.contacts"]:
        facts = one["properties"]
        speakers = _speakers(dump, facts["email"])
        if heard.intersection(speakers):
            return Somebody(facts["email"], f"{facts['firstname']} {facts['lastname']}", (one["id"], *speakers))
    raise AssertionError("no contact of this world speaks in a call")


def _speakers(dump: dict[str, list[Record]], email: str) -> list[str]:
    parties = (party for call in dump["gong.calls"] for party in call["parties"])
    return [party["speakerId"] for party in parties if party.get("emailAddress") == email and party.get("speakerId")]


def naming(warehouse: Warehouse, somebody: Somebody) -> dict[str, int]:
    """Column → values in it that name the person."""
    found: dict[str, int] = {}
    columns = warehouse.query(
        "SELECT C.TABLE_SCHEMA, C.TABLE_NAME, C.COLUMN_NAME, C.DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS AS C "
        "INNER JOIN INFORMATION_SCHEMA.TABLES AS T ON C.TABLE_SCHEMA = T.TABLE_SCHEMA AND C.TABLE_NAME = T.TABLE_NAME "
        "WHERE T.TABLE_TYPE = 'BASE TABLE' AND UPPER(C.TABLE_SCHEMA) NOT IN ('MAIN', 'INFORMATION_SCHEMA')"
    ).to_pylist()
    for column in columns:
        if column["data_type"].upper() not in _TEXT_TYPES or column["table_name"].upper().startswith("STAGED_"):
            continue
        table = f'{column["table_schema"]}."{column["table_name"]}"'
        held = warehouse.query(f"SELECT {column['column_name']} AS HELD FROM {table}")["held"].to_pylist()
        texts = map(_readable if column["column_name"].upper() == "BODY_BASE64" else str, held)
        if hits := sum(somebody.pattern.search(text) is not None for text in texts):
            found[f"{column['table_schema']}.{column['table_name']}.{column['column_name']}"] = hits
    return found


def _readable(body_base64: str) -> str:
    body = base64.b64decode(body_base64)
    return (zstandard.decompress(body) if body.startswith(b"\x28\xb5\x2f\xfd") else body).decode(errors="replace")


def cached_vectors(profile: Profile) -> int:
    with lmdb.open(str(profile.cache_path), readonly=True, lock=False) as env:
        return int(env.stat()["entries"])
