"""`sophia schema diff` as a user and as a script read it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipelines.drift import ROWS, UnreadField
from tests.cli.test_mistakes import migrated, says, sophia  # noqa: F401 - a fixture
from tests.pipelines.rig import Rig


def test_it_prints_a_line_a_field_and_no_value(rig: Rig) -> None:
    rig.control.create("gong.calls", title="Renewal", customData={"region": "the far north"})
    rig.pull()
    printed = sophia("schema", "diff", home=rig.profile.home, COLUMNS="160")
    assert printed.returncode == 0, printed.stderr
    [line] = [one for one in printed.stdout.splitlines() if "customData" in one]
    assert line.split()[:4] == ["gong/calls", "metaData.customData.region", "text", "1"]
    assert "far north" not in printed.stdout

    as_json = sophia("schema", "diff", "--source", "gong", "--rows", "5000", "--json", home=rig.profile.home)
    found = msgspec.json.decode(as_json.stdout, type=list[UnreadField])
    assert {one.source for one in found} == {"gong"}
    [told] = [one for one in found if one.path == "metaData.customData.region"]
    assert (told.types, told.records) == (["text"], 1)
    assert "far north" not in as_json.stdout


def test_of_an_empty_warehouse_it_tells_nothing(migrated: Path) -> None:  # noqa: F811 - the fixture
    assert sophia("schema", "diff", "--json", home=migrated).stdout.strip() == "[]"
    assert f"0 fields in the newest {ROWS:,} rows" in sophia("schema", "diff", home=migrated).stdout


def test_mistakes_are_one_line(migrated: Path, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    says(sophia("schema", "diff", "--source", "asna", home=migrated), "--source='asna'", "gong, hubspot, linear, slack")
    says(sophia("schema", "diff", home=tmp_path / "none"), "SOPHIA_HOME")
