"""The control plane under `/_sandbox`: look at the truth, change it, move the clock, order faults.

JSON without a key, for tests and the command line on the same machine. A command that makes no sense is answered
with 400 and `{"error": "one sentence"}`; nothing was changed then.

    GET    /health            seed, scale, start, data, now, counts
    GET    /counts            rows by stream
    GET    /dump              every visible record by stream, in the shape of the API
    GET    /planted           facts that are said once, each with a query that should find it
    POST   /create            {stream, fields}
    POST   /fill              {stream, records}: a create for the fields of each, thousands a second
    POST   /edit              {stream, id | channel and ts, fields}
    POST   /delete            {stream, id | channel and ts | channel and user, thread?}
    POST   /clock             {to} or {advance_s}
    POST   /faults            {vendor, kind, match?, times?, status?, retry_after_s?, delay_s?}; DELETE forgets them
    POST   /cursors/expire    every cursor given out so far, of all vendors
    GET    /requests          how many came, by vendor, path, status; DELETE starts anew
    GET    /requests/kept     what each said, where the sandbox was started with keep_requests
    GET    /posted            what was posted to Slack's incoming webhook, oldest first
    POST   /webhooks          {vendor, url, secret | private_key, duplicates?, disorder?, lost?, retry_speedup?, seed?}
    GET    /webhooks          by vendor {events, deliveries, attempts, delivered, duplicated, lost, refused, given_up,
                              waiting}; DELETE forgets all subscriptions and what waits
    POST   /live              {per_second, seed?, vendors?}: changes at this rate from now on; DELETE ends them
    GET    /live              {running, per_second, done, refused, latest_s, kinds}

A subscription has a vendor's events posted to its URL, signed as the vendor signs; another one for the same vendor
takes its place, and what waits goes to the new one. The first three of its options are probabilities from 0 to 1:
of a delivery that is sent twice, of one that is held back so that later ones overtake it, of one that is never sent.
`retry_speedup` divides the vendor's waits before a retry. Of the counts, events that wait are `waiting`; `refused`
counts failed attempts by status or `http_timeout` or `connection_failed`; the others are of deliveries (of HubSpot up
to 100 events each).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sandbox.gate import Faults, RequestLog
from sandbox.live import Live
from sandbox.records import CommandRefused, Record, as_utc_iso
from sandbox.webhooks import Webhooks
from sandbox.world import World

PREFIX = "/_sandbox"
OPERATIONS = ("create", "edit", "delete")


class Vendor(Protocol):
    """What a vendor's module offers to be mounted and controlled."""

    name: str
    """As in stream names."""
    prefix: str
    """Path under which the API is mounted."""

    def router(self) -> Router:
        """The routes below the prefix."""

    def expire_cursors(self) -> None:
        """Make every cursor that was given out so far invalid."""

    def failure(self, status: int, retry_after_s: int | None = None) -> Response:
        """An error answer in the vendor's shape."""


def control_router(
    world: World,
    vendors: Mapping[str, Vendor],
    faults: Faults,
    log: RequestLog,
    posted: Sequence[Record],
    webhooks: Webhooks,
    live: Live,
) -> Router:
    """The routes of the control plane."""

    def health(_body: Record) -> Record:
        return world.settings.as_record() | {"now": as_utc_iso(world.now), "counts": world.counts()}

    def order_fault(body: Record) -> Record:
        return {"fault": asdict(faults.order(body, tuple(vendors)))}

    def clear_faults(_body: Record) -> Record:
        faults.clear()
        return {}

    def expire_cursors(_body: Record) -> Record:
        for vendor in vendors.values():
            vendor.expire_cursors()
        return {}

    def clear_requests(_body: Record) -> Record:
        log.clear()
        return {}

    def command(op: str) -> Callable[[Record], Record]:
        return lambda body: {"record": world.execute(op, body)}

    def fill(body: Record) -> Record:
        """Refused at the first record that makes no sense; those before it were created by then."""
        records = body.get("records")
        if not isinstance(records, list):
            raise CommandRefused("records is a list of the fields of each record.")
        for number, fields in enumerate(records):
            try:
                world.execute("create", {"stream": body.get("stream"), "fields": fields})
            except CommandRefused as error:
                raise CommandRefused(f"Of {len(records)} records {number} were created. {error}") from error
        return {"created": len(records)}

    routes = [
        _route("/health", "GET", health),
        _route("/counts", "GET", lambda _body: world.counts()),
        _route("/dump", "GET", lambda _body: world.dump()),
        _route("/planted", "GET", lambda _body: {"planted": world.planted}),
        *(_route(f"/{op}", "POST", command(op)) for op in OPERATIONS),
        _route("/fill", "POST", fill),
        _route("/clock", "POST", lambda body: world.execute("clock", body)),
        _route("/faults", "POST", order_fault),
        _route("/faults", "DELETE", clear_faults),
        _route("/cursors/expire", "POST", expire_cursors),
        _route("/requests", "GET", lambda _body: log.as_record()),
        _route("/requests/kept", "GET", lambda _body: {"requests": log.kept}),
        _route("/requests", "DELETE", clear_requests),
        _route("/posted", "GET", lambda _body: {"posted": posted}),
        _route("/webhooks", "POST", webhooks.subscribe),
        _route("/webhooks", "GET", lambda _body: webhooks.record()),
        _route("/webhooks", "DELETE", lambda _body: webhooks.unsubscribe()),
        _route("/live", "POST", live.start),
        _route("/live", "GET", lambda _body: live.record()),
        _route("/live", "DELETE", live.stop),
    ]
    return Router(routes)


Handler = Callable[[Record], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]


def _route(path: str, method: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            answer = handler(await _body(request) if method == "POST" else {})
            return _json(200, await answer if inspect.isawaitable(answer) else answer)
        except CommandRefused as error:
            return _json(400, {"error": str(error)})

    return Route(path, endpoint, methods=[method])


async def _body(request: Request) -> Record:
    raw = await request.body()
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise CommandRefused(f"The body is no JSON object: {error}.") from error


def _json(status: int, content: Mapping[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
