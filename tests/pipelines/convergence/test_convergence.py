"""Whatever happens at a vendor and to our syncs, the raw tables end up equal to it."""

from __future__ import annotations

import pytest

from tests.pipelines.convergence.gong_history import GongHistory
from tests.pipelines.convergence.history import History, run
from tests.pipelines.convergence.hubspot_history import HubspotHistory
from tests.pipelines.convergence.linear_history import LinearHistory
from tests.pipelines.convergence.slack_history import SlackHistory

MACHINES: dict[str, type[History]] = {
    machine.source: machine for machine in (GongHistory, HubspotHistory, LinearHistory, SlackHistory)
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", MACHINES)
def test_five_histories_converge(source: str) -> None:
    run(MACHINES[source], histories=5, first_seed=1)


@pytest.mark.long
@pytest.mark.parametrize("first_seed", [2, 3])
@pytest.mark.parametrize("source", MACHINES)
def test_forty_histories_converge(source: str, first_seed: int) -> None:
    run(MACHINES[source], histories=20, first_seed=first_seed)
