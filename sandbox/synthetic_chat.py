"""The Slack workspace of the invented company: channels, and what people and bots wrote in sixty days.

Threads and notes about accounts use the same facts as their calls. A bigger scale adds messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from sandbox.chatter import (
    ACCOUNT_NOTES,
    ARCHIVED_CHANNEL,
    BOT_POSTS,
    EMOJI,
    FILE_NAMES,
    LOOSE,
    PRIVATE_CHANNELS,
    THREADS,
    UNJOINED_CHANNEL,
)
from sandbox.company import COMPANY, Account, Company, Person
from sandbox.phrasing import account_slots, phrase
from sandbox.planted import FACTS
from sandbox.records import Record, letter_id, seeded
from sandbox.slack_channels import Channel, channel_record, user_record
from sandbox.slack_records import SlackRecords

DAYS = 60
THREADS_AT_SCALE_1 = 80
LOOSE_AT_SCALE_1 = 440
BOT_POSTS_AT_SCALE_1 = 60
FILES_AT_SCALE_1 = 12
BROADCASTS_AT_SCALE_1 = 3
LATE_REPLY_SHARE = 0.08
"""Replies that come weeks after their parent: whoever looks only at new parents never sees them."""
EDITED_SHARE = 0.04
REACTION_SHARE = 0.12
THREAD_CHANNELS = {"bug": ("support", "engineering", "incidents"), "feature": ("product",), "pricing": ("deal-desk",)}


class ChatWriter:
    """Writes the workspace of one company."""

    def __init__(self, company: Company, seed: int, start: datetime) -> None:
        self._company = company
        self._seed = seed
        self._start = start
        self._staff = {person.number: letter_id("U", f"{seed}:{person.email}") for person in company.employees}

    def empty_workspace(self) -> SlackRecords:
        """The team and its bot, without anybody else."""
        team_id, bot_user = letter_id("T", f"{self._seed}:team"), letter_id("U", f"{self._seed}:bot")
        team = {
            "id": team_id,
            "name": COMPANY,
            "domain": COMPANY.lower(),
            "email_domain": f"{COMPANY.lower()}.example",
            "icon": {"image_default": True},
        }
        bot = {"user_id": bot_user, "bot_id": letter_id("B", f"{self._seed}:bot"), "name": "sophia"}
        return SlackRecords(team, bot)

    def fill(self, slack: SlackRecords, scale: float) -> list[Record]:
        """Add users, channels and messages; returns where each planted fact went."""
        self._add_users(slack)
        self._add_channels(slack)
        channels = {str(channel.record["name"]): channel for channel in slack.channels.values()}
        joins = self._join_messages(channels.values())
        planted = self._plant(channels)
        for index in range(max(1, round(THREADS_AT_SCALE_1 * scale))):
            self._write_thread(channels, seeded(self._seed, "thread", index), index < BROADCASTS_AT_SCALE_1 * scale)
        for index in range(round(LOOSE_AT_SCALE_1 * scale)):
            with_file = index < FILES_AT_SCALE_1 * scale
            self._write_loose(channels, seeded(self._seed, "loose", index), with_file)
        for index in range(round(BOT_POSTS_AT_SCALE_1 * scale)):
            self._write_bot_post(channels, seeded(self._seed, "botpost", index))
        for channel, message in joins:
            self._post(channel, message)
        channels[ARCHIVED_CHANNEL].record["is_archived"] = True
        return planted

    def _add_users(self, slack: SlackRecords) -> None:
        joined = self._start - timedelta(days=90)
        for person in self._company.employees:
            user_id, handle = self._staff[person.number], person.email.split("@")[0]
            user = user_record(user_id, slack.team["id"], handle, person.name, joined)
            user["profile"] |= {"email": person.email, "title": person.title}
            user |= {"deleted": not person.active, "is_admin": person.team == "leadership"}
            slack.users[user_id] = user
        bot = user_record(slack.bot["user_id"], slack.team["id"], slack.bot["name"], slack.bot["name"], joined)
        bot["profile"] |= {"bot_id": slack.bot["bot_id"], "email": None}
        slack.users[slack.bot["user_id"]] = bot | {"is_bot": True}

    def _add_channels(self, slack: SlackRecords) -> None:
        names = [*LOOSE, *(f"acct-{account.slug}" for account in self._company.accounts)]
        made = self._start - timedelta(days=DAYS, hours=1)
        for name in names:
            rng = seeded(self._seed, "channel", name)
            members = [self._staff[person.number] for person in self._channel_people(name, rng)]
            record = channel_record(
                letter_id("C", f"{self._seed}:{name}"), name, members[0], made, private=name in PRIVATE_CHANNELS
            )
            record["is_general"] = name == "general"
            record["topic"]["value"] = name.replace("-", " ").capitalize()
            is_member = name != UNJOINED_CHANNEL
            slack.channels[record["id"]] = Channel(record, members + [slack.bot["user_id"]] * is_member, is_member)

    def _channel_people(self, name: str, rng: Random) -> list[Person]:
        active = [person for person in self._company.employees if person.active]
        if name in ("general", "random"):
            return active
        account = self._company.account(name.removeprefix("acct-"))
        if account is not None:
            team = [account.owner, account.success_manager]
            others = [person for person in active if person not in team]
            return team + rng.sample(others, 3)
        if name == "leadership":
            return [*self._company.team("leadership"), active[0]]
        return rng.sample(active, rng.randrange(5, 9))

    def _post(self, channel: Channel, message: Record) -> str:
        """Store a message at its ts, or right behind one that has it already."""
        while message["ts"] in channel.used:
            second, fraction = message["ts"].split(".")
            message["ts"] = f"{second}.{(int(fraction) + 1) % 1_000_000:06d}"
        channel.add(message)
        return str(message["ts"])

    def _message(self, user: str, text: str, at_s: float, rng: Random) -> Record:
        message: Record = {
            "client_msg_id": str(UUID(int=rng.getrandbits(128), version=4)),
            "type": "message",
            "user": user,
            "text": text,
            "ts": f"{int(at_s)}.{rng.randrange(1_000_000):06d}",
            "team": letter_id("T", f"{self._seed}:team"),
        }
        if rng.random() < EDITED_SHARE:
            edited_s = min(int(at_s) + rng.randrange(20, 3000), int(self._start.timestamp()))
            message |= {"text": f"{text} (Corrected.)", "edited": {"user": user, "ts": f"{edited_s}.000000"}}
        if rng.random() < REACTION_SHARE:
            people = rng.sample(sorted(self._staff.values()), rng.randrange(1, 4))
            message["reactions"] = [{"name": rng.choice(EMOJI), "users": people, "count": len(people)}]
        return message

    def _moment_s(self, rng: Random) -> float:
        """Epoch seconds of some time before the start, mostly by day (07 to 19 UTC)."""
        for _ in range(8):
            second = self._start.timestamp() - rng.uniform(0.01, DAYS) * 86400
            if 7 <= second // 3600 % 24 < 19:
                break
        return second

    def _join_messages(self, channels: Iterable[Channel]) -> list[tuple[Channel, Record]]:
        made_s = int((self._start - timedelta(days=DAYS)).timestamp())
        return [
            (
                channel,
                {
                    "type": "message",
                    "subtype": "channel_join",
                    "user": user,
                    "text": f"<@{user}> has joined the channel",
                    "ts": f"{made_s + place * 7}.{place + 1:06d}",
                },
            )
            for channel in channels
            for place, user in enumerate(channel.members[:5])
        ]

    def _plant(self, channels: dict[str, Channel]) -> list[Record]:
        planted = []
        for fact in (fact for fact in FACTS if fact.vendor == "slack"):
            rng = seeded(self._seed, "fact", fact.fact_id)
            channel = channels[rng.choice(("support", "engineering", "sales", "product"))]
            message = self._message(channel.members[0], fact.text, self._moment_s(rng), rng)
            message = {name: value for name, value in message.items() if name != "edited"} | {"text": fact.text}
            ts = self._post(channel, message)
            planted.append(
                {
                    "fact_id": fact.fact_id,
                    "text": fact.text,
                    "query": fact.query,
                    "stream": "slack.messages",
                    "key": {"channel": channel.id, "ts": ts},
                }
            )
        return planted

    def _write_thread(self, channels: dict[str, Channel], rng: Random, broadcast: bool) -> None:
        account = rng.choice(self._company.accounts)
        theme = rng.choice((*account.themes, *account.themes, rng.choice(tuple(THREADS))))
        channel = self._thread_channel(channels, account, theme, rng)
        slots = account_slots(rng, account)
        first, *answers = (phrase(line, slots, rng) for line in rng.choice(THREADS[theme]))
        people = [user for user in channel.members if user in self._staff.values()]
        at_s = self._moment_s(rng)
        parent_ts = self._post(channel, self._message(rng.choice(people), first, at_s, rng))
        end_s = self._start.timestamp() - 60
        for answer in answers[: rng.randrange(max(1, len(answers) - 2), len(answers) + 1)]:
            late = rng.random() < LATE_REPLY_SHARE
            at_s += min(rng.uniform(14, 30) * 86400, 0.9 * (end_s - at_s)) if late else rng.expovariate(1 / 2400) + 5
            if at_s > end_s:
                break
            reply = self._message(rng.choice(people), answer, at_s, rng) | {"thread_ts": parent_ts}
            self._post(channel, reply)
        if broadcast:
            text = phrase("Summary for the channel: {account}, decision on {weekday}.", slots, rng)
            reply = self._message(rng.choice(people), text, min(at_s + 90, end_s + 30), rng)
            self._post(channel, reply | {"thread_ts": parent_ts, "subtype": "thread_broadcast"})

    def _thread_channel(self, channels: dict[str, Channel], account: Account, theme: str, rng: Random) -> Channel:
        if theme in THREAD_CHANNELS and rng.random() < 0.3:
            return channels[rng.choice(THREAD_CHANNELS[theme])]
        return channels[f"acct-{account.slug}"]

    def _write_loose(self, channels: dict[str, Channel], rng: Random, with_file: bool) -> None:
        account = rng.choice(self._company.accounts)
        slots = account_slots(rng, account)
        if rng.random() < 0.45:
            channel, text = channels[f"acct-{account.slug}"], phrase(rng.choice(ACCOUNT_NOTES), slots, rng)
        else:
            name = rng.choice(tuple(LOOSE))
            channel, text = channels[name], phrase(rng.choice(LOOSE[name]), slots, rng)
        user = rng.choice([user for user in channel.members if user in self._staff.values()])
        message = self._message(user, text, self._moment_s(rng), rng)
        if with_file:
            stem, kind = rng.choice(FILE_NAMES)
            file_id = letter_id("F", str(rng.random()))
            url = f"https://files.example/{file_id}/{stem}.{kind}"
            message["files"] = [
                {
                    "id": file_id,
                    "name": f"{stem}.{kind}",
                    "title": stem.replace("-", " "),
                    "filetype": kind,
                    "user": user,
                    "size": rng.randrange(2_000, 900_000),
                    "created": int(message["ts"][:10]),
                    "mode": "hosted",
                    "url_private": url,
                }
            ]
        self._post(channel, message)

    def _write_bot_post(self, channels: dict[str, Channel], rng: Random) -> None:
        account = rng.choice(self._company.accounts)
        name = rng.choice(tuple(BOT_POSTS))
        place = {"deploybot": "engineering", "crmbot": f"acct-{account.slug}", "statusbot": "incidents"}[name]
        text = phrase(rng.choice(BOT_POSTS[name]), account_slots(rng, account), rng)
        at_s = self._moment_s(rng)
        self._post(
            channels[place],
            {
                "type": "message",
                "subtype": "bot_message",
                "bot_id": letter_id("B", name),
                "username": name,
                "text": text,
                "ts": f"{int(at_s)}.{rng.randrange(1_000_000):06d}",
            },
        )
