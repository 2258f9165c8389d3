"""Linear: teams, users, workflow states, issue labels, projects, cycles, issues, comments. GraphQL API,
linear.app/developers.

    teams, users, workflow_states, issue_labels    no filter: read whole, sweep whole
    projects, cycles                               the same: their progress changes without `updatedAt`
    issues                                         by updatedAt, from the newest seen, less the lookback
    comments                                       the same: a comment does not move its issue's `updatedAt`

What is archived is read too, and an issue in the bin says so. What is deleted for good, or is no longer ours to see,
leaves no trace. Of issues and comments it is seen within the lookback, since what changes there only moves forward, and
before it by a full pull alone. The issues of a team that is hidden from us stop being public at once, since teams are
swept. Requests and points of an hour are a user's, whatever its keys; both are told by headers, and a page that the
hour no longer has is waited for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import dlt
import msgspec
import requests
import tenacity
from dlt.extract import DltResource, DltSource
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from contracts.address import Address
from contracts.errors import MissingSetting, VendorRefused, VendorUnavailable
from pipelines.sources import Json, Pull, Slices, SourceSettings, Sweep
from pipelines.sources._http import (
    LONGEST_WAIT_S,
    PROBE_TIMEOUT_S,
    RETRIED,
    RETRIES,
    Patience,
    VendorSession,
    restarted,
)
from resources.warehouse import Parameter

MAX_COMPLEXITY = 10_000
"""Points that Linear allows a query."""
RATE_LIMITED = "RATELIMITED"
"""Comes with HTTP 400."""
PERMANENT = frozenset({"AUTHENTICATION_ERROR", "FORBIDDEN", "GRAPHQL_VALIDATION_FAILED", "INPUT_ERROR"})
"""`extensions.code` of what no retry mends, whatever the status: a wrong query can be a 500."""
NEVER_EMPTY = ("teams", "users", "workflow_states")
"""Every workspace has some; a key that may see no team is told the same as if there were none."""
RETRIED_BY_STATUS = tuple(status for status in RETRIED if status != 500)

SLICES = Slices(
    "team", "SELECT TEAM_ID AS KEY FROM LINEAR_INTEGRATION.TEAMS WHERE _DELETED_AT IS NULL ORDER BY TEAM_ID"
)

WAY_OUT = "Check SOPHIA_LINEAR_API_KEY and what it may see."

KNOWN = {
    "issues": "SELECT ISSUE_ID, TEAM_ID FROM LINEAR_INTEGRATION.ISSUES",
}
"""Whose comments a slice has read."""


class Settings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_LINEAR_*`."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://.*[^/]$")] = "https://api.linear.app/graphql"
    api_key: str | None = None
    """`lin_api_…`; what its user may not see is not read."""
    requests_per_hour: Annotated[float, msgspec.Meta(gt=0)] = 2_500.0
    complexity_per_hour: Annotated[float, msgspec.Meta(gt=0)] = 3_000_000.0
    """Points; all keys of a user share them, and the requests."""
    lookback_days: Annotated[float, msgspec.Meta(ge=0, le=3650)] = 1.0

    def auth(self) -> APIKeyAuth:
        """Raises MissingSetting."""
        if self.api_key is None:
            raise MissingSetting("SOPHIA_LINEAR_API_KEY", "a pull from Linear")
        return APIKeyAuth(name="Authorization", api_key=self.api_key, location="header")  # without Bearer


@dataclass(frozen=True, slots=True)
class Query:
    """A list that Linear gives in pages, archived records included."""

    connection: str
    fields: str
    """Of a record, as GraphQL; a connection in it is written with `(first: n)`."""
    first: int = 250
    """Records a page; 250 is Linear's maximum."""
    arguments: str = ""
    """Beside those of every list."""
    of_team: str = ""
    """The filter for the variable team."""

    def text(self, *, since: bool = False, team: bool = False) -> str:
        """The GraphQL document, of the variables first, after, and since or team where they are asked for."""
        declared = "$first: Int!, $after: String"
        declared += (", $since: DateTimeOrDuration!" if since else "") + (", $team: ID!" if team else "")
        wanted = "filter: { updatedAt: { gte: $since } }" if since else ""
        wanted = f"filter: {{ {self.of_team} }}" if team else wanted
        arguments = f"first: $first, after: $after, includeArchived: true {self.arguments} {wanted}".rstrip()
        return f"query ({declared}) {{ {self.connection}({arguments}) {{ {self._selection} }} }}"

    @property
    def complexity(self) -> float:
        """Points of a page: 0.1 a property, 1 an object, and a connection takes what is in it `first` times."""
        points, times = 1.0, [self.first]
        for token in _TOKEN.finditer(self._selection):
            if token["closes"]:
                times.pop()
            elif token["opens"]:
                points += times[-1]
                times.append(times[-1] * int(token["first"] or 1))
            else:
                points += times[-1] * 0.1
        return points

    @property
    def _selection(self) -> str:
        return f"nodes {{ {self.fields} }} pageInfo {{ hasNextPage endCursor }}"


