"""The HTTP client of all sources: its rates, its patience, and what its errors tell."""

from __future__ import annotations

import time
import traceback

import pytest
import requests

from contracts.errors import VendorUnavailable
from pipelines.sources import hubspot, linear
from pipelines.sources._http import VendorSession
from tests.pipelines.answering import answering

URL = "http://127.0.0.1:9"


def rates_of(session: VendorSession, url: str) -> list[tuple[int, int]]:
    """Requests, and the milliseconds in which no more of them are sent."""
    return [(rate.limit, rate.interval) for rate in session.get_adapter(url).limiter.bucket_factory.rates]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("per_second", "per_minute", "rate"),
    [
        (2.5, 0, (2, 1000)),
        (19.0, 0, (19, 1000)),
        (0.4, 0, (1, 3000)),
        (0.000_1, 0, (1, 1_000_000)),
        (0, 13.694878, (13, 60_000)),
        (0, 0.3, (1, 240_000)),
    ],
)
def test_a_rate_is_kept_in_whole_requests_of_short_periods(
    per_second: float, per_minute: float, rate: tuple[int, int]
) -> None:
    with VendorSession("Vendor", URL, "") as session:
        session.limit(URL, per_second=per_second, per_minute=per_minute)
        assert rates_of(session, URL) == [rate]


def test_the_rates_of_the_default_settings() -> None:
    with VendorSession("Vendor", URL, "") as session:
        session.limit(URL, per_hour=linear.Settings().requests_per_hour)
        assert rates_of(session, URL) == [(2500, 3_600_000)]
        session.limit(URL, per_second=hubspot.Settings().requests_per_10_seconds / 10)
        assert rates_of(session, URL) == [(19, 1000)]
        session.processes = 3
        session.limit(URL, per_second=hubspot.Settings().requests_per_10_seconds / 10)
        assert rates_of(session, URL) == [(6, 1000)]


@pytest.mark.parametrize("retry_after", ["soon", "9" * 5000])
def test_a_retry_after_that_nobody_can_read_is_none(retry_after: str) -> None:
    answers = iter([(429, {"Retry-After": retry_after}, {}), (200, {}, {"a": 1})])
    with answering(lambda _path, _body: next(answers)) as url, VendorSession("Vendor", url, "") as session:
        session.limit(url, per_second=100)
        assert session.get(url).json() == {"a": 1}


def test_a_retry_after_is_obeyed_unless_it_is_too_long() -> None:
    answers = iter([(503, {"Retry-After": "1"}, {}), (503, {"Retry-After": "61"}, {"said": "wait"})])
    with answering(lambda _path, _body: next(answers)) as url, VendorSession("Vendor", url, "") as session:
        session.limit(url, per_second=100)
        began = time.monotonic()
        response = session.get(url)
        assert (response.status_code, response.json()) == (503, {"said": "wait"})
        assert 1 <= time.monotonic() - began < 10
        with pytest.raises(VendorUnavailable, match="HTTP 503"):
            session.check(response)


def test_a_header_that_cannot_be_sent_is_not_shown() -> None:
    with VendorSession("Vendor", URL, "") as session:
        session.limit(URL, per_second=100)

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = "Bearer pat-hunter2\n"
            return request

        with pytest.raises(VendorUnavailable, match="a header's value is refused") as failure:
            session.get(URL, auth=authorize)
    assert "hunter2" not in "".join(traceback.format_exception(failure.value))
    assert (failure.value.__cause__, failure.value.__context__) == (None, None)
