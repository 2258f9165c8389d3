"""What may happen to calls, issues and cycles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from sandbox.company import COMPETITORS
from tests.pipelines.kpi_life import TEAMS, Events, Life, Record

EVENTS = Events()
ISSUE_TEXTS = (
    *("{name} cannot log in", "Export broken ({upper})", "{name}: roster import fails", "Slow for {wrapped}"),
    *("x{name} is nobody", "{name}s is somebody else", "Nothing about anyone"),
)
SENTENCES = (
    *("This is wonderful, thank you so much!", "The export is terrible and we hate it.", "We meet on Tuesday."),
    *("I am worried that the pilot fails.", "Everybody loves the shift board.", "The price is a problem."),
)
RIVAL_SENTENCES = (
    *("We looked at {rival} too.", "{rival}'s offer is lower.", "Everyone here knows {lower}.", '"{upper}"?'),
    *("The {rival}s of this world.", "Hyper{lower} is something else."),
)
"""All but the last two name a competitor."""
ZONES = (UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5.5)))


# Calls.


def _turns(life: Life) -> list[list[str]]:
    rival = life.pick(COMPETITORS)
    said = life.rng.choices(SENTENCES, k=life.rng.randrange(1, 5)) + life.some(RIVAL_SENTENCES, 0, 1, 1)
    life.rng.shuffle(said)
    told = [text.format(rival=rival, lower=rival.lower(), upper=rival.upper()) for text in said]
    return [["Guest" if place % 2 else "Host", text] for place, text in enumerate(told)]


def _context(life: Life) -> list[Record]:
    """A person and up to two companies, the first of which counts; merged and deleted ones stay in old contexts."""
    companies = life.all("hubspot.companies")
    merged = [(one["properties"]["hs_merged_object_ids"] or "").split(";") for one in companies]
    known = [one["id"] for one in companies] + [loser for losers in merged for loser in losers if loser]
    objects = [("Contact", "20000000001"), *(("Account", one) for one in life.some(known, 0, 1, 1, 1, 2))]
    told = [{"objectType": kind, "objectId": one, "fields": [], "timing": "Now"} for kind, one in objects]
    return [{"system": "HubSpot", "objects": told}] if life.maybe(0.9) else []


def _start(life: Life) -> str:
    return life.past((-96, -78), (-30, 0), (-2, 0)).astimezone(life.pick(ZONES)).isoformat()


@EVENTS.weighing(8)
def call_held(life: Life) -> None:
    fields: Record = {"turns": _turns(life), "context": _context(life), "started": _start(life)}
    if life.maybe(0.2):
        fields["transcript_at"] = life.time((0, 8)).isoformat()
    life.create("gong.calls", **fields, isPrivate=life.maybe(0.15))


@EVENTS.weighing(2)
def call_made_private_or_public(life: Life) -> None:
    call = life.pick(life.all("gong.calls"))
    life.edit("gong.calls", call, isPrivate=not call["metaData"]["isPrivate"])


@EVENTS.weighing(1)
def call_rescheduled(life: Life) -> None:
    life.edit("gong.calls", life.pick(life.all("gong.calls")), started=_start(life))


@EVENTS.weighing(1)
def call_given_to_another_company(life: Life) -> None:
    life.edit("gong.calls", life.pick(life.all("gong.calls")), context=_context(life))


@EVENTS.weighing(1.5)
def call_deleted(life: Life) -> None:
    life.delete("gong.calls", life.pick(life.all("gong.calls")))


@EVENTS.weighing(1.5)
def transcript_corrected(life: Life) -> None:
    transcript = life.pick(life.all("gong.transcripts"))
    life.edit("gong.transcripts", {"id": transcript["callId"]}, turns=life.pick((_turns(life), _turns(life), [])))


# Work.


def _issue_text(life: Life) -> str:
    name = life.pick(life.live("companies"))["properties"]["name"] or "Nobody"
    return life.pick(ISSUE_TEXTS).format(name=name, upper=name.upper(), wrapped=name.replace(" ", "\n "))


def _issue(life: Life, *types: str, trashed: bool = False) -> Record:
    """One whose state is of one of these types, where any are named."""
    issues = [one for one in life.all("linear.issues") if bool(one["trashed"]) == trashed]
    return life.pick([one for one in issues if not types or one["state"]["type"] in types])


@EVENTS.weighing(9)
def issue_created(life: Life) -> None:
    fields: Record = {
        "team": life.pick(TEAMS),
        "title": _issue_text(life),
        "priority": life.pick((0, 1, 1, 2, 2, 3, 4)),
    }
    if life.maybe(0.4):
        fields["description"] = _issue_text(life)
    if life.maybe(0.6):
        fields["estimate"] = life.pick((0, 1, 2, 3, 5, 0.5))
    if life.maybe(0.5):
        fields["dueDate"] = life.time((-32, -20), (-5, 8)).date().isoformat()
    if life.maybe(0.4):
        fields["createdAt"] = life.past((-20, 0)).isoformat()
    issue = life.create("linear.issues", **fields)
    cycles = [cycle for cycle in life.all("linear.cycles") if cycle["team"] == issue["team"]]
    for cycle in life.some(cycles, 0, 1, 1):
        life.edit("linear.issues", issue, cycle=cycle["id"])


@EVENTS.weighing(2)
def issue_reprioritised(life: Life) -> None:
    life.edit("linear.issues", _issue(life), priority=life.rng.randrange(5))


@EVENTS.weighing(1)
def issue_reworded(life: Life) -> None:
    life.edit("linear.issues", _issue(life), title=_issue_text(life), description=life.pick((None, _issue_text(life))))


@EVENTS.weighing(6)
def issue_completed(life: Life) -> None:
    when = {"completedAt": life.past((-15, 0)).isoformat()} if life.maybe(0.5) else {}
    life.edit("linear.issues", _issue(life, "backlog", "unstarted", "started"), state="completed", **when)


@EVENTS.weighing(2)
def issue_reopened(life: Life) -> None:
    life.edit("linear.issues", _issue(life, "completed", "canceled", "duplicate"), state="started")


@EVENTS.weighing(2)
def issue_canceled(life: Life) -> None:
    life.edit("linear.issues", _issue(life), state=life.pick(("canceled", "duplicate")))


@EVENTS.weighing(1.5)
def issue_trashed(life: Life) -> None:
    life.edit("linear.issues", _issue(life), trashed=True)


@EVENTS.weighing(1)
def issue_taken_out_of_the_bin(life: Life) -> None:
    life.edit("linear.issues", _issue(life, trashed=True), trashed=False)


@EVENTS.weighing(1)
def issue_deleted(life: Life) -> None:
    life.delete("linear.issues", _issue(life))


@EVENTS.weighing(1)
def issue_archived(life: Life) -> None:
    life.edit("linear.issues", _issue(life), archived=True)


@EVENTS.weighing(4)
def issue_planned(life: Life) -> None:
    cycle = life.pick(life.all("linear.cycles"))
    issues = [one for one in life.all("linear.issues") if one["team"]["id"] == cycle["team"]["id"]]
    life.edit("linear.issues", life.pick(issues), cycle=cycle["id"] if life.maybe(0.8) else None)


@EVENTS.weighing(2)
def issue_estimated(life: Life) -> None:
    life.edit("linear.issues", _issue(life), estimate=life.pick((None, 0, 1, 2, 8)))


@EVENTS.weighing(2)
def issue_due(life: Life) -> None:
    life.edit("linear.issues", _issue(life), dueDate=life.pick((None, life.time((-32, 8)).date().isoformat())))


@EVENTS.weighing(4)
def cycle_created(life: Life) -> None:
    ends = life.time((-34, -22), (-4, 6))
    starts = ends - timedelta(days=life.pick((7, 14)))
    life.create("linear.cycles", team=life.pick(TEAMS), startsAt=starts.isoformat(), endsAt=ends.isoformat())


@EVENTS.weighing(1)
def cycle_redated(life: Life) -> None:
    cycle = life.pick(life.all("linear.cycles"))
    ends = datetime.fromisoformat(cycle["startsAt"]) + timedelta(days=life.pick((7, 13, 14)))
    life.edit("linear.cycles", cycle, endsAt=ends.isoformat())


@EVENTS.weighing(0.7)
def cycle_deleted(life: Life) -> None:
    life.delete("linear.cycles", life.pick(life.all("linear.cycles")))


@EVENTS.weighing(1)
def team_hidden_or_shown(life: Life) -> None:
    life.edit("linear.teams", {"id": life.pick(TEAMS)}, granted=life.maybe(0.6))
