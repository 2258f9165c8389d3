"""The HTTP client of all sources: dlt's RESTClient over a session that keeps a vendor's limits.

requests-ratelimiter spaces the requests, urllib3 retries what can succeed later and obeys a Retry-After that is not
too long; neither is ours.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

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
RETRIED = (408, 429, 500, 502, 503, 504)


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

    def limit(
        self, *prefixes: str, per_second: float = 0, per_minute: float = 0, retried: Collection[int] = RETRIED
    ) -> None:
        """Keep one rate below these URL prefixes together, rounded down to whole requests.

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
        adapter = LimiterAdapter(per_second=_whole(per_second), per_minute=_whole(per_minute), max_retries=retry)
        for prefix in prefixes:
            self.mount(prefix, adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT_S)
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
            raise QuotaSpent(self.vendor, "HTTP 429")
        if status == 408 or status >= 500:
            raise VendorUnavailable(self.vendor, self.url, f"HTTP {status}")
        if status >= 400:
            raise VendorRefused(self.vendor, status, answer(response), self.way_out)
        try:
            response.json()
        except requests.JSONDecodeError as error:
            raise VendorUnavailable(self.vendor, self.url, "an answer that is no JSON, or ends too early") from error


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
