"""Sentiment behind a port, so that Cortex's can take the place of the local one.

VADER (Hutto and Gilbert, ICWSM 2014): a lexicon with rules for negation, degree and punctuation; made for short
informal English. No model, no network, about 10,000 sentences a second.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer


class Sentiment(Protocol):
    """What scores text."""

    model_id: str
    """Of the model and its version: another one has everything scored again."""

    def score(self, sentence: str) -> float:
        """-1 (bad) to 1 (good), 0 for what says nothing."""


class Vader:
    """VADER's compound score."""

    model_id = "vader-3.3.2"

    @cached_property
    def _analyzer(self) -> SentimentIntensityAnalyzer:
        return SentimentIntensityAnalyzer()

    def score(self, sentence: str) -> float:
        return float(self._analyzer.polarity_scores(sentence)["compound"])
