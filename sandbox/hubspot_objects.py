"""What a HubSpot object is: its properties, all of them text, their history, and the states that search remembers.

Source: HubSpot's CRM API v3. Times are epoch milliseconds inside and ISO-8601 text in properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sandbox.records import CommandRefused, Record, parse_time

ENGAGEMENTS = ("notes", "calls", "emails", "meetings", "tasks")
KINDS = ("companies", "contacts", "deals", *ENGAGEMENTS)
HOME_CURRENCY = "EUR"
RATES = {"EUR": 1.0, "USD": 0.92, "GBP": 1.15, "CHF": 1.04}
"""Worth of one unit in the home currency; the portal knows no others."""
HISTORY_IN_DUMP = ("dealstage", "amount", "amount_in_home_currency", "closedate", "pipeline")

_OWNED = {"hubspot_owner_id": "enumeration", "hs_object_id": "number", "hs_merged_object_ids": "string"}
_ENGAGED = {
    "hs_createdate": "datetime",
    "hs_lastmodifieddate": "datetime",
    "hs_object_id": "number",
    "hs_timestamp": "datetime",
    "hubspot_owner_id": "enumeration",
}
PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "companies": _OWNED
    | {
        "city": "string",
        "createdate": "datetime",
        "description": "string",
        "domain": "string",
        "hs_lastmodifieddate": "datetime",
        "industry": "string",
        "lifecyclestage": "enumeration",
        "name": "string",
        "numberofemployees": "number",
    },
    "contacts": _OWNED
    | {
        "city": "string",
        "company": "string",
        "createdate": "datetime",
        "email": "string",
        "firstname": "string",
        "jobtitle": "string",
        "lastmodifieddate": "datetime",
        "lastname": "string",
        "lifecyclestage": "enumeration",
        "phone": "string",
    },
    "deals": _OWNED
    | {
        "amount": "number",
        "amount_in_home_currency": "number",
        "closed_lost_reason": "string",
        "closedate": "datetime",
        "createdate": "datetime",
        "deal_currency_code": "enumeration",
        "dealname": "string",
        "dealstage": "enumeration",
        "dealtype": "enumeration",
        "description": "string",
        "hs_deal_stage_probability": "number",
        "hs_is_closed": "bool",
        "hs_is_closed_won": "bool",
        "hs_lastmodifieddate": "datetime",
        "pipeline": "enumeration",
    },
    "notes": _ENGAGED | {"hs_note_body": "string"},
    "calls": _ENGAGED
    | {
        "hs_call_body": "string",
        "hs_call_direction": "enumeration",
        "hs_call_duration": "number",
        "hs_call_title": "string",
    },
    "emails": _ENGAGED | {"hs_email_direction": "enumeration", "hs_email_subject": "string", "hs_email_text": "string"},
    "meetings": _ENGAGED
    | {
        "hs_meeting_body": "string",
        "hs_meeting_end_time": "datetime",
        "hs_meeting_outcome": "enumeration",
        "hs_meeting_start_time": "datetime",
        "hs_meeting_title": "string",
    },
    "tasks": _ENGAGED
    | {
        "hs_task_body": "string",
        "hs_task_priority": "enumeration",
        "hs_task_status": "enumeration",
        "hs_task_subject": "string",
        "hs_task_type": "enumeration",
    },
}
"""Type of every property, by kind of object."""
CALCULATED = frozenset(
    (
        "createdate",
        "hs_createdate",
        "hs_deal_stage_probability",
        "hs_is_closed",
        "hs_is_closed_won",
        "hs_lastmodifieddate",
        "hs_merged_object_ids",
        "hs_object_id",
        "lastmodifieddate",
    )
)
"""Set by HubSpot itself."""
DEFAULT_PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "companies": ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "deals": (
        *("amount", "closedate", "createdate", "dealname", "dealstage"),
        *("hs_lastmodifieddate", "hs_object_id", "pipeline"),
    ),
    **dict.fromkeys(ENGAGEMENTS, ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")),
}
"""What an object is shown with where nothing was asked for."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def created_name(kind: str) -> str:
    return "hs_createdate" if kind in ENGAGEMENTS else "createdate"


def modified_name(kind: str) -> str:
    """`lastmodifieddate` on contacts, `hs_lastmodifieddate` on everything else."""
    return "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"


def as_ms(moment: datetime) -> int:
    """Epoch milliseconds, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def ms_iso(at_ms: int) -> str:
    """ISO-8601 with Z, and a fraction of three digits only where there is one, as HubSpot writes it."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")


@lru_cache(maxsize=1 << 16)
def iso_ms(text: str) -> int:
    return as_ms(parse_time(text))


