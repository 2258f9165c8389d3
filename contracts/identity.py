"""How ids and hashes are made. Changing a function here re-embeds or duplicates everything: see ADR 0003."""

from __future__ import annotations

import hashlib

import msgspec

_SEPARATOR = "\x1f"  # ASCII unit separator: occurs in no id of a vendor, so joined ids cannot collide


def document_id(source: str, data_type: str, native_id: str) -> str:
    """`gong:call:7782342274025937895`."""
    return f"{source}:{data_type}:{native_id}"


def part_id(base_id: str, number: int) -> str:
    """The id of a long document's part, 1-based: the first keeps the document's own id, the next are `#2`, `#3` …"""
    return base_id if number == 1 else f"{base_id}#{number}"


def base_id(document_id: str) -> str:
    """The id of the whole document that a part belongs to."""
    return document_id.partition("#")[0]


def memory_id(document_id: str, ordinal: int) -> str:
    """A chunk's id: its document and its place, never its text, because equal texts occur twice. 32 hex digits."""
    return _digest(document_id, str(ordinal))


def mention_id(document_id: str, competitor: str, number: int) -> str:
    """The number-th mention of a competitor in a document, 0-based: it keeps its id when the text before it grows."""
    return _digest(document_id, competitor, str(number))


def text_hash(text: str) -> str:
    """Of the text alone: equal texts share a cached vector. 32 hex digits."""
    return _digest(text)


def record_hash(value: object) -> str:
    """Of a JSON-like value, whatever the order of its keys. 32 hex digits."""
    return hashlib.blake2b(msgspec.json.encode(value, order="sorted"), digest_size=16).hexdigest()


def fingerprint(model_id: str, chunker: str, header: str) -> str:
    """What a vector depends on beside its text: `<model>|<chunker>|<header>`. A change of any embeds anew."""
    return f"{model_id}|{chunker}|{header}"


def _digest(*parts: str) -> str:
    return hashlib.blake2b(_SEPARATOR.join(parts).encode(), digest_size=16).hexdigest()