_TOKEN = re.compile(r"\w+(?:\(first: (?P<first>\d+)\))?(?P<opens> \{)?|(?P<closes>\})")

LISTED = {
    "teams": Query(
        "teams",
        "id key name description visibility timezone cyclesEnabled cycleDuration cycleStartDay issueEstimationType "
        "createdAt updatedAt archivedAt retiredAt",
    ),
    "users": Query(
        "users",
        # without lastSeen, which would make a user new with each visit
        "id name displayName email active admin guest app timezone createdAt updatedAt archivedAt",
        arguments="includeDisabled: true",
    ),
    "workflow_states": Query(
        "workflowStates", "id name type color description position createdAt updatedAt archivedAt team { id }"
    ),
    "issue_labels": Query(
        "issueLabels",
        "id name color description isGroup createdAt updatedAt archivedAt team { id } parent { id }",
    ),
    "projects": Query(
        "projects",
        "id name slugId description content priority progress scope health url labelIds trashed startDate targetDate "
        "startedAt completedAt canceledAt createdAt updatedAt archivedAt status { id name type } lead { id } "
        "creator { id } teams(first: 20) { nodes { id } }",
        first=100,
    ),
    "cycles": Query(
        "cycles",
        "id number name description startsAt endsAt completedAt progress issueCountHistory completedIssueCountHistory "
        "scopeHistory completedScopeHistory createdAt updatedAt archivedAt team { id }",
    ),
}
"""Entity → its list, by the default order, which a change does not disturb while we read."""

CHANGING = {
    "issues": Query(
        "issues",
        "id identifier number previousIdentifiers title description priority priorityLabel estimate dueDate url "
        "branchName labelIds trashed createdAt updatedAt archivedAt startedAt completedAt canceledAt triagedAt "
        "autoArchivedAt autoClosedAt addedToCycleAt team { id visibility } state { id } assignee { id } creator { id } "
        "delegate { id } project { id } projectMilestone { id } cycle { id } parent { id }",
        arguments="orderBy: updatedAt",
        of_team="team: { id: { eq: $team } }",
    ),
    "comments": Query(
        "comments",
        "id body issueId projectId projectUpdateId documentContentId initiativeUpdateId parentId url editedAt "
        "resolvedAt createdAt updatedAt archivedAt user { id } externalUser { id name } botActor { id name type }",
        arguments="orderBy: updatedAt",
        of_team="issue: { team: { id: { eq: $team } } }",
    ),
}
"""Entity → its list, the newest change first."""


