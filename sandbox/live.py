"""Life in the world: plausible changes at a set rate, each a command as the control plane takes them.

The schedule is an open loop: change n is due n / rate seconds after the start, however long the ones before took.
Equal seeds make equal choices in equal worlds.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from sandbox.chatter import ACCOUNT_NOTES, EMOJI, LOOSE, THREADS
from sandbox.company import Account, found_company
from sandbox.hubspot_objects import CrmObject
from sandbox.linear_texts import COMMENTS, LINES, TITLES
from sandbox.phrasing import account_slots, phrase
from sandbox.records import CommandRefused, Record, refuse_unknown, seeded
from sandbox.slack_channels import Channel
from sandbox.world import World

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "slack": {"message": 16, "reply": 12, "edit": 7, "delete": 3, "react": 4},
    "hubspot": {
        "amount": 8,
        "stage": 5,
        "deal": 2,
        "note": 4,
        "associate": 3,
        "archive": 1,
        "restore": 0.5,
        "merge": 0.5,
    },
    "linear": {
        "issue": 4,
        "edit": 6,
        "move": 7,
        "comment": 7,
        "comment_edit": 2,
        "comment_remove": 1,
        "remove": 0.5,
    },
    "gong": {"call": 1.5, "edit": 1.5},
}
"""How often a kind of change comes, by vendor."""
TRIES = 8
"""Draws for something that a change can be made to."""
REPLIES = tuple(line for threads in THREADS.values() for thread in threads for line in thread[1:])
OPENINGS = tuple(thread[0] for threads in THREADS.values() for thread in threads)

Command = tuple[str, Record]
"""Operation and command."""


class Author:
    """Chooses changes; None where the world has nothing to make one to."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng: Random = seeded(seed, "live")
        self._accounts: Sequence[Account] = found_company(world.settings.seed, world.settings.start).accounts
        self._made = 0

    def choose(self, vendors: Sequence[str]) -> tuple[str, Command] | None:
        """A kind of change, such as `slack.reply`, and its command."""
        kinds = [(vendor, kind, weight) for vendor in vendors for kind, weight in WEIGHTS[vendor].items()]
        for _ in range(TRIES):
            vendor, kind, _ = self._rng.choices(kinds, [weight for *_, weight in kinds])[0]
            make: Callable[[], Command | None] = getattr(self, f"_{vendor}_{kind}")
            command = make()
            if command is not None:
                return f"{vendor}.{kind}", command
        return None

    def _draw(self, found: Sequence[Any], fits: Callable[[Any], bool] = lambda _one: True) -> Any:
        """One that fits, by a few draws; None where none of them does."""
        for _ in range(TRIES if found else 0):
            one = self._rng.choice(found)
            if fits(one):
                return one
        return None

    def _text(self, lines: Sequence[str]) -> str:
        slots = account_slots(self._rng, self._rng.choice(self._accounts))
        slots |= {"contact": "they", "owner": "we"}
        return phrase(self._rng.choice(lines), slots, self._rng)

    # Slack.

    def _channel(self) -> Channel | None:
        channels = list(self._world.slack.channels.values())
        found: Channel | None = self._draw(channels, lambda c: c.is_member and not c.record["is_archived"])
        return found

    def _said(self) -> tuple[Channel, Record] | None:
        """A message of a person that is there already."""
        channel = self._channel()
        if channel is None or not channel.order:
            return None
        # Rather a late one: people answer and correct what was said just now.
        last = channel.order[-60:] if self._rng.random() < 0.7 else channel.order
        ts = self._draw(last, lambda ts: "subtype" not in channel.messages[ts])
        return None if ts is None else (channel, channel.messages[ts])

    def _slack_message(self) -> Command | None:
        channel = self._channel()
        if channel is None:
            return None
        lines = (*ACCOUNT_NOTES, *OPENINGS, *LOOSE.get(str(channel.record["name"]), ()))
        return _create("slack.messages", channel=channel.id, text=self._text(lines))

    def _slack_reply(self) -> Command | None:
        said = self._said()
        if said is None:
            return None
        channel, message = said
        parent = message.get("thread_ts", message["ts"])
        if parent not in channel.messages or channel.next_ts(self._world.now) <= parent:
            return None
        return _create("slack.messages", channel=channel.id, text=self._text(REPLIES), thread_ts=parent)

    def _slack_edit(self) -> Command | None:
        said = self._said()
        return (
            None
            if said is None
            else _edit(
                "slack.messages", {"channel": said[0].id, "ts": said[1]["ts"]}, text=self._text((*OPENINGS, *REPLIES))
            )
        )

    def _slack_delete(self) -> Command | None:
        said = self._said()
        return (
            None
            if said is None
            else ("delete", {"stream": "slack.messages", "channel": said[0].id, "ts": said[1]["ts"]})
        )

    def _slack_react(self) -> Command | None:
        said = self._said()
        if said is None or not said[0].members:
            return None
        users = sorted(self._rng.sample(said[0].members, min(2, len(said[0].members))))
        reaction = {"name": self._rng.choice(EMOJI), "users": users, "count": len(users)}
        key = {"channel": said[0].id, "ts": said[1]["ts"]}
        return _edit("slack.messages", key, reactions=[reaction])

    # HubSpot.

    def _crm(self, kind: str, archived: bool = False) -> CrmObject | None:
        found: CrmObject | None = self._draw(
            list(self._world.hubspot.objects[kind].values()),
            lambda o: not o.removed and (o.archived_ms is not None) == archived,
        )
        return found

    def _hubspot_amount(self) -> Command | None:
        deal = self._crm("deals")
        return (
            None if deal is None else _edit("hubspot.deals", {"id": deal.id}, amount=self._rng.randrange(5, 900) * 1000)
        )

    def _hubspot_stage(self) -> Command | None:
        deal = self._crm("deals")
        if deal is None:
            return None
        stages = self._world.hubspot.pipelines[deal.properties["pipeline"]]["stages"]
        stage = self._draw(stages, lambda s: s["id"] != deal.properties["dealstage"])
        return _edit("hubspot.deals", {"id": deal.id}, dealstage=stage["id"]) if stage else None

    def _hubspot_deal(self) -> Command:
        self._made += 1
        account = self._rng.choice(self._accounts)
        name = f"{account.name}: {account.module}, order {self._made}"
        return _create("hubspot.deals", dealname=name, amount=self._rng.randrange(5, 900) * 1000)

    def _hubspot_note(self) -> Command:
        return _create("hubspot.notes", hs_note_body=self._text(ACCOUNT_NOTES))

    def _hubspot_associate(self) -> Command | None:
        start, end = self._rng.choice((("notes", "deals"), ("deals", "contacts"), ("notes", "contacts")))
        one, other = self._crm(start), self._crm(end)
        if one is None or other is None:
            return None
        ends = {"fromType": start, "fromId": one.id, "toType": end, "toId": other.id}
        if dict(self._world.hubspot.associated((start, one.id), end)).get(other.id):
            return "delete", {"stream": "hubspot.associations", **ends}
        return _create("hubspot.associations", **ends)

    def _hubspot_archive(self) -> Command | None:
        kind = self._rng.choice(("deals", "notes", "contacts"))
        found = self._crm(kind)
        return None if found is None else ("delete", {"stream": f"hubspot.{kind}", "id": found.id})

    def _hubspot_restore(self) -> Command | None:
        kind = self._rng.choice(("deals", "notes", "contacts"))
        found = self._crm(kind, archived=True)
        return None if found is None else _edit(f"hubspot.{kind}", {"id": found.id}, archived=False)

    def _hubspot_merge(self) -> Command | None:
        kind = self._rng.choice(("deals", "contacts"))
        winner, loser = self._crm(kind), self._crm(kind)
        if winner is None or loser is None or winner is loser:
            return None
        return _edit(f"hubspot.{kind}", {"id": winner.id}, merge=loser.id)

    # Linear.

    def _row(self, stream: str, fits: Callable[[Record], bool] = lambda _row: True) -> Record | None:
        rows = self._world.linear.rows[stream]
        found: Record | None = self._draw(list(rows.values()), fits)
        return found

    def _linear_issue(self) -> Command | None:
        team = self._row("teams")
        if team is None:
            return None
        lines = TITLES.get(team["key"], TITLES["ENG"])
        fields = {"title": self._text(lines), "description": self._text(LINES), "priority": self._rng.randrange(5)}
        return _create("linear.issues", team=team["id"], **fields)

    def _linear_edit(self) -> Command | None:
        issue = self._row("issues")
        if issue is None:
            return None
        fields: Record = self._rng.choice(
            (
                {"title": self._text(TITLES["ENG"])},
                {"description": self._text(LINES)},
                {"priority": self._rng.randrange(5)},
                {"estimate": self._rng.choice((1, 2, 3, 5, 8))},
            )
        )
        return _edit("linear.issues", {"id": issue["id"]}, **fields)

    def _linear_move(self) -> Command | None:
        issue = self._row("issues")
        if issue is None:
            return None
        states = self._world.linear.states_of(issue["teamId"])
        state = self._draw(states, lambda s: s["id"] != issue["stateId"])
        return None if state is None else _edit("linear.issues", {"id": issue["id"]}, state=state["id"])

    def _linear_comment(self) -> Command | None:
        issue = self._row("issues")
        return None if issue is None else _create("linear.comments", issue=issue["id"], body=self._text(COMMENTS))

    def _linear_comment_edit(self) -> Command | None:
        comment = self._row("comments")
        return None if comment is None else _edit("linear.comments", {"id": comment["id"]}, body=self._text(COMMENTS))

    def _linear_comment_remove(self) -> Command | None:
        comment = self._row("comments")
        return None if comment is None else ("delete", {"stream": "linear.comments", "id": comment["id"]})

    def _linear_remove(self) -> Command | None:
        issue = self._row("issues")
        return None if issue is None else ("delete", {"stream": "linear.issues", "id": issue["id"]})

    # Gong.

    def _gong_call(self) -> Command:
        if self._world.gong.compose is not None:
            return _create("gong.calls", account=self._rng.choice(self._accounts).slug)
        turns = [[speaker, self._text(REPLIES)] for speaker in ("Host", "Guest", "Host", "Guest")]
        return _create("gong.calls", title=self._text(OPENINGS), turns=turns)

    def _gong_edit(self) -> Command | None:
        call_id = self._draw(list(self._world.gong.calls))
        if call_id is None:
            return None
        return _edit("gong.calls", {"id": call_id}, title=self._text(OPENINGS), brief=self._text(ACCOUNT_NOTES))


