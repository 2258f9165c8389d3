"""A reader of HubSpot's API for tests: every request and answer goes through the closed models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx

from tests.sandbox.hubspot_models import (
    AssociationsRequest,
    BatchReadRequest,
    Filter,
    FilterGroup,
    Input,
    ObjectPage,
    SearchPage,
    SearchRequest,
    as_body,
    read,
)

OBJECTS = "/crm/v3/objects"


def pages(client: httpx.Client, path: str, **query: Any) -> Iterator[ObjectPage]:
    """Every page of a list, by its cursors."""
    after = ""
    while True:
        page = read(ObjectPage, client.get(path, params=query | ({"after": after} if after else {})))
        yield page
        if not page.paging:
            return
        after = page.paging.next.after


def at(text: str) -> datetime:
    """A time; as text those with and without a fraction do not compare."""
    return datetime.fromisoformat(text)


def ids_of(client: httpx.Client, kind: str, **query: Any) -> list[str]:
    return [row.id for page in pages(client, f"{OBJECTS}/{kind}", **query) for row in page.results]


def search(client: httpx.Client, kind: str, *filters: Filter, **rest: Any) -> SearchPage:
    groups = [FilterGroup(list(filters))] if filters else []
    request = SearchRequest(groups, **rest)
    return read(SearchPage, client.post(f"{OBJECTS}/{kind}/search", json=as_body(request)))


def batch(client: httpx.Client, kind: str, ids: list[str], **rest: Any) -> httpx.Response:
    request = BatchReadRequest([Input(i) for i in ids], **rest)
    return client.post(f"{OBJECTS}/{kind}/batch/read", json=as_body(request))


def tied(client: httpx.Client, start: str, end: str, inputs: list[Input]) -> httpx.Response:
    return client.post(f"/crm/v4/associations/{start}/{end}/batch/read", json=as_body(AssociationsRequest(inputs)))
