"""The sandbox sends webhooks: whatever a command changes is told to the URL that subscribed to its vendor.

    World.execute --> shaper (events) --> lane of the vendor (gathers, loses, doubles, holds back) --> POST, retries

Shaping happens with the command, on the server's thread; posting on a thread of its own with its own event loop, so
a slow receiver holds no answer up and a long answer holds no event up. What the journal replays is not told of.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx
import jwt
import msgspec

from sandbox.records import CommandRefused, Record, refuse_unknown, seeded
from sandbox.webhook_events import Command, Event, GongShaper, Shaper
from sandbox.webhook_hubspot import HubspotShaper
from sandbox.webhook_linear import LinearShaper
from sandbox.webhook_posts import POSTINGS, Failure, Subscription, retry_wait_s, slack_post
from sandbox.webhook_slack import VERIFICATION, SlackShaper
from sandbox.world import World

FIELDS = frozenset(
    ("vendor", "url", "secret", "private_key", "duplicates", "disorder", "lost", "retry_speedup", "seed")
)
CONCURRENCY = 10
"""Attempts that a vendor makes at a time."""
HELD_BACK_S = (0.05, 1.0)
TWICE_WITHIN_S = 0.2
COUNTED = ("events", "deliveries", "attempts", "delivered", "duplicated", "lost", "given_up", "waiting")


@dataclass(slots=True)
class Delivery:
    """Events that are posted together."""

    events: Sequence[Event]
    age: int
    """Of its lane when it was begun."""
    attempt: int = 0
    reason: str = ""
    """Why the last attempt failed; empty at first."""


class Lane:
    """What one vendor has to deliver. Everything but `tell`, `record` and `forget` happens on the posting thread."""

    def __init__(self, vendor: str, loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient) -> None:
        self.subscription: Subscription | None = None
        self._vendor = vendor
        self._posting = POSTINGS[vendor]
        self._loop, self._http = loop, http
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._gathered: list[Event] = []
        self._queue: deque[Delivery] = deque()
        self._running = 0
        self._number = 0
        self._age = 0
        """Goes up when everything is forgotten: what was begun before counts no more."""
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, events: Sequence[Event]) -> None:
        """Queue these; they count as waiting from now on."""
        with self._lock:
            self._counts["events"] += len(events)
            self._counts["waiting"] += len(events)
            age = self._age
        self._loop.call_soon_threadsafe(self._gather, events, age)

    def record(self) -> Record:
        """How many, since the start."""
        with self._lock:
            return {name: self._counts[name] for name in COUNTED} | {"refused": dict(self._refused)}

    def forget(self) -> None:
        """Drop the subscription and all that waits."""
        with self._lock:
            self.subscription = None
            self._age += 1
            self._counts["waiting"] = 0
        self._loop.call_soon_threadsafe(self._drop)

    def _drop(self) -> None:
        self._gathered.clear()
        self._queue.clear()

    def _count(self, age: int, **more: int) -> None:
        with self._lock:
            waiting = more.pop("waiting", 0)
            self._counts.update(more)
            if age == self._age:
                self._counts["waiting"] += waiting

    def _gather(self, events: Sequence[Event], age: int) -> None:
        """Put events into deliveries: at once, or when a batch is full or its time is over."""
        if age != self._age:
            return
        if not self._gathered and self._posting.gather_s:
            self._loop.call_later(self._posting.gather_s, self._close_batch)
        self._gathered += events
        while len(self._gathered) >= self._posting.batch:
            self._begin(self._take())

    def _close_batch(self) -> None:
        if self._gathered:
            self._begin(self._take())

    def _take(self) -> list[Event]:
        taken, self._gathered = self._gathered[: self._posting.batch], self._gathered[self._posting.batch :]
        return taken

    def _begin(self, events: list[Event]) -> None:
        """Let chance decide what becomes of a delivery: equal seeds and events have equal luck."""
        subscription, age = self.subscription, self._age
        if subscription is None:
            return
        rng = seeded(subscription.seed, self._vendor, self._number)
        self._number += 1
        lost, twice, held = (
            rng.random() < share for share in (subscription.lost, subscription.duplicates, subscription.disorder)
        )
        if lost:
            self._count(age, lost=1, waiting=-len(events))
            return
        if twice:
            self._count(age, duplicated=1, waiting=len(events))
        for place in range(1 + twice):
            self._count(age, deliveries=1)
            wait_s = rng.uniform(*HELD_BACK_S) if held else 0.0
            self._enqueue_after(wait_s + place * rng.uniform(0.0, TWICE_WITHIN_S), Delivery(events, age))

    def _enqueue_after(self, wait_s: float, delivery: Delivery) -> None:
        if wait_s:
            self._loop.call_later(wait_s, self._enqueue, delivery)
        else:
            self._enqueue(delivery)

    def _enqueue(self, delivery: Delivery) -> None:
        if delivery.age != self._age:
            return
        self._queue.append(delivery)
        if self._running < CONCURRENCY:
            self._running += 1
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """Post what is queued, one after another, until nothing is."""
        try:
            while self._queue:
                await self._attempt(self._queue.popleft())
        finally:
            self._running -= 1

    async def _attempt(self, delivery: Delivery) -> None:
        subscription, age = self.subscription, delivery.age
        if subscription is None or age != self._age:
            return
        body, headers = self._posting.stamp(subscription, delivery.events, delivery.attempt, delivery.reason)
        self._count(age, attempts=1)
        failure = await post(self._http, subscription.url, body, headers, self._posting.timeout_s)
        if failure.response is not None:
            status = failure.response.status_code
            if status == httpx.codes.OK or (200 <= status < 300 and not self._posting.only_200):
                self._count(age, delivered=1, waiting=-len(delivery.events))
                return
        with self._lock:
            self._refused[failure.reason] += 1
        wait_s = retry_wait_s(self._vendor, delivery.attempt, failure)
        if wait_s is None:
            self._count(age, given_up=1, waiting=-len(delivery.events))
            return
        again = Delivery(delivery.events, age, delivery.attempt + 1, failure.reason)
        self._enqueue_after(wait_s / subscription.retry_speedup, again)


async def post(http: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Failure:
    """Send it; what came of it, with the answer where there was one."""
    try:
        async with asyncio.timeout(timeout_s):
            response = await http.post(url, content=body, headers={"Content-Type": "application/json", **headers})
    except (TimeoutError, httpx.TimeoutException):
        return Failure("http_timeout")
    except httpx.HTTPError:
        return Failure("connection_failed")
    return Failure(str(response.status_code), response)


class Webhooks:
    """All subscriptions; watches the world for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shapers: Mapping[str, Shaper] = {
            "gong": GongShaper(world.gong),
            "slack": SlackShaper(world.slack),
            "hubspot": HubspotShaper(world.hubspot),
            "linear": LinearShaper(world.linear),
        }
        self._lanes: dict[str, Lane] = {}
        self._later: list[tuple[str, Event]] = []
        """Events of what is not there yet at the world's time, by vendor."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx.AsyncClient | None = None
        self._thread: threading.Thread | None = None

    # What the world tells.

    def before(self, vendor: str, command: Command) -> Callable[[Record], None] | None:
        """Watch a command, where somebody subscribed to its vendor."""
        lane = self._lanes.get(vendor)
        if lane is None or lane.subscription is None:
            return None
        try:
            finish = self._shapers[vendor].before(command)
        except CommandRefused:
            return None  # the command itself will say so
        if finish is None:
            return None

        def tell(record: Record) -> None:
            events = finish(record)
            now = [event for event in events if event.due is None]
            self._later += [(vendor, event) for event in events if event.due is not None]
            if now:
                lane.tell(now)

        return tell

    def moved(self, now: datetime) -> None:
        """Tell of what is there by now."""
        if not self._later:
            return
        waiting, self._later = self._later, []
        for vendor, event in waiting:
            if event.due is not None and event.due > now:
                self._later.append((vendor, event))
            elif self._lanes[vendor].subscription is not None:
                self._lanes[vendor].tell([event])

    # What the control plane asks.

    async def subscribe(self, body: Record) -> Record:
        """Send a vendor's events to a URL from now on; what waits goes there too.

        Raises:
            CommandRefused: the order makes no sense, or the URL did not answer Slack's challenge.
        """
        subscription = _subscription(body)
        loop, http = self._start()
        if subscription.vendor == "slack":
            shaken = asyncio.run_coroutine_threadsafe(_shake_hands(http, subscription), loop)
            await asyncio.wrap_future(shaken)
        lane = self._lanes.setdefault(subscription.vendor, Lane(subscription.vendor, loop, http))
        lane.subscription = subscription
        return {"vendor": subscription.vendor, "url": subscription.url}

    def unsubscribe(self) -> Record:
        """Forget every subscription and all that waits."""
        self._later.clear()
        for lane in self._lanes.values():
            lane.forget()
        return {}

    def record(self) -> Record:
        """The counts of every vendor that was ever subscribed to."""
        return {vendor: lane.record() for vendor, lane in self._lanes.items()}

    def close(self) -> None:
        """End the posting; what waits is not sent."""
        if self._loop is not None and self._thread is not None:
            self.unsubscribe()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop = self._thread = None

    def _start(self) -> tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]:
        """The posting thread's loop and client, made at the first subscription."""
        if self._loop is None or self._http is None:
            self._loop = asyncio.new_event_loop()
            # Receivers are on this machine or behind a test's own certificate: nothing here is worth a CA bundle.
            unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=CONCURRENCY * len(POSTINGS))
            self._http = httpx.AsyncClient(trust_env=False, verify=unchecked, limits=limits, timeout=None)  # noqa: S113
            self._thread = threading.Thread(
                target=_run, args=(self._loop, self._http), name="sandbox-webhooks", daemon=True
            )
            self._thread.start()
        return self._loop, self._http


