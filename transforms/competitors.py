"""Competitors in text: who is named, in which sentence, and how much of a threat that is.

A name is found as whole words in any case (`transforms.names`), and is no mention where it is a person's: a known
participant, a name with a title, a first name with a surname, or an ambiguous name (an exact alias, `=Jasper`) that
does what people do.

Threat level, 1 to 5: 1, and one more for each of
- the sentence speaks of a change or a comparison: switching, replacing, evaluating, offers, prices (`PRESSURE`)
- the sentence is not negative about it (sentiment above -0.05)
- it concerns a customer's account
- it concerns a deal: it stands in one, or was said on a call about one
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from transforms.names import EXACT, Found, Names

VERSION = "1"
"""Count it up with a change of the rules: what was worked out by the older ones is then worked out again."""

PRESSURE = re.compile(
    r"\b(?:switch\w*|replac\w+|mov(?:e|ed|ing)|migrat\w+|leav(?:e|es|ing)|left|churn\w*|cancel\w*|buy\w*|bought|"
    r"evaluat\w+|compar\w+|trial\w*|pilot\w*|demo\w*|shortlist\w*|tender\w*|rfp|versus|vs|instead|than|prefer\w*|"
    r"offer\w*|quot(?:e|es|ed|ing)|pric\w+|cheap\w*|discount\w*|undercut\w*|cost\w*|euros?|dollars?|better|faster)\b",
    re.IGNORECASE,
)
CONTEXT = 300
"""Characters before and after a name that its rules look at."""
SENTENCE = 500
"""Characters before and behind a mention that its sentence reaches at most."""
NEGATIVE = -0.05
"""VADER's own bound between neutral and negative."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
_IDENTIFIER_BEFORE = re.compile(r"[\w.]/$|[`\\]$")
_IDENTIFIER_AFTER = re.compile(r"^(?:[-.]\w|/\w+/|`)")
_TICKET_OR_FILE = re.compile(r"^(?:-\d|\.[a-z]{1,4}\b(?!/))")
_LINK_BEFORE = re.compile(r"(?://|www\.)$")
_TITLE = re.compile(
    r"\b(?:mr|mrs|ms|miss|mx|dr|doctor|prof|professor|sir|herr|frau|mme)\.?\s+(?:\w+\s+)?$", re.IGNORECASE
)
_CAPITALISED_BEFORE = re.compile(r"(?<!\w)([A-Z][a-zà-öø-ÿ'’-]+)\s+$")
_CAPITALISED_AFTER = re.compile(r"^\s+([A-Z][a-zà-öø-ÿ'’-]+)")
_ADDRESSED = re.compile(
    r"\b(?:thanks?(?:\s+you)?(?:\s+so\s+much)?|hi|hello|hey|dear|ciao|bye|morning|congrats|welcome|ask(?:ed)?|tell|told|"
    r"ping(?:ed)?|cc|met|loop\s+in|spoke\s+(?:to|with)|boss|colleague|manager|neighbour|brother|sister|husband|wife|friend|"
    r"regards|cheers|best)[,:]?\s+@?$",
    re.IGNORECASE,
)
_BOUGHT = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|pay(?:s|ing)?|paid|integrat\w+\s+with|switch\w*\s+(?:from|to)|mov(?:e|ed|ing)\s+(?:from|to)|"
    r"replac\w+|compar\w+\s+(?:to|with)|than|versus|vs\.?|against|instead\s+of|their|your|our|an?\s+old)\s+$",
    re.IGNORECASE,
)
_DOES_WHAT_PEOPLE_DO = re.compile(
    r"^(?:\s+and\s+(?:i|you|she|he)\b|\s+(?:(?:just|also|already|then|kindly|has|had|will|would|can|could|should)\s+)*"
    r"(?:said|says|told|tells|asked|asks|mentioned|wrote|writes|emailed|thinks|thought|knows|wants|likes|joined|joins?|"
    r"called|replied|promised|forgot|agreed|booked|confirmed|sent|presented|presents|noted|leads?|sits|got\s+back|"
    r"is\s+(?:on\s+(?:leave|holiday|vacation|parental)|out\s+(?:of|sick|today)|sick|ill|joining|away|our|my|the\s+new))\b|"
    r"\s+(?:from|in)\s+(?:accounting|finance|sales|support|legal|hr|marketing|it|procurement|operations)\b|"
    r",\s+(?:our|my|your|who|born|the\s+new|can\s+you|could\s+you|please|thanks)\b|"
    r"'s\s+(?:birthday|team|manager|wife|husband|flight|calendar|desk|mail|notes)\b)",
    re.IGNORECASE,
)
_HE_OR_SHE = re.compile(r"^[^.!?\n]{0,40}(?:[.!?]\s+)?\b(?:he|she|his|her|him)\b", re.IGNORECASE)
_A_THING = re.compile(r"\b(?:the|a)\s+$", re.IGNORECASE)
_AN_ORDER = re.compile(r"^\s+(?:the|a|an|it|this|that|them|your|up|in|over|here)\b")
_PRODUCT_WORDS = {
    "cloud", "enterprise", "app", "api", "pro", "suite", "mobile", "plus", "contract", "licence", "license", "seats",
    "users", "pricing", "price", "integration", "export", "demo", "trial", "rep", "sales", "team", "account", "deal",
}  # fmt: skip
_NO_FIRST_NAMES = frozenset(
    "the a an and or but if when while with from to at in on by for of than is are was were does do did has have had "
    "can could will would should why how what who which where we i they you he she it our their your my his her its "
    "both either neither also even only just so because since after before until like unlike versus vs about against "
    "yes no not then now today yesterday tomorrow maybe perhaps honestly apparently meanwhile competitor vendor crm "
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday heard saw use using try tried compare compared switched moved replace replaced re "
    "fwd subject mention mentioned between without via per say said as this that these those".split()
)
"""Words that are no first name when they stand before a competitor with a capital letter."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A competitor named once."""

    competitor: str
    sentence: str


