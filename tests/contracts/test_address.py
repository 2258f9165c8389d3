from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.address import Address, dead_letter_topic

names = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)


def test_one_address_has_three_spellings() -> None:
    address = Address("gong", "calls")
    assert address.asset_key == ("gong", "calls")
    assert address.table == "GONG_INTEGRATION.CALLS"
    assert address.topic == "events.gong.v1"
    assert dead_letter_topic(address.topic) == "events.gong.v1.dlq"


@given(names, names)
def test_an_address_survives_its_text(source: str, entity: str) -> None:
    assert Address.parse(str(Address(source, entity))) == Address(source, entity)


@pytest.mark.parametrize("source", ["Gong", "gong calls", "", "1gong", "gong;DROP"])
def test_what_is_no_name_in_all_three_systems_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="snake_case"):
        Address(source, "calls")
