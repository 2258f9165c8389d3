"""What the list of erased people takes out of a record, a document or a text. Pure: the list is handed in.

    record ── judge ──► None: of an erased person, or by one                it never lands
                    └─► the record without them: their parts, ids, addresses and names are taken out

The list holds keyed hashes and no identifier, so what a record says is hashed and looked up. A record that holds nobody
comes back as the same object. Known by its looks, and so found anywhere: an address, a full name, a long id. A short id
counts only under a key that the source declares (`transforms.people`).
"""

from __future__ import annotations

import hmac
import html
import itertools
import operator
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from transforms import people
from transforms.people import LONG, Part, People
from transforms.raw import Entity, Record

Json = Any
MARK = "[erased]"
"""Stands in a text for what was taken out."""
EMAIL, NAME, HANDLE = "email", "name", "handle"
"""Kinds of identifiers; beside these the spaces of ids, and `id` for long ones."""
ID = "id"

_CACHED = 1 << 16
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f]|&(?!(?:nbsp|amp|lt|gt|quot|apos);)[A-Za-z]{2,8};)+")
"""Letters and digits; an entity is a letter where it is one."""
_GAP = re.compile(r"(?:[\s.,_'’+-]|&nbsp;|</?[A-Za-z][^<>]*>){1,6}")
"""Between the words of one name: `Ann Lee`, `ann.lee`, `Lee, Ann`, `<b>Ann</b> Lee`."""
_HIDDEN = re.compile(r"</?[A-Za-z][^<>]*>|&(?:nbsp|amp|lt|gt|quot|apos);")
"""What a reader of HTML does not see as a word."""
_ADDRESS = re.compile(r"(?<![\w.'+-])[\w.'+-]+@((?:[^\W_]|-)+(?:\.(?:[^\W_]|-)+)+)")
_HANDLE = re.compile(r"(?<!\w)@([\w.-]+)")
_MENTION = re.compile(r"<@([A-Za-z0-9]+)(?:\|[^<>]*)?>")
"""Slack's, with the name that may stand in it."""
_UUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_TOKEN = re.compile(rf"(?<![A-Za-z0-9_])(?:{_UUID}|[A-Za-z0-9_]{{9,64}})(?![A-Za-z0-9_])")
_HAS_TOKEN = re.compile(r"[0-9]|[A-Z]{9}")
_LONG_ID = re.compile(r"(?=\S*[^\W\d])(?=\S*\d|[^a-z]*\Z)\S{9,128}|\d{16,128}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+)?")
_SHORT = 80
"""Characters of a text that is remembered: ids, states, names, which stand in many records."""
_LONG_NUMBER = 10**15

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Identifier:
    """What tells one person from others, in the clear: it lives in memory alone."""

    kind: str
    value: str = field(repr=False)
    """Normal: an address and a handle folded, a name as its folded words with spaces between, an id as it is."""

    @property
    def words(self) -> list[str]:
        return self.value.split(" ") if self.kind == NAME else []


@dataclass(frozen=True, slots=True)
class Listed:
    """An identifier as the list keeps it."""

    kind: str
    digest: bytes
    """32 bytes: HMAC-SHA256 by the warehouse's salt of kind and value."""
    words: int
    """Of a name; 0 of what is none."""
    first_word: bytes
    """HMAC of a name's first word, which saves hashing every run of words of a text; empty of what is none."""
    is_given: bool
    """Somebody asked for it. A found address or name is taken out too, but makes no record a person's own."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may land of a record."""

    record: Record | None
    """None: nothing of it."""
    found: frozenset[Identifier]
    """Identifiers of erased people that the list lacks."""


def email(text: str) -> Identifier:
    return Identifier(EMAIL, _folded(text.strip()))


def names(text: str) -> set[Identifier]:
    """A full name, also with the family's part first. Empty for one word, which alone would go from every text."""
    words = [_folded(word) for word in _WORD.findall(text)]
    ways = range(len(words)) if len(words) > 1 else ()
    return {Identifier(NAME, " ".join(words[way:] + words[:way])) for way in ways}


def handle(text: str) -> set[Identifier]:
    """One that is made of a full name is found as such."""
    return names(text) or ({Identifier(HANDLE, _folded(text.strip()))} if text.strip() else set())


def native_id(space: str, text: str) -> Identifier | None:
    """None for an id that could be anything's: a short one without a space of its own."""
    if is_long(text):
        return Identifier(ID, text)
    return Identifier(space, text) if space != LONG else None


def is_long(text: str) -> bool:
    """Whether an id is equal to nothing but itself: letters and digits from 9 signs on, digits alone from 16 on."""
    return _LONG_ID.fullmatch(text) is not None