@dataclass(slots=True)
class CrmObject:
    """One object of any kind."""

    kind: str
    """The plural, as in paths."""
    id: str
    properties: dict[str, str]
    """Those that are set. A change replaces the dict, so a reference to it is a snapshot."""
    archived_ms: int | None = None
    removed: bool = False
    """Deleted for good, or merged away: kept only for what search still shows of it."""
    history: dict[str, list[Record]] = field(default_factory=dict)
    """Newest first, by property."""
    earlier: list[tuple[int, dict[str, str] | None]] = field(default_factory=list)
    """World time of each command, and what search listed before it: None where nothing."""

    @property
    def is_listed(self) -> bool:
        return not self.removed and self.archived_ms is None

    @property
    def last_ms(self) -> int:
        """The newest time that the object bears."""
        return max(iso_ms(self.properties[modified_name(self.kind)]), self.archived_ms or 0)

    def remember(self, now_ms: int) -> None:
        """Keep what search lists, before a command at this world time changes it."""
        self.earlier.append((now_ms, self.properties if self.is_listed else None))

    def indexed(self, until_ms: int) -> dict[str, str] | None:
        """The properties that search knows when it has seen every command up to this world time; None if unlisted."""
        for made_ms, properties in self.earlier:
            if made_ms > until_ms:
                return properties
        return self.properties if self.is_listed else None

    def change(self, values: Mapping[str, str | None], at_ms: int, source: str = "CRM_UI") -> None:
        """Set properties, unset those that are None, and bear the time as that of the last change.

        Equal values make no history, but bear the time all the same.
        """
        properties = dict(self.properties)
        for name, value in values.items():
            if value == properties.get(name):
                continue
            kind_of_source = "CALCULATED" if name in CALCULATED else source
            entry = {"value": value or "", "timestamp": ms_iso(at_ms), "sourceType": kind_of_source}
            self.history[name] = [entry, *self.history.get(name, ())]
            if value is None:
                del properties[name]
            else:
                properties[name] = value
        self.properties = properties | {modified_name(self.kind): ms_iso(at_ms)}

    def shown(
        self,
        names: Iterable[str] | None = None,
        with_history: Iterable[str] = (),
        properties: Mapping[str, str] | None = None,
    ) -> Record:
        """The object as the API gives it.

        Args:
            names: properties to show, unknown ones left out; None shows all.
            with_history: properties to show with every value they had.
            properties: an earlier state to show instead of the present one.
        """
        known, values = PROPERTIES[self.kind], self.properties if properties is None else properties
        record: Record = {
            "id": self.id,
            "properties": {n: values.get(n) for n in (sorted(known) if names is None else names) if n in known},
            "createdAt": values[created_name(self.kind)],
            "updatedAt": values[modified_name(self.kind)],
            "archived": self.archived_ms is not None and properties is None,
        }
        if record["archived"] and self.archived_ms is not None:
            record["archivedAt"] = ms_iso(self.archived_ms)
        asked = [name for name in with_history if name in known]
        if asked:
            record["propertiesWithHistory"] = {name: self.history_of(name) for name in asked}
        return record

    def history_of(self, name: str) -> list[Record]:
        """Every value, newest first; of the modified date, which is no value of its own, only the last."""
        if name == modified_name(self.kind):
            value = self.properties[name]
            return [{"value": value, "timestamp": value, "sourceType": "CALCULATED"}]
        return self.history.get(name, [])


def new_object(
    kind: str, object_id: str, values: Mapping[str, str | None], created_ms: int, at_ms: int, source: str = "CRM_UI"
) -> CrmObject:
    """An object made at `at_ms` that bears `created_ms` as its created date."""
    crm_object = CrmObject(kind, object_id, {})
    born = {"hs_object_id": object_id, created_name(kind): ms_iso(created_ms)}
    crm_object.change(born | dict(values), at_ms, source)
    return crm_object


def as_text(kind: str, name: str, value: object) -> str | None:
    """A property's value as HubSpot keeps it; None and an empty text unset it.

    Raises:
        CommandRefused: no such property, or no value of its type.
    """
    property_type = PROPERTIES[kind].get(name)
    if property_type is None:
        raise CommandRefused(f"HubSpot {kind} have no property {name!r}; they have {', '.join(PROPERTIES[kind])}.")
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise CommandRefused(f"{name} is a text, a number or null, not {value!r}.")
    text = str(value)
    try:
        if property_type == "number":
            float(text)
        elif property_type == "datetime":
            return ms_iso(int(text) if text.isdecimal() else iso_ms(text if len(text) > 10 else f"{text}T00:00:00Z"))
    except (OverflowError, ValueError) as error:
        raise CommandRefused(f"{name} is a {property_type}, not {value!r}.") from error
    return text
