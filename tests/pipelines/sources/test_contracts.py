"""Every kind of request that the sources send, against what the vendor describes: a first, an incremental and a full
pull, and slices.

What other tests make the sources send is held against the same contracts by `tests.conftest.vendors`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.pull import pull_slice, slices
from tests.conftest import profile_for, vendors
from tests.pipelines.rig import open_rig
from tests.vendor_contracts import CALLS, CONTRACTS, assert_described, hubspot_call, linear_connection

TESTS = Path(__file__).resolve().parents[2]
Request = dict[str, Any]


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Request]]:
    """Vendor → what was asked of it."""
    if not CONTRACTS.is_dir():
        pytest.skip("needs the folder shared/contracts beside the checkout: the vendors' contracts")
    home = tmp_path_factory.mktemp("contracts")
    with vendors(scale=0.15, limit_speedup=10_000) as control:
        with open_rig(profile_for(home, control), control) as rig:
            rig.pull()
            dump = control.dump()
            control.edit("hubspot.deals", next(d["id"] for d in dump["hubspot.deals"] if not d["archived"]), amount="7")
            control.edit("linear.issues", dump["linear.issues"][0]["id"], title="Edited")
            rig.pull()
            rig.pull(full=True)
            for source in rig.sources:
                named = slices(source, rig.warehouse)
                pull_slice(source, named[0] if named else "2026-11-02", rig.profile, rig.warehouse)
        found: dict[str, list[Request]] = {}
        for request in control.kept_requests():
            found.setdefault(request["vendor"], []).append(request)
    failed = {(r["vendor"], r["path"], r["status"]) for asked in found.values() for r in asked if r["status"] != "200"}
    empty = {("gong", "/v2/calls/transcript", "404"), ("gong", "/v2/calls/extensive", "404")}
    assert failed <= empty, "Gong says so of a range without calls, and where no call has a transcript yet"
    return found


@pytest.mark.parametrize("vendor", ["gong", "hubspot", "linear", "slack"])
def test_a_vendor_describes_every_request(requests: dict[str, list[Request]], vendor: str) -> None:
    assert requests[vendor]
    assert_described(requests[vendor])


def test_the_requests_are_of_every_kind(requests: dict[str, list[Request]]) -> None:
    assert {one["path"] for one in requests["gong"]} == {"/v2/users", "/v2/calls/extensive", "/v2/calls/transcript"}
    assert {hubspot_call(one["method"], one["path"]) for one in requests["hubspot"]} == set(CALLS)
    assert len({linear_connection(json.loads(one["body"])["query"]) for one in requests["linear"]}) == 8
    methods = {"/conversations.list", "/conversations.history", "/conversations.replies", "/users.list"}
    assert methods <= {one["path"].removeprefix("/api") for one in requests["slack"]}


@pytest.mark.parametrize(
    ("vendor", "changed"),
    [
        ("gong", {"path": "/v2/calls/none"}),
        ("gong", {"query": "nothing=1"}),
        ("gong", {"path": "/v2/calls/extensive", "method": "POST", "body": '{"filter": {"nothing": 1}}'}),
        ("hubspot", {"path": "/crm/v3/objects/nothings"}),
        ("hubspot", {"query": "limit=101"}),
        ("hubspot", {"query": "nothing=1"}),
        ("hubspot", {"path": "/crm/v3/objects/deals/search", "method": "POST", "body": '{"nothing": 1}'}),
        ("linear", {"body": '{"query": "{ nothings { id } }"}'}),
        ("linear", {"body": '{"query": "query A($n: Int!) { issues(first: $n) { pageInfo { hasNextPage } } }"}'}),
        ("linear", {"body": '{"query": "{"}'}),
        ("slack", {"path": "/api/nothings.list"}),
        ("slack", {"query": "nothing=1"}),
        ("slack", {"query": "limit=many"}),
    ],
)
def test_what_is_not_described_is_told(requests: dict[str, list[Request]], vendor: str, changed: Request) -> None:
    paths = {"gong": "/v2/users", "hubspot": "/crm/v3/objects/deals", "linear": "/graphql", "slack": ""}
    path, method = paths[vendor], "POST" if vendor == "linear" else "GET"
    [*_, one] = (r for r in requests[vendor] if (r["path"].endswith(path), r["method"]) == (True, method))
    with pytest.raises(AssertionError, match=f"{vendor} does not describe"):
        assert_described([one | changed])


def test_sandboxes_are_started_where_requests_are_looked_at() -> None:
    """The sandbox's own tests send it what is wrong; whoever else must says why."""
    starting = "sandbox." + "running("
    found = {path.relative_to(TESTS) for path in TESTS.rglob("*.py") if starting in path.read_text()}
    others = {path.as_posix() for path in found if path.parts[0] != "sandbox"}
    assert others == {"conftest.py", "pipelines/sources/test_linear.py"}
