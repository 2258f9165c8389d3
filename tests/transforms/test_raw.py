from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.address import Address
from transforms import rows
from transforms.raw import Entity, Rejected, from_epoch, to_row

AT = datetime(2026, 11, 20, tzinfo=UTC)
CALLS = rows.entity(Address("gong", "calls"))
MESSAGES = rows.entity(Address("slack", "messages"))

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_a_call_keeps_what_it_came_with() -> None:
    record = {
        "metaData": {
            "id": "7782342274025937895",
            "title": "Renewal",
            "started": "2019-10-18T14:03:37.041977-07:00",
            "duration": 1800,
            "isPrivate": False,
        },
        "context": [{"system": "HubSpot", "objects": [{"objectType": "Account", "objectId": "42", "fields": []}]}],
        "somethingNew": {"from": ["the vendor"]},
    }
    row = to_row(CALLS, record, version=AT, origin="pull")
    assert not isinstance(row, Rejected)
    assert row["call_id"] == "7782342274025937895"
    assert row["started_at"] == datetime(2019, 10, 18, 21, 3, 37, 41977, UTC)
    assert (row["account_id"], row["opportunity_id"]) == ("42", None)
    assert msgspec.json.decode(str(row["payload"])) == record


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("id", None, "without its key"),
        ("id", 7782342274025937895, "expected text, received a number"),
        ("duration", "1800", "expected a whole number, received text"),
        ("duration", True, "expected a whole number, received true or false"),
        ("started", "2019-10-18T14:03:37", "expected a time with an offset"),
        ("started", "yesterday", "expected a time in ISO 8601, received other text"),
        ("isPrivate", "no", "expected true or false, received text"),
    ],
)
def test_a_field_of_another_type_rejects_the_record_and_names_the_rule(path: str, value: object, rule: str) -> None:
    record = {"metaData": {"id": "1", path: value}}
    row = to_row(CALLS, record, version=AT, origin="pull")
    assert isinstance(row, Rejected)
    assert rule in row.reason
    assert row.record == record


ENTITIES = [entity for source in rows.sources() for entity in rows.entities(source)]
NAMES = ["channel", "ts", "thread_ts", "text", "user", "edited", "id", "created", "metaData", "context", "transcript"]


@given(st.sampled_from(ENTITIES), st.dictionaries(st.sampled_from(NAMES), json))
def test_any_record_is_a_row_or_rejected(entity: Entity, record: dict[str, object]) -> None:
    row = to_row(entity, record, version=AT, origin="push")
    if not isinstance(row, Rejected):
        assert set(row) == set(entity.table.column_names)
        assert entity.table.rows([row]).num_rows == 1


@given(st.integers() | st.floats() | st.text())
def test_a_reason_never_shows_the_value(created: object) -> None:
    row = to_row(rows.entity(Address("slack", "channels")), {"id": "C1", "created": created}, version=AT, origin="pull")
    if isinstance(row, Rejected):
        assert row.reason == "slack/channels created_at: expected seconds since 1970"


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_slacks_time_is_exact_to_the_microsecond(seconds: int, micros: int) -> None:
    moment = from_epoch(f"{seconds}.{micros:06d}")
    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1 == seconds
    assert moment.microsecond == micros


def test_a_reply_is_told_from_a_parent() -> None:
    def is_reply(**fields: str) -> object:
        row = to_row(MESSAGES, {"channel": "C1", "ts": "2.000000", **fields}, version=AT, origin="pull")
        assert not isinstance(row, Rejected)
        return row["is_reply"]

    assert is_reply() is False
    assert is_reply(thread_ts="2.000000") is False
    assert is_reply(thread_ts="1.000000") is True
