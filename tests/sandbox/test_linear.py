"""Linear's API: the schema, pages and cursors, filters, what is hidden, limits and errors."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_specified_scalar_type,
    parse,
)

from sandbox.linear_budget import Bucket, complexity
from sandbox.linear_query import schema

ISSUE_NODE = (
    "{ nodes { id identifier title updatedAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"
)
LISTS = {
    "Issues": ("issues", "issues"),
    "Projects": ("projects", "projects"),
    "Cycles": ("cycles", "cycles"),
    "Teams": ("teams", "teams"),
    "Users": ("users", "users"),
    "Comments": ("comments", "comments"),
    "States": ("workflowStates", "workflow_states"),
}
"""Sample query, connection, stream."""


@pytest.fixture(scope="module")
def samples(shared: Path) -> str:
    """The nine queries that a reader would send, in one document."""
    return (shared / "contracts" / "linear.sample_queries.graphql").read_text()


@pytest.fixture(scope="module")
def vendors_schema(shared: Path) -> GraphQLSchema:
    return build_schema((shared / "contracts" / "linear.schema.graphql").read_text())


def pages(readers: Any, query: str, connection: str, **variables: Any) -> list[list[Any]]:
    """Every page of a connection, by its cursors."""
    found: list[list[Any]] = []
    while True:
        data = readers.linear(query, **variables)["data"][connection]
        found.append(data["nodes"])
        if not data["pageInfo"]["hasNextPage"]:
            return found
        variables["after"] = data["pageInfo"]["endCursor"]


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["errors"][0]["extensions"]["code"]


# The schema.


def test_what_is_served_is_in_linears_schema(vendors_schema: GraphQLSchema) -> None:
    for kind in schema().type_map.values():
        if kind.name.startswith("__") or is_specified_scalar_type(kind):
            continue
        theirs: Any = vendors_schema.type_map[kind.name]
        assert type(theirs).__name__ == type(kind).__name__
        if isinstance(kind, GraphQLEnumType):
            assert set(kind.values) == set(theirs.values)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in kind.fields.items():
                assert str(field.type) == str(theirs.fields[name].type), (kind.name, name)
                for argument, given in getattr(field, "args", {}).items():
                    assert str(given.type) == str(theirs.fields[name].args[argument].type), (kind.name, name, argument)
        if isinstance(kind, GraphQLObjectType):
            assert {i.name for i in kind.interfaces} <= {i.name for i in theirs.interfaces}


@pytest.mark.parametrize("size", [7, 250])
def test_the_sample_queries_read_the_dump(demo: Any, samples: str, size: int) -> None:
    dump = demo.control.dump()
    for operation, (connection, stream) in LISTS.items():
        since = {} if operation in ("Teams", "Users", "States") else {"since": "-P500D"}
        found = pages(demo, samples, connection, operation=operation, first=size, **since)
        assert all(len(page) == size for page in found[:-1])
        rows = {row["id"]: row for page in found for row in page}
        assert len(rows) == sum(map(len, found))
        assert rows == {row["id"]: row for row in dump[f"linear.{stream}"]}, stream
    labels = pages(demo, "{ issueLabels { nodes { id name } pageInfo { hasNextPage endCursor } } }", "issueLabels")
    assert {label["name"] for label in labels[0]} == {label["name"] for label in dump["linear.issue_labels"]}


def test_the_other_sample_queries(demo: Any, samples: str) -> None:
    issue = next(i for i in demo.control.dump()["linear.issues"] if i["completedAt"] and i["startedAt"])
    history = demo.linear(samples, operation="Hist", id=issue["id"])["data"]["issue"]["history"]["nodes"]
    assert [entry["toState"]["id"] for entry in history if entry["toState"]["id"] == issue["state"]["id"]]
    assert {entry["createdAt"] for entry in history} >= {issue["startedAt"], issue["completedAt"]}
    limits = demo.linear(samples, operation="RL")["data"]["rateLimitStatus"]["limits"]
    assert [(limit["allowedAmount"], limit["period"]) for limit in limits] == [(2500, 3600000), (3000000, 3600000)]


def test_whole_numbers_have_no_fraction(demo: Any) -> None:
    response = demo.linear_response("{ issues(first: 250) { nodes { number priority estimate } } }")
    assert not re.search(r"\d\.\d", response.text)


def test_a_page_of_250_issues_is_fast(open_sandbox: Any, samples: str) -> None:
    readers = open_sandbox(scale=2)
    began = time.monotonic()
    assert len(readers.linear(samples, operation="Issues", first=250, since="-P1Y")["data"]["issues"]["nodes"]) == 250
    assert time.monotonic() - began < 1


# Pages.


@pytest.mark.parametrize("order", ["createdAt", "updatedAt"])
def test_the_newest_come_first(demo: Any, order: str) -> None:
    query = "query($after: String) { comments(first: 40, after: $after, includeArchived: true, orderBy: ORDER)"
    query += " { nodes { id ORDER } pageInfo { hasNextPage endCursor } } }"
    rows = [row for page in pages(demo, query.replace("ORDER", order), "comments") for row in page]
    assert rows == sorted(rows, key=lambda row: (row[order], row["id"]), reverse=True)


def test_a_cursor_stays_valid_while_rows_change(readers: Any) -> None:
    query = f"query($after: String) {{ issues(first: 5, after: $after, orderBy: updatedAt) {ISSUE_NODE} }}"
    whole = [row["id"] for page in pages(readers, query, "issues") for row in page]
    first = readers.linear(query)["data"]["issues"]
    after = first["pageInfo"]["endCursor"]
    readers.control.edit("linear.issues", whole[4], title="The last of the page moves to the front")
    readers.control.edit("linear.issues", whole[7], title="So does one that was not read yet")
    readers.control.delete("linear.issues", whole[8])
    readers.control.create("linear.issues", team="ENG", title="New")
    rest = [row["id"] for page in pages(readers, query, "issues", after=after) for row in page]
    assert rest == [row for row in whole[5:] if row not in (whole[7], whole[8])]


def test_pages_go_backward_too(demo: Any) -> None:
    whole = demo.linear(f"{{ issues(first: 250) {ISSUE_NODE} }}")["data"]["issues"]
    ids = [row["id"] for row in whole["nodes"]]
    edges = demo.linear("{ issues(first: 10) { edges { cursor node { id } } } }")["data"]["issues"]["edges"]
    assert [edge["node"]["id"] for edge in edges] == ids[:10]
    query = f"query($before: String, $after: String) {{ issues(last: 3, before: $before, after: $after) {ISSUE_NODE} }}"
    page = demo.linear(query, before=edges[6]["cursor"])["data"]["issues"]
    assert [row["id"] for row in page["nodes"]] == ids[3:6]
    assert (page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]) == (True, True)
    assert page["pageInfo"]["startCursor"] == edges[3]["cursor"]
    last = demo.linear(query)["data"]["issues"]
    assert [row["id"] for row in last["nodes"]] == ids[-3:]
    assert not last["pageInfo"]["hasNextPage"]
    nothing = demo.linear(f'{{ issues(filter: {{ id: {{ eq: "none" }} }}) {ISSUE_NODE} }}')["data"]["issues"]
    assert nothing == {
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


def test_a_page_without_first_has_fifty(demo: Any) -> None:
    assert len(demo.linear("{ comments { nodes { id } } }")["data"]["comments"]["nodes"]) == 50


@pytest.mark.parametrize(
    "args", ["first: 0", "first: 251", "last: 0", "last: 251", "first: 1, last: 1", 'after: "x"', 'before: "eHg="']
)
def test_bad_arguments_of_a_page(demo: Any, args: str) -> None:
    assert code_of(demo.linear_response(f"{{ issues({args}) {{ nodes {{ id }} }} }}")) == (400, "INPUT_ERROR")


def test_a_cursor_is_of_its_own_order_and_can_expire(readers: Any) -> None:
    query = "query($after: String) { issues(first: 2, after: $after ORDER) { nodes { id } pageInfo { endCursor } } }"
    plain, ordered = query.replace("ORDER", ""), query.replace("ORDER", ", orderBy: updatedAt")
    cursor = readers.linear(plain)["data"]["issues"]["pageInfo"]["endCursor"]
    assert code_of(readers.linear_response(ordered, after=cursor)) == (400, "INPUT_ERROR")
    readers.control.fault("linear", "expired_cursors")
    assert "errors" not in readers.linear(plain)
    assert code_of(readers.linear_response(plain, after=cursor)) == (400, "INPUT_ERROR")
    assert "errors" not in readers.linear(plain, after=cursor)
    readers.control.expire_cursors()
    assert code_of(readers.linear_response(plain, after=cursor)) == (400, "INPUT_ERROR")


# Filters.


def test_updated_since_is_inclusive(demo: Any) -> None:
    issues = demo.control.dump()["linear.issues"]
    since = sorted(issue["updatedAt"] for issue in issues)[len(issues) // 2]
    query = "query($since: DateTimeOrDuration!) { issues(first: 250, includeArchived: true, filter: "
    query += "{ updatedAt: { OP: $since } }) { nodes { id updatedAt } } }"
    for operator, compare in (
        ("gte", "__ge__"),
        ("gt", "__gt__"),
        ("lte", "__le__"),
        ("lt", "__lt__"),
        ("eq", "__eq__"),
    ):
        rows = demo.linear(query.replace("OP", operator), since=since)["data"]["issues"]["nodes"]
        expected = {issue["id"] for issue in issues if getattr(issue["updatedAt"], compare)(since)}
        assert {row["id"] for row in rows} == expected, operator


def test_times_may_be_durations_or_shortcuts(demo: Any) -> None:
    comments = demo.control.dump()["linear.comments"]
    query = "query($since: DateTimeOrDuration!) { comments(first: 250, filter: { createdAt: { gte: $since } }) "
    query += "{ nodes { id createdAt } } }"
    for text, since in (
        ("-P1D", "2026-11-01T09:30:00.000Z"), ("-P2W", "2026-10-19T09:30:00.000Z"),
        ("-PT36H", "2026-10-31T21:30:00.000Z"), ("2026-10-25", "2026-10-25T00:00:00.000Z"),
        ("2026-10", "2026-10-01T00:00:00.000Z"), ("2027", "2027-01-01T00:00:00.000Z"),
        ("2026-10-25T02:00:00+02:00", "2026-10-25T00:00:00.000Z"),
    ):  # fmt: skip
        rows = demo.linear(query, since=text)["data"]["comments"]["nodes"]
        assert {row["id"] for row in rows} == {c["id"] for c in comments if c["createdAt"] >= since}, text
    assert code_of(demo.linear_response(query, since="yesterday")) == (400, "INPUT_ERROR")


def test_a_variable_of_type_datetime_is_rejected(demo: Any) -> None:
    query = "query($since: DateTime!) { issues(filter: { updatedAt: { gte: $since } }) { nodes { id } } }"
    response = demo.linear_response(query, since="2026-10-25T00:00:00Z")
    assert code_of(response) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert "DateTimeOrDuration" in response.json()["errors"][0]["message"]


def test_filters_reach_into_teams_issues_and_states(demo: Any) -> None:
    dump = demo.control.dump()
    issues, comments = dump["linear.issues"], dump["linear.comments"]
    team = next(team for team in dump["linear.teams"] if team["key"] == "PRD")
    busy = next(c["issueId"] for c in comments if c["issueId"])
    shown = {issue["id"] for issue in issues if not issue["archivedAt"]}
    products = {issue["id"] for issue in issues if issue["team"]["key"] == "PRD"}
    started = {issue["id"] for issue in issues if issue["state"]["type"] == "started"}
    for connection, wanted, expected in (
        ("issues", f'{{ team: {{ id: {{ eq: "{team["id"]}" }} }} }}', products),
        ("issues", '{ team: { key: { in: ["PRD"] } } }', products),
        ("issues", '{ state: { type: { eq: "started" } } }', started & shown),
        ("issues", "{ completedAt: { null: false } }", {i["id"] for i in issues if i["completedAt"]} & shown),
        ("issues", "{ cycle: { null: true } }", {i["id"] for i in issues if not i["cycle"]} & shown),
        ("issues", f'{{ id: {{ in: ["{issues[0]["id"]}", "x"] }}, title: null }}', {issues[0]["id"]} & shown),
        ("issues", f'{{ id: {{ nin: ["{issues[5]["id"]}"] }} }}', shown - {issues[5]["id"]}),
        ("issues", '{ or: [{ id: { eq: "x" } }, { and: [{ id: { eq: "y" } }] }] }', set()),
        ("comments", f'{{ issue: {{ id: {{ eq: "{busy}" }} }} }}', {c["id"] for c in comments if c["issueId"] == busy}),
        ("comments", "{ issue: { null: true } }", {c["id"] for c in comments if not c["issueId"]}),
        ("cycles", f'{{ team: {{ id: {{ neq: "{team["id"]}" }} }} }}',
         {c["id"] for c in dump["linear.cycles"] if c["team"]["id"] != team["id"]}),
    ):  # fmt: skip
        answer = demo.linear(f"{{ {connection}(first: 250, filter: {wanted}) {{ nodes {{ id }} }} }}")
        assert {row["id"] for row in answer["data"][connection]["nodes"]} == expected, (connection, wanted)


# What is not shown.


def test_archived_issues_and_left_users_are_hidden_unless_asked_for(demo: Any) -> None:
    dump = demo.control.dump()
    archived = {issue["id"] for issue in dump["linear.issues"] if issue["archivedAt"]}
    assert len(archived) >= 3
    assert sum(bool(issue["trashed"]) for issue in dump["linear.issues"]) == 1
    shown = {row["id"] for row in demo.linear("{ issues(first: 250) { nodes { id } } }")["data"]["issues"]["nodes"]}
    assert shown == {issue["id"] for issue in dump["linear.issues"]} - archived
    left = {user["id"] for user in dump["linear.users"] if not user["active"]}
    assert len(left) == 2
    for args in ("", "(includeArchived: true)"):
        rows = demo.linear(f"{{ users{args} {{ nodes {{ id }} }} }}")["data"]["users"]["nodes"]
        assert {row["id"] for row in rows} == {user["id"] for user in dump["linear.users"]} - left


def test_a_private_team_is_seen_by_who_was_granted_it(readers: Any) -> None:
    teams = readers.linear("{ teams { nodes { key private visibility } } }")["data"]["teams"]["nodes"]
    assert {team["key"]: team["private"] for team in teams} == {"ENG": False, "PRD": False, "SUP": False, "SEC": True}
    assert {team["visibility"] for team in teams if team["private"]} == {"private"}
    before = readers.control.counts()
    issue = readers.control.create("linear.issues", team="PEO", title="Salaries")
    readers.control.create("linear.comments", issue=issue["id"], body="Not for everybody.")
    assert readers.control.counts() == before
    query = f'{{ issue(id: "{issue["id"]}") {{ identifier team {{ key }} }} }}'
    assert readers.linear(query)["errors"][0]["message"] == "Entity not found: Issue"
    readers.control.edit("linear.teams", "PEO", granted=True)
    assert readers.linear(query)["data"]["issue"]["team"] == {"key": "PEO"}
    after = readers.control.counts()
    assert after["linear.teams"] == before["linear.teams"] + 1
    assert after["linear.comments"] > before["linear.comments"]
    readers.control.edit("linear.teams", "PEO", granted=False)
    assert readers.control.counts() == before


def test_a_nested_connection_gives_fifty_and_no_more(readers: Any) -> None:
    issue = readers.control.create("linear.issues", team="ENG", title="Busy")["id"]
    for number in range(53):
        readers.control.create("linear.comments", issue=issue, body=f"Number {number}")
    nested = readers.linear(f'{{ issue(id: "{issue}") {{ comments {{ nodes {{ body issue {{ id }} }} }} }} }}')
    assert len(nested["data"]["issue"]["comments"]["nodes"]) == 50
    query = "query($issue: ID) { comments(first: 250, filter: { issue: { id: { eq: $issue } } }) { nodes { id } } }"
    assert len(readers.linear(query, issue=issue)["data"]["comments"]["nodes"]) == 53


# Limits and errors.


def test_complexity_is_taken_from_the_query() -> None:
    for query, variables, points in (
        ("{ rateLimitStatus { kind } }", {}, 2),  # 1 + 0.1
        ("{ issues { nodes { id } } }", {}, 55),  # 50 x (1 + 0.1)
        ("{ issues(first: 250) { nodes { id title team { id } } } }", {}, 575),  # 250 x (1 + 0.2 + 1.1)
        ("query($n: Int = 10) { issues(first: $n) { nodes { id } } }", {}, 11),
        ("query($n: Int = 10) { issues(first: $n) { nodes { id } } }", {"n": 20}, 22),
        ("{ issues(last: 10) { ...F } } fragment F on IssueConnection { nodes { ... on Issue { id } } }", {}, 11),
        ("{ issues(first: 10) { nodes { comments { nodes { id } } } } }", {}, 560),  # 10 x (1 + 50 x 1.1)
        ("{ __schema { types { name } } __typename }", {}, 1),
    ):
        document = parse(query)
        assert complexity(schema(), document, document.definitions[0], variables) == points, query  # type: ignore[arg-type]


def test_a_query_that_is_too_complex_is_refused(demo: Any) -> None:
    response = demo.linear_response("{ issues(first: 250) { nodes { comments { nodes { id } } } } }")
    assert response.status_code == 400
    assert response.json() == {
        "errors": [
            {
                "message": "Query too complex",
                "extensions": {
                    "type": "invalid input",
                    "code": "INPUT_ERROR",
                    "statusCode": 400,
                    "userError": True,
                    "userPresentableMessage": (
                        "The query is too complex. Complexity: 14000. Maximum allowed complexity: 10000."
                    ),
                    "http": {"status": 400},
                },
            }
        ]
    }


def test_a_bucket_drips_full() -> None:
    bucket = Bucket(100, speedup=3600.0)
    bucket.spend(100)
    assert bucket.wait_s(50) == 1
    time.sleep(0.3)
    assert 25 <= bucket.remaining <= 60
    assert bucket.wait_s(20) is None
    assert Bucket(2500, 1.0).wait_s(2600) == 144
    assert Bucket(10, float("inf")).wait_s(10) is None


def test_the_hourly_complexity_runs_out_with_a_400(open_sandbox: Any) -> None:
    readers = open_sandbox(limit_speedup=1.0)
    objects = " ".join(f"a{number}: team {{ id }}" for number in range(34))
    query = f'{{ issues(first: 250, filter: {{ id: {{ eq: "x" }} }}) {{ nodes {{ {objects} }} }} }}'
    response, served = readers.linear_response(query), 0
    while response.status_code == 200:
        response, served = readers.linear_response(query), served + 1
    assert 310 <= served <= 325
    assert code_of(response) == (400, "RATELIMITED")
    error = response.json()["errors"][0]
    assert (error["message"], error["extensions"]["type"]) == ("Rate limit exceeded", "ratelimited")
    assert 1 <= int(response.headers["retry-after"]) <= 12
    headers = response.headers
    assert (headers["x-complexity"], headers["x-ratelimit-complexity-limit"]) == ("9600", "3000000")
    assert int(headers["x-ratelimit-complexity-remaining"]) < 9600
    assert headers["x-ratelimit-requests-limit"] == "2500"
    assert 2100 < int(headers["x-ratelimit-requests-remaining"]) < 2250
    # Epoch milliseconds at which it is full again: within the hour.
    assert 3500 < int(headers["x-ratelimit-complexity-reset"]) / 1000 - time.time() < 3700


def test_an_ordered_limit_looks_like_a_real_one(readers: Any) -> None:
    readers.control.fault("linear", "rate_limited", retry_after_s=9)
    response = readers.linear_response("{ teams { nodes { id } } }")
    assert code_of(response) == (400, "RATELIMITED")
    assert response.headers["retry-after"] == "9"
    readers.control.fault("linear", "status", status=502)
    assert readers.linear_response("{ teams { nodes { id } } }").status_code == 502


def test_partial_data_comes_with_errors(readers: Any) -> None:
    readers.control.fault("linear", "partial_errors")
    query = "{ issues(first: 2) { nodes { id title description estimate } pageInfo { endCursor } } }"
    broken, whole = readers.linear_response(query), readers.linear(query)
    assert broken.status_code == 200
    (error,) = broken.json()["errors"]
    assert error["path"] == ["issues", "nodes", 0, "description"]
    assert broken.json()["data"]["issues"]["nodes"][0] == whole["data"]["issues"]["nodes"][0] | {"description": None}
    assert broken.json()["data"]["issues"]["nodes"][1] == whole["data"]["issues"]["nodes"][1]
    assert "errors" not in whole


@pytest.mark.parametrize("header", ["", "Bearer lin_api_sandbox", "lin_api_other"])
def test_the_key_stands_alone_in_its_header(demo: Any, header: str) -> None:
    url = f"{demo.control.url}/linear/graphql"
    response = httpx.post(url, json={"query": "{ teams { nodes { id } } }"}, headers={"authorization": header})
    assert code_of(response) == (401, "AUTHENTICATION_ERROR")
    assert response.json()["errors"][0]["message"] == "Authentication required, not authenticated"


def test_errors_of_a_query(demo: Any) -> None:
    response = demo.linear_response("{ issues { nodes { colour } } }")
    assert code_of(response) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert "data" not in response.json()
    assert code_of(demo.linear_response("{ issues { nodes")) == (500, "GRAPHQL_VALIDATION_FAILED")
    assert (
        code_of(demo.linear_response("mutation { issueDelete(id: 1) { success } }"))[1] == "GRAPHQL_VALIDATION_FAILED"
    )
    two = "query A { teams { nodes { id } } } query B { teams { nodes { id } } }"
    assert code_of(demo.linear_response(two)) == (400, "GRAPHQL_VALIDATION_FAILED")
    missing = "query($n: Int!) { teams(first: $n) { nodes { id } } }"
    assert code_of(demo.linear_response(missing)) == (400, "INPUT_ERROR")
    body = httpx.post(f"{demo.control.url}/linear/graphql", content=b"{", headers={"authorization": "lin_api_sandbox"})
    assert code_of(body) == (400, "INPUT_ERROR")


def test_an_issue_that_is_not_there(demo: Any) -> None:
    response = demo.linear_response('{ issue(id: "00000000-0000-4000-8000-000000000000") { id } }')
    assert code_of(response) == (200, "INPUT_ERROR")
    assert response.json()["data"] is None
    assert response.json()["errors"][0]["message"] == "Entity not found: Issue"
    issue = demo.control.dump()["linear.issues"][7]
    assert demo.linear(f'{{ issue(id: "{issue["identifier"]}") {{ id }} }}')["data"]["issue"]["id"] == issue["id"]


def test_introspection_is_allowed(demo: Any) -> None:
    answer = demo.linear('{ __type(name: "Issue") { fields { name } } }')
    assert "identifier" in {field["name"] for field in answer["data"]["__type"]["fields"]}
