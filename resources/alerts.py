"""Alerts: what has failed, told in one message to Slack, by mail, or in the log.

    assets.alerts: sensors ─► [Alert, …] ─► one text ─► Slack | Mail | Log

Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks. The URL is a secret, and urllib is
the client that writes it to no log: httpx does at INFO, urllib3 at DEBUG.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from http.client import HTTPException
from typing import NamedTuple, NoReturn, Protocol
from urllib.parse import urlsplit

import msgspec
import structlog
import tenacity

from contracts.errors import InvalidSetting, VendorRefused, VendorUnavailable
from resources.profile import AlertSettings

log = structlog.get_logger()

TIMEOUT_S = 10.0
TRIES = 3
LONGEST_S = 25.0
"""All tries together; a sensor's tick has 60 s, and what is not told in one is told in the next."""
SHOWN = 10
"""Alerts that a message spells out; the rest it counts."""
LINE_CHARACTERS = 400
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One failure; holds no row's values, no secret, no traceback."""

    what: str
    """`job gong_pull, step gong`, or `check fresh of gong/calls, job gong_pull`."""
    made: tuple[str, ...] = ()
    """What the step would have made: `gong/calls` …"""
    line: str
    """The error's one line."""
    run_id: str
    runbook: str
    """The page to open: `docs/runbooks/vendor-down.md`."""


class Channel(Protocol):
    """A way to tell."""

    def send(self, alerts: Sequence[Alert]) -> None:
        """Tell them in one message.

        Raises:
            VendorUnavailable: not told; the same call can succeed later.
            VendorRefused, InvalidSetting: not told, and will not be before a setting changes.
        """


CHANNELS = ("slack", "mail", "log")


def channel(settings: AlertSettings, name: str) -> Channel | None:
    """One of `CHANNELS`; None where it is not set up. The log is one where neither of the others is.

    Raises:
        InvalidSetting: the webhook's URL is none.
    """
    slack, mail = settings.slack_webhook, settings.email_to
    if name == "slack":
        return None if slack is None else Slack(slack)
    if name == "mail":
        return None if mail is None else Mail(settings)
    return Log() if slack is None and mail is None else None


def subject(alerts: Sequence[Alert]) -> str:
    """The message in a few words."""
    return f"Failed: {alerts[0].what}" if len(alerts) == 1 else f"{len(alerts)} failures"


def text(alerts: Sequence[Alert]) -> str:
    """The whole message."""
    parts = [subject(alerts), *(_spelled_out(alert) for alert in alerts[:SHOWN])]
    if len(alerts) > SHOWN:
        parts.append(f"and {len(alerts) - SHOWN} more; the runs in Dagster's UI have them all")
    return "\n\n".join(parts)


def _spelled_out(alert: Alert) -> str:
    made = f" ({', '.join(alert.made[:3])}{', …' if len(alert.made) > 3 else ''})" if alert.made else ""
    line = alert.line if len(alert.line) <= LINE_CHARACTERS else f"{alert.line[:LINE_CHARACTERS]}…"
    return f"{alert.what}{made}\n{line}\nrun {alert.run_id}, runbook {alert.runbook}"


class Log:
    """The process's log."""

    def send(self, alerts: Sequence[Alert]) -> None:
        """Never fails."""
        for alert in alerts:
            log.error("failure_told", **msgspec.structs.asdict(alert))


class _Answer(NamedTuple):
    status: int
    word: str
    retry_after_s: float | None


