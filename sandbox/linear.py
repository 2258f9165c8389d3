"""Linear's GraphQL API over the world's records: one endpoint, a key, two hourly budgets.

Source: Linear's published schema (2026-07-22), its page on rate limits, and what its users report of errors.
Mounted under `/linear`, so the URL is `http://127.0.0.1:PORT/linear/graphql`. A limit is a 400, not a 429.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    OperationType,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from sandbox.gate import Faults
from sandbox.linear_budget import (
    COMPLEXITY_AN_HOUR,
    MAX_COMPLEXITY,
    PERIOD_S,
    REQUESTS_AN_HOUR,
    Bucket,
    complexity,
)
from sandbox.linear_query import MAX_PAGE, Broken, Refused, Session, answer_plain, schema
from sandbox.linear_rows import as_javascript
from sandbox.linear_store import Reading
from sandbox.records import Record
from sandbox.world import World

DEFAULT_KEY = "lin_api_sandbox"


class LinearError(Exception):
    """A request that is answered with errors alone: HTTP status, errors, and Retry-After in seconds."""

    def __init__(self, status: int, errors: list[Record], retry_after_s: int | None = None) -> None:
        super().__init__(errors[0]["message"])
        self.status = status
        self.errors = errors
        self.retry_after_s = retry_after_s


class Asked(msgspec.Struct):
    """The body of a request."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 - the vendor's name


@dataclass(slots=True)
class Cost:
    """The complexity of the query in hand, for the headers."""

    points: int = 0


class LinearApi:
    """The API of one world, for one personal key."""

    name = "linear"
    prefix = "/linear"

    def __init__(
        self,
        world: World,
        limit_speedup: float,
        faults: Faults,
        key: str = DEFAULT_KEY,
        largest_page: int | None = None,
    ) -> None:
        self._largest_page = largest_page or MAX_PAGE
        self._world = world
        self._faults = faults
        self._key = key
        self._requests = Bucket(REQUESTS_AN_HOUR, limit_speedup)
        self._complexity = Bucket(COMPLEXITY_AN_HOUR, limit_speedup)
        self._generation = 0

    def router(self) -> Router:
        """The one route below the prefix: `/graphql`."""
        return Router([Route("/graphql", self._endpoint, methods=["POST"])])

    def expire_cursors(self) -> None:
        """Make every cursor that was given out so far invalid."""
        self._generation += 1

    def failure(self, status: int, retry_after_s: int | None = None) -> Response:
        """An error answer without a cause in the request; a limit is told with 400."""
        if status == 429:
            return _refusal(_rate_limited(retry_after_s))
        extensions = {"type": "internal error", "code": "INTERNAL_SERVER_ERROR", "statusCode": status}
        return _refusal(LinearError(status, [{"message": "Internal server error", "extensions": extensions}]))

    async def _endpoint(self, request: Request) -> Response:
        """Key, then the budget of requests, then the query; its errors become answers."""
        cost = Cost()
        try:
            self._check_key(request.headers.get("authorization", ""))
            asked = _asked(await request.body())
            self._spend(self._requests, 1)
            response = self._answer(asked, cost)
        except LinearError as error:
            response = _refusal(error)
        response.headers.update(self._headers(cost))
        return response

    def _check_key(self, header: str) -> None:
        """The key itself, without a scheme before it."""
        if not hmac.compare_digest(header.encode(), self._key.encode()):
            extensions = {
                "type": "authentication error",
                "code": "AUTHENTICATION_ERROR",
                "statusCode": 401,
                "userError": True,
                "userPresentableMessage": "You need to authenticate to access this operation.",
                "meta": {},
                "http": {"status": 401},
            }
            message = "Authentication required, not authenticated"
            raise LinearError(401, [{"message": message, "extensions": extensions}])

    def _spend(self, bucket: Bucket, amount: int) -> None:
        wait_s = bucket.wait_s(amount)
        if wait_s is not None:
            raise _rate_limited(wait_s)
        bucket.spend(amount)

    def _answer(self, asked: Asked, cost: Cost) -> Response:
        """Check the query, take its price, run it."""
        variables = asked.variables or {}
        try:
            document, invalid = _parsed(asked.query)
        except GraphQLSyntaxError as error:
            # Linear answers a malformed query as if it were its own fault.
            raise LinearError(500, [_invalid(error)]) from error
        if invalid:
            raise LinearError(400, [_invalid(error) for error in invalid])
        operation = get_operation_ast(document, asked.operationName)
        if operation is None or operation.operation is not OperationType.QUERY:
            raise LinearError(400, [_invalid(GraphQLError("The operation to run is not named or not there."))])
        cost.points = complexity(schema(), document, operation, variables)
        if cost.points > MAX_COMPLEXITY:
            raise _too_complex(cost.points)
        self._spend(self._complexity, cost.points)
        result = execute_sync(
            schema(),
            document,
            root_value={},
            context_value=self._session(cost),
            variable_values=variables,
            operation_name=asked.operationName,
            field_resolver=answer_plain,
        )
        return _json(_status(result), _shown(result))

    def _session(self, cost: Cost) -> Session:
        return Session(
            reading=Reading(self._world.linear, self._world.now),
            generation=self._generation,
            takes_expiry=lambda: self._faults.take(self.name, "/graphql", for_cursor=True) is not None,
            breaks=self._faults.take(self.name, "/graphql", for_data=True) is not None,
            status=self._rate_limit_status(cost),
            largest_page=self._largest_page,
        )

    def _rate_limit_status(self, cost: Cost) -> Record:
        budgets = (("requests", 1, self._requests), ("complexity", cost.points, self._complexity))
        limits = [
            {
                "type": kind,
                "requestedAmount": amount,
                "allowedAmount": bucket.allowed,
                "period": PERIOD_S * 1000,
                "remainingAmount": bucket.remaining,
                "reset": bucket.reset_ms,
            }
            for kind, amount, bucket in budgets
        ]
        return {"identifier": self._key, "kind": "apiKey", "limits": limits}

    def _headers(self, cost: Cost) -> dict[str, str]:
        """What is left of both budgets; resets are epoch milliseconds."""
        return {
            "X-Complexity": str(cost.points),
            "X-RateLimit-Requests-Limit": str(self._requests.allowed),
            "X-RateLimit-Requests-Remaining": str(self._requests.remaining),
            "X-RateLimit-Requests-Reset": str(self._requests.reset_ms),
            "X-RateLimit-Complexity-Limit": str(self._complexity.allowed),
            "X-RateLimit-Complexity-Remaining": str(self._complexity.remaining),
            "X-RateLimit-Complexity-Reset": str(self._complexity.reset_ms),
        }


