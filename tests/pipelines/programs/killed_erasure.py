"""An erasure that is killed when it has done a step. argv: home, address, step."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from pipelines import erasure
from resources.warehouse import open_warehouse
from tests.conftest import profile_for


def main(home: Path, address: str, step: str) -> None:
    def after(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    profile = profile_for(home)
    with open_warehouse(profile) as warehouse:
        erasure.erase(profile, warehouse, emails=[address], after=after)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