class Live:
    """The background task that keeps the rate."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._task: asyncio.Task[None] | None = None
        self._per_second = 0.0
        self._kinds: Counter[str] = Counter()
        self._refused = 0
        self._latest_s = 0.0

    async def start(self, body: Record) -> Record:
        """Begin anew at a rate; raises CommandRefused."""
        refuse_unknown(body, frozenset(("per_second", "seed", "vendors")), "Live")
        per_second, seed, vendors = body.get("per_second"), body.get("seed", 0), body.get("vendors") or list(WEIGHTS)
        if not isinstance(per_second, int | float) or not 0 < per_second < math.inf or not isinstance(seed, int):
            raise CommandRefused(f"per_second is a number above 0, not {per_second!r}, and the seed a whole number.")
        if not isinstance(vendors, list) or not set(vendors) <= set(WEIGHTS):
            raise CommandRefused(f"vendors are some of {', '.join(WEIGHTS)}, not {vendors!r}.")
        await self.stop({})
        self._per_second, self._refused, self._latest_s = per_second, 0, 0.0
        self._kinds.clear()
        self._task = asyncio.create_task(self._run(Author(self._world, seed), per_second, vendors))
        return self.record()

    async def stop(self, _body: Record) -> Record:
        """End the changes; none comes after the answer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        record = self.record()
        self._task = None
        return record | {"running": False}

    def record(self) -> Record:
        """`latest_s` is the longest that a change came after its time."""
        return {
            "running": self._task is not None and not self._task.done(),
            "per_second": self._per_second,
            "done": self._kinds.total(),
            "refused": self._refused,
            "latest_s": round(self._latest_s, 4),
            "kinds": dict(sorted(self._kinds.items())),
        }

    async def _run(self, author: Author, per_second: float, vendors: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while True:
            due = began + number / per_second
            # At least one turn of the loop, so that answers are given where the rate can't be kept.
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._latest_s = max(self._latest_s, loop.time() - due)
            number += 1
            chosen = author.choose(vendors)
            if chosen is None:
                continue
            kind, (op, command) = chosen
            try:
                self._world.execute(op, command)
            except CommandRefused:
                self._refused += 1
            else:
                self._kinds[kind] += 1


def _create(stream: str, **fields: Any) -> Command:
    return "create", {"stream": stream, "fields": fields}


def _edit(stream: str, key: Record, **fields: Any) -> Command:
    return "edit", {"stream": stream, "fields": fields, **key}
