"""Linear's source against the sandbox: pages, limits, traps."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import graphql
import pytest

import sandbox
from contracts.errors import MissingSetting, VendorRefused, VendorUnavailable
from pipelines import catalog
from pipelines.arrivals import Landed
from pipelines.pull import pull
from pipelines.sources import Pull, linear
from tests.conftest import SHARED, profile_for
from tests.pipelines.answering import answering
from tests.pipelines.rig import Rig, open_rig
from tests.pipelines.truth import expected, held

STREAMS = (*linear.LISTED, *linear.CHANGING)
QUERIES = linear.LISTED | linear.CHANGING


@pytest.fixture
def world(small_world: sandbox.Control) -> sandbox.Control:
    """The small world with two teams more, of which one has a few issues."""
    small_world.create("linear.users", name="Ada Lee", email="ada@example.com")
    small_world.create("linear.teams", key="TRY", name="Trials")
    small_world.create("linear.teams", key="NEW", name="News")
    small_world.create("linear.issue_labels", name="Odd")
    small_world.create("linear.projects", name="A try", teams=["TRY"])
    for n in range(3):
        issue = small_world.create("linear.issues", team="TRY", title=f"Issue {n}", labels=["Odd"], project="A try")
        small_world.create("linear.comments", issue=issue["identifier"], body=f"Comment {n}")
    small_world.create("linear.comments", project="A try", body="On the project")
    return small_world


@pytest.fixture
def rig(tmp_path: Path, world: sandbox.Control) -> Iterator[Rig]:
    with open_rig(profile_for(tmp_path, world), world) as opened:
        yield opened


def pulled(rig: Rig, *, full: bool = False) -> dict[str, Landed]:
    landed = pull("linear", rig.profile, rig.warehouse, full=full)
    return {one.address.entity: one for one in landed}


def assert_equal_to_the_world(rig: Rig) -> None:
    wanted, found = expected(rig), held(rig)
    for stream in STREAMS:
        assert found[f"linear.{stream}"] == wanted[f"linear.{stream}"], stream


def an_issue(rig: Rig, identifier: str = "TRY-1") -> dict[str, Any]:
    return next(i for i in rig.control.dump()["linear.issues"] if i["identifier"] == identifier)


def row_of(rig: Rig, issue_id: str) -> dict[str, Any]:
    [row] = rig.rows(f"SELECT * FROM LINEAR_INTEGRATION.ISSUES WHERE ISSUE_ID = '{issue_id}'")
    return row


def mark(rig: Rig) -> str:
    [row] = rig.rows("SELECT VALUE FROM SOPHIA_CORE.POSITIONS WHERE POSITION_KEY = 'pull:linear/issues'")
    return str(row["value"])


def document(rig: Rig, issue_id: str) -> dict[str, Any]:
    catalog.refresh("linear", rig.warehouse)
    [entry] = rig.rows(f"SELECT * FROM SOPHIA_CORE.CATALOG_ENTRIES WHERE DATA_ID = 'linear:issue:{issue_id}'")
    return entry


def test_a_second_pull_finds_the_same(rig: Rig) -> None:
    first = pulled(rig)
    assert set(first) == set(STREAMS)
    assert all(first[entity].changed > 0 for entity in ("teams", "users", "issues", "comments", "projects"))
    assert_equal_to_the_world(rig)
    before = held(rig)
    again = pulled(rig)
    assert [(landed.changed, landed.deleted, landed.rejected) for landed in again.values()] == [(0, 0, 0)] * 8
    assert held(rig) == before


def test_only_what_is_new_is_asked_for(rig: Rig, tmp_path: Path) -> None:
    pulled(rig)
    profile = profile_for(tmp_path, rig.control, SOPHIA_LINEAR_LOOKBACK_DAYS="0")
    rig.control.reset_requests()
    again = {one.address.entity: one for one in pull("linear", profile, rig.warehouse)}
    assert (again["issues"].received, again["comments"].received) == (1, 1), "the newest itself: gte"
    assert rig.control.requests()["linear"]["/graphql"]["total"] == 8


@pytest.mark.parametrize("full", [True, False])
def test_pages_are_read_to_the_end_though_issues_move_meanwhile(rig: Rig, tmp_path: Path, full: bool) -> None:
    """A change moves an issue to a page that was read already; it must not be taken for deleted."""
    for n in range(260):
        rig.control.create("linear.issues", team="NEW", title=f"One of many {n}")
    pulled(rig)
    assert_equal_to_the_world(rig)
    context = Pull(positions={"issues": mark(rig)}, full=full)
    profile = profile_for(tmp_path, rig.control, SOPHIA_LINEAR_LOOKBACK_DAYS="3650")
    settings = profile.section("linear", linear.Settings)
    seen: set[str] = set()
    with context.connections:
        for number, page in enumerate(linear.source(settings, context).resources["issues"]):
            if number == 0:
                rig.control.edit("linear.issues", "TRY-1", title="Moved to the front")
            seen.add(json.loads(page["record"])["id"])
    dump = rig.control.dump()["linear.issues"]
    assert len(dump) > 260
    assert seen == {issue["id"] for issue in dump}
    if full:
        assert datetime.fromisoformat(context.reached["issues"]) < datetime.fromisoformat(an_issue(rig)["updatedAt"])
    assert [str(sweep.address) for sweep in context.sweeps] == ["linear/issues"]


@pytest.mark.parametrize("retry_after_s", [1, None])
def test_a_limit_is_waited_for_though_it_is_a_400(rig: Rig, retry_after_s: int | None) -> None:
    rig.control.fault("linear", "rate_limited", times=2, retry_after_s=retry_after_s)
    pulled(rig)
    assert_equal_to_the_world(rig)
    assert rig.control.requests()["linear"]["/graphql"]["statuses"]["400"] == 2


def test_a_limit_for_longer_than_we_wait_is_the_vendors_at_once(rig: Rig) -> None:
    rig.control.fault("linear", "rate_limited", times=100, retry_after_s=3600)
    assert all(landed.goes_on_at for landed in pulled(rig).values())
    assert rig.control.requests()["linear"]["/graphql"]["total"] == 1


def test_a_limit_with_a_header_that_nobody_can_read_is_waited_for() -> None:
    limit = {"errors": [{"extensions": {"code": linear.RATE_LIMITED}}]}
    answers = iter([(400, {"Retry-After": "soon"}, limit), (200, {}, {"data": {}})])
    with answering(lambda _path, _body: next(answers)) as url, linear_at(url) as session:
        response = session.post(url, json={}, hooks={"response": functools.partial(linear._check, session)})
        assert response.json() == {"data": {}}


def linear_at(url: str) -> linear.LinearSession:
    return linear.LinearSession(linear.Settings(url=url))


def test_a_limit_that_stays_is_the_vendors(rig: Rig) -> None:
    rig.control.fault("linear", "rate_limited", times=100, retry_after_s=0)
    with pytest.raises(VendorUnavailable, match="over its limit"):
        pulled(rig)
    assert rig.control.requests()["linear"]["/graphql"]["total"] == 6


@pytest.mark.parametrize("fault", [{"kind": "partial_errors"}, {"kind": "status", "status": 500}, {"kind": "status"}])
def test_a_passing_failure_is_tried_again(rig: Rig, fault: dict[str, Any]) -> None:
    rig.control.fault("linear", times=1, **fault)
    pulled(rig)
    assert_equal_to_the_world(rig)


@pytest.mark.parametrize("kind", ["truncated_json", "cut"])
def test_a_vendor_that_fails_leaves_nothing_half_landed(rig: Rig, kind: str) -> None:
    rig.control.fault("linear", kind, times=1)
    with pytest.raises(VendorUnavailable, match="Linear does not answer"):
        pulled(rig)
    assert rig.live_payloads("LINEAR_INTEGRATION.TEAMS", "TEAM_ID") == {}
    rig.control.clear_faults()
    pulled(rig)
    assert_equal_to_the_world(rig)


@pytest.mark.parametrize("query", ["query { issues(first: 1 }", "query { issues(first: 1) { nodes { nothing } } }"])
def test_a_wrong_query_is_not_tried_again_whatever_its_status(tmp_path: Path, query: str) -> None:
    # Not `vendors`: the schema must not know these queries.
    with sandbox.running(scale=0.05, limit_speedup=10_000) as control:
        settings = profile_for(tmp_path, control).section("linear", linear.Settings)
        with linear.LinearSession(settings) as session:
            session.limit(settings.url, per_minute=1000, retried=linear.RETRIED_BY_STATUS)
            hooks = {"response": functools.partial(linear._check, session)}
            with pytest.raises(VendorRefused, match="Check SOPHIA_LINEAR_API_KEY"):
                session.post(settings.url, json={"query": query}, auth=settings.auth(), hooks=hooks)
        assert control.requests()["linear"]["/graphql"]["total"] == 1


def test_a_wrong_key_is_refused_in_one_line(rig: Rig, tmp_path: Path) -> None:
    profile = profile_for(tmp_path, rig.control, SOPHIA_LINEAR_API_KEY="lin_api_wrong")
    with pytest.raises(VendorRefused, match=r"need to authenticate.*Check SOPHIA_LINEAR_API_KEY") as refusal:
        pull("linear", profile, rig.warehouse)
    assert "lin_api_wrong" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert rig.control.requests()["linear"]["/graphql"]["total"] == 1


def test_a_missing_key_names_its_variable(rig: Rig, tmp_path: Path) -> None:
    profile = profile_for(tmp_path, rig.control, SOPHIA_LINEAR_API_KEY="")
    with pytest.raises(MissingSetting, match="SOPHIA_LINEAR_API_KEY is not set"):
        pull("linear", profile, rig.warehouse)


def test_nothing_is_asked_and_no_secret_needed_before_a_row_is() -> None:
    source = linear.source(linear.Settings(url="http://127.0.0.1:9"), Pull(positions={}))
    assert set(source.resources) == set(STREAMS)


def test_a_key_that_is_shown_no_team_buries_nothing() -> None:
    def nothing(_path: str, body: Any) -> tuple[int, dict[str, str], Any]:
        [connection] = [q.connection for q in QUERIES.values() if f" {q.connection}(first: $first" in body["query"]]
        return 200, {}, {"data": {connection: {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}

    with answering(nothing) as url:
        context = Pull(positions={}, full=True)
        source = linear.source(linear.Settings(url=f"{url}/graphql", api_key="lin_api_any"), context)
        with context.connections:
            for stream in STREAMS:
                assert list(source.resources[stream]) == []
    assert context.sweeps == []


def test_a_change_that_is_dated_ahead_of_us_does_not_take_the_mark_along(rig: Rig) -> None:
    before = datetime.now(UTC)
    ahead = before + timedelta(days=30)
    rig.control.set_clock(ahead)
    rig.control.edit("linear.issues", "TRY-1", title="Of next month")
    pulled(rig)
    assert before <= datetime.fromisoformat(mark(rig)) <= datetime.now(UTC)


def test_what_is_archived_stays_and_what_is_trashed_goes_until_it_is_restored(rig: Rig) -> None:
    issue = an_issue(rig)
    pulled(rig)
    rig.control.edit("linear.issues", issue["id"], archived=True)
    pulled(rig)
    row = row_of(rig, issue["id"])
    assert (row["archived_at"] is not None, row["_deleted_at"]) == (True, None)
    assert document(rig, issue["id"])["deleted_at"] is None

    rig.control.edit("linear.issues", issue["id"], trashed=True)
    rig.control.edit("linear.projects", "A try", trashed=True)
    pulled(rig)
    assert row_of(rig, issue["id"])["_deleted_at"] is not None
    assert document(rig, issue["id"])["deleted_at"] is not None
    assert_equal_to_the_world(rig)
    assert pulled(rig)["issues"].changed == 0

    rig.control.edit("linear.issues", issue["id"], trashed=False)
    pulled(rig)
    assert row_of(rig, issue["id"])["_deleted_at"] is None
    assert document(rig, issue["id"])["deleted_at"] is None
    assert_equal_to_the_world(rig)


def test_what_is_deleted_for_good_goes_at_once_within_the_lookback(rig: Rig) -> None:
    issue = an_issue(rig)
    [comment] = [c for c in rig.control.dump()["linear.comments"] if c["issueId"] == an_issue(rig, "TRY-2")["id"]]
    pulled(rig)
    assert document(rig, issue["id"])["deleted_at"] is None
    rig.control.delete("linear.issues", issue["id"])
    rig.control.delete("linear.comments", comment["id"])
    landed = pulled(rig)
    assert [landed[entity].deleted for entity in ("issues", "comments")] == [1, 2], "an issue takes its comments along"
    assert_equal_to_the_world(rig)
    assert document(rig, issue["id"])["deleted_at"] is not None
    assert pulled(rig)["issues"].changed == 0


def test_what_is_deleted_for_good_is_seen_by_a_full_pull(rig: Rig, tmp_path: Path) -> None:
    old = min(rig.control.dump()["linear.issues"], key=lambda issue: issue["updatedAt"])
    profile = profile_for(tmp_path, rig.control, SOPHIA_LINEAR_LOOKBACK_DAYS="0")
    pulled(rig)
    rig.control.delete("linear.issues", old["id"])
    landed = {one.address.entity: one for one in pull("linear", profile, rig.warehouse)}
    assert landed["issues"].deleted == 0
    assert pulled(rig, full=True)["issues"].deleted == 1
    assert_equal_to_the_world(rig)


def test_an_issue_that_moves_to_another_team_keeps_its_row_and_its_document(rig: Rig) -> None:
    issue = an_issue(rig)
    pulled(rig)
    revision = document(rig, issue["id"])["revision"]
    rig.control.edit("linear.issues", issue["id"], team="NEW")
    moved = pulled(rig)["issues"]
    assert (moved.changed, moved.deleted) == (1, 0)
    assert row_of(rig, issue["id"])["identifier"].startswith("NEW-")
    entry = document(rig, issue["id"])
    assert (entry["title"][:4], entry["revision"]) == ("NEW-", revision)
    assert_equal_to_the_world(rig)


def test_a_comment_comes_without_a_change_of_its_issue(rig: Rig) -> None:
    issue = an_issue(rig)
    pulled(rig)
    revision = document(rig, issue["id"])["revision"]
    comment = rig.control.create("linear.comments", issue=issue["id"], body="Seen again today.")
    assert an_issue(rig)["updatedAt"] == issue["updatedAt"]
    landed = pulled(rig)
    assert (landed["issues"].changed, landed["comments"].changed) == (0, 1)
    entry = document(rig, issue["id"])
    assert "Seen again today." in entry["sections"]
    assert entry["revision"] == revision + 1

    rig.control.edit("linear.comments", comment["id"], archived=True)
    pulled(rig)
    assert "Seen again today." not in document(rig, issue["id"])["sections"]
    assert_equal_to_the_world(rig)


def test_what_an_issue_is_called_by_others_reaches_its_document(rig: Rig) -> None:
    issue = an_issue(rig)
    pulled(rig)
    revision = document(rig, issue["id"])["revision"]
    rig.control.edit("linear.issue_labels", "Odd", name="Strange")
    rig.control.edit("linear.projects", "A try", name="Another try")
    pulled(rig)
    entry = document(rig, issue["id"])
    metadata = json.loads(entry["metadata"])
    assert (metadata["labels"], metadata["tags"], metadata["project"]) == (["Strange"], ["strange"], "Another try")
    assert entry["revision"] == revision


def test_users_who_left_are_kept(rig: Rig) -> None:
    rig.control.edit("linear.users", "ada@example.com", active=False)
    pulled(rig)
    [row] = rig.rows("SELECT ACTIVE, _DELETED_AT FROM LINEAR_INTEGRATION.USERS WHERE EMAIL = 'ada@example.com'")
    assert row == {"active": False, "_deleted_at": None}
    assert_equal_to_the_world(rig)


def test_issues_of_a_private_team_are_not_public(rig: Rig, tmp_path: Path) -> None:
    issue = an_issue(rig)
    scope = f"linear:team:{issue['team']['id']}"
    pulled(rig)
    assert document(rig, issue["id"])["access_scope"] == "public"
    rig.control.edit("linear.teams", "TRY", private=True)
    pulled(rig)
    assert document(rig, issue["id"])["access_scope"] == scope
    rig.control.edit("linear.teams", "TRY", private=False)
    pulled(rig)
    assert document(rig, issue["id"])["access_scope"] == "public"

    rig.control.create("linear.issues", team="NEW", title="Newer than the others")
    pulled(rig)
    rig.control.edit("linear.teams", "TRY", granted=False)
    pull("linear", profile_for(tmp_path, rig.control, SOPHIA_LINEAR_LOOKBACK_DAYS="0"), rig.warehouse)
    entry = document(rig, issue["id"])
    assert (entry["access_scope"], entry["deleted_at"]) == (scope, None), "not ours to see any more"
    pulled(rig)
    assert document(rig, issue["id"])["deleted_at"] is not None, "and within the lookback gone"
    assert_equal_to_the_world(rig)


def test_a_cycles_days_are_seen_without_a_change_of_it(rig: Rig) -> None:
    now = datetime.fromisoformat(rig.control.health()["now"])
    starts, ends = now.isoformat(), (now + timedelta(days=14)).isoformat()
    cycle = rig.control.create("linear.cycles", team="TRY", startsAt=starts, endsAt=ends)
    rig.control.edit("linear.issues", "TRY-1", cycle=cycle["id"], estimate=2)
    pulled(rig)
    assert_equal_to_the_world(rig)
    rig.control.advance(86_400)
    rig.control.edit("linear.issues", "TRY-1", state="completed")
    pulled(rig)
    assert_equal_to_the_world(rig)
    progress = "SELECT PROGRESS, CREATED_AT, UPDATED_AT FROM LINEAR_INTEGRATION.CYCLES"
    [row] = rig.rows(f"{progress} WHERE CYCLE_ID = '{cycle['id']}'")
    assert (row["progress"], row["created_at"]) == (1, row["updated_at"])


@pytest.mark.parametrize("since", [False, True])
@pytest.mark.parametrize("entity", QUERIES)
def test_a_query_is_valid_by_the_vendors_schema(vendor_schema: graphql.GraphQLSchema, entity: str, since: bool) -> None:
    assert graphql.validate(vendor_schema, graphql.parse(QUERIES[entity].text(since=since))) == []


@pytest.mark.parametrize("entity", QUERIES)
def test_a_query_stays_below_the_vendors_limit(entity: str) -> None:
    assert QUERIES[entity].complexity < linear.MAX_COMPLEXITY


def test_complexity_is_reckoned_as_the_vendor_does(rig: Rig) -> None:
    query = linear.Query("projects", "id name lead { id } teams(first: 20) { nodes { id } }", first=10)
    node = 1 + 0.2 + 1.1 + 1 + 20 * 1.1
    assert query.complexity == pytest.approx(1 + 10 * node + 10 * 1.2)
    settings = rig.profile.section("linear", linear.Settings)
    with linear.LinearSession(settings) as session:
        for query in QUERIES.values():
            body = {"query": query.text(), "variables": {"first": query.first}}
            answer = session.post(settings.url, json=body, auth=settings.auth())
            assert float(answer.headers["X-Complexity"]) == pytest.approx(query.complexity, rel=0.2)


@pytest.fixture(scope="session")
def vendor_schema() -> graphql.GraphQLSchema:
    path = SHARED / "contracts" / "linear.schema.graphql"
    if not path.exists():
        pytest.skip("needs the folder shared/contracts beside the checkout: Linear's schema")
    return graphql.build_schema(path.read_text())
