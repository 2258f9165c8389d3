"""A Slack incoming webhook: what is posted to its URL is kept, and shown at `/_sandbox/posted`.

Source: Slack's pages "Sending messages using incoming webhooks" and "Rate limits". An answer is plain text: `ok`, or
one word that says what is wrong. Mounted under `/slack/services`, as `https://hooks.slack.com/services` is. What is
posted does not appear in the world's channels: a reader of Slack would take an alert for something that was said.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from sandbox.limits import Limit, Limiter
from sandbox.records import Record

PATH = "/T0SANDBOX/B0SANDBOX/sandbox-webhook"
"""Behind the prefix: the workspace, the webhook, its secret."""
LIMIT = Limit(1, 1.0)
WORDS = {
    400: "invalid_payload",
    403: "action_prohibited",
    404: "no_service",
    410: "channel_is_archived",
    429: "rate_limited",
}


class IncomingWebhook:
    """One webhook of one workspace."""

    name = "slack_incoming_webhook"
    prefix = "/slack/services"

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self.posted: list[Record] = []
        """The payloads, oldest first."""

    def router(self) -> Router:
        """The one route below the prefix."""
        return Router([Route("/{team}/{webhook}/{secret}", self._post, methods=["POST"])])

    def expire_cursors(self) -> None:
        """A webhook gives out none."""

    def failure(self, status: int, retry_after_s: int | None = None) -> Response:
        """An answer that is not 200, in one word."""
        response = PlainTextResponse(WORDS.get(status, "rollup_error"), status)
        if retry_after_s is not None:
            response.headers["retry-after"] = str(retry_after_s)
        return response

    async def _post(self, request: Request) -> Response:
        asked, _, secret = "/{team}/{webhook}/{secret}".format(**request.path_params).rpartition("/")
        known, _, known_secret = PATH.rpartition("/")
        if asked != known:
            return self.failure(404)
        if secret != known_secret:
            return PlainTextResponse("invalid_token", 403)
        wait_s = self._limiter.wait_s(self.name, LIMIT)
        if wait_s is not None:
            return self.failure(429, wait_s)
        try:
            payload = msgspec.json.decode(await request.body(), type=Record)
        except msgspec.MsgspecError:
            return self.failure(400)
        if not any(payload.get(name) for name in ("text", "blocks", "attachments")):
            return PlainTextResponse("no_text", 400)
        self.posted.append(payload)
        return PlainTextResponse("ok")
