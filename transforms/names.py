"""Names in text: as whole words, in any case, under any alias."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

EXACT = "="
"""Before an alias that is also a word of the language: it is found as it is written, in this case alone."""
_INSIDE = r"(?<!\w)(?<!\w@)"
"""A name inside another word or a mail address is none; `_` counts as a letter, so file names hide theirs."""
_WORD = re.compile(r"\w+")


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
    """Finds any of many names; the cost grows with the text, and hardly with the number of names."""

    def __init__(self, aliases: Mapping[str, Sequence[str]]) -> None:
        """
        Args:
            aliases: name → the ways to write it; one that begins with `=` is found in its own case only. White space
                in them stands for any; one without a letter or digit is never found.
        """
        self._by_first_word: dict[str, list[tuple[re.Pattern[str], str, int]]] = {}
        for name, ways in aliases.items():
            for way in ways:
                written = way.removeprefix(EXACT).strip()
                word = _WORD.search(written)
                if word is None:
                    continue
                # Folded as well: IGNORECASE alone does not find "GROSSMANN" for "Großmann".
                forms = {written} if way.startswith(EXACT) else {written, written.casefold()}
                flags = 0 if way.startswith(EXACT) else re.IGNORECASE
                pattern = re.compile(f"{_INSIDE}(?:{'|'.join(map(_any_space, forms))})(?!\\w)", flags)
                known = self._by_first_word.setdefault(word.group().casefold(), [])
                known.append((pattern, name, word.start()))

    def find(self, text: str) -> Iterator[Found]:
        """Every name in the text, in order; of names that overlap the longest."""
        found = []
        for word in _WORD.finditer(text):
            for pattern, name, offset in self._by_first_word.get(word.group().casefold(), ()):
                match = pattern.match(text, max(0, word.start() - offset))
                if match is not None:
                    found.append(Found(name, match.start(), match.end()))
        end = 0
        for one in sorted(found, key=lambda f: (f.start, -f.end)):
            if one.start >= end:
                end = one.end
                yield one


def fold(name: str) -> str:
    """The same for all names that are found in the same texts."""
    return " ".join(name.split()).casefold()


def _any_space(form: str) -> str:
    return r"\s+".join(re.escape(part) for part in form.split())
