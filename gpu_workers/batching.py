"""Rows of unlike length → batches that waste little on padding."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.errors import PermanentError


class RowTooLong(PermanentError):
    """One row alone exceeds the budget of a batch."""

    def __init__(self, index: int, length_tokens: int, budget_tokens: int) -> None:
        self.index = index
        self.length_tokens = length_tokens
        super().__init__(f"row {index} has {length_tokens:,} tokens; a batch holds {budget_tokens:,}")


def pack_by_tokens(lengths: Sequence[int], budget_tokens: int) -> list[list[int]]:
    """Group rows so that no padded batch exceeds the budget.

    Args:
        lengths: tokens a row before padding, shape (n,).
        budget_tokens: padded tokens that one forward pass may hold: rows x longest row.
    Returns:
        Row indices, longest first; each index exactly once.
    Raises:
        RowTooLong: one row alone exceeds the budget; carries `index` and `length_tokens`.
    """
    batches: list[list[int]] = []
    room = 0  # rows that the last batch still takes: its first row is its longest
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not room:
            if lengths[index] > budget_tokens:
                raise RowTooLong(index, lengths[index], budget_tokens)
            batches.append([])
            room = budget_tokens // max(lengths[index], 1)
        batches[-1].append(index)
        room -= 1
    return batches