def _run(loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(http.aclose())
    finally:
        loop.close()


async def _shake_hands(http: httpx.AsyncClient, subscription: Subscription) -> None:
    """Slack's url_verification: the receiver gives the challenge back."""
    challenge = secrets.token_urlsafe(32)
    asked = {"token": VERIFICATION, "challenge": challenge, "type": "url_verification"}
    body, headers = slack_post(subscription, asked, 0, "")
    outcome = await post(http, subscription.url, body, headers, POSTINGS["slack"].timeout_s)
    response = outcome.response
    if response is None or response.status_code != httpx.codes.OK:
        raise CommandRefused(f"{subscription.url} did not answer Slack's challenge: {outcome.reason}.")
    text = response.text.strip()
    try:
        told = msgspec.json.decode(text).get("challenge") if text.startswith("{") else text
    except msgspec.DecodeError:
        told = None
    if told != challenge:
        raise CommandRefused(f"{subscription.url} did not answer Slack's challenge with the challenge.")


def _subscription(body: Record) -> Subscription:
    """The order, checked; raises CommandRefused."""
    refuse_unknown(body, FIELDS, "A subscription")
    vendor, url = str(body.get("vendor")), body.get("url")
    if vendor not in POSTINGS:
        raise CommandRefused(f"A subscription names its vendor, one of {', '.join(POSTINGS)}, not {vendor!r}.")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise CommandRefused(f"A subscription's url begins with http:// or https://, not {url!r}.")
    name, other = ("private_key", "secret") if vendor == "gong" else ("secret", "private_key")
    key = body.get(name)
    if not isinstance(key, str) or not key or body.get(other) is not None:
        raise CommandRefused(f"{vendor} signs with a {name}, and with nothing else.")
    shares = {share: body.get(share, 0.0) for share in ("duplicates", "disorder", "lost")}
    for share, value in shares.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise CommandRefused(f"{share} is a probability from 0 to 1, not {value!r}.")
    speedup, seed = body.get("retry_speedup", 1.0), body.get("seed", 0)
    if not isinstance(speedup, int | float) or not speedup > 0 or not isinstance(seed, int):
        raise CommandRefused("A subscription's retry_speedup is a number above 0, its seed a whole number.")
    subscription = Subscription(vendor, url, key, **shares, retry_speedup=speedup, seed=seed)
    try:
        POSTINGS[vendor].stamp(subscription, [Event("", "", {})], 0, "")
    except (ValueError, jwt.PyJWTError) as error:
        raise CommandRefused(f"The private_key is no RSA key in PEM text: {error}.") from error
    return subscription
