"""Names in text: as whole words, in any case, under any alias."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

EXACT = "="
"""Before an alias that is also a word of the language: it is found as it is written, in this case alone."""
_INSIDE = r"(?<!\w)(?<!\w@)"
"""A name inside another word or a mail address is none; `_` counts as a letter, so file names hide theirs."""


@dataclass(frozen=True, slots=True)
class Found:
    """A name at a place in a text."""

    name: str
    """As it was asked for, whichever alias stands there."""
    start: int
    """Character, 0-based."""
    end: int
    """Character behind the last."""


class Names:
    """Finds any of many names in one pass."""

    def __init__(self, aliases: Mapping[str, Sequence[str]]) -> None:
        """
        Args:
            aliases: name → the ways to write it; one that begins with `=` is found in its own case only. White space
                in them stands for any.
        """
        exact = {a.removeprefix(EXACT): name for name, all_ in aliases.items() for a in all_ if a.startswith(EXACT)}
        folded = {a.casefold(): name for name, all_ in aliases.items() for a in all_ if not a.startswith(EXACT)}
        self._names = {_spaced(a): name for a, name in (folded | exact).items()}
        self._patterns = [
            re.compile(f"{_INSIDE}(?:{_any(words)})(?!\\w)", flags)
            for words, flags in ((exact, 0), (folded, re.IGNORECASE))
            if words
        ]

    def find(self, text: str) -> Iterator[Found]:
        """Every name in the text, in order; of names that overlap the longest."""
        found = [
            Found(self._names.get(_spaced(m.group())) or self._names[_spaced(m.group().casefold())], m.start(), m.end())
            for pattern in self._patterns
            for m in pattern.finditer(text)
        ]
        end = 0
        for one in sorted(found, key=lambda f: (f.start, -f.end)):
            if one.start >= end:
                end = one.end
                yield one


def _any(words: Mapping[str, str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(r"\s+".join(re.escape(part) for part in word.split()) for word in longest_first)


def _spaced(text: str) -> str:
    return " ".join(text.split())
