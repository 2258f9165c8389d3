"""What a script reads: `--json` prints one value, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.test_mistakes import sophia


def said(home: Path, *arguments: str) -> Any:
    done = sophia(*arguments, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_commands_speak_json(tmp_path: Path) -> None:
    plan = said(tmp_path, "migrate", "plan")
    assert plan[0] == "migrations/V0001__core.sql"
    assert said(tmp_path, "migrate", "apply") == plan
    assert said(tmp_path, "migrate", "plan") == said(tmp_path, "migrate", "apply") == []
    assert {one["state"] for one in said(tmp_path, "migrate", "status")} == {"applied"}
    assert said(tmp_path, "replay") == {"landed": 0, "published": 0, "composed": 0, "superseded": 0, "failed": 0}
