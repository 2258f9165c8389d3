"""Limits in real time: what is refused, for how long, and how a speed-up shortens it."""

from __future__ import annotations

import time
from typing import Any

from sandbox.gong import LIMITS
from sandbox.limits import Limit, Limiter


def test_a_window_slides_and_a_refused_request_does_not_count() -> None:
    limiter, limit = Limiter(speedup=100), Limit(3, 50.0)
    assert [limiter.wait_s("key", limit) for _ in range(3)] == [None] * 3
    assert [limiter.wait_s("key", limit) for _ in range(5)] == [1] * 5
    assert limiter.wait_s("other", limit) is None
    time.sleep(0.55)
    assert limiter.wait_s("key", limit) is None


def test_the_wait_is_rounded_up_to_whole_seconds() -> None:
    limiter, day = Limiter(), Limit(1, 86_400.0)
    assert limiter.wait_s("key", day) is None
    assert limiter.wait_s("key", day) == 86_400


def test_the_longest_wait_of_several_limits_counts() -> None:
    limiter, limits = Limiter(), (Limit(5, 1.0), Limit(2, 60.0))
    assert [limiter.wait_s("key", *limits) for _ in range(3)] == [None, None, 60]


def test_gong_allows_three_a_second(open_sandbox: Any) -> None:
    readers = open_sandbox(limit_speedup=1.0)
    answers = [readers.gong.get("/v2/users") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert set(answers[-1].json()) == {"requestId", "errors"}
    time.sleep(1.0)
    assert readers.gong.get("/v2/users").status_code == 200


def test_gong_allows_ten_thousand_a_day() -> None:
    limiter, day = Limiter(), LIMITS[1]
    assert all(limiter.wait_s("gong", day) is None for _ in range(10_000))
    assert 86_000 < (limiter.wait_s("gong", day) or 0) <= 86_400


def test_slack_limits_each_method_by_its_tier(open_sandbox: Any) -> None:
    readers = open_sandbox(limit_speedup=1.0)
    general = readers.channel("general")
    for method, allowed in (("users.list", 20), ("conversations.info", 50), ("conversations.members", 100)):
        answers = [readers.slack_response(method, channel=general, limit=1) for _ in range(allowed + 1)]
        assert [answer.status_code for answer in answers] == [200] * allowed + [429]
        assert answers[-1].json() == {"ok": False, "error": "ratelimited"}
        assert 50 <= int(answers[-1].headers["retry-after"]) <= 60


def test_a_speed_up_makes_a_minute_a_second(open_sandbox: Any) -> None:
    readers = open_sandbox(limit_speedup=60.0, slack_restricted=True)
    general = readers.channel("general")
    statuses = [readers.slack_response("conversations.history", channel=general).status_code for _ in range(2)]
    assert statuses == [200, 429]
    time.sleep(1.0)
    assert readers.slack("conversations.history", channel=general)["ok"]
