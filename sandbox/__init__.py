"""The vendors' APIs on this machine, over one coherent made-up world (or real material).

    python -m sandbox --port 8765 --seed 7 --scale 1        for people
    with sandbox.running() as control: ...                  for tests
    sandbox.Control("http://127.0.0.1:8765")                for who talks to a running one

Nothing of it is for production, and nothing here imports the platform that it is there to try.
"""

from sandbox.client import Control
from sandbox.records import CommandRefused, SandboxError, WorldRefused
from sandbox.serving import AddressRefused, running

__all__ = ["AddressRefused", "CommandRefused", "Control", "SandboxError", "WorldRefused", "running"]
