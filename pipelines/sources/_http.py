"""The HTTP client of all sources: dlt's RESTClient over a session that keeps a vendor's limits.

requests-ratelimiter spaces the requests by this process's share of the vendor's limits, urllib3 retries what can
succeed later and obeys a Retry-After that is not too long; neither is ours. Where a vendor's headers say that nothing
is left, for us and every other reader of the account, the next request waits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

import requests
from requests_ratelimiter import LimiterAdapter
from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from contracts.errors import QuotaSpent, SophiaError, VendorRefused, VendorUnavailable

TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 5.0
"""Of a request that only asks whether a vendor answers and takes our key."""
RETRIES = 5
"""Beyond the first try; with urllib3's backoff about 15 s, or what Retry-After says."""
LONGEST_WAIT_S = 60.0
"""A Retry-After beyond it ends the request at once: a day's limit must not hold a pull, and its pool, for hours."""
LONGEST_LIMIT_S = 30 * 86_400.0
"""Of a limit; a longer Retry-After is nonsense, and may be no date at all."""
RETRIED = (408, 429, 500, 502, 503, 504)
RESTARTS = 2
"""Of a sequence of pages whose cursor has expired."""

_Page = TypeVar("_Page")


class Patience(Retry):
    """urllib3's retries, where a Retry-After is too long to wait for, or none that can be read."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds; None where the header is missing or malformed."""
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            return None

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """Raises MaxRetryError, upon which urllib3 gives the response back as it is."""
        if response is not None and (self.get_retry_after(response) or 0) > LONGEST_WAIT_S:
            raise MaxRetryError(kwargs["_pool"], url, ResponseError("Retry-After is too long"))
        return super().increment(method, url, response, *args, **kwargs)


class VendorSession(requests.Session):
    """A session whose failures are ours: VendorUnavailable and VendorRefused, one line each."""

    def __init__(self, vendor: str, url: str, way_out: str) -> None:
        super().__init__()
        self.vendor = vendor
        self.url = url
        self.way_out = way_out
        self.processes = 1
        """That read the vendor at once, and share its limits."""
        self.spend: Callable[[int], None] = lambda _requests: None
        """Told before requests are sent; raises QuotaSpent where the day's are spent."""
        self.one_limit = True
        """False where each method has a limit of its own."""
        self._not_before = 0.0
        """Of time.monotonic."""

    def limit(
        self,
        *prefixes: str,
        per_second: float = 0,
        per_minute: float = 0,
        per_hour: float = 0,
        retried: Collection[int] = RETRIED,
    ) -> None:
        """Keep this process's share of one rate below these URL prefixes together, rounded down to whole requests.

        Args:
            retried: statuses after which the same request can succeed, whatever the body says.
        """
        retry = Patience(
            total=RETRIES,
            backoff_factor=0.5,
            status_forcelist=retried,
            allowed_methods=None,  # these APIs read by POST too
            raise_on_status=False,
        )
        adapter = LimiterAdapter(
            per_second=_whole(per_second / self.processes),
            per_minute=_whole(per_minute / self.processes),
            per_hour=_whole(per_hour / self.processes),
            max_retries=retry,
        )
        for prefix in prefixes:
            self.mount(prefix, adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT_S)
        self._await(self._not_before - time.monotonic())
        self.spend(1)
        response = self._send(request, **kwargs)
        retries = getattr(response.raw, "retries", None)
        if retries is not None and retries.history:
            self.spend(len(retries.history))
        self._not_before = max(self._not_before, time.monotonic() + self.nothing_left_s(response))
        return response

    def nothing_left_s(self, response: requests.Response) -> float:
        """For how many seconds the vendor's own headers leave no request; 0 where they leave one, or say nothing."""
        return 0.0

    def quota_spent(self, reason: str, wait_s: float | None) -> QuotaSpent:
        """The error to raise; where one limit holds for all requests, none is sent before its end.

        Args:
            wait_s: what the vendor asks for; None where it does not say.
        """
        if wait_s is not None and self.one_limit:
            self._not_before = time.monotonic() + wait_s
        until = None if wait_s is None else datetime.now(UTC) + timedelta(seconds=min(wait_s, LONGEST_LIMIT_S))
        return QuotaSpent(self.vendor, reason, until)

    def _await(self, wait_s: float) -> None:
        """Raises QuotaSpent: it would take too long."""
        if wait_s > LONGEST_WAIT_S:
            raise self.quota_spent("it says that nothing is left", wait_s)
        if wait_s > 0:
            time.sleep(wait_s)

    def _send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        try:
            return super().send(request, **kwargs)
        except requests.RequestException as error:
            raise VendorUnavailable(self.vendor, self.url, type(error).__name__) from error
        except ValueError:
            pass  # http.client's, of a header that it cannot send, with its value: it must not become our error's cause
        raise VendorUnavailable(self.vendor, self.url, "the request cannot be sent: a header's value is refused")

    def check(self, response: requests.Response) -> None:
        """Turn a failure into an error of ours.

        Raises:
            QuotaSpent: 429 after all retries, or at once where the wait would be too long.
            VendorUnavailable: 408 or 5xx after all retries.
            VendorRefused: any other status from 400 on.
        """
        status = response.status_code
        if status == 429:
            raise self.quota_spent("HTTP 429", Patience().get_retry_after(response.raw))
        if status == 408 or status >= 500:
            raise VendorUnavailable(self.vendor, self.url, f"HTTP {status}")
        if status >= 400:
            raise VendorRefused(self.vendor, status, answer(response), self.way_out)
        try:
            response.json()
        except requests.JSONDecodeError as error:
            raise VendorUnavailable(self.vendor, self.url, "an answer that is no JSON, or ends too early") from error


