"""A request to HubSpot as its handlers see it: names of the path, query, body; what is malformed is a 400."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from starlette.datastructures import URL
from starlette.requests import Request

from sandbox.hubspot_answers import HubspotError
from sandbox.hubspot_objects import KINDS
from sandbox.records import Record

TYPE_IDS = {"0-1": "contacts", "0-2": "companies", "0-3": "deals"}
SINGULARS = {"company": "companies"} | {kind.removesuffix("s"): kind for kind in KINDS if kind != "companies"}
WITHOUT_SCOPE = ("tickets", "ticket", "0-5")
"""Objects that exist and that this app may not read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that has passed the token and the limits."""

    path: str
    """Below the prefix."""
    url: URL
    names: dict[str, str]
    """What the path names: kind, id, other."""
    query: dict[str, str]
    """A parameter that was given several times is joined by commas."""
    body: Record

    @property
    def kind(self) -> str:
        return kind_of(self.names["kind"])

    def flag(self, name: str) -> bool:
        text = self.query.get(name) or "false"
        if text not in ("true", "false"):
            raise HubspotError(400, f"{name} must be true or false, not {text}")
        return text == "true"

    def words(self, name: str) -> list[str]:
        """A parameter with commas between words."""
        return [word for word in self.query.get(name, "").split(",") if word]

    def limit(self, default: int, most: int) -> int:
        text = self.query.get("limit") or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise HubspotError(400, f"limit must be a number from 1 to {most}, not {text}")
        return int(text)

    def inputs(self, most: int) -> list[Record]:
        """The inputs of a batch, each with its id."""
        inputs = self.body.get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(i, dict) and "id" in i for i in inputs):
            raise HubspotError(400, "inputs must be a list of objects with an id")
        if len(inputs) > most:
            raise HubspotError(400, f"A batch has at most {most} inputs, not {len(inputs)}")
        return inputs

    def names_in_body(self, name: str) -> list[str]:
        """A list of property names, empty where it is not given."""
        names = self.body.get(name) or []
        if not isinstance(names, list) or not all(isinstance(word, str) for word in names):
            raise HubspotError(400, f"{name} must be a list of names")
        return names


async def read_request(request: Request, prefix: str) -> Asked:
    """Raises HubspotError: 400 for a body that is no JSON object."""
    query: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        query[name] = f"{query[name]},{value}" if name in query else value
    body: Record = {}
    if request.method == "POST":
        try:
            body = msgspec.json.decode(await request.body(), type=Record)
        except msgspec.MsgspecError as error:
            raise HubspotError(400, f"Invalid input JSON: {error}") from error
    return Asked(request.url.path.removeprefix(prefix), request.url, dict(request.path_params), query, body)


def kind_of(name: str) -> str:
    """The plural of an object type's plural, singular or id.

    Raises:
        HubspotError: 403 for a type that the app may not read, 400 for none.
    """
    if name in WITHOUT_SCOPE:
        raise HubspotError(403, scopes=("crm.objects.tickets.read",))
    kind = TYPE_IDS.get(name) or SINGULARS.get(name) or name
    if kind not in KINDS:
        raise HubspotError(400, f"Unable to infer object type from: {name}")
    return kind
