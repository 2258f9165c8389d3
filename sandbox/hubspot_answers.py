"""What HubSpot answers where it does not answer with data: errors in its schema, and the headers of its limits."""

from __future__ import annotations

import time
from collections import deque
from uuid import UUID

import msgspec
from starlette.responses import Response

from sandbox.limits import Limit
from sandbox.records import Record, seeded

CATEGORIES = {400: "VALIDATION_ERROR", 401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES", 404: "OBJECT_NOT_FOUND"}
"""By status; server errors bear none."""
MESSAGES = {
    400: "Invalid input",
    401: "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
    403: "This app hasn't been granted all required scopes to make this call.",
    404: "resource not found",
    423: "The resource is locked, try again later",
    477: "The account is being migrated, try again later",
}
ROLLING, SECONDLY, DAILY = "TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY"
"""Policies of a 429."""


class HubspotError(Exception):
    """An error answer: its status, message, context and the scopes that are missing."""

    def __init__(
        self,
        status: int,
        message: str = "",
        context: dict[str, list[str]] | None = None,
        scopes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message or MESSAGES.get(status, "internal error")
        self.context = context
        self.scopes = scopes


class Answers:
    """Makes answers; each error has a correlation id of its own."""

    def __init__(self) -> None:
        self._errors = 0

    def error(self, error: HubspotError) -> Response:
        """An error in HubSpot's schema."""
        body: Record = {"status": "error", "message": error.message, "correlationId": self._correlation_id()}
        if error.status in CATEGORIES:
            body["category"] = CATEGORIES[error.status]
        if error.context:
            body["context"] = error.context
        if error.status == 403:
            context = {"requiredGranularScopes": list(error.scopes) or ["crm.objects.deals.read"]}
            body["errors"] = [{"message": "One or more of the following scopes are required.", "context": context}]
        return as_json(body, error.status)

    def limited(self, policy: str, retry_after_s: int | None = None) -> Response:
        """A 429 of this policy; Retry-After is not guaranteed."""
        body = {
            "status": "error",
            "message": f"You have reached your {policy.lower()} limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": self._correlation_id(),
            "policyName": policy,
            "category": "RATE_LIMITS",
        }
        response = as_json(body, 429)
        if retry_after_s is not None:
            response.headers["retry-after"] = str(retry_after_s)
        return response

    def _correlation_id(self) -> str:
        self._errors += 1
        return str(UUID(int=seeded("hubspot-error", self._errors).getrandbits(128), version=4))


class LimitHeaders:
    """Tells what is left of a limit, as the headers of HubSpot's answers do."""

    def __init__(self, limit: Limit, daily: int, speedup: float) -> None:
        self._limit = limit
        self._daily = daily
        self._period_s = limit.period_s / speedup
        self._admitted: deque[float] = deque()
        self._total = 0

    def admit(self) -> None:
        """Count a request that was admitted."""
        self._admitted.append(time.monotonic())
        self._total += 1

    def put(self, response: Response) -> Response:
        """Set the headers on an answer; those of a second are older names that are still sent."""
        now = time.monotonic()
        while self._admitted and self._admitted[0] <= now - self._period_s:
            self._admitted.popleft()
        left = max(0, self._limit.requests - len(self._admitted))
        response.headers["x-hubspot-ratelimit-max"] = str(self._limit.requests)
        response.headers["x-hubspot-ratelimit-remaining"] = str(left)
        response.headers["x-hubspot-ratelimit-interval-milliseconds"] = str(round(self._limit.period_s * 1000))
        response.headers["x-hubspot-ratelimit-secondly"] = str(self._limit.requests // 10)
        response.headers["x-hubspot-ratelimit-secondly-remaining"] = str(min(left, self._limit.requests // 10))
        response.headers["x-hubspot-ratelimit-daily"] = str(self._daily)
        response.headers["x-hubspot-ratelimit-daily-remaining"] = str(max(0, self._daily - self._total))
        return response


def as_json(content: Record, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json;charset=utf-8")