class Slack:
    """An incoming webhook. It takes a message a second; a 429 says after how long the next."""

    def __init__(self, url: str) -> None:
        """Raises InvalidSetting."""
        try:
            parts = urlsplit(url)
            known = parts.scheme in ("https", "http") and parts.hostname is not None
        except ValueError:
            known = False
        known = known and url.isascii() and url.isprintable() and " " not in url  # else urllib's error would show it
        if not known:
            rule = "it is the URL of a Slack incoming webhook, https://…"
            raise InvalidSetting("SOPHIA_ALERTS_SLACK_WEBHOOK", "***", rule) from None
        self._url = url
        self._host = f"{parts.scheme}://{parts.hostname}"

    def send(self, alerts: Sequence[Alert]) -> None:
        """As `Channel` says."""
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((OSError, HTTPException))
            | tenacity.retry_if_result(lambda answer: answer.status == 429 or answer.status >= 500),
            wait=_wait_s,
            stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_before_delay(LONGEST_S),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome is not None else None,
        )
        # & < > are Slack's own signs: <!channel> would call everybody.
        escaped = text(alerts).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        try:
            answer = again(self._post, json.dumps({"text": escaped}).encode())
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            kind = type(reason if isinstance(reason, Exception) else error).__name__
            raise VendorUnavailable("Slack's incoming webhook", self._host, kind) from None
        if answer.status == 429 or answer.status >= 500:
            raise VendorUnavailable("Slack's incoming webhook", self._host, f"HTTP {answer.status}, {answer.word}")
        if answer.status != 200 or answer.word != "ok":
            way_out = "Set SOPHIA_ALERTS_SLACK_WEBHOOK to the URL of a webhook that posts to a living channel."
            raise VendorRefused("Slack's incoming webhook", answer.status, answer.word, way_out)

    def _post(self, body: bytes) -> _Answer:
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - checked above
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                return _Answer(response.status, _word(response.read()), None)  # read whole, a cut is seen
        except urllib.error.HTTPError as refusal:
            with refusal:
                after = refusal.headers.get("retry-after", "")
                return _Answer(refusal.code, _word(refusal.read(100)), float(after) if after.isdecimal() else None)


_BACKOFF = tenacity.wait_exponential_jitter(initial=1, max=5)


def _wait_s(state: tenacity.RetryCallState) -> float:
    outcome = state.outcome
    answer = None if outcome is None or outcome.failed else outcome.result()
    asked_for = answer.retry_after_s if isinstance(answer, _Answer) else None
    return _BACKOFF(state) if asked_for is None else asked_for


def _word(body: bytes) -> str:
    """What Slack says is wrong; a proxy's page is no word."""
    word = body.decode(errors="replace").strip()
    return word if word.replace("_", "").isalnum() else "no answer of Slack's"


class Mail:
    """A mail server. The password goes through TLS, or to this machine."""

    def __init__(self, settings: AlertSettings, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: whom to trust, where that is not this machine's certificates."""
        self._settings = settings
        self._tls = tls
        self._url = f"smtp://{settings.smtp_host}:{settings.smtp_port}"

    def send(self, alerts: Sequence[Alert]) -> None:
        """As `Channel` says."""
        settings = self._settings
        message = EmailMessage()
        message["From"] = settings.email_from
        message["To"] = settings.email_to
        message["Subject"] = subject(alerts)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="sophia")
        message.set_content(text(alerts))
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(VendorUnavailable),
            wait=_BACKOFF,
            stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_before_delay(LONGEST_S),
            reraise=True,
        )
        again(self._deliver, message)

    def _deliver(self, message: EmailMessage) -> None:
        settings = self._settings
        try:
            with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S) as server:
                if settings.smtp_user is not None:
                    self._log_in(server, settings.smtp_user)
                refused = server.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            way_out = "Check SOPHIA_ALERTS_SMTP_USER and SOPHIA_ALERTS_SMTP_PASSWORD."
            raise VendorRefused("the mail server", error.smtp_code, "the password", way_out) from None
        except smtplib.SMTPRecipientsRefused as error:
            self._raise(max(code for code, _ in error.recipients.values()), "every recipient")
        except smtplib.SMTPResponseException as error:
            self._raise(error.smtp_code, "the message")
        except OSError as error:  # smtplib's own errors too
            raise VendorUnavailable("the mail server", self._url, type(error).__name__) from None
        if refused:  # the others have it, and would have it again if this failed
            log.error("alert_recipients_refused", refused=len(refused))

    def _log_in(self, server: smtplib.SMTP, user: str) -> None:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=self._tls or ssl.create_default_context())
        elif self._settings.smtp_host not in _LOOPBACK:
            rule = "it offers no STARTTLS, and a password goes to another machine through TLS alone"
            raise InvalidSetting("SOPHIA_ALERTS_SMTP_HOST", self._settings.smtp_host, rule)
        server.login(user, self._settings.smtp_password or "")

    def _raise(self, code: int, what: str) -> NoReturn:
        """4yz is a server's "not now"; RFC 5321 §4.2.1."""
        if code < 500:
            raise VendorUnavailable("the mail server", self._url, f"SMTP {code}") from None
        way_out = "Check SOPHIA_ALERTS_EMAIL_TO and SOPHIA_ALERTS_EMAIL_FROM."
        raise VendorRefused("the mail server", code, what, way_out) from None