@lru_cache(maxsize=64)
def _parsed(query: str) -> tuple[DocumentNode, list[GraphQLError]]:
    """The document and what is wrong with it; kept, as readers send the same few queries and this takes longest."""
    document = parse(query)
    return document, validate(schema(), document)


def _asked(body: bytes) -> Asked:
    try:
        return msgspec.json.decode(body, type=Asked)
    except msgspec.MsgspecError as error:
        message = "The body holds no JSON object with a query."
        raise LinearError(400, [{"message": message, "extensions": _input_error(message)}]) from error


def _rate_limited(retry_after_s: int | None) -> LinearError:
    extensions = {
        "type": "ratelimited",
        "code": "RATELIMITED",
        "userPresentableMessage": "Rate limit exceeded. Only so many requests and points are allowed an hour.",
    }
    return LinearError(400, [{"message": "Rate limit exceeded", "extensions": extensions}], retry_after_s)


def _too_complex(points: int) -> LinearError:
    sentence = f"The query is too complex. Complexity: {points}. Maximum allowed complexity: {MAX_COMPLEXITY}."
    extensions = _input_error(sentence) | {"http": {"status": 400}}
    return LinearError(400, [{"message": "Query too complex", "extensions": extensions}])


def _input_error(sentence: str) -> Record:
    return {
        "type": "invalid input",
        "code": "INPUT_ERROR",
        "statusCode": 400,
        "userError": True,
        "userPresentableMessage": sentence,
    }


def _invalid(error: GraphQLError) -> Record:
    extensions = {"type": "graphql error", "code": "GRAPHQL_VALIDATION_FAILED"}
    return dict(error.formatted) | {"extensions": extensions}


def _status(result: ExecutionResult) -> int:
    """200 wherever there is data; else that of the first error: 400 for a bad argument or variable."""
    if result.data is not None or not result.errors:
        return 200
    cause = result.errors[0].original_error
    return cause.status if isinstance(cause, Refused) else 400


def _shown(result: ExecutionResult) -> Record:
    answer: Record = {"data": as_javascript(result.data)}
    if result.errors:
        answer["errors"] = [_shown_error(error) for error in result.errors]
    return answer


def _shown_error(error: GraphQLError) -> Record:
    cause = error.original_error
    if isinstance(cause, Broken):
        extensions: Record = {"type": "internal error", "code": "INTERNAL_SERVER_ERROR", "statusCode": 500}
        return dict(error.formatted) | {"message": "Internal server error", "extensions": extensions}
    if cause is not None and not isinstance(cause, Refused | GraphQLError):
        # A mistake of ours must not look like one of the caller's.
        raise cause
    sentence = cause.presentable if isinstance(cause, Refused) else error.message
    return dict(error.formatted) | {"extensions": _input_error(sentence)}


def _refusal(error: LinearError) -> Response:
    response = _json(error.status, {"errors": error.errors})
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def _json(status: int, content: Record) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json; charset=utf-8")