def source(settings: Settings, pull: Pull) -> DltSource:
    """The eight streams; records as Linear gives them."""

    session = LinearSession(settings)
    pull.open(session, settings)
    session.limit(settings.url, per_hour=settings.requests_per_hour, retried=RETRIED_BY_STATUS)
    hidden: set[str] = set()
    """What is never empty and was listed so: this key sees too little for anything to be taken for deleted."""

    @functools.cache
    def client() -> RESTClient:
        return RESTClient(settings.url, auth=settings.auth(), session=session)

    def pages(
        query: Query, since: datetime | None = None, team: str | None = None
    ) -> Iterator[tuple[datetime, PageData[Any]]]:
        variables: dict[str, Json] = {"first": query.first}
        if since is not None:
            variables["since"] = since.isoformat()
        if team is not None:
            variables["team"] = team
        at_connection = f"data.{query.connection}"
        text = query.text(since=since is not None, team=team is not None)

        def begin() -> Iterator[tuple[datetime, PageData[Any]]]:
            session.points = query.complexity
            sequence = client().paginate(
                settings.url,
                method="POST",
                json={"query": text, "variables": dict(variables)},  # the paginator writes its cursor into them
                data_selector=f"{at_connection}.nodes",
                paginator=JSONResponseCursorPaginator(
                    f"{at_connection}.pageInfo.endCursor",
                    cursor_body_path="variables.after",
                    has_more_path=f"{at_connection}.pageInfo.hasNextPage",
                ),
                hooks={"response": [functools.partial(_check, session)]},
            )
            return pull.stamped(sequence)

        return restarted(session, begin)

    def stoppable(entity: str, read: Callable[[], Iterator[Any]]) -> DltResource:
        return dlt.resource(pull.until_spent(entity)(read), name=entity)

    def whole(entity: str, query: Query) -> Iterator[Any]:
        requested_at = pull.clock()
        listed = False
        for sent_at, page in pages(query):
            listed = listed or bool(page)
            yield pull.records(page, sent_at)
        if entity in NEVER_EMPTY and not listed:
            hidden.add(entity)
        sweep(entity, requested_at)

    def sweep(entity: str, requested_at: datetime, *where: tuple[str, str, Parameter | list[str]]) -> None:
        if not hidden:
            pull.sweeps.append(Sweep(Address("linear", entity), requested_at, where))

    def changes(entity: str, query: Query) -> Iterator[Any]:
        """From the stored mark on, less the lookback; without one all. What is not there is swept.

        The next mark is the newest change on the first page: what changes while we read moves to a page that we have
        passed, and is newer than it. A clock that is ahead of ours must not take the mark along.
        """
        requested_at = pull.clock()
        stored = pull.position(entity)
        mark = datetime.fromisoformat(stored) if stored else None
        since = mark - timedelta(days=settings.lookback_days) if mark else None
        number = 0
        for number, (sent_at, page) in enumerate(pages(query, since)):
            if number == 0:
                changed_at = (min(moment, requested_at) for moment in map(_updated_at, page) if moment)
                mark = max(filter(None, [mark, *changed_at]), default=None)
            yield pull.records(page, sent_at)
        if mark is not None:
            pull.reached[entity] = mark.isoformat()
            if number > 0:  # what has moved past us, from one page to another, must not be taken for deleted
                for sent_at, page in pages(query, mark):
                    yield pull.records(page, sent_at)
        sweep(entity, requested_at, *([("updated_at", ">=", since)] if since is not None else []))

    def of_team(entity: str, query: Query, team: str) -> Iterator[Any]:
        """All of a slice. A team that the key may no longer see is told as if it had nothing: then none is swept."""
        requested_at = pull.clock()
        issue_ids = {row["issue_id"] for row in pull.known.get("issues", []) if row["team_id"] == team}
        listed = False
        for sent_at, page in pages(query, team=team):
            listed = listed or bool(page)
            yield pull.records(page, sent_at)
        if listed:
            where = ("team_id", "=", team) if entity == "issues" else ("issue_id", "in", sorted(issue_ids))
            sweep(entity, requested_at, where)

    if pull.slice:
        one = pull.slice
        teams = [
            stoppable(entity, functools.partial(of_team, entity, query, one)) for entity, query in CHANGING.items()
        ]
        return DltSource(dlt.Schema("linear"), "linear", teams)
    resources: list[DltResource] = [
        *(stoppable(entity, functools.partial(whole, entity, query)) for entity, query in LISTED.items()),
        *(stoppable(entity, functools.partial(changes, entity, query)) for entity, query in CHANGING.items()),
    ]
    return DltSource(dlt.Schema("linear"), "linear", resources)


