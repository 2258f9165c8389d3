"""What Airbyte's connectors and its destination for Snowflake make of the sandbox's world: tables in a warehouse.

A table a stream in `<SOURCE>_AIRBYTE`, names in upper case, objects and lists as VARIANT; HubSpot's properties have
types, its pipelines come from the old API, and associations are lists of ids. A stream that is overwritten is written
whole; of the others what has changed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import sandbox
from contracts.tables import Column, ColumnType, Table
from resources.warehouse import Warehouse

Record = dict[str, Any]
Types = dict[str, ColumnType]

TEXT, FLAG, TIME, WHOLE, JSON = (
    *(ColumnType.TEXT, ColumnType.BOOLEAN, ColumnType.TIMESTAMP, ColumnType.INTEGER),
    ColumnType.VARIANT,
)
CRM: Types = {"id": TEXT, "createdAt": TIME, "updatedAt": TIME, "archived": FLAG, "properties": JSON}
TIED: Types = {"companies": JSON, "contacts": JSON, "deals": JSON}
OWNER: Types = {
    **dict.fromkeys("id email firstName lastName".split(), TEXT),
    **dict.fromkeys("createdAt updatedAt".split(), TIME),
    "userId": WHOLE,
    "archived": FLAG,
    "teams": JSON,
}
STREAMS: dict[str, Types] = {
    "users": {
        **dict.fromkeys("id emailAddress firstName lastName title managerId created phoneNumber".split(), TEXT),
        **dict.fromkeys("emailAliases settings spokenLanguages".split(), JSON),
        "active": FLAG,
    },
    "extensiveCalls": {
        "id": TEXT,
        **dict.fromkeys("metaData context parties content interaction collaboration media".split(), JSON),
    },
    "callTranscripts": {"callId": TEXT, "transcript": JSON},
    "companies": CRM | {"contacts": JSON},
    "contacts": CRM | {"companies": JSON},
    "deals": CRM | {"companies": JSON, "contacts": JSON},
    "deals_archived": CRM | {"archivedAt": TIME},
    **{f"engagements_{kind}": CRM | TIED for kind in ("notes", "emails", "calls", "meetings", "tasks")},
    "owners": OWNER,
    "owners_archived": OWNER,
    "deal_pipelines": {
        **dict.fromkeys("pipelineId label".split(), TEXT),
        **dict.fromkeys("displayOrder createdAt updatedAt".split(), WHOLE),
        "active": FLAG,
        "stages": JSON,
    },
}
NUMBERS = ("amount", "amount_in_home_currency", "hs_call_duration", "hubspot_owner_id")
PRIMARY = {"contacts": "associatedcompanyid", "deals": "hs_primary_associated_company"}


class AirbyteTables:
    """The state of a destination."""

    def __init__(self, warehouse: Warehouse, control: sandbox.Control) -> None:
        self._warehouse = warehouse
        self._control = control
        self._written: dict[tuple[str, str], str] = {}

    def move(self, connection: Record) -> int:
        """A sync of a connection; returns the rows that were written."""
        schema = connection["namespaceFormat"]
        self._warehouse.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        dump = self._control.dump()
        return sum(
            self._write(schema, stream["name"], stream["syncMode"], records_of(stream["name"], dump))
            for stream in connection["configurations"]["streams"]
        )

    def _write(self, schema: str, stream: str, mode: str, records: Iterable[Record]) -> int:
        types = STREAMS[stream]
        own = (
            Column("_airbyte_raw_id", TEXT, nullable=False),
            Column("_airbyte_extracted_at", TIME, nullable=False),
            Column("_airbyte_meta", JSON),
            Column("_airbyte_generation_id", WHOLE),
        )
        columns = (*own, *(Column(name.lower(), type_) for name, type_ in types.items()))
        table = Table(f"{schema}.{stream.upper()}", (), columns)
        ddl = ", ".join(f"{column.name.upper()} {column.type.ddl}" for column in columns)
        self._warehouse.execute(f"CREATE TABLE IF NOT EXISTS {table.name} ({ddl})")
        key = next(iter(types))
        rows = []
        for record in records:
            text = json.dumps(record, sort_keys=True)
            if mode == "full_refresh_overwrite" or self._written.get((stream, record[key])) != text:
                self._written[stream, record[key]] = text
                rows.append(_row(record, types))
        names = ", ".join(column.name.upper() for column in columns)
        values = ", ".join(column.type.from_staged(f"S.{column.name.upper()}") for column in columns)
        with self._warehouse.transaction(stream=(table, table.rows(rows))) as transaction:
            which = "" if mode == "full_refresh_overwrite" else f" WHERE {key} IN (SELECT {key} FROM STAGED_STREAM)"
            transaction.execute(f"DELETE FROM {table.name}{which}")
            transaction.execute(f"INSERT INTO {table.name} ({names}) SELECT {values} FROM STAGED_STREAM AS S")
        return len(rows)


def records_of(stream: str, dump: dict[str, list[Record]]) -> list[Record]:
    """The connector's records of a stream."""
    if stream == "users":
        return dump["gong.users"]
    if stream == "extensiveCalls":
        return [{"id": call["metaData"]["id"], **call} for call in dump["gong.calls"]]
    if stream == "callTranscripts":
        return dump["gong.transcripts"]
    if stream in ("owners", "owners_archived"):
        return [one for one in dump["hubspot.owners"] if one["archived"] == (stream == "owners_archived")]
    if stream == "deal_pipelines":
        return [_old_pipeline(one) for one in dump["hubspot.pipelines"]]
    kind = stream.removeprefix("engagements_").removesuffix("_archived")
    archived = stream.endswith("_archived")
    return [_crm(one, kind, dump) for one in dump[f"hubspot.{kind}"] if one["archived"] == archived]


