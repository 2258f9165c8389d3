"""Alerts over the wire: Slack's webhook as the sandbox answers it, and a mail server."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import sandbox
from contracts.errors import InvalidSetting, VendorRefused, VendorUnavailable
from resources.alerts import CHANNELS, Alert, Channel, Mail, Slack, channel, text
from resources.broker import free_port
from resources.profile import AlertSettings
from tests.conftest import vendors
from tests.resources.mail_server import mail_server

VENDOR = "slack_incoming_webhook"


def alert(number: int = 1, line: str = "Gong does not answer (HTTP 503). Try again later.") -> Alert:
    return Alert(
        what=f"job gong_pull, step gong{number}",
        made=("gong/calls", "gong/users", "gong/transcripts", "catalog/gong"),
        line=line,
        run_id=f"run-{number}",
        runbook="docs/runbooks/vendor-down.md",
    )


@pytest.fixture(scope="module")
def control() -> Iterator[sandbox.Control]:
    with vendors(scale=0.1, limit_speedup=10_000) as running:
        yield running


@pytest.fixture
def slack(control: sandbox.Control) -> Slack:
    control.clear_faults()
    return Slack(control.slack_webhook_url)


def test_a_message_says_what_failed_why_where_and_which_page_to_open() -> None:
    assert text([alert()]).splitlines() == [
        "Failed: job gong_pull, step gong1",
        "",
        "job gong_pull, step gong1 (gong/calls, gong/users, gong/transcripts, …)",
        "Gong does not answer (HTTP 503). Try again later.",
        "run run-1, runbook docs/runbooks/vendor-down.md",
    ]


def test_a_storm_is_one_message_of_bounded_length() -> None:
    message = text([alert(number, line="x" * 5_000) for number in range(50)])
    assert message.startswith("50 failures\n")
    assert message.endswith("and 40 more; the runs in Dagster's UI have them all")
    assert len(message) < 40_000 / 5  # Slack cuts at 40,000 characters, and & becomes &amp;


def test_slack_gets_it_and_calls_nobody(control: sandbox.Control, slack: Slack) -> None:
    before = len(control.posted())
    slack.send([alert(line="a <!channel> & b")])
    [posted] = control.posted()[before:]
    assert set(posted) == {"text"}
    assert "a &lt;!channel&gt; &amp; b" in posted["text"]


def test_slack_is_asked_again_after_the_time_it_names(control: sandbox.Control, slack: Slack) -> None:
    before, began = len(control.posted()), time.monotonic()
    control.fault(VENDOR, "rate_limited", retry_after_s=2)
    slack.send([alert()])
    assert time.monotonic() - began >= 2
    assert len(control.posted()) == before + 1


def test_a_passing_failure_of_slacks_is_tried_again(control: sandbox.Control, slack: Slack) -> None:
    before = len(control.posted())
    control.fault(VENDOR, "status", status=500)
    control.fault(VENDOR, "cut")
    slack.send([alert()])
    assert len(control.posted()) in (before + 1, before + 2)  # what was cut may have been posted


def test_a_long_wait_is_left_to_the_next_tick(control: sandbox.Control, slack: Slack) -> None:
    began = time.monotonic()
    control.fault(VENDOR, "rate_limited", retry_after_s=3_600)
    with pytest.raises(VendorUnavailable, match="HTTP 429, rate_limited"):
        slack.send([alert()])
    assert time.monotonic() - began < 5


def test_a_slack_that_stays_down_is_an_error(control: sandbox.Control, slack: Slack) -> None:
    control.fault(VENDOR, "status", status=503, times=9)
    with pytest.raises(VendorUnavailable, match="HTTP 503") as failure:
        slack.send([alert()])
    assert control.slack_webhook_url not in str(failure.value)
    control.clear_faults()
    with pytest.raises(VendorUnavailable, match="ConnectionRefusedError"):
        Slack(f"http://127.0.0.1:{free_port()}/services/T/B/secret").send([alert()])


@pytest.mark.parametrize(
    ("status", "word"), [(403, "action_prohibited"), (404, "no_service"), (410, "channel_is_archived")]
)
def test_a_webhook_that_refuses_is_an_error_at_once(
    control: sandbox.Control, slack: Slack, status: int, word: str
) -> None:
    control.fault(VENDOR, "status", status=status)
    with pytest.raises(VendorRefused, match=f"{status}: {word}.*SOPHIA_ALERTS_SLACK_WEBHOOK"):
        slack.send([alert()])


def test_what_answers_and_is_not_slack_has_not_been_told(control: sandbox.Control) -> None:
    with pytest.raises(VendorRefused, match="no answer of Slack's"):
        Slack(f"{control.url}/_sandbox/nothing/here").send([alert()])


@pytest.mark.parametrize(
    "url", ["hooks.slack.com/services/x", "ftp://slack/x", "https:///x", "http://[x", "https://a/ü"]
)
def test_a_secret_that_is_no_url_is_not_shown(url: str) -> None:
    with pytest.raises(InvalidSetting, match="SOPHIA_ALERTS_SLACK_WEBHOOK") as failure:
        Slack(url)
    assert url not in str(failure.value)
    assert failure.value.__cause__ is None


def test_mail_is_delivered() -> None:
    with mail_server() as server:
        Mail(AlertSettings(email_to="ops@sophia.example, on-call@sophia.example", smtp_port=server.port)).send(
            [alert()]
        )
    [mail] = server.taken
    assert server.recipients == ["ops@sophia.example", "on-call@sophia.example"]
    assert mail["Subject"] == "Failed: job gong_pull, step gong1"
    assert mail["From"] == "sophia@localhost"
    assert mail.get_content().splitlines() == text([alert()]).splitlines()


def test_a_password_goes_through_tls(tmp_path: Path) -> None:
    server_side, client_side = certificate(tmp_path)
    with mail_server(tls=server_side, password="pw") as server:
        settings = AlertSettings(email_to="a@b.example", smtp_port=server.port, smtp_user="sophia", smtp_password="pw")
        Mail(settings, client_side).send([alert()])
        assert (server.encrypted, len(server.taken)) == ([True], 1)
        with pytest.raises(VendorUnavailable, match="SSLCertVerificationError"):  # a stranger's certificate
            Mail(settings).send([alert()])
        assert len(server.encrypted) == 1


def test_a_password_without_tls_stays_on_this_machine() -> None:
    with mail_server(password="pw") as server:
        settings = AlertSettings(email_to="a@b.example", smtp_port=server.port, smtp_user="sophia", smtp_password="pw")
        Mail(settings).send([alert()])
        assert server.encrypted == [False]
    with mail_server(password="pw", host="127.0.0.2") as server:
        elsewhere = AlertSettings(
            email_to="a@b.example", smtp_host="127.0.0.2", smtp_port=server.port, smtp_user="sophia", smtp_password="pw"
        )
        with pytest.raises(InvalidSetting, match="STARTTLS"):
            Mail(elsewhere).send([alert()])
        assert server.encrypted == []


def test_a_wrong_password_is_an_error_at_once() -> None:
    with mail_server(password="pw") as server:
        settings = AlertSettings(email_to="a@b.example", smtp_port=server.port, smtp_user="sophia", smtp_password="no")
        with pytest.raises(VendorRefused, match=r"535.*SOPHIA_ALERTS_SMTP_PASSWORD"):
            Mail(settings).send([alert()])
        assert len(server.encrypted) == 1


def test_a_server_that_says_later_is_asked_again() -> None:
    with mail_server(answers=("451 later",)) as server:
        Mail(AlertSettings(email_to="a@b.example", smtp_port=server.port)).send([alert()])
        assert len(server.taken) == 1


def test_a_server_that_refuses_everybody_is_an_error_at_once() -> None:
    with mail_server(answers=("550 nobody",)) as server:
        with pytest.raises(VendorRefused, match=r"550.*SOPHIA_ALERTS_EMAIL_TO"):
            Mail(AlertSettings(email_to="a@b.example", smtp_port=server.port)).send([alert()])
        assert server.taken == []


def test_one_refused_recipient_does_not_keep_it_from_the_others() -> None:
    with mail_server(answers=("550 nobody",)) as server, structlog.testing.capture_logs() as logged:
        Mail(AlertSettings(email_to="a@b.example, c@d.example", smtp_port=server.port)).send([alert()])
        assert server.recipients == ["c@d.example"]
    assert logged == [{"event": "alert_recipients_refused", "refused": 1, "log_level": "error"}]


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(VendorUnavailable, match=r"smtp://127\.0\.0\.1.*ConnectionRefusedError"):
        Mail(AlertSettings(email_to="a@b.example", smtp_port=free_port())).send([alert()])


@pytest.mark.parametrize(
    ("settings", "set_up"),
    [
        ({}, ["log"]),
        ({"slack_webhook": "https://hooks.slack.example/x"}, ["slack"]),
        ({"email_to": "a@b.example"}, ["mail"]),
        ({"slack_webhook": "https://hooks.slack.example/x", "email_to": "a@b.example"}, ["slack", "mail"]),
    ],
)
def test_the_log_is_told_where_nobody_is(settings: dict[str, str], set_up: list[str]) -> None:
    assert [name for name in CHANNELS if channel(AlertSettings(**settings), name) is not None] == set_up


def test_the_log_holds_every_alert() -> None:
    log: Channel | None = channel(AlertSettings(), "log")
    assert log is not None
    with structlog.testing.capture_logs() as logged:
        log.send([alert(1), alert(2)])
    assert [(line["event"], line["run_id"]) for line in logged] == [
        ("failure_told", "run-1"),
        ("failure_told", "run-2"),
    ]


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server of this machine's, and a client that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    public, both = folder / "public.pem", folder / "both.pem"
    public.write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both.write_bytes(private + public.read_bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cafile=str(public))
