"""The receiver through ASGI: what it takes, what it refuses, and that a fault of ours is never the vendor's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from pipelines import sources, webhooks
from pipelines.webhooks import Request, hubspot, slack
from pipelines.webhooks.forwarder import Forwarder
from pipelines.webhooks.journal import Delivery, Journal
from pipelines.webhooks.receiver import BODY_BYTES, create_app
from resources.profile import Profile
from tests.conftest import open_migrated, profile_for
from tests.pipelines.webhooks import signing
from tests.pipelines.webhooks.signing import Signed


class Receiver:
    """The application, and what is in its journal."""

    def __init__(self, profile: Profile, journal: Journal, app: Starlette) -> None:
        self.profile = profile
        self.journal = journal
        self.app = app

    def post(self, *signed: Signed, path: str | None = None) -> list[httpx.Response]:
        async def send() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://ours") as client:
                requests = [client.post(path or one.path, content=one.body, headers=one.headers) for one in signed]
                return list(await asyncio.gather(*requests))

        return asyncio.run(send())

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://ours") as client:
                return await client.get(path)

        return asyncio.run(ask())

    def deliveries(self) -> list[Delivery]:
        return [entry.delivery for number in self.journal.segments() for entry in self.journal.read(number)]


Open = Callable[..., Receiver]


@pytest.fixture
def open_receiver(tmp_path: Path) -> Iterator[Open]:
    opened: list[Journal] = []
    profile = profile_for(tmp_path)
    with open_migrated(profile) as warehouse:

        def build(environ: dict[str, str] | None = None, max_bytes: int = 10**8) -> Receiver:
            configured = profile_for(tmp_path, **(signing.environ() if environ is None else environ))
            journal = Journal(tmp_path / "webhooks", max_bytes)
            opened.append(journal)
            app = create_app(configured, journal, Forwarder(configured, journal, warehouse))
            return Receiver(configured, journal, app)

        yield build
        for journal in opened:
            journal.close()


def test_every_vendors_genuine_delivery_is_in_the_journal_when_it_is_answered(open_receiver: Open) -> None:
    receiver = open_receiver()
    for signed in signing.one_of_each():
        [answer] = receiver.post(signed)
        assert answer.status_code == 200, signed.source
        assert receiver.deliveries()[-1].body == signed.body
    assert [one.source for one in receiver.deliveries()] == ["slack", "hubspot", "linear", "gong"]


def test_both_secrets_are_good_during_a_rotation(open_receiver: Open) -> None:
    receiver = open_receiver()
    before = signing.SECRET_BEFORE
    event = {"type": "message", "channel": "C1", "text": "hi", "ts": "1790000000.000100"}
    old = [
        signing.slack(event, secret=before),
        signing.hubspot([signing.notice("deal.creation", 1)], secret=before),
        signing.linear("Issue", "create", {"id": "i1"}, secret=before),
        signing.gong({"metaData": {"id": "1"}}, key="before"),
    ]
    assert [answer.status_code for answer in receiver.post(*old)] == [200] * 4
    strange = [signing.slack(event, secret="strange"), signing.gong({"metaData": {"id": "1"}}, key="strange")]
    assert [answer.status_code for answer in receiver.post(*strange)] == [401] * 2


@pytest.mark.parametrize("number", range(4))
def test_a_changed_body_header_or_time_is_refused(open_receiver: Open, number: int) -> None:
    receiver = open_receiver()
    signed = signing.one_of_each()[number]
    forged = [replace(signed, body=signed.body.replace(b"1", b"2", 1)), replace(signed, headers={})]
    for name, value in signed.headers.items():
        if name not in ("Linear-Delivery", "Linear-Event"):  # these are not signed
            forged.append(replace(signed, headers=signed.headers | {name: value[:-2] + "00"}))
    assert {answer.status_code for answer in receiver.post(*forged)} == {401}
    assert receiver.deliveries() == []


@pytest.mark.parametrize("off_s", [-400, 400])
def test_a_signed_time_too_far_from_ours_is_refused(open_receiver: Open, off_s: float) -> None:
    receiver = open_receiver()
    at = time.time() + off_s
    event = {"type": "message", "channel": "C1", "text": "hi", "ts": "1790000000.000100"}
    old = [
        signing.slack(event, at=at),
        signing.hubspot([signing.notice("deal.creation", 1)], at=at),
        signing.linear("Issue", "create", {"id": "i1"}, at=at),
    ]
    assert [answer.status_code for answer in receiver.post(*old)] == [401] * 3
    [expired] = receiver.post(signing.gong({"metaData": {"id": "1"}}, at=time.time() - 400))
    assert expired.status_code == 401


def test_gongs_token_is_for_one_webhook_and_one_body(open_receiver: Open) -> None:
    receiver = open_receiver()
    call = {"metaData": {"id": "1"}}
    forged = [
        signing.gong(call, webhook_url="https://elsewhere.example.com/webhooks/gong"),
        signing.gong(call, body_sha256="0" * 64),
        signing.gong(call, body_sha256=None),
        signing.gong(call, exp="soon"),
    ]
    assert [answer.status_code for answer in receiver.post(*forged)] == [401] * 4
    bearer = signing.gong(call)
    bearer.headers["Authorization"] = f"Bearer {bearer.headers['Authorization']}"
    assert [answer.status_code for answer in receiver.post(bearer)] == [200]


def test_the_published_vectors(open_receiver: Open) -> None:
    settings = profile_for(
        Path(),
        SOPHIA_HUBSPOT_WEBHOOK_URL="https://www.example.com/webhook_uri",
        SOPHIA_HUBSPOT_WEBHOOK_SECRET="yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        SOPHIA_SLACK_WEBHOOK_URL="https://www.example.com/slack",
        SOPHIA_SLACK_WEBHOOK_SECRET="8f742231b10e8888abcd99yyyzzz85a5",
    )
    of = {source: settings.section(source, sources.module(source).Settings) for source in ("hubspot", "slack")}
    sent_at = datetime.fromtimestamp(1_693_657_560, UTC)
    signature = "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
    headers = {"x-hubspot-request-timestamp": "1693657560000", "x-hubspot-signature-v3": signature}
    body = b"{'example_field':'example_value'}"
    assert hubspot.verify(Request("POST", headers, body), of["hubspot"], sent_at) == sent_at
    with pytest.raises(webhooks.Forged):
        hubspot.verify(Request("POST", headers, body + b" "), of["hubspot"], sent_at)

    sent_at = datetime.fromtimestamp(1_531_420_618, UTC)
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"x-slack-request-timestamp": "1531420618", "x-slack-signature": signature}
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert slack.verify(Request("POST", headers, body), of["slack"], sent_at) == sent_at


def test_hubspot_decodes_what_its_page_lists_and_nothing_else() -> None:
    assert hubspot.signed_url("https://a.example/x%3Ay?q=%2F%20%2b") == "https://a.example/x:y?q=/%20%2b"


def test_slacks_handshake_is_answered_where_it_is_signed(open_receiver: Open) -> None:
    receiver = open_receiver()
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "ch4ll"}).encode()
    [good] = receiver.post(signing.slack_body(body))
    assert (good.status_code, good.text) == (200, "ch4ll")
    [bad] = receiver.post(signing.slack_body(body, secret="strange"))
    assert bad.status_code == 401
    assert receiver.deliveries() == []


def test_more_than_a_mebibyte_is_not_read(open_receiver: Open) -> None:
    receiver = open_receiver()
    [most] = receiver.post(signing.slack_body(b" " * BODY_BYTES))
    [more] = receiver.post(signing.slack_body(b" " * (BODY_BYTES + 1)))
    assert (most.status_code, more.status_code) == (200, 413)

    asked = 0

    async def endless() -> dict[str, object]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    statuses: list[int] = []

    async def tell(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(int(str(message["status"])))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/slack",
        "raw_path": b"/webhooks/slack",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "server": ("ours", 80),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(receiver.app(scope, endless, tell))  # type: ignore[arg-type]
    assert statuses == [413]
    assert asked <= BODY_BYTES // 65_536 + 1


def test_what_is_our_fault_has_the_vendor_try_again(open_receiver: Open) -> None:
    receiver = open_receiver(environ={})
    answers = {signed.source: receiver.post(signed)[0] for signed in signing.one_of_each()}
    expected = {"gong": 503, "hubspot": 429, "linear": 503, "slack": 503}
    assert {source: answer.status_code for source, answer in answers.items()} == expected
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers.values())


def test_a_full_journal_has_the_vendor_try_again_and_the_balancer_look_elsewhere(open_receiver: Open) -> None:
    receiver = open_receiver(max_bytes=100)
    assert receiver.get("/ready").status_code == 200
    first, *rest = signing.one_of_each()
    assert [answer.status_code for answer in receiver.post(first)] == [200]
    assert [answer.status_code for answer in receiver.post(*rest)] == [429, 503, 503]
    assert receiver.get("/ready").status_code == 503
    assert receiver.get("/health").status_code == 200


def test_prometheus_is_told(open_receiver: Open) -> None:
    receiver = open_receiver()
    receiver.post(*signing.one_of_each())
    told = receiver.get("/metrics").text
    assert 'sophia_webhook_answers_total{source="slack",status="200"} 1.0' in told
    assert "sophia_journal_bytes" in told