def _crm(record: Record, kind: str, dump: dict[str, list[Record]]) -> Record:
    tied: dict[str, list[int]] = {"companies": [], "contacts": [], "deals": []}
    primary = None
    for tie in dump["hubspot.associations"]:
        if (tie["fromType"], tie["fromId"]) == (kind, record["id"]) and tie["toType"] in tied:
            tied[tie["toType"]].append(int(tie["toId"]))
            if any(one["label"] == "Primary" for one in tie["associationTypes"]):
                primary = int(tie["toId"])
    properties = {name: _typed(name, value) for name, value in record["properties"].items()}
    if kind in PRIMARY:
        properties[PRIMARY[kind]] = primary
    return record | tied | {"properties": properties}


def _typed(name: str, value: Any) -> Any:
    return float(value) if name in NUMBERS and value else value


def _old_pipeline(pipeline: Record) -> Record:
    return {
        "pipelineId": pipeline["id"],
        "label": pipeline["label"],
        "displayOrder": pipeline["displayOrder"],
        "active": not pipeline["archived"],
        "createdAt": _ms(pipeline["createdAt"]),
        "updatedAt": _ms(pipeline["updatedAt"]),
        "stages": [
            {
                "stageId": stage["id"],
                "label": stage["label"],
                "displayOrder": stage["displayOrder"],
                "metadata": stage["metadata"],
                "active": not stage["archived"],
            }
            for stage in pipeline["stages"]
        ],
    }


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _row(record: Record, types: Types) -> Record:
    row: Record = {
        "_airbyte_raw_id": str(uuid.uuid4()),
        "_airbyte_extracted_at": datetime.now(UTC),
        "_airbyte_meta": '{"changes": []}',
        "_airbyte_generation_id": 0,
    }
    for name, type_ in types.items():
        value = record.get(name)
        if value is not None and type_ is JSON:
            value = json.dumps(value)
        elif value is not None and type_ is TIME:
            value = datetime.fromisoformat(value)
        row[name.lower()] = value
    return row
