"""Real meetings and a real export through the APIs: nothing is lost and nothing is made up."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandbox.real_material import spoken_text
from sandbox.world import open_world


@pytest.fixture(scope="module")
def real(shared: Path, module_sandbox: Any) -> Iterator[Any]:
    if not (shared / "data" / "qmsum").is_dir():
        pytest.skip("needs shared/data with qmsum and slack_export")
    with module_sandbox(data=shared / "data", limit_speedup=math.inf) as readers:
        yield readers


@pytest.fixture(scope="module")
def dump(real: Any) -> dict[str, list[Any]]:
    """The truth, read once: it is some megabytes."""
    return real.control.dump()


def test_markers_and_spaced_punctuation_go() -> None:
    assert (
        spoken_text("Okay {vocalsound} , so um {disfmarker} is it , I mean , done ?")
        == "Okay, so um is it, I mean, done?"
    )
    assert spoken_text("{gap}") == ""


def test_every_meeting_is_a_public_call_with_a_transcript(real: Any, dump: Any) -> None:
    counts = real.control.counts()
    assert counts["gong.calls"] == counts["gong.transcripts"] == 60
    assert not any(call["metaData"]["isPrivate"] or call["context"] for call in dump["gong.calls"])
    users = {user["id"] for user in dump["gong.users"]}
    assert {party["userId"] for call in dump["gong.calls"] for party in call["parties"]} == users
    assert len(users) > 100
    text = json.dumps(dump["gong.transcripts"])
    assert not any(marker in text for marker in ("{vocalsound}", "{disfmarker}", "{gap}", " ,", " ."))


def test_a_sentence_takes_400_ms_a_word(dump: Any) -> None:
    transcript = dump["gong.transcripts"][0]["transcript"]
    clock_ms = 0
    for monologue in transcript:
        for sentence in monologue["sentences"]:
            assert sentence["start"] == clock_ms
            clock_ms += 400 * len(sentence["text"].split())
            assert sentence["end"] == clock_ms
    speakers = [monologue["speakerId"] for monologue in transcript]
    assert all(one != other for one, other in pairwise(speakers))


def test_every_word_that_was_spoken_is_there(real: Any, dump: Any, shared: Path) -> None:
    meeting = json.loads((shared / "data" / "qmsum" / "ES2002a.json").read_text())
    said = " ".join(spoken_text(turn["content"]) for turn in meeting["meeting_transcripts"]).split()
    call = next(c for c in dump["gong.calls"] if c["metaData"]["title"].startswith("ES2002a"))
    row = real.gong_post("/v2/calls/transcript", filter={"callIds": [call["metaData"]["id"]]}).json()[
        "callTranscripts"
    ][0]
    assert " ".join(s["text"] for m in row["transcript"] for s in m["sentences"]).split() == said


def test_every_message_of_the_export_is_read(real: Any, dump: Any, shared: Path) -> None:
    folder = shared / "data" / "slack_export"
    exported = [message for day in folder.glob("*/*.json") for message in json.loads(day.read_text())]
    channels = [c for page in real.slack_pages("conversations.list", "channels") for c in page]
    read = [
        message
        for channel in channels
        for page in real.slack_pages("conversations.history", "messages", channel=channel["id"], limit=200)
        for message in page
    ]
    assert len(channels) == 16
    assert sum(channel["is_archived"] for channel in channels) == 9
    assert all(isinstance(channel["created"], int) for channel in channels)
    assert sorted(read, key=json.dumps) == sorted(exported, key=json.dumps)
    assert len(read) == real.control.counts()["slack.messages"] == 1382
    assert len(real.slack("users.list")["members"]) == 71
    general = next(c["id"] for c in dump["slack.channels"] if c["name"] == "general")
    assert len(real.slack("conversations.members", channel=general, limit=999)["members"]) == 71


def test_half_of_the_material_is_enough(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "slack_export").symlink_to(shared / "data" / "slack_export")
    counts = open_world(data=tmp_path).counts()
    assert (counts["gong.calls"], counts["slack.messages"]) == (0, 1382)
