"""Fixtures: sandboxes on free ports, and small clients of the two APIs that speak as a vendor's reader does."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
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
    slack_http: httpx.Client
    hubspot: httpx.Client
    linear_http: httpx.Client

    def slack(self, method: str, **args: object) -> dict[str, Any]:
        """The answer of one Slack method, whatever it is."""
        return self.slack_response(method, **args).json()

    def slack_response(self, method: str, **args: object) -> httpx.Response:
        params = {name: str(value) for name, value in args.items()}
        return self.slack_http.get(method, params=params)

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

    def linear(self, query: str, operation: str | None = None, **variables: object) -> dict[str, Any]:
        """The answer to a GraphQL query, whatever it is."""
        return self.linear_response(query, operation, **variables).json()

    def linear_response(self, query: str, operation: str | None = None, **variables: object) -> httpx.Response:
        body = {"query": query, "variables": variables, "operationName": operation}
        return self.linear_http.post("/graphql", json=body)

    def channel(self, name: str) -> str:
        """The id of a channel by its name."""
        return next(c["id"] for c in self.control.dump()["slack.channels"] if c["name"] == name)


@contextmanager
def reading(**options: Any) -> Iterator[Readers]:
    """A running sandbox and its readers; limits are off unless asked for."""
    token = {"authorization": "Bearer xoxb-sandbox"}
    private_app = {"authorization": "Bearer pat-sandbox"}
    personal_key = {"authorization": "lin_api_sandbox"}
    # Loading certificates for plain HTTP would take longer than most tests.
    local: Any = {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "trust_env": False}
    with (
        sandbox.running(**{"start": START, "limit_speedup": math.inf} | options) as control,
        httpx.Client(base_url=control.gong_url, auth=("sandbox-key", "sandbox-secret"), **local) as gong,
        httpx.Client(base_url=control.slack_url, headers=token, **local) as slack,
        httpx.Client(base_url=f"{control.url}/hubspot", headers=private_app, **local) as hubspot,
        httpx.Client(base_url=f"{control.url}/linear", headers=personal_key, **local) as linear,
    ):
        yield Readers(control, gong, slack, hubspot, linear)


Open = Callable[..., Readers]


@pytest.fixture
def open_sandbox() -> Iterator[Open]:
    """Starts small sandboxes with the given options; they stop after the test."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(reading(**{"scale": 0.15} | options))


@pytest.fixture
def readers(open_sandbox: Open) -> Readers:
    """A small world of its own for one test."""
    return open_sandbox()


@pytest.fixture(scope="session")
def demo() -> Iterator[Readers]:
    """The world of a demo, scale 1; tests only read it."""
    with reading() as readers:
        yield readers


@pytest.fixture(scope="session")
def module_sandbox() -> Callable[..., AbstractContextManager[Readers]]:
    """Opens a sandbox for a wider scope than a test."""
    return reading


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of contracts and real data that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder shared/ beside the checkout")
    return SHARED
