"""Great Expectations behind our suites: errors are no findings, texts are never shown, and nothing is said or sent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contracts.address import Address
from pipelines import quality
from pipelines.quality import raw
from pipelines.quality.checks import Check, Look, Outcome, Suite
from pipelines.quality.expectations import at_least, between, evaluate, matches, median, one_of, present, true, unique
from resources.warehouse import open_warehouse
from tests.conftest import profile_for
from transforms import rows
from transforms.raw import Entity, integer, iso_time, text

PEOPLE = pd.DataFrame(
    {
        "id": ["a", "b", "c", None],
        "said": ["Ann's secret", "Bob's secret", "", None],
        "score": [0.5, 2.0, float("inf"), None],
        "limit": [1.0, 1.0, 1.0, 1.0],
        "at": pd.to_datetime(["2026-01-01", "1999-01-01", None, "2026-01-02"]),
        "is_kept": [True, False, True, None],
    }
)
SINCE = datetime.fromisoformat("2026-01-01")


def judged(tmp_path: Path, *expectations: Any, frame: pd.DataFrame = PEOPLE, check: Check | None = None) -> Outcome:
    check = check or Check(("a", "table"), "check", "A rule.")
    rules: Mapping[str, Sequence[Any]] = {check.name: expectations}
    suite = Suite((check,), ("id",), lambda _: frame, lambda _: rules)
    profile = profile_for(tmp_path)
    with open_warehouse(profile) as warehouse:
        look = Look(profile=profile, warehouse=warehouse, now=SINCE, since=SINCE)
        [outcome] = evaluate(suite, [check], frame, look)
    return outcome


@pytest.mark.parametrize(
    ("expectation", "shown"),
    [
        (present("id"), {None: {}}),
        (between("score", 0, 1, "r"), {"b": {"score": 2.0}, "c": {"score": "inf"}}),
        (at_least("limit", "score", "r"), {"b": {"limit": 1.0, "score": 2.0}, "c": {"limit": 1.0, "score": "inf"}}),
        (between("at", SINCE, None, "r"), {"b": {"at": "1999-01-01T00:00:00"}}),
        (true("is_kept", "r"), {"b": {"is_kept": False}}),
        (matches("said", "^$", "r"), {"a": {}, "b": {}}),
        (one_of("said", [""], "r"), {"a": {}, "b": {}}),
    ],
    ids=["key", "number", "two numbers", "time", "truth", "pattern", "set"],
)
def test_a_row_is_shown_by_its_key_and_never_by_a_text(expectation: Any, shown: object, tmp_path: Path) -> None:
    outcome = judged(tmp_path, expectation)
    assert not outcome.passed
    assert {row.key["id"]: row.values for row in outcome.broken[0].shown} == shown
    assert "secret" not in repr(outcome)


def test_no_more_than_twenty_rows_are_shown(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [str(n) for n in range(1000)], "score": 2.0})
    [broken] = judged(tmp_path, between("score", 0, 1, "from 0 to 1"), frame=frame).broken
    assert (broken.rule, broken.rows, len(broken.shown)) == ("from 0 to 1", 1000, 20)


def test_a_rule_about_all_rows_tells_what_it_saw(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c"], "score": [1.0, 60.0, 60.0]})
    [broken] = judged(tmp_path, median("score", 0, 1, "r"), frame=frame).broken
    assert (broken.rows, broken.observed, broken.shown) == (None, 60.0, [])


@pytest.mark.parametrize(
    "expectation",
    [between("nobody", 0, 1, "a rule"), between("said", 0, 1, "a rule"), unique("nobody", "a rule")],
    ids=["no such column", "no number", "no such column, unique"],
)
def test_what_cannot_be_evaluated_is_no_bad_data(expectation: Any, tmp_path: Path) -> None:
    outcome = judged(tmp_path, true("is_kept", "r"), expectation)
    assert outcome.error is not None
    assert outcome.error.startswith("a rule (")
    assert (outcome.passed, outcome.broken, outcome.severity) == (False, [], "error")
    assert "secret" not in repr(outcome)


@pytest.mark.parametrize(
    ("of_check", "of_rules", "expected"),
    [("warn", ["critical"], "warn"), ("error", ["warning"], "warn"), ("error", ["warning", "critical"], "error")],
)
def test_the_worst_broken_rule_tells_the_severity(
    of_check: Any, of_rules: list[Any], expected: str, tmp_path: Path
) -> None:
    check = Check(("a", "table"), "check", "A rule.", severity=of_check)
    outcome = judged(tmp_path, *(between("score", 0, 1, "r", severity) for severity in of_rules), check=check)
    assert (outcome.passed, outcome.severity) == (False, expected)


def test_the_checks_of_a_raw_table_follow_from_its_declaration() -> None:
    named = (text("task_id"), text("project_id"), text("name"))
    for more, kinds in (
        ((), {"keys", "rows", "size"}),
        ((integer("stars"),), {"keys", "rows", "size"}),
        ((integer("stars").within(0, 5),), {"keys", "rows", "ranges", "size"}),
        ((iso_time("made_at"),), {"keys", "rows", "ranges", "size"}),
    ):
        entity = Entity(Address("asana", "tasks"), ("project_id", "task_id"), (*named, *more))
        suites = list(raw.suites(entity))
        assert {check.name for suite in suites for check in suite.checks} == kinds
        assert {check.asset for suite in suites for check in suite.checks} == {("asana", "tasks")}


def test_every_source_is_looked_at() -> None:
    assert set(rows.sources()) < set(quality.groups())
    tables = {entity.address.asset_key for source in rows.sources() for entity in rows.entities(source)}
    looked_at = {check.asset for source in rows.sources() for check in quality.checks_of(source)}
    assert looked_at == tables | {("catalog", source) for source in rows.sources()}


def test_checks_are_known_without_great_expectations() -> None:
    program = (
        "import sys; from pipelines import quality; from assets.checks import CHECKS; "
        "assert len(CHECKS) == len(quality.groups()); "
        "print([m for m in ('great_expectations', 'pandas', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_sent() -> None:
    """Python tells of every connection that is tried."""
    program = """
import sys
def refuse(event, arguments):
    assert event not in ("socket.connect", "socket.getaddrinfo", "urllib.Request"), event
sys.addaudithook(refuse)
from tests.pipelines.quality.test_evaluation import judged, true
from pathlib import Path
import tempfile
print(judged(Path(tempfile.mkdtemp()), true("is_kept", "r")).passed)
"""
    done = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_nothing_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    judged(tmp_path, between("nobody", 0, 1, "r"), between("score", 0, 1, "r"))
    assert capfd.readouterr() == ("", "")
