"""Planted faults: each is found by the checks that are there for it, and by no other."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from pipelines import quality
from pipelines.quality import Outcome
from resources.profile import Profile
from tests.pipelines.quality import faults, faults_above
from tests.pipelines.quality.faults import Fault
from tests.pipelines.quality.loaded import Copy, failing, load_world

pytestmark = pytest.mark.long

ABOVE_RAW = [*faults_above.VECTORS, *faults_above.INTELLIGENCE, *faults_above.VIEWS]
ALL = [
    *faults.RAW,
    *faults.DOCUMENTS,
    *faults_above.VECTORS,
    *faults_above.INTELLIGENCE,
    *faults_above.NUMBERS,
    *faults_above.VIEWS,
]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    profile, outcomes = load_world(tmp_path_factory.mktemp("loaded"))
    assert failing(outcomes) == set()
    return profile


@pytest.fixture
def copy(loaded: Profile, tmp_path: Path) -> Copy:
    return Copy(loaded, tmp_path)


def plant(fault: Fault, copy: Copy) -> None:
    copy.without_constraints(*fault.without_constraints)
    copy.spoil(*fault.statements)


def test_a_clean_warehouse_passes_every_check(copy: Copy) -> None:
    outcomes = copy.look(*quality.groups())
    assert failing(outcomes) == set()
    assert {str(one.check) for one in outcomes if one.rows == 0} <= {"catalog/gong:private", "catalog/hubspot:private"}
    everything = [str(check) for group in quality.groups() for check in quality.checks_of(group)]
    assert Counter(str(one.check) for one in outcomes) == Counter(everything)
    assert max(Counter(everything).values()) == 1


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_a_fault_is_found_by_its_checks_alone(fault: Fault, copy: Copy) -> None:
    plant(fault, copy)
    outcomes = copy.look(*fault.groups)
    assert failing(outcomes) == fault.found_by
    assert_no_text_is_shown(outcomes)


@pytest.mark.long
@pytest.mark.parametrize("fault", ABOVE_RAW, ids=lambda fault: fault.name)
def test_a_fault_above_leaves_the_raw_tables_checks_alone(fault: Fault, copy: Copy) -> None:
    plant(fault, copy)
    of_calls = {"gong/calls:ranges"} if fault.name == "lengths of calls are in milliseconds" else set()
    outcomes = copy.look("gong", "slack", "linear")
    assert {name for name in failing(outcomes) if not name.startswith("catalog/")} == of_calls


def test_there_are_enough_faults_and_every_kind_of_check_finds_one() -> None:
    assert len(ALL) >= 30
    kinds = {check.name for group in quality.groups() for check in quality.checks_of(group)}
    assert {name.partition(":")[2] for fault in ALL for name in fault.found_by} == kinds


def test_the_severity_tells_a_late_pull_from_a_late_promise(copy: Copy) -> None:
    copy.spoil(faults.LATE)
    [fresh] = [one for one in copy.look("gong") if one.check.name == "fresh"]
    assert (fresh.passed, fresh.severity, len(fresh.broken)) == (False, "error", 2)
    seldom = {"gong": copy.profile.vendors["gong"] | {"pull_cron": "0 0 29 2 *"}}
    copy.profile = msgspec.structs.replace(copy.profile, vendors=copy.profile.vendors | seldom)
    [fresh] = [one for one in copy.look("gong") if one.check.name == "fresh"]
    assert (fresh.passed, fresh.severity, len(fresh.broken)) == (False, "warn", 1)


def test_a_pull_that_fails_makes_nothing_fresh(copy: Copy) -> None:
    copy.spoil(faults.LATE)
    with copy.open() as warehouse:
        warehouse.claim_all([f"pull:gong/{entity}" for entity in ("users", "calls", "transcripts")], owner="a pull")
    assert "catalog/gong:fresh" in failing(copy.look("gong"))


def test_blocking_is_what_must_not_be_built_upon() -> None:
    blocking = {check.name for g in quality.groups() for check in quality.checks_of(g) if check.blocking}
    assert blocking == {"keys", "size", "entries", "parts", "private", "vectors", "chunks", "orphans", "documents"}
    assert not any(check.blocking for check in quality.checks_of("intelligence"))


def test_documents_that_wait_for_vectors_lack_none(copy: Copy) -> None:
    copy.spoil(f"DELETE FROM {faults.MEMORY}", f"UPDATE {faults.CATALOG} SET LANDED_REVISION = NULL")
    assert failing(copy.look("memory")) == set()


def test_what_waits_to_be_rolled_up_is_not_judged(copy: Copy) -> None:
    """A number is wrong only where everything has been taken in."""
    plant(next(one for one in ALL if one.name == "numbers did not follow their rows"), copy)
    copy.spoil("UPDATE SOPHIA_CORE.LOADS SET ROLLED_UP_AT = NULL WHERE ADDRESS = 'gong_intelligence/call_enrichment'")
    assert failing(copy.look("kpis")) == set()


def test_what_waits_for_the_catalog_is_not_judged(copy: Copy) -> None:
    plant(next(one for one in ALL if one.name == "the row of a document was deleted and its entry lives"), copy)
    copy.spoil("UPDATE SOPHIA_CORE.LOADS SET CATALOGUED_AT = NULL WHERE ADDRESS = 'linear/issues'")
    assert failing(copy.look("linear")) == set()


def assert_no_text_is_shown(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        for broken in outcome.broken:
            assert len(broken.shown) <= 20
            for row in broken.shown:
                texts = [value for value in row.values.values() if isinstance(value, str)]
                assert all(is_time_or_infinite(text) for text in texts), outcome.check


def is_time_or_infinite(text: str) -> bool:
    try:
        return isinstance(datetime.fromisoformat(text), datetime)
    except ValueError:
        return text in ("inf", "-inf")
