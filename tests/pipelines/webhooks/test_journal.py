"""The journal: what it has taken is there, whatever was cut off or spoiled behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import JournalFull, JournalTaken
from pipelines.webhooks import journal as journal_module
from pipelines.webhooks.journal import Delivery, Journal

AT = datetime(2026, 11, 20, tzinfo=UTC)


def delivery(body: bytes) -> Delivery:
    return Delivery(source="slack", received_at=AT, body=body)


def bodies(journal: Journal) -> list[bytes]:
    return [entry.delivery.body for number in journal.segments() for entry in journal.read(number)]


def test_what_was_taken_is_read_by_the_next_process(tmp_path: Path) -> None:
    with Journal(tmp_path, 10**6) as journal:
        for waiting in [journal.append(delivery(b"%d" % n)) for n in range(700)]:
            waiting.result(10)
    with Journal(tmp_path, 10**6) as journal:
        assert bodies(journal) == [b"%d" % n for n in range(700)]
        journal.append(delivery(b"after")).result(10)
        assert len(journal.segments()) == 2, "a process never writes behind what another may have left half"
        assert bodies(journal)[-1] == b"after"


@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=8), cut=st.integers(0, 10**6), flip=st.booleans())
def test_a_cut_or_spoiled_segment_gives_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cut: int, flip: bool
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    written = [bytes([n]) * size for n, size in enumerate(sizes)]
    with Journal(folder, 10**6) as journal:
        for body in written:
            journal.append(delivery(body)).result(10)
    [segment] = folder.glob("*.log")
    content = bytearray(segment.read_bytes())
    place = cut % len(content)
    if flip:
        content[place] ^= 0x40
    else:
        del content[place:]
    segment.write_bytes(content)
    with Journal(folder, 10**6) as journal:
        found = bodies(journal)
    assert found == written[: len(found)]
    assert len(found) < len(written)


def test_a_segment_is_forgotten_with_its_mark(tmp_path: Path) -> None:
    with Journal(tmp_path, 10**6) as journal:
        journal.append(delivery(b"one")).result(10)
    with Journal(tmp_path, 10**6) as journal:
        [number] = journal.segments()
        assert journal.bytes > 0
        journal.mark_sent(number, {"topic:events.slack.v1:id:0": 1})
        assert journal.sent() == {number: {"topic:events.slack.v1:id:0": 1}}
        journal.forget(number)
        assert (journal.segments(), journal.sent(), journal.bytes) == ([], {}, 0)


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path, 10**6), pytest.raises(JournalTaken, match="SOPHIA_HOME"):
        Journal(tmp_path, 10**6)


def test_a_full_journal_says_so_and_takes_again_when_something_has_landed(tmp_path: Path) -> None:
    with Journal(tmp_path, 100) as journal:
        journal.append(delivery(b"x" * 100)).result(10)
        with pytest.raises(JournalFull, match="SOPHIA_WEBHOOKS_JOURNAL_MB"):
            journal.append(delivery(b"y"))
    with Journal(tmp_path, 100) as journal:
        journal.forget(journal.segments()[0])
        journal.append(delivery(b"z")).result(10)
        assert bodies(journal) == [b"z"]


def test_a_finished_segment_is_closed_though_nothing_comes(tmp_path: Path) -> None:
    with Journal(tmp_path, 10**9) as journal:
        block = b"x" * (journal_module.SEGMENT_BYTES // 2)
        for _ in range(3):
            journal.append(delivery(block)).result(10)
        first, second = journal.segments()
        assert not journal.is_open(first)
        assert journal.is_open(second)