def restarted(session: VendorSession, begin: Callable[[], Iterator[_Page]]) -> Iterator[_Page]:
    """A sequence of pages, begun again where its cursor expires. Records of a page that comes twice land once.

    The vendors tell an expired cursor in words of their own. Yet a later page differs from the first in its cursor
    alone, so where the first was taken and a later one is refused, it is the cursor. No key or scope is tried again.

    Raises:
        VendorUnavailable: the cursors of all restarts have expired.
    """
    for restart in range(RESTARTS + 1):
        accepted = False
        try:
            for page in begin():
                accepted = True
                yield page
            return
        except VendorRefused as refusal:
            if not accepted or refusal.status in (401, 403):
                raise
            if restart == RESTARTS:
                reason = f"its cursors expire at once: {refusal.answer}"
                raise VendorUnavailable(session.vendor, session.url, reason) from refusal


def _whole(rate: float) -> float:
    """The rate as whole requests a period, or as one request in whole periods, of at most 1000.

    requests-ratelimiter makes 13.694878 a minute into 6149 in 449 minutes, and these may all come at once.
    """
    return math.floor(rate) if rate >= 1 or rate == 0 else 1 / min(math.ceil(1 / rate), 1000)


def answer(response: requests.Response) -> str:
    """What the vendor says is wrong, in at most 200 characters: its error fields, never a body with records."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return response.reason or "no JSON"
    if isinstance(body, Mapping) and isinstance(body.get("message"), str):  # HubSpot; its errors are details
        category = body.get("category")
        return f"{body['message'][:150]} ({category})" if category else body["message"][:200]
    errors = body.get("errors") or body.get("error") if isinstance(body, Mapping) else None
    return str(errors[0] if isinstance(errors, list) and errors else errors or response.reason)[:200]


def ours(error: BaseException) -> SophiaError | None:
    """The error of ours that dlt has wrapped, or None."""
    return next((seen for seen in _chain(error) if isinstance(seen, SophiaError)), None)


def innermost(error: BaseException) -> BaseException:
    """What happened first."""
    return list(_chain(error))[-1]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
