"""Competitors in sentences that a person has labelled, and the rules behind."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.competitors import Competitors, parse, sentence_around, threat_level
from transforms.names import Names

SETTING = (
    "Planora, Planora Cloud; ShiftHive, Shift Hive, shifthive.io; Rotawise; Timberline Crew, =Timberline; Dayloom; "
    "=Kestrel; =Jasper; =Fold"
)
SENTENCES = Path(__file__).parent
COMPETITORS = Competitors(parse(SETTING))


@pytest.mark.parametrize(
    ("file", "least_precision", "least_recall"),
    [
        # the rules were mended once on these; before, they had .910 and .956
        ("competitor_sentences.jsonl", 0.97, 0.95),
        # the rules have never been fitted to these, and must not be
        ("competitor_sentences_unseen.jsonl", 0.92, 0.92),
    ],
)
def test_precision_and_recall_over_labelled_sentences(file: str, least_precision: float, least_recall: float) -> None:
    """Look-alikes and people of a competitor's name included; the labels were made without knowing the rules."""
    lines = [json.loads(line) for line in (SENTENCES / file).read_text(encoding="utf-8").splitlines()]
    right = found = labelled = 0
    for line in lines:
        got = Counter(m.competitor for m in COMPETITORS.mentions(line["text"], line["people"]))
        wanted = Counter(line["names"])
        right += (got & wanted).total()
        found += got.total()
        labelled += wanted.total()
    precision, recall = right / found, right / labelled
    print(f"{len(lines)} sentences, {labelled} mentions: precision {precision:.3f}, recall {recall:.3f}")
    assert len(lines) >= 100
    assert precision >= least_precision
    assert recall >= least_recall


def test_a_setting_is_read_with_its_aliases() -> None:
    assert parse("Planora, Planora Cloud; Timberline Crew, =Timberline ;") == {
        "Planora": ("Planora", "Planora Cloud"),
        "Timberline Crew": ("Timberline Crew", "=Timberline"),
    }
    assert parse("=Fold") == {"Fold": ("=Fold",)}
    assert parse("") == {}


@pytest.mark.parametrize(
    ("setting", "rule"),
    [("Planora,,X", "an empty name"), ("=", "an empty name"), ("Planora; Rota, planora", "'planora' is named twice")],
)
def test_a_setting_that_cannot_be_read_is_refused(setting: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse(setting)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("PLANORA and planora's app", ["Planora", "Planora"]),
        ("replanora Planorama my_planora_x jo@planora.example", []),
        ("(Planora/ShiftHive)", ["Planora", "ShiftHive"]),
        ("timberline   crew", ["Timberline Crew"]),
        ("Timberline; above the timberline", ["Timberline Crew"]),
        ("Planora Cloud", ["Planora"]),
    ],
)
def test_names_are_whole_words_in_any_case(text: str, names: list[str]) -> None:
    assert [m.competitor for m in COMPETITORS.mentions(text)] == names


@given(st.text(max_size=30), st.sampled_from(["Planora", "planora", "ROTAWISE"]), st.text(max_size=30))
def test_a_name_that_stands_alone_is_found_once_in_any_text(before: str, name: str, after: str) -> None:
    names = Names({"Planora": ["Planora"], "Rotawise": ["Rotawise"]})
    expected = "Planora" if name.lower() == "planora" else "Rotawise"
    alone = len(list(names.find(before))) + len(list(names.find(after)))
    found = list(names.find(f"{before} {name} {after}"))
    assert len(found) == alone + 1
    assert any(f.name == expected and f.start == len(before) + 1 for f in found)


def test_the_sentence_around_a_mention() -> None:
    text = "We looked at it. Then  Planora\tcalled!  Now we wait."
    assert sentence_around(text, text.index("Planora")) == "Then Planora called!"
    assert sentence_around("no end Planora", 7) == "no end Planora"
    assert sentence_around("one\nPlanora\nthree", 4) == "Planora"


@pytest.mark.parametrize(
    ("sentence", "sentiment", "account", "deal", "level"),
    [
        ("Planora exists.", -0.6, False, False, 1),
        ("Planora exists.", 0.0, False, False, 2),
        ("They offered to switch us to Planora for less.", 0.2, False, False, 3),
        ("They offered to switch us to Planora for less.", 0.2, True, True, 5),
        ("Planora broke again.", -0.5, True, True, 3),
    ],
)
def test_threat_levels(sentence: str, sentiment: float, account: bool, deal: bool, level: int) -> None:
    assert threat_level(sentence, sentiment, of_account=account, of_deal=deal) == level
