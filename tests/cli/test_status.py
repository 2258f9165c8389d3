"""`sophia status` as a user and as a script read it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipelines.health import Health
from resources.broker import free_port
from tests.cli.test_mistakes import migrated, says, sophia  # noqa: F401 - a fixture
from tests.pipelines.rig import Rig
from transforms import rows


def test_it_prints_a_line_a_source_and_how_far_readers_are_behind(rig: Rig) -> None:
    rig.pull()
    rig.catalogue()
    published = rig.publish()
    settings = {"SOPHIA_KAFKA_BOOTSTRAP": rig.profile.kafka.bootstrap}
    printed = sophia("status", home=rig.profile.home, **settings)
    assert printed.returncode == 0, printed.stderr
    for source in rows.sources():
        assert source in printed.stdout
    assert f"the workers are {published:,} messages behind, the warehouse 0" in printed.stdout
    assert "last day of the KPIs: none yet" in printed.stdout
    as_json = sophia("status", "--json", home=rig.profile.home, **settings)
    assert [one.source for one in msgspec.json.decode(as_json.stdout, type=Health).sources] == list(rows.sources())


def test_it_works_while_the_broker_is_down(migrated: Path) -> None:  # noqa: F811 - the fixture
    port = free_port()
    printed = sophia("status", home=migrated, SOPHIA_KAFKA_BOOTSTRAP=f"127.0.0.1:{port}")
    assert printed.returncode == 0
    assert f"Kafka: no Kafka broker answers at 127.0.0.1:{port}" in printed.stdout
    assert "never, late" in printed.stdout


def test_a_warehouse_without_tables_is_one_line(tmp_path: Path) -> None:
    says(sophia("status", home=tmp_path), "sophia migrate apply")