class Erased:
    """The list, ready to be asked. False where it is empty; then nothing is looked at."""

    def __init__(
        self, salt: bytes, listed: Iterable[Listed], declared: Callable[[str], People] = people.declared
    ) -> None:
        """`declared`: of a source, what it says of people."""
        self._salt = salt
        self._declared = declared
        self.listed = tuple(listed)
        self._digests = {one.digest for one in self.listed}
        self._deciding = {one.digest for one in self.listed if one.is_given or one.kind not in (EMAIL, NAME, HANDLE)}
        self._lengths = sorted({one.words for one in self.listed if one.words}, reverse=True)
        first_words = {one.first_word for one in self.listed if one.words}
        self._kinds = {one.kind for one in self.listed}
        self._is_first = lru_cache(_CACHED)(lambda word: self._hash("word", _folded(word)) in first_words)
        self._is_listed_id = lru_cache(_CACHED)(lambda text: self._has(ID, text))
        self._clean_short = lru_cache(_CACHED)(self._clean_any)
        self._key = lru_cache(_CACHED)(self._about_key)

    def __bool__(self) -> bool:
        return bool(self.listed)

    def entry(self, identifier: Identifier, *, is_given: bool) -> Listed:
        words = identifier.words
        first_word = self._hash("word", words[0]) if words else b""
        digest = self._hash(identifier.kind, identifier.value)
        return Listed(identifier.kind, digest, len(words), first_word, is_given)

    def lacks(self, identifier: Identifier) -> bool:
        return not self._has(identifier.kind, identifier.value)

    def with_entries(self, entries: Iterable[Listed]) -> Erased:
        """The same list and these."""
        return Erased(self._salt, (*self.listed, *entries), self._declared)

    def judge(self, entity: Entity, record: Record) -> Verdict:
        """What may land of a vendor's record. One whose key names somebody cannot land without it, and goes whole."""
        source = entity.address.source
        gone: set[int] = set()
        found: set[Identifier] = set()
        for part in self._declared(source).of(entity.address.entity):
            for one in people.objects(record, part.at):
                if not self._is_theirs(part, one):
                    continue
                found |= {i for i in _told(part, one, of_person=one is record) if self.lacks(i)}
                if one is record:
                    return Verdict(None, frozenset(found))
                gone.add(id(one))
        cleaned: Record | None = self._cleaned(record, source, gone)
        if cleaned is not None and cleaned is not record and entity.key_of(cleaned) != entity.key_of(record):
            cleaned = None
        return Verdict(cleaned, frozenset(found))

    def clean(self, value: Json, source: str | None = None) -> Json:
        """A JSON value without them: None for a text that is an identifier, or the value itself where nobody is in it.

        Args:
            source: whose short ids may stand in it.
        """
        return self._cleaned(value, source, frozenset())

    def clean_text(self, text: str) -> str | None:
        """A text with a mark where they are named; None where it is nothing but that."""
        return self._clean_short(text) if len(text) <= _SHORT else self._clean_any(text)

    def _clean_any(self, text: str) -> str | None:
        if _TIME.fullmatch(text):
            return text
        spans = [*self._addresses(text), *self._long_ids(text), *self._names(text)]
        if not spans:
            return text
        cleaned, end = "", 0
        for start, stop in sorted(spans):
            if start >= end:
                cleaned += text[end:start] + MARK
            end = max(end, stop)
        cleaned += text[end:]
        return None if cleaned.strip() == MARK else cleaned

    def _is_theirs(self, part: Part, one: Record) -> bool:
        if any(wanted not in people.values(one, path) for path, wanted in part.where.items()):
            return False
        if any(self._has(ID, v) or self._has(space, v) for space, v in _ids(part, one)):
            return True
        addresses = [v for path in part.emails for v in people.values(one, path)]
        if addresses:
            return any(self._decides(email(v)) for v in addresses)
        return any(self._decides(i) for full in _full_names(part, one) for i in names(full))

    def _cleaned(self, value: Json, source: str | None, gone: Collection[int]) -> Json:
        """Objects in `gone`, by Python's id, become None; a list loses the elements that do."""
        if isinstance(value, str):
            cleaned = self._clean_short(value) if len(value) <= _SHORT else self._clean_any(value)
            return value if cleaned == value else cleaned
        if isinstance(value, dict):
            held: Record = {}
            for key, child in value.items():
                names_nobody, space = self._key(source, key)
                if names_nobody:
                    kept = child if space is None else self._without_ids(child, space)
                    held[key] = None if id(child) in gone else self._cleaned(kept, source, gone)
            same = len(held) == len(value) and all(map(operator.is_, held.values(), value.values()))
            return value if same else held
        if isinstance(value, list):
            after = [None if id(child) in gone else self._cleaned(child, source, gone) for child in value]
            if all(map(operator.is_, after, value)):
                return value
            return [new for old, new in zip(value, after, strict=True) if new is not None or old is None]
        if isinstance(value, int) and value >= _LONG_NUMBER and self._is_listed_id(str(value)):
            return None
        return value

    def _about_key(self, source: str | None, key: str) -> tuple[bool, str | None]:
        """Whether the key itself names nobody, and the space of the ids under it."""
        return self._clean_any(key) == key, self._declared(source).space(key) if source else None

    def _without_ids(self, value: Json, space: str) -> Json:
        """The value of a key that holds ids: one, a list of them, or several in a text with semicolons between."""
        if isinstance(value, list):
            kept = [one for one in value if isinstance(one, dict | list) or self._without_ids(one, space) is not None]
            return value if len(kept) == len(value) else kept
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        ids = str(value).split(";")
        left = [one for one in ids if not self._has(space, one.rpartition(":")[2].strip())]
        if len(left) == len(ids):
            return value
        return ";".join(left) or None

    def _addresses(self, text: str) -> Iterator[tuple[int, int]]:
        if "@" not in text:
            return
        for match in _ADDRESS.finditer(text):
            starts, ends = _edges(text, match)
            for start, end in itertools.product(starts, ends):
                if self._is_address(text[start:end]):
                    yield start, end
                    break
        if HANDLE in self._kinds:
            for match in _HANDLE.finditer(text):
                if self._has(HANDLE, _folded(match[1].rstrip(".-"))):
                    yield match.span()
        for match in _MENTION.finditer(text):
            if self._is_listed_id(match[1]):
                yield match.span()

    def _is_address(self, text: str) -> bool:
        """Also with a tag: ann+news@ is Ann's where ann@ is."""
        local, _, domain = text.rpartition("@")
        untagged = f"{local.partition('+')[0]}@{domain}"
        return any(self._has(EMAIL, _folded(one)) for one in {text, untagged})

    def _long_ids(self, text: str) -> Iterator[tuple[int, int]]:
        if _HAS_TOKEN.search(text) is None:
            return
        for match in _TOKEN.finditer(text):
            if is_long(match[0]) and self._is_listed_id(match[0]):
                yield match.span()
        if is_long(text) and self._is_listed_id(text):  # with signs of other kinds in it
            yield 0, len(text)

    def _names(self, text: str) -> Iterator[tuple[int, int]]:
        if not self._lengths or text.isalnum() or not any(map(self._is_first, _WORD.findall(text))):
            return
        words = [match.span() for match in _WORD.finditer(text)]
        yield from self._runs(text, words)
        if hidden := [match.span() for match in _HIDDEN.finditer(text)]:
            shown = [(a, b) for a, b in words if not any(start < a < end for start, end in hidden)]
            yield from self._runs(text, shown)

    def _runs(self, text: str, words: Spans) -> Iterator[tuple[int, int]]:
        """Where words that follow one another are a listed name."""
        for number, (start, stop) in enumerate(words):
            if not self._is_first(text[start:stop]):
                continue
            for length in self._lengths:
                run = words[number : number + length]
                gaps = (text[a:b] for (_, a), (b, _) in itertools.pairwise(run))
                if len(run) == length and all(_GAP.fullmatch(gap) for gap in gaps):
                    written = " ".join(_folded(text[a:b]) for a, b in run)
                    if self._has(NAME, written):
                        yield start, run[-1][1]
                        break

    def _has(self, kind: str, value: str) -> bool:
        return kind in self._kinds and self._hash(kind, value) in self._digests

    def _decides(self, identifier: Identifier) -> bool:
        return self._hash(identifier.kind, identifier.value) in self._deciding

    def _hash(self, kind: str, value: str) -> bytes:
        # JSON may hold half a surrogate pair, which strict UTF-8 refuses
        return hmac.digest(self._salt, f"{kind}\x1f{value}".encode("utf-8", "surrogatepass"), "sha256")


