"""A client of the control plane, for tests, benchmarks and the demo."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from sandbox.control import PREFIX
from sandbox.records import CommandRefused, Record
from sandbox.slack_incoming_webhook import PATH, IncomingWebhook

FILLED_AT_ONCE = 5_000
"""Records a request."""


class Control:
    """Talks to a running sandbox.

    Every method raises CommandRefused, with the server's sentence, where a command was answered with 400.
    """

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        """Args: url: e.g. `http://127.0.0.1:8765`, without a slash at the end."""
        self.url = url
        self.gong_url = f"{url}/gong"
        """Base URL of Gong's API."""
        self.slack_url = f"{url}/slack/api/"
        """Base URL of Slack's API."""
        self.slack_webhook_url = f"{url}{IncomingWebhook.prefix}{PATH}"
        """URL of Slack's incoming webhook."""
        # Plain HTTP on this machine: no proxy, and no certificates, which would take 30 ms to load.
        no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.Client(base_url=f"{url}{PREFIX}", timeout=timeout_s, trust_env=False, verify=no_certificates)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the server goes on."""
        self._http.close()

    def health(self) -> Record:
        """`{seed, scale, start, data, now, counts}`."""
        return self._call("GET", "/health")

    def counts(self) -> dict[str, int]:
        """Visible rows by stream."""
        return self._call("GET", "/counts")

    def dump(self) -> dict[str, list[Record]]:
        """Every visible record by stream."""
        return self._call("GET", "/dump")

    def planted(self) -> list[Record]:
        """Facts that are said once: `{fact_id, text, query, stream, key}`."""
        planted: list[Record] = self._call("GET", "/planted")["planted"]
        return planted

    def create(self, stream: str, **fields: Any) -> Record:
        """Add a record to a stream such as `slack.messages`; returns it as the API shows it."""
        return self._record("create", {"stream": stream, "fields": fields})

    def fill(self, stream: str, records: Iterable[Record]) -> None:
        """Add a record for each of these fields, thousands a second; those before one that is refused stay."""
        left = iter(records)
        while batch := list(itertools.islice(left, FILLED_AT_ONCE)):
            self._call("POST", "/fill", {"stream": stream, "records": batch})

    def edit(self, stream: str, key: str | Record, **fields: Any) -> Record:
        """Change a record.

        Args:
            key: the id, or `{"channel": ..., "ts": ...}`.
        """
        return self._record("edit", {"stream": stream, "fields": fields} | _key(key))

    def delete(self, stream: str, key: str | Record) -> Record:
        """Remove a record and return its last form; `"thread": True` in a message's key takes its replies too."""
        return self._record("delete", {"stream": stream} | _key(key))

    def advance(self, seconds: float) -> str:
        """Move the clock on; returns the world's time as ISO-8601."""
        return str(self._call("POST", "/clock", {"advance_s": seconds})["now"])

    def set_clock(self, to: datetime | str) -> str:
        """Move the clock to a later time; returns it."""
        text = to.isoformat() if isinstance(to, datetime) else to
        return str(self._call("POST", "/clock", {"to": text})["now"])

    def fault(self, vendor: str, kind: str, **fields: Any) -> None:
        """Order a fault; kinds and fields are in `gate`."""
        self._call("POST", "/faults", {"vendor": vendor, "kind": kind} | fields)

    def clear_faults(self) -> None:
        """Forget the faults that still wait."""
        self._call("DELETE", "/faults")

    def expire_cursors(self) -> None:
        """Make every cursor given out so far useless."""
        self._call("POST", "/cursors/expire")

    def requests(self) -> Record:
        """`{vendor: {path: {total, statuses, methods}}}` since the start or the last reset."""
        return self._call("GET", "/requests")

    def kept_requests(self) -> list[Record]:
        """What each request said, where the sandbox was started with `keep_requests`."""
        requests: list[Record] = self._call("GET", "/requests/kept")["requests"]
        return requests

    def posted(self) -> list[Record]:
        """The payloads that Slack's incoming webhook took, oldest first."""
        posted: list[Record] = self._call("GET", "/posted")["posted"]
        return posted

    def subscribe(
        self,
        vendor: str,
        url: str,
        *,
        secret: str | None = None,
        private_key: str | None = None,
        duplicates: float = 0.0,
        disorder: float = 0.0,
        lost: float = 0.0,
        retry_speedup: float = 1.0,
        seed: int = 0,
    ) -> Record:
        """Have a vendor's webhooks sent to a URL, in the place of where they went before.

        Args:
            secret: what Slack, HubSpot and Linear sign with.
            private_key: what Gong signs with, PEM text.
            duplicates, disorder, lost: probabilities from 0 to 1 of a delivery's bad luck; `seed` draws them.
            retry_speedup: divides the vendor's waits before a retry.
        """
        options = {"duplicates": duplicates, "disorder": disorder, "lost": lost, "retry_speedup": retry_speedup}
        keys = {name: key for name, key in (("secret", secret), ("private_key", private_key)) if key is not None}
        return self._call("POST", "/webhooks", {"vendor": vendor, "url": url, "seed": seed} | keys | options)

    def unsubscribe(self) -> None:
        """Forget all subscriptions, and what still waits."""
        self._call("DELETE", "/webhooks")

    def deliveries(self) -> Record:
        """By vendor `{events, deliveries, attempts, delivered, duplicated, lost, refused, given_up, waiting}`.

        When `waiting` is zero, everything was delivered, lost or given up.
        """
        return self._call("GET", "/webhooks")

    def live(self, per_second: float, seed: int = 0, vendors: Iterable[str] | None = None) -> Record:
        """Change the world at this rate, from now until `still`; equal seeds make equal choices in equal worlds."""
        named = {} if vendors is None else {"vendors": list(vendors)}
        return self._call("POST", "/live", {"per_second": per_second, "seed": seed} | named)

    def still(self) -> Record:
        """End the changes; returns what `changes` would."""
        return self._call("DELETE", "/live")

    def changes(self) -> Record:
        """`{running, per_second, done, refused, latest_s, kinds}`: what `live` did so far."""
        return self._call("GET", "/live")

    def reset_requests(self) -> None:
        """Count requests from zero."""
        self._call("DELETE", "/requests")

    def _record(self, op: str, command: Record) -> Record:
        record: Record = self._call("POST", f"/{op}", command)["record"]
        return record

    def _call(self, method: str, path: str, body: Record | None = None) -> Record:
        response = self._http.request(method, path, json=body)
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise CommandRefused(response.json()["error"])
        response.raise_for_status()
        answer: Record = response.json()
        return answer


def _key(key: str | Record) -> Record:
    return {"id": key} if isinstance(key, str) else key
