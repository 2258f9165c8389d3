"""A task tracker on this machine that answers as Asana does: for the fifth source what `sandbox/` is for the others.

    GET /users, /tasks    ?limit=…&offset=…    {"data": […], "next_page": {"offset": …} or null}

Pages hold two records whatever is asked for, and the first page that is asked for by its offset is refused once (429).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "asana-fixture"
PAGE = 2

USERS = [("11", "Ines Marlow"), ("12", "Tobias Renn"), ("13", "Aiko Sund")]
TASKS = [
    ("101", "Export fails for leap years", "The payroll export stops at the 29th of February.", "11"),
    ("102", "Order new badges", "Forty badges for the office in Lisbon.", "12"),
    ("103", "Renew the certificate", "The gateway's certificate ends in May.", None),
    ("104", "Interview guide", "Questions for the customer interviews about scheduling.", "13"),
    ("105", "Translate the handbook", "Portuguese first, then Danish.", "11"),
]


class Tracker(ThreadingHTTPServer):
    """What the workspace holds, and how its requests were answered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: Counter[int] = Counter()
        """HTTP status → how often."""
        self.records: dict[str, list[dict[str, Any]]] = {
            "users": [{"gid": gid, "name": name, "email": f"{gid}@example.com"} for gid, name in USERS],
            "tasks": [_task(*task) for task in TASKS],
        }

    def delete_task(self, gid: str) -> None:
        self.records["tasks"] = [task for task in self.records["tasks"] if task["gid"] != gid]

    def answer(self, path: str, token: str | None) -> tuple[int, dict[str, Any]]:
        asked = urlsplit(path)
        records = self.records.get(asked.path.removeprefix("/"))
        offset = parse_qs(asked.query).get("offset", [""])[0]
        if token != f"Bearer {TOKEN}":
            return 401, _errors("Not Authorized")
        if records is None:
            return 404, _errors("Not Found")
        if offset and not self.answers[429]:
            return 429, _errors("Rate Limit Enforced")
        end = int(offset or 0) + PAGE
        next_page = {"offset": str(end)} if end < len(records) else None
        return 200, {"data": records[end - PAGE : end], "next_page": next_page}


class _Handler(BaseHTTPRequestHandler):
    server: Tracker

    def do_GET(self) -> None:
        status, body = self.server.answer(self.path, self.headers["Authorization"])
        self.server.answers[status] += 1
        text = json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Silent: `answers` tells."""


@contextmanager
def running() -> Iterator[Tracker]:
    """The tracker on a free port of 127.0.0.1, in a thread, until the block ends."""
    with Tracker() as tracker:
        thread = threading.Thread(target=tracker.serve_forever, kwargs={"poll_interval": 0.05}, name="asana")
        thread.start()
        try:
            yield tracker
        finally:
            tracker.shutdown()
            thread.join()


def _task(gid: str, name: str, notes: str, assignee: str | None) -> dict[str, Any]:
    return {
        "gid": gid,
        "name": name,
        "notes": notes,
        "completed": False,
        "assignee": {"gid": assignee} if assignee else None,
        "permalink_url": f"https://app.asana.com/0/0/{gid}",
        "created_at": f"2026-03-{int(gid) - 100:02d}T09:00:00.000Z",
        "modified_at": "2026-03-20T09:00:00.000Z",
    }


def _errors(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message}]}