def parse(setting: str) -> dict[str, tuple[str, ...]]:
    """Read `Planora, Planora Cloud; Timberline Crew, =Timberline; =Fold`: each with its aliases, the name first.

    Raises:
        ValueError: an empty name, or one that two competitors have.
    """
    competitors: dict[str, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in setting.split(";"))):
        aliases = tuple(alias.strip() for alias in entry.split(","))
        if any(not alias.removeprefix(EXACT).strip() for alias in aliases):
            raise ValueError(f"{entry!r} has an empty name")
        competitors[aliases[0].removeprefix(EXACT)] = aliases
    every = [alias.removeprefix(EXACT).casefold() for aliases in competitors.values() for alias in aliases]
    twice = next((alias for alias in every if every.count(alias) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is named twice")
    return competitors


class Competitors:
    """The competitors of the settings, ready to be looked for."""

    def __init__(self, aliases: Mapping[str, Sequence[str]]) -> None:
        self._names = Names(aliases)
        self._ambiguous = {a.removeprefix(EXACT) for all_ in aliases.values() for a in all_ if a.startswith(EXACT)}

    def mentions(self, text: str, people: Sequence[str] = ()) -> Iterator[Mention]:
        """Every mention, in order.

        Args:
            people: full names of those who take part in the conversation.
        """
        for found in self._names.find(text):
            before, after = _around(text, found)
            if not _is_identifier(before, after) and not self._is_person(text, found, people):
                yield Mention(found.name, sentence_around(text, found.start))

    def _is_person(self, text: str, found: Found, people: Sequence[str]) -> bool:
        """Or, for an ambiguous name, another thing."""
        before, after = _around(text, found)
        written = text[found.start : found.end]
        if _TITLE.search(before) or any(_within(text, found, person) for person in people):
            return True
        previous = _CAPITALISED_BEFORE.search(before)
        if previous is not None and written[0].isupper() and previous.group(1).lower() not in _NO_FIRST_NAMES:
            begins = before[: previous.start()].rstrip()[-1:] in ("", *".!?:>*-•\"'")
            # "Compare Planora": what begins a sentence has its capital from there
            if not begins or _DOES_WHAT_PEOPLE_DO.match(after):
                return True
        if written not in self._ambiguous or _BOUGHT.search(before):
            return False
        following = _CAPITALISED_AFTER.search(after)
        if following is not None and following.group(1).lower() not in _PRODUCT_WORDS | _NO_FIRST_NAMES:
            return True
        begins = before.rstrip()[-1:] in ("", *".!?:>*-•\"'\n")
        return bool(
            written.casefold() in {part.casefold() for person in people for part in person.split()}
            or _ADDRESSED.search(before)
            or _DOES_WHAT_PEOPLE_DO.match(after)
            or _HE_OR_SHE.match(after)
            or (_A_THING.search(before) and (after.split() or [""])[0].lower() not in _PRODUCT_WORDS)
            or (begins and _AN_ORDER.match(after))
        )


def _is_identifier(before: str, after: str) -> bool:
    """A branch, a path, a file, a ticket; a link to a competitor's own site is none of these."""
    if _LINK_BEFORE.search(before):
        return False
    path = _IDENTIFIER_BEFORE.search(before) is not None and _IDENTIFIER_AFTER.match(after) is not None
    return path or _TICKET_OR_FILE.match(after) is not None


def _around(text: str, found: Found) -> tuple[str, str]:
    """What stands before and after, as far as a rule looks."""
    return text[max(0, found.start - CONTEXT) : found.start], text[found.end : found.end + CONTEXT]


def sentence_around(text: str, place: int) -> str:
    """The sentence that a character belongs to, its white space made single; of a very long one what is near."""
    begun = max(0, place - SENTENCE)
    window = text[begun : place + SENTENCE]
    start = 0
    for end in _SENTENCE_END.finditer(window):
        if end.start() > place - begun:
            return " ".join(window[start : end.start()].split())
        start = end.end()
    return " ".join(window[start:].split())


def threat_level(sentence: str, sentiment: float, *, of_account: bool, of_deal: bool) -> int:
    """1 to 5; the formula stands at the top of this file."""
    return 1 + sum((PRESSURE.search(sentence) is not None, sentiment > NEGATIVE, of_account, of_deal))


def _within(text: str, found: Found, person: str) -> bool:
    """Whether the name is a part of this person's full name, as it stands around it."""
    if len(person.split()) < 2 or text[found.start : found.end].casefold() not in person.casefold():
        return False
    begun = max(0, found.start - len(person))
    place = re.compile(re.escape(person), re.IGNORECASE).search(text, begun, found.end + len(person))
    return place is not None and place.start() <= found.start and found.end <= place.end()
