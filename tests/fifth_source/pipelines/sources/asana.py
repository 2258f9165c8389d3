"""Asana: users, tasks. REST API, developers.asana.com/reference.

    users    GET /users    no filter: read whole, sweep whole
    tasks    GET /tasks    the same

A list says nothing of what was deleted, so it is read whole, and what it lacks is deleted here. Where that takes too
long, keep a cursor in `pull.reached` and sweep in a full pull alone, as linear.py does. A worked example: the real API
lists the tasks of one project at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Annotated, Any

import dlt
import msgspec
import requests
from dlt.extract import DltResource, DltSource
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from contracts.address import Address
from contracts.errors import MissingSetting
from pipelines.sources import Pull, SourceSettings, Sweep
from pipelines.sources._http import VendorSession

PAGE = 100
"""Asana's maximum."""
FIELDS = {
    "users": "name,email",
    "tasks": "name,notes,completed,assignee,permalink_url,created_at,modified_at",
}
"""Entity → `opt_fields`: without them Asana gives little more than the gid and the name."""

KNOWN: dict[str, str] = {}
"""Nothing of the warehouse need be known before a pull."""


class Settings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`SOPHIA_ASANA_*`."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://")] = "https://app.asana.com/api/1.0"
    token: str | None = None
    """A personal access token; what its user may not see is not read."""
    requests_per_minute: Annotated[float, msgspec.Meta(gt=0)] = 150.0
    """Asana's limit of a free workspace."""

    def auth(self) -> BearerTokenAuth:
        """Raises MissingSetting."""
        if self.token is None:
            raise MissingSetting("SOPHIA_ASANA_TOKEN", "a pull from Asana")
        return BearerTokenAuth(self.token)


def source(settings: Settings, pull: Pull) -> DltSource:
    """The two streams; records as Asana gives them."""

    session = pull.open(
        VendorSession("Asana", settings.url, "Check SOPHIA_ASANA_TOKEN and what its user may see."), settings
    )
    session.limit(settings.url, per_minute=settings.requests_per_minute)

    def check(response: requests.Response, *_: Any, **__: Any) -> None:
        session.check(response)

    @functools.cache  # the token is asked for with the first row, not before
    def client() -> RESTClient:
        return RESTClient(settings.url, auth=settings.auth(), session=session)

    def whole(entity: str) -> Iterator[Any]:
        requested_at = pull.clock()
        pages = client().paginate(
            f"/{entity}",
            params={"limit": PAGE, "opt_fields": FIELDS[entity]},
            data_selector="data",
            paginator=JSONResponseCursorPaginator("next_page.offset", cursor_param="offset"),
            hooks={"response": [check]},
        )
        for sent_at, page in pull.stamped(pages):
            yield pull.records(page, sent_at)
        pull.sweeps.append(Sweep(Address("asana", entity), requested_at))

    resources: list[DltResource] = [dlt.resource(whole(entity), name=entity) for entity in FIELDS]
    return DltSource(dlt.Schema("asana"), "asana", resources)
