"""The sandbox as one ASGI application: every vendor under its prefix, and the control plane.

A further vendor is a sibling of `gong` and `slack` that fits `control.Vendor`, and one more line here.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox import gong, hubspot, linear, slack
from sandbox.control import PREFIX, Vendor, control_router
from sandbox.gate import Faults, Gate, RequestLog
from sandbox.limits import Limiter
from sandbox.live import Live
from sandbox.slack_incoming_webhook import IncomingWebhook
from sandbox.webhooks import Webhooks
from sandbox.world import World


def create_app(
    world: World,
    *,
    limit_speedup: float = 1.0,
    slack_restricted: bool = False,
    gong_key: str = gong.DEFAULT_KEY,
    gong_secret: str = gong.DEFAULT_SECRET,
    slack_token: str = slack.DEFAULT_TOKEN,
    linear_key: str = linear.DEFAULT_KEY,
    hubspot_token: str = hubspot.DEFAULT_TOKEN,
    hubspot_search_delay_s: float = 0.0,
    hubspot_search_cap: int = hubspot.SEARCH_CAP,
    largest_page: int | None = None,
    keep_requests: bool = False,
    wall_clock: bool = False,
) -> Starlette:
    """The application over this world.

    Args:
        limit_speedup: divides the period of every rate limit; infinity switches the limits off.
        slack_restricted: history and replies at 1 request a minute and 15 messages a page.
        gong_key: access key of Basic auth; `gong_secret` is its secret, and also accepted as Bearer token.
        slack_token: bot token.
        linear_key: personal API key.
        hubspot_token: a private app's token.
        hubspot_search_delay_s: seconds of world time until HubSpot's search knows of a change.
        hubspot_search_cap: rows that one query of HubSpot's search can be paged through.
        largest_page: rows that a page of any list holds at most, for many pages in a small world; None: the vendors'.
        keep_requests: remember what every request said, for `/_sandbox/requests/kept`.
        wall_clock: world time follows the clock on the wall, where that is later, and stands still before.
    Returns:
        The application; its `state.webhooks` is to be closed when it ends.
    """
    webhooks = world.watcher = Webhooks(world)
    world.follows_wall_clock = wall_clock
    limiter, faults, log = Limiter(limit_speedup), Faults(), RequestLog(keep_requests)
    webhook = IncomingWebhook(limiter)
    apis: list[Vendor] = [
        webhook,
        gong.GongApi(world, limiter, faults, gong_key, gong_secret, largest_page),
        slack.SlackApi(world, limiter, faults, slack_token, slack_restricted, largest_page),
        linear.LinearApi(world, limit_speedup, faults, linear_key, largest_page),
        hubspot.HubspotApi(
            world,
            limiter,
            faults,
            hubspot_token,
            limit_speedup=limit_speedup,
            search_delay_s=hubspot_search_delay_s,
            search_cap=hubspot_search_cap,
            largest_page=largest_page,
        ),
    ]
    vendors = {api.name: api for api in apis}
    mounts = [Mount(api.prefix, Gate(api.router(), api.name, api.failure, faults, log, world.tick)) for api in apis]
    control = control_router(world, vendors, faults, log, webhook.posted, webhooks, Live(world))
    app = Starlette(routes=[Mount(PREFIX, control), *mounts])
    app.state.webhooks = webhooks
    return app
