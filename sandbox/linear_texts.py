"""What is written in Linear: titles and descriptions of issues, comments under them, projects.

Templates are filled by `phrasing`. A description is put together from one to five of its lines.
"""

from __future__ import annotations

from collections.abc import Mapping

CUSTOMER_TITLES = (
    "{account}: {area} {symptom}", "{account}: {feature}", "{account} can't connect {system} by {protocol}",
    "{account}: {area} in {city} {symptom}", "{account} asks for the {report}",
    "{account}: single sign-on with {idp} loses groups",
)  # fmt: skip
"""The customer's name is in the title."""
CUSTOMER_LINES = (
    "**{account}** [reported|told support] on {weekday} that the {area} {symptom}.",
    "It concerns {seats} seats, mostly at {site}.", "Contract of {account} ends on {renewal}, so this should not wait.",
    "Their IT uses {idp} and {system}.", "- seen by {number} planners\n- since {month}\n- ticket {ticket}",
    "Workaround: `export` the week, correct it by hand, import it again.",
    "{account} compares us with {competitor} on exactly this.",
    "Expected: the {area} shows what was planned. Found: it {symptom}.",
)  # fmt: skip
TITLES: Mapping[str, tuple[str, ...]] = {
    "ENG": (
        "The {area} {symptom}", "Replace the importer behind the {area}", "Flaky test in the {area}",
        "Log {control} changes in the audit log", "Cut the response time of the {area} by {percent} percent",
        "Upgrade the client for {system}", "Retry {protocol} when {system} is down",
    ),
    "PRD": (
        "Interview planners about {feature}", "Mock-ups of {feature}", "Write the brief for {feature}",
        "Decide how {metric} is counted", "Release notes for {month}", "Survey on the {area}",
    ),
    "SUP": (
        "Macro for questions about the {area}", "{number} mails: the {area} {symptom}",
        "Help page on {protocol} is out of date", "Night rota of support for {month}", "Follow up on {ticket}",
    ),
    "SEC": (
        "Evidence on {control} for the {report}", "Rotate the keys in {region}", "Review access to {system}",
        "Finding of the {report}: {control}",
    ),
    "PEO": ("Salary bands for {month}", "Open role in {region}", "Feedback round in {month}"),
}  # fmt: skip
"""By team key."""
LINES = (
    "The cause seems to be {cause}.", "We measured {number} seconds on the test system.",
    "Steps:\n1. open the {area}\n2. change one shift\n3. reload", "Nice to have in {month}, not before.",
    "See {ticket} for the first report.", "Must not change what {system} gets by {protocol}.",
    "Usage of the {area} is up {percent} percent.", "Needs a word with the people who look after {control}.",
    "Done when a planner can do it without a manual.", "Only in {region}, all other regions are fine.",
)  # fmt: skip
COMMENTS = (
    "Looking into it.", "The cause is {cause}.", "Can be reproduced with the roster of {site}.",
    "I think this is the same as {ticket}.", "Fix is in review.", "Deployed to {region}, please check.",
    "Moved to the next cycle, {weekday} was too close.", "Who can test that with {number} people?",
    "Agreed with product: {feature} first.", "Customer confirmed, [thank you|great].",
    "This needs {control} looked at.",
    "Estimate was too low, the {area} has its own copy of the rules.", "Waiting for logs of {system}.",
)  # fmt: skip
CUSTOMER_COMMENTS = (
    "{account} asked again on {weekday}.", "Told {account} that it takes {weeks} weeks.",
    "{account} sees it at {site} only.", "Call with {account} went well, they can wait until {month}.",
)  # fmt: skip
EXTERNAL_COMMENTS = ("Is there any news on this?", "It works again at {site}, thanks.", "We still see it: {ticket}.")
BOT_COMMENTS = ("Merged into main.", "Deployed release {number}.{percent} to {region}.", "Pull request was opened.")
PROJECT_COMMENTS = (
    "Scope is agreed, first issues are in.", "We are [on track|a week late] because of {cause}.",
    "Next review is on {weekday}.",
)  # fmt: skip

LABELS = ("customer", "bug", "feature", "security", "integration", "tech debt")
PROJECTS = (
    ("Roster import rewrite", "started", "onTrack", ("ENG", "SUP"), -90, 30),
    ("Mobile check-in offline", "started", "atRisk", ("ENG", "PRD"), -60, 10),
    ("Payroll export 2.0", "completed", "onTrack", ("ENG",), -115, -25),
    ("Absence calendar redesign", "planned", None, ("PRD", "ENG"), 14, 90),
    ("Support night shift", "paused", "offTrack", ("SUP",), -80, -10),
    ("Audit readiness", "started", "onTrack", ("SEC", "ENG"), -45, 60),
)  # fmt: skip
"""Name, status, health, teams, and start and target date in days from the world's start."""
