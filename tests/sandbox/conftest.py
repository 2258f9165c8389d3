"""Fixtures: sandboxes on free ports, and small clients of the two APIs that speak as a vendor's reader does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@dataclass
class Readers:
    """One sandbox with a client for each API."""

    control: sandbox.Control
    gong: httpx.Client

    def slack(self, method: str, **args: object) -> dict[str, Any]:
        """The answer of one Slack method, whatever it is."""
        return self.slack_response(method, **args).json()

    def slack_response(self, method: str, **args: object) -> httpx.Response:
        params = {name: str(value) for name, value in args.items()}
        headers = {"authorization": "Bearer xoxb-sandbox"}
        return httpx.get(self.control.slack_url + method, params=params, headers=headers)

    def slack_pages(self, method: str, key: str, **args: object) -> list[list[Any]]:
        """Every page of a method, by its cursors."""
        pages, cursor = [], ""
        while True:
            answer = self.slack(method, **args, **({"cursor": cursor} if cursor else {}))
            assert answer["ok"], answer
            pages.append(answer[key])
            cursor = answer.get("response_metadata", {}).get("next_cursor", "")
            if not cursor:
                return pages

    def gong_post(self, path: str, cursor: str | None = None, **body: object) -> httpx.Response:
        return self.gong.post(path, json={"filter": {}} | body | ({"cursor": cursor} if cursor else {}))

    def channel(self, name: str) -> str:
        """The id of a channel by its name."""
        return next(c["id"] for c in self.control.dump()["slack.channels"] if c["name"] == name)


Open = Callable[..., Readers]


@pytest.fixture
def open_sandbox() -> Iterator[Open]:
    """Starts sandboxes with the given options and stops them after the test; limits are off unless asked for."""
    contexts: list[Any] = []

    def start(**options: Any) -> Readers:
        running = sandbox.running(**{"start": START, "scale": 0.3, "limit_speedup": math.inf} | options)
        control = running.__enter__()
        gong = httpx.Client(base_url=control.gong_url, auth=("sandbox-key", "sandbox-secret"))
        contexts.extend((running, gong))
        gong.__enter__()
        return Readers(control, gong)

    yield start
    for context in reversed(contexts):
        context.__exit__(None, None, None)


@pytest.fixture
def readers(open_sandbox: Open) -> Readers:
    """A small world of its own for one test."""
    return open_sandbox()


@pytest.fixture(scope="session")
def demo() -> Iterator[Readers]:
    """The world of a demo, scale 1; tests only read it."""
    with (
        sandbox.running(start=START, limit_speedup=math.inf) as control,
        httpx.Client(base_url=control.gong_url, auth=("sandbox-key", "sandbox-secret")) as gong,
    ):
        yield Readers(control, gong)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of contracts and real data that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder shared/ beside the checkout")
    return SHARED