def _edges(text: str, address: re.Match[str]) -> tuple[list[int], list[int]]:
    """Where an address may begin and end: signs before it, or the next sentence behind it, may be taken for its own."""
    start, at, end = address.start(), address.start(1), address.end()
    first = next((i for i in range(start, at) if text[i].isalnum()), start)
    sentences = [
        i for i in range(end - 1, at, -1) if text[i] == "." and text[i - 1].islower() and text[i + 1].isupper()
    ]
    return sorted({start, first}), [end, *sentences[-2:]]


def _told(part: Part, one: Record, *, of_person: bool) -> set[Identifier]:
    """What a person's part tells of the person. A party's name may be a room's; a record of their own is believed."""
    ids = {native_id(space, value) for space, value in _ids(part, one)}
    told = {i for i in ids if i} | {email(v) for path in part.emails for v in people.values(one, path)}
    if of_person:
        told |= {i for full in _full_names(part, one) for i in names(full)}
        told |= {i for path in part.handles for v in people.values(one, path) for i in handle(v)}
    return told


def _ids(part: Part, one: Record) -> Iterator[tuple[str, str]]:
    for path, space in part.ids.items():
        for value in people.values(one, path):
            yield from ((space, piece.strip()) for piece in value.split(";"))


def _full_names(part: Part, one: Record) -> Iterator[str]:
    for pieces in part.names:
        values = [people.values(one, path) for path in pieces.split(" ")]
        if all(values):
            yield " ".join(value[0] for value in values)


def _folded(text: str) -> str:
    """The same for all spellings of a word."""
    plain = html.unescape(text) if "&" in text else text
    return "".join(unicodedata.normalize("NFKC", plain).casefold().split())
