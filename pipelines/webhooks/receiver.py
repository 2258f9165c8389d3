"""The receiver: an ASGI application with a route a vendor.

    POST /webhooks/<source>   2xx once the delivery is in the journal, on the disk
    GET  /health              the process answers
    GET  /ready               it can take deliveries, and sends them on: else 503, and the balancer leaves it out
    GET  /metrics             for Prometheus

401 for what its vendor did not sign, 413 for more than 1 MiB. What is our fault is never a 4xx, which would have a
vendor give the delivery up: it is 503 with Retry-After, or what else has that vendor try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from types import ModuleType

import prometheus_client
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from contracts.errors import InvalidSetting, JournalFull, MissingSetting
from pipelines import sources, webhooks
from pipelines.sources import SourceSettings
from pipelines.webhooks import Forged, Request
from pipelines.webhooks.forwarder import Forwarder
from pipelines.webhooks.journal import Delivery, Journal
from resources.profile import Profile

log = structlog.get_logger()

BODY_BYTES = 1024 * 1024
NEARLY_FULL = 0.8
"""Of the journal: from here on the balancer should look for another receiver."""
RETRY_AFTER_S = 30
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """What Prometheus reads."""

    def __init__(self, journal: Journal, forwarder: Forwarder) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.answers = prometheus_client.Counter(
            "sophia_webhook_answers", "Answers to deliveries.", ["source", "status"], registry=self.registry
        )
        self.seconds = prometheus_client.Histogram(
            "sophia_webhook_seconds", "From headers to answer.", ["source"], buckets=BUCKETS_S, registry=self.registry
        )
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "sophia_journal_bytes": ("What has not landed.", lambda: journal.bytes),
            "sophia_journal_fill": ("Of what the journal may hold, 0 to 1.", lambda: journal.fill),
            "sophia_journal_segments_waiting": ("Segments that are not sent whole.", lambda: forwarder.waiting),
            "sophia_journal_deliveries_sent": ("Since the start.", lambda: forwarder.sent),
        }
        for name, (help_, read) in gauges.items():
            prometheus_client.Gauge(name, help_, registry=self.registry).set_function(read)


def create_app(
    profile: Profile,
    journal: Journal,
    forwarder: Forwarder,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The application; whoever runs it opens the journal and runs the forwarder."""
    metrics = Metrics(journal, forwarder)

    def health(_: HttpRequest) -> Response:
        return PlainTextResponse("ok")

    def ready(_: HttpRequest) -> Response:
        if journal.failing:
            return _not_now("the journal cannot be written")
        if journal.fill >= NEARLY_FULL:
            return _not_now(f"the journal is {journal.fill:.0%} full")
        return PlainTextResponse("ok" if forwarder.interrupted is None else "ok, but nothing is sent on for now")

    def tell(_: HttpRequest) -> Response:
        return Response(prometheus_client.generate_latest(metrics.registry), media_type=_EXPOSITION)

    routes = [Route("/health", health), Route("/ready", ready), Route("/metrics", tell)]
    for source in webhooks.names():
        settings = profile.section(source, sources.module(source).Settings)
        endpoint = _endpoint(source, webhooks.module(source), settings, journal, metrics, clock)
        routes.append(Route(f"/webhooks/{source}", endpoint, methods=["POST"]))
    return Starlette(routes=routes)


_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def _endpoint(
    source: str,
    vendor: ModuleType,
    settings: SourceSettings,
    journal: Journal,
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> Callable[[HttpRequest], object]:
    seconds = metrics.seconds.labels(source)

    async def receive(http: HttpRequest) -> Response:
        with seconds.time():
            response = await take(http)
        metrics.answers.labels(source, str(response.status_code)).inc()
        return response

    async def take(http: HttpRequest) -> Response:
        body = await _body(http)
        if body is None:
            return PlainTextResponse("a delivery holds 1 MiB at most", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        request = Request(http.method, {name.lower(): value for name, value in http.headers.items()}, body)
        received_at = clock()
        try:
            sent_at = vendor.verify(request, settings, received_at)
        except Forged as error:
            log.warning("delivery_refused", source=source, rule=str(error))
            return PlainTextResponse("not signed as agreed", HTTPStatus.UNAUTHORIZED)
        except (MissingSetting, InvalidSetting) as error:
            log.warning("receiver_misconfigured", source=source, error=str(error))
            return _busy(vendor)
        handshake = vendor.answer(body) if hasattr(vendor, "answer") else None
        if handshake is not None:
            return PlainTextResponse(handshake)
        delivery = Delivery(
            source=source,
            received_at=received_at,
            sent_at=sent_at,
            delivery_id=vendor.delivery_id(request),
            body=body,
        )
        try:
            await asyncio.wrap_future(journal.append(delivery))
        except JournalFull as error:
            log.warning("journal_full", source=source, error=str(error))
            return _busy(vendor)
        return Response(status_code=HTTPStatus.OK)

    return receive


async def _body(http: HttpRequest) -> bytes | None:
    """None where it is over the limit; what is beyond is not read."""
    declared = http.headers.get("content-length", "0")
    if declared.isascii() and declared.isdecimal() and int(declared) > BODY_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    try:
        async for part in http.stream():
            size += len(part)
            if size > BODY_BYTES:
                return None
            parts.append(part)
    except ClientDisconnect:
        return b""  # nobody hears the answer
    return b"".join(parts)


def _busy(vendor: ModuleType) -> Response:
    """The fault is ours: the vendor is to try again."""
    return PlainTextResponse("try again later", vendor.BUSY, {"Retry-After": str(RETRY_AFTER_S)})


def _not_now(reason: str) -> Response:
    return PlainTextResponse(reason, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_S)})
