"""Laws of packing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_workers.batching import RowTooLong, pack_by_tokens

lengths = st.lists(st.integers(0, 300), max_size=200)


@given(lengths, st.integers(300, 3_000))
def test_each_row_once_longest_first_and_no_batch_over_the_budget(lengths: list[int], budget: int) -> None:
    packed = pack_by_tokens(lengths, budget)
    flat = [row for batch in packed for row in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[row] for row in flat] == sorted(lengths, reverse=True)
    for batch in packed:
        assert batch
        assert len(batch) * max(lengths[row] for row in batch) <= budget


@given(st.lists(st.integers(1, 300), min_size=1, max_size=200), st.integers(300, 3_000))
def test_a_batch_is_closed_only_when_the_next_row_does_not_fit(lengths: list[int], budget: int) -> None:
    for batch in pack_by_tokens(lengths, budget)[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_a_row_that_is_too_long_is_named() -> None:
    with pytest.raises(RowTooLong, match=r"row 1 has 1,001 tokens; a batch holds 1,000") as caught:
        pack_by_tokens([5, 1_001, 7], 1_000)
    assert (caught.value.index, caught.value.length_tokens) == (1, 1_001)