def probe(settings: Settings) -> None:
    """Ask for a team, once. Raises MissingSetting, VendorRefused, VendorUnavailable."""
    with VendorSession("Linear", settings.url, WAY_OUT) as session:
        query = {"query": "query { teams(first: 1) { nodes { id } } }"}
        _check(session, session.post(settings.url, json=query, auth=settings.auth(), timeout=PROBE_TIMEOUT_S))


def _updated_at(record: dict[str, Json]) -> datetime | None:
    """None where the record does not say it in a way that can be read; its row will be a dead letter."""
    try:
        return datetime.fromisoformat(record["updatedAt"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


class TryLater(VendorUnavailable):
    """An answer that only its body shows to be a passing failure; `after_s` is what Retry-After says."""

    def __init__(self, url: str, reason: str, after_s: float | None = None) -> None:
        self.after_s = after_s
        super().__init__("Linear", url, reason)


class LinearSession(VendorSession):
    """A session that sends a request again where its check says TryLater, as often and as patiently as urllib3 does for
    what the status shows, and none whose points the hour no longer has.

    Both budgets drip full again at a constant rate (linear.app/developers/rate-limiting).
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("Linear", settings.url, WAY_OUT)
        self.points = 0.0
        """Of the query that is sent next."""
        self._hourly = {"Requests": settings.requests_per_hour, "Complexity": settings.complexity_per_hour}

    def nothing_left_s(self, response: requests.Response) -> float:
        """Until both budgets hold another page like this one, for each process that reads."""
        waits_s = [0.0]
        for budget, an_hour in self._hourly.items():
            left = response.headers.get(f"X-RateLimit-{budget}-Remaining", "")
            needed = (1.0 if budget == "Requests" else self.points) * self.processes
            if left.isdecimal() and int(left) < needed:
                waits_s.append((needed - int(left)) / an_hour * 3600)
        return max(waits_s)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryLater),
            wait=_wait_s,
            stop=tenacity.stop_after_attempt(RETRIES + 1),
            reraise=True,
        )
        return again(super().send, request, **kwargs)


_BACKOFF = tenacity.wait_exponential(multiplier=0.5)


def _wait_s(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked_for = error.after_s if isinstance(error, TryLater) else None
    return _BACKOFF(state) if asked_for is None else asked_for


def _check(session: VendorSession, response: requests.Response, *_: Any, **__: Any) -> None:
    """Read an answer's errors, for its status says little: the limit is a 400, a wrong query may be a 500, and half an
    answer is a 200.
    """
    if response.status_code in RETRIED_BY_STATUS:
        session.check(response)
    try:
        body = response.json()
    except requests.JSONDecodeError:
        body = None
    errors = [e for e in body.get("errors") or [] if isinstance(e, Mapping)] if isinstance(body, Mapping) else []
    codes = {code for error in errors if (code := (error.get("extensions") or {}).get("code"))}
    if RATE_LIMITED in codes:
        after_s = Patience().get_retry_after(response.raw)
        if after_s is not None and after_s > LONGEST_WAIT_S:
            raise session.quota_spent("by its answer", after_s)
        raise TryLater(session.url, "over its limit", after_s)
    if codes & PERMANENT:
        raise VendorRefused("Linear", response.status_code, _message(errors), session.way_out)
    if response.status_code == 500:
        raise TryLater(session.url, "HTTP 500")
    session.check(response)
    if errors or not isinstance(body, Mapping) or not isinstance(body.get("data"), Mapping):
        raise TryLater(session.url, "an answer in part")


def _message(errors: list[Mapping[str, Json]]) -> str:
    """What Linear says is wrong, in at most 200 characters."""
    said = [(e.get("extensions") or {}).get("userPresentableMessage") or e.get("message") for e in errors]
    return "; ".join(str(text) for text in said if text)[:200]
