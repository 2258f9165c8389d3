"""Forged and malformed requests, made from genuine ones: none is taken, none is our fault, and they leave nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import resource
import socket
from collections import Counter
from pathlib import Path

import pytest
import structlog

from pipelines.webhooks.forwarder import Forwarder
from pipelines.webhooks.journal import Journal
from pipelines.webhooks.receiver import create_app
from resources.broker import free_port
from tests.conftest import open_migrated, profile_for
from tests.pipelines.webhooks import signing
from tests.pipelines.webhooks.signing import Signed
from tests.pipelines.webhooks.test_push_alone import serving

SIGNED = {
    "slack": ("x-slack-request-timestamp", "x-slack-signature"),
    "hubspot": ("x-hubspot-request-timestamp", "x-hubspot-signature-v3"),
    "linear": ("linear-signature",),
    "gong": ("authorization",),
}
"""The headers that decide; others may say what they like."""
ODD = (b"", b"\x00", b"\xff\xfe", b"-1", b"1e400", b"9" * 400, "٣٤".encode(), b"null", b"[" * 5000, b"Bearer ", b"v0=")
WIDTH = 16
"""Requests in flight, as under load."""


def mutant(rng: random.Random, genuine: list[Signed]) -> tuple[str, dict[bytes, bytes], bytes]:
    """(path, headers, body) of a request that no vendor sent."""
    while True:
        one = rng.choice(genuine)
        path, body = one.path, one.body
        headers = {name.lower().encode(): value.encode() for name, value in one.headers.items()}
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            kind = rng.randrange(7)
            name = rng.choice(SIGNED[one.source]).encode()
            if kind == 0:
                body = _flipped(rng, body)
            elif kind == 1:
                body = body[: rng.randrange(len(body) + 1)]
            elif kind == 2:
                headers[name] = _flipped(rng, headers.get(name, b""))
            elif kind == 3:
                headers.pop(name, None)
            elif kind == 4:
                headers[name] = rng.choice(ODD)
            elif kind == 5:
                body = rng.choice((rng.randbytes(rng.randrange(200)), rng.choice(ODD), body + b" ", body * 2))
            else:
                path = rng.choice(genuine).path
        if path != one.path or body != one.body or _deciding(one.source, headers) != _deciding(one.source, _raw(one)):
            return path, headers, body


def _raw(one: Signed) -> dict[bytes, bytes]:
    return {name.lower().encode(): value.encode() for name, value in one.headers.items()}


def _deciding(source: str, headers: dict[bytes, bytes]) -> list[object]:
    """A token's last character has bits that mean nothing: what counts is what it decodes to."""
    values = [headers.get(name.encode()) for name in SIGNED[source]]
    return [_decoded(value) for value in values] if source == "gong" else list(values)


def _decoded(token: bytes | None) -> object:
    parts = (token or b"").removeprefix(b"Bearer ").strip().split(b".")
    try:
        return [base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)) for part in parts]
    except ValueError:
        return token


def _flipped(rng: random.Random, content: bytes) -> bytes:
    if not content:
        return b"x"
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def confusing_tokens() -> list[str]:
    """As if the algorithm were the sender's to choose (CVE-2015-9235, CVE-2022-29217)."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = part({"exp": 2**40, "webhook_url": f"{signing.URL}/webhooks/gong", "body_sha256": "0" * 64})
    heads = ({"alg": "none"}, {"alg": "HS256"}, {"alg": "RS512"}, {"alg": None}, {"alg": "RS256", "jwk": {}}, [])
    return [f"{part(head)}.{claims}.{signature}" for head in heads for signature in ("", "AAAA", "....")]


@pytest.mark.parametrize("count", [5_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_no_forgery_is_taken_and_none_is_our_fault(tmp_path: Path, count: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    profile = profile_for(tmp_path, **signing.environ())
    rng = random.Random(count)
    genuine = signing.one_of_each()
    answered: Counter[int] = Counter()
    try:
        with open_migrated(profile) as warehouse, Journal(tmp_path / "webhooks", 10**8) as journal:
            app = create_app(profile, journal, Forwarder(profile, journal, warehouse))

            async def send(path: str, headers: dict[bytes, bytes], body: bytes) -> None:
                parts = [body[: len(body) // 2], body[len(body) // 2 :]]

                async def receive() -> dict[str, object]:
                    return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

                async def tell(message: dict[str, object]) -> None:
                    if message["type"] == "http.response.start":
                        answered[int(str(message["status"]))] += 1

                scope = {
                    "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
                    "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": list(headers.items()),
                    "client": ("127.0.0.1", 1), "server": ("ours", 80),
                }  # fmt: skip
                await app(scope, receive, tell)  # type: ignore[arg-type]

            async def all_of_them() -> int:
                for token in confusing_tokens():
                    await send("/webhooks/gong", {b"authorization": token.encode()}, genuine[3].body)
                warm_kb = 0
                for number in range(0, count, WIDTH):
                    await asyncio.gather(*(send(*mutant(rng, genuine)) for _ in range(WIDTH)))
                    if number <= count // 4:
                        warm_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - warm_kb

            grown_kb = asyncio.run(all_of_them())
            assert journal.segments() == []
    finally:
        structlog.reset_defaults()
    assert set(answered) <= {401, 413}, answered
    assert answered[401] >= count
    assert grown_kb < 16 * 1024, "memory stays flat"


def test_no_request_over_a_socket_is_our_fault(tmp_path: Path) -> None:
    """5,000 of them; some are no HTTP, some break off, some lie about their length."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    port = free_port()
    profile = profile_for(tmp_path, **signing.environ() | {"SOPHIA_WEBHOOKS_PORT": str(port)})
    rng = random.Random(5_000)
    genuine = signing.one_of_each()
    answered: Counter[str] = Counter()
    try:
        with open_migrated(profile) as warehouse, Journal(tmp_path / "webhooks", 10**8) as journal:
            app = create_app(profile, journal, Forwarder(profile, journal, warehouse))
            with serving(profile, journal, app):
                for _ in range(5_000):
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                        client.sendall(_on_the_wire(rng, *mutant(rng, genuine)))
                        client.shutdown(socket.SHUT_WR)
                        answered[client.recv(12)[9:12].decode()] += 1
            assert journal.segments() == []
    finally:
        structlog.reset_defaults()
    assert not [status for status in answered if status.startswith(("2", "5"))], answered
    assert answered["401"] > 1_000


def _on_the_wire(rng: random.Random, path: str, headers: dict[bytes, bytes], body: bytes) -> bytes:
    length = rng.choice((len(body), len(body), len(body), len(body) + 10, 2**40))
    lines = [f"POST {path} HTTP/1.1".encode(), b"Host: ours", b"Content-Length: %d" % length]
    lines += [name + b": " + value for name, value in headers.items()]
    sent = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return _flipped(rng, sent) if rng.random() < 0.3 else sent
