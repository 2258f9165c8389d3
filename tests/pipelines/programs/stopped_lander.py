"""A lander that says when it holds a batch, waits to be stopped there, and says how its landing ended."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from contracts.errors import Fenced
from pipelines.memory import Lander
from resources.warehouse import open_warehouse
from tests.conftest import profile_for


def main() -> None:
    settings = json.loads(sys.argv[1])
    profile = profile_for(Path(settings["home"]), bootstrap=settings["bootstrap"])

    def hold() -> None:
        print("holding a batch", flush=True)
        time.sleep(1.0)  # SIGSTOP comes in here

    with open_warehouse(profile) as warehouse:
        try:
            Lander(profile, warehouse).run(before_landing=hold)
        except Fenced:
            print("fenced", flush=True)


if __name__ == "__main__":
    main()
