"""`sophia erase` as an operator runs it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.address import Address
from pipelines.landing import land_rows
from tests.cli.test_mistakes import says, sophia
from tests.conftest import open_migrated, profile_for
from transforms import rows
from transforms.raw import Rejected, to_row

EMAIL = "ann.lee@example.com"
USER: dict[str, Any] = {"id": "U012345678", "name": "ann", "real_name": "Ann Lee", "profile": {"email": EMAIL}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A warehouse that knows one person."""
    users = rows.entity(Address("slack", "users"))
    row = to_row(users, USER, version=datetime.now(UTC), origin="pull")
    assert not isinstance(row, Rejected)
    with open_migrated(profile_for(tmp_path)) as warehouse:
        land_rows(users, [row], "pull", warehouse)
    return tmp_path


def known(home: Path) -> int:
    with open_migrated(profile_for(home)) as warehouse:
        return warehouse.query("SELECT USER_ID FROM SLACK_INTEGRATION.USERS").num_rows


def test_a_person_goes_and_the_receipt_says_so(home: Path) -> None:
    looked = sophia("erase", "--person", EMAIL, "--dry-run", home=home)
    assert looked.returncode == 0, looked.stderr
    assert "nothing was changed" in looked.stdout
    assert known(home) == 1
    done = sophia("erase", "--person", EMAIL.upper(), "--name", "Ann B. Lee", "--json", home=home)
    assert done.returncode == 0, done.stderr
    receipt = msgspec.json.decode(done.stdout)
    assert receipt["layers"]["raw slack"] == {"removed": 1, "cleaned": 0, "left": 0}
    assert "ann" not in (done.stdout + done.stderr).lower().replace("cannot", "").replace("channel", "")
    assert known(home) == 0


def test_somebody_whom_nobody_knows_is_kept_out_all_the_same(home: Path) -> None:
    done = sophia("erase", "--person", "nobody@example.com", home=home)
    assert done.returncode == 0, done.stderr
    assert "nobody was found by these. The list keeps them out from now on." in done.stdout
    assert known(home) == 1


def test_what_cannot_be_a_person_is_told_in_one_line(home: Path) -> None:
    says(sophia("erase", "--person", "ann at example", home=home), "--person='ann at example'", "a mail address")
    says(sophia("erase", "--person", EMAIL, "--name", "Ann", home=home), "--name='Ann'", "a full name")
    assert known(home) == 1
