from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Document, Section
from transforms.documents import compose, split

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def call(**fields: Any) -> dict[str, Any]:
    parties = [{"speakerId": "s1", "name": "Ada"}, {"speakerId": "s2", "name": "Bo"}, {"name": "Listener"}, {"id": "x"}]
    row = {
        "call_id": "77",
        "title": "Renewal",
        "started_at": AT,
        "is_private": False,
        "direction": "Conference",
        "scope": "External",
        "account_id": None,
        "opportunity_id": None,
        "duration_s": 60,
        "url": None,
        "payload": {"parties": parties},
    }
    return row | fields


def transcript(*monologues: tuple[str | None, list[str]]) -> dict[str, Any]:
    said = [
        {
            "speakerId": speaker,
            "sentences": [{"start": 1000 * i, "end": 1000 * i + 900, "text": t} for i, t in enumerate(texts)],
        }
        for speaker, texts in monologues
    ]
    return {"call_id": "77", "payload": {"transcript": said}}


def message(ts: str, text: str, **fields: Any) -> dict[str, Any]:
    row = {
        "channel_id": "C1",
        "ts": ts,
        "text": text,
        "thread_ts": None,
        "subtype": None,
        "user_id": "U1",
        "bot_id": None,
    }
    return row | {"payload": {}} | fields


CHANNEL = {"channel_id": "C1", "name": "sales", "is_private": False, "is_archived": False, "payload": {}}
USER = {"user_id": "U1", "display_name": "", "real_name": "Ada L", "name": "ada", "payload": {}}


def test_a_call_is_its_turns_with_names_and_seconds() -> None:
    [document] = compose(
        "gong:call:77",
        {
            "calls": [call()],
            "transcripts": [transcript(("s1", ["Hi.", "How are you?"]), ("s9", ["Fine."]), ("s2", [" "]))],
        },
    )
    assert document.text == "Ada: Hi. How are you?\nUnknown speaker: Fine."
    assert (document.sections[0].start_s, document.sections[0].end_s) == (0.0, 1.9)
    assert document.header == "Call, 2026-11-20: Ada, Bo, Listener"
    assert (document.access_scope, document.metadata["tags"]) == ("public", ["conference", "external"])


@pytest.mark.parametrize("parts", [{}, {"calls": [call()]}, {"transcripts": [transcript(("s1", ["Hi."]))]}])
def test_a_call_without_its_transcript_is_no_document(parts: Any) -> None:
    assert compose("gong:call:77", parts) == []


def test_a_private_call_is_not_public() -> None:
    [document] = compose(
        "gong:call:77", {"calls": [call(is_private=True)], "transcripts": [transcript(("s1", ["Hi."]))]}
    )
    assert document.access_scope == "gong:call:77"


def test_a_message_moves_from_its_day_to_a_thread_with_its_first_reply() -> None:
    loose = {"messages": [message("1795165200.000100", "anyone?")], "channels": [CHANNEL], "users": [USER]}
    assert compose("slack:thread:C1/1795165200.000100", loose) == []
    [day] = compose("slack:day:C1/2026-11-20", loose)
    assert (day.text, day.title, day.metadata["people"]) == ("anyone?", "#sales, 2026-11-20", ["Ada L"])

    root = message("1795165200.000100", "anyone?", thread_ts="1795165200.000100")
    reply = message("1795165260.000100", "yes", thread_ts="1795165200.000100")
    threaded = {"messages": [reply, root], "channels": [CHANNEL]}
    [thread] = compose("slack:thread:C1/1795165200.000100", threaded)
    assert thread.text == "anyone?\nyes"
    assert [s.start_s for s in thread.sections] == [0.0, 60.0]
    assert compose("slack:day:C1/2026-11-20", {"messages": [root], "channels": [CHANNEL]}) == []


@pytest.mark.parametrize("channels", [[], [CHANNEL | {"is_private": True}]])
def test_a_channel_that_is_private_or_unknown_is_not_public(channels: list[dict[str, Any]]) -> None:
    [document] = compose("slack:day:C1/2026-11-20", {"messages": [message("1.000000", "hm")], "channels": channels})
    assert document.access_scope == "slack:channel:C1"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("see <https://example.com/a|the page> &amp; <https://example.com>", "see the page & https://example.com"),
        ("<@U1|ada> in <#C2|general> <!here> 1 &lt; 2", "@ada in #general @here 1 < 2"),
    ],
)
def test_slacks_markup_is_read(raw: str, shown: str) -> None:
    [document] = compose("slack:day:C1/2026-11-20", {"messages": [message("1.000000", raw)], "channels": [CHANNEL]})
    assert document.text == shown


def test_noise_is_no_document_and_names_are_not_embedded() -> None:
    joined = message("1.000000", "<@U1> has joined", subtype="channel_join")
    assert compose("slack:day:C1/2026-11-20", {"messages": [joined], "channels": [CHANNEL]}) == []
    said = {"messages": [message("1.000000", "hello")], "channels": [CHANNEL], "users": [USER]}
    renamed = said | {"users": [USER | {"display_name": "Countess"}], "channels": [CHANNEL | {"name": "deals"}]}
    [before], [after] = compose("slack:day:C1/2026-11-20", said), compose("slack:day:C1/2026-11-20", renamed)
    assert before.content_hash == after.content_hash
    assert (before.title, before.metadata) != (after.title, after.metadata)


sections = st.lists(st.builds(Section, text=st.text(max_size=300), speaker=st.sampled_from(["", "Ada"])), max_size=12)


@given(sections, st.integers(60, 400))
def test_a_long_document_is_split_and_nothing_is_lost(parts: list[Section], limit: int) -> None:
    whole = Document(
        document_id="gong:call:77",
        source_system="gong",
        data_type="call",
        access_scope="public",
        title="",
        header="",
        sections=tuple(parts),
        metadata={},
        occurred_at=AT,
    )
    pieces = list(split(whole, limit))
    assert "".join(s.text for p in pieces for s in p.sections) == "".join(s.text for s in parts)
    assert [p.document_id for p in pieces] == [
        "gong:call:77",
        *(f"gong:call:77#{n}" for n in range(2, len(pieces) + 1)),
    ]
    assert all(len(p.text) <= limit for p in pieces)


def test_the_hash_is_of_what_is_embedded_or_decides_who_reads() -> None:
    [document] = compose("gong:call:77", {"calls": [call()], "transcripts": [transcript(("s1", ["Hi."]))]})
    same = msgspec.structs.replace(document, title="Other", metadata={}, revision=9)
    assert same.content_hash == document.content_hash
    for change in ({"access_scope": "gong:call:77"}, {"header": "x"}, {"sections": ()}):
        assert msgspec.structs.replace(document, **change).content_hash != document.content_hash
