"""Slack's incoming webhook: what it takes, in which word it refuses, and that the world does not change."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import sandbox


def post(url: str, body: bytes = b'{"text": "down"}') -> tuple[int, str]:
    answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, trust_env=False)
    return answer.status_code, answer.text


def test_what_is_posted_is_kept_beside_the_world(readers: Any) -> None:
    before = readers.control.counts()
    url = readers.control.slack_webhook_url
    assert post(url) == (200, "ok")
    assert post(url, b'{"blocks": [{"type": "divider"}]}') == (200, "ok")
    assert readers.control.posted() == [{"text": "down"}, {"blocks": [{"type": "divider"}]}]
    assert readers.control.counts() == before


@pytest.mark.parametrize("body", [b"", b"text", b"[]", b'{"text": '])
def test_what_is_no_payload_is_refused(readers: Any, body: bytes) -> None:
    assert post(readers.control.slack_webhook_url, body) == (400, "invalid_payload")
    assert readers.control.posted() == []


def test_a_message_says_something(readers: Any) -> None:
    assert post(readers.control.slack_webhook_url, b'{"text": ""}') == (400, "no_text")


def test_another_webhook_is_not_there_and_another_secret_is_refused(readers: Any) -> None:
    url = readers.control.slack_webhook_url
    assert post(url.replace("B0SANDBOX", "B0OTHER")) == (404, "no_service")
    assert post(url + "x") == (403, "invalid_token")


def test_a_message_a_second(open_sandbox: Any) -> None:
    control: sandbox.Control = open_sandbox(limit_speedup=1).control
    assert post(control.slack_webhook_url) == (200, "ok")
    answer = httpx.post(control.slack_webhook_url, json={"text": "again"}, trust_env=False)
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "rate_limited", "1")
    assert len(control.posted()) == 1


def test_faults_can_be_ordered(readers: Any) -> None:
    for status, word in ((410, "channel_is_archived"), (500, "rollup_error")):
        readers.control.fault("slack_incoming_webhook", "status", status=status)
        assert post(readers.control.slack_webhook_url) == (status, word)
    assert readers.control.requests()["slack_incoming_webhook"]["/T0SANDBOX/B0SANDBOX/sandbox-webhook"]["total"] == 2
