"""What sellers and customers write into the CRM: notes, emails, calls, meetings and tasks about an account.

How `[choices]` and `{slots}` are filled is in `phrasing`; `{contact}` and `{owner}` are first names.
"""

from __future__ import annotations

from collections.abc import Mapping

NOTES: Mapping[str, tuple[str, ...]] = {
    "pricing": (
        "{contact} finds {price} euros a seat [too high|hard to defend]. They would sign at {low_price} for {term}.",
        "Q&A on the offer with {contact}: {discount} percent is the line for their CFO.",
    ),
    "renewal": (
        "Renewal is due on {renewal}. {contact} wants to add {more_seats} seats for {site}.",
        "{account} renews for {term} if {feature} comes before {month}.",
    ),
    "bug": (
        "{contact} reported that the {area} {symptom}. Support has it as {ticket}.",
        "{ticket} is [still open|with R&D]. {contact} holds back the signature until it is fixed.",
    ),
    "competitor": (
        "{account} also [looks at|has a trial of] {competitor}. {contact} likes their price, not their mobile app.",
        "{competitor} offered {account} {discount} percent off. We stay at {price} euros and show the {module}.",
    ),
    "security": (
        "Their security review asks for the {report} and for how we do {control}.",
        "{contact} sent {number} questions of the security team; {control} is the hard one.",
    ),
    "sso": (
        "{account} signs on through {idp}. {contact} wants it tested with {number} people first.",
        "Without {idp} there is no go-live at {site}, says {contact}.",
    ),
    "residency": (
        "Data has to stay in {region}. {contact} needs that in the contract, not in an email.",
        "Their data officer asked which subprocessors sit outside {region}.",
    ),
    "onboarding": (
        "Kick-off went well: {number} planners of {site} trained, the rest follows within {weeks} weeks.",
        "{contact} asks for a second training, because the {area} is new to the night shift.",
    ),
    "feature": (
        "{contact} asked for {feature}, for the third time. Product has put it on the list for {month}.",
        "They would pay more for {feature}; {contact} offers to test it at {site}.",
    ),
    "churn": (
        "Risk: {reason}. {contact} mentioned that {metric} did not go down.",
        "{contact} has not logged in for {weeks} weeks, and {reason}.",
    ),
    "pilot": (
        "Pilot at {site} with {number} people runs until {month}. Goal: {percent} percent less {metric}.",
        "Pilot result: {metric} down by {percent} percent. {contact} presents it to the board on {weekday}.",
    ),
    "integration": (
        "They want the roster in {system} by {protocol}. {contact} names an engineer on {weekday}.",
        "The link to {system} works in the test account; {protocol} is what {contact} chose.",
    ),
}
"""By theme."""
NOTE_ENDS = (
    "Next step: {owner} calls on {weekday}.", "Budget is {amount} euros a year.", "{contact} decides, finance signs.",
    "Follow-up sent.", "Nothing else to report.",
)  # fmt: skip
RIVAL_NOTE = "They compare us with {competitor}."

EMAIL_OUT = (
    "Dear {contact}, thank you for your time. As promised, here is what we do about {topic}. "
    "[Shall we talk on {weekday}?|Please tell me what is missing.] Best regards, {owner}",
    "Hello {contact}, the offer for {seats} seats is attached, valid until the end of {month}. "
    "The {module} is included. Kind regards, {owner}",
    "Hi {contact}, a short summary on {topic}: we deliver within {weeks} weeks and start at {site}. Best, {owner}",
)
EMAIL_IN = (
    "Hello {owner}, we discussed {topic} here. [Before we go on|First] we need an answer on {control}. "
    "Regards, {contact}",
    "Hi {owner}, finance agrees to {term}, but not to more than {low_price} euros a seat. {contact}",
    "Dear {owner}, the {area} {symptom} again. When is that solved? Best regards, {contact}",
)
EMAIL_FORWARDED = ("FYI, from {contact}: they want {feature} before {month}. Can someone from product answer?",)
EMAIL_SUBJECTS = (
    "{account}: {topic}", "Re: {topic}", "Offer for {seats} seats", "Re: our talk on {weekday}",
    "Questions about {module}",
)  # fmt: skip

CALLS = (
    ("Call with {contact}", "Short call about {topic}. {contact} comes back after talking to finance."),
    ("[No answer|Voicemail]: {contact}", "Left a message about {topic}, will try again on {weekday}."),
    ("Check-in {account}", "{number} planners use it every day. Open point is {topic}, otherwise content."),
)
MEETINGS = (
    ("{account}: {topic}", "Agenda: {topic}, then the {module}. {contact} brings the planners of {site}."),
    ("Demo for {account}", "Show the {module} and the {area} with data of {site}. {contact} asked for {feature}."),
    ("Quarterly review {account}", "Review of {metric}, plans for {month}, open tickets such as {ticket}."),
)
TASKS = (
    ("Send offer to {contact}", "{seats} seats at {price} euros, {term}."),
    ("Answer on {topic}", "{contact} waits for it since {weekday}."),
    ("Call {contact}", "Ask about {topic} and whether {weekday} suits for the demo."),
    ("Update close date of {account}", "{contact} speaks of {month} now."),
)
TOPICS: Mapping[str, str] = {
    "pricing": "the price", "renewal": "the renewal", "bug": "the error in the {area}", "competitor": "the comparison",
    "security": "the security review", "sso": "single sign-on", "residency": "where the data is kept",
    "onboarding": "the roll-out", "feature": "{feature}", "churn": "the low use", "pilot": "the pilot",
    "integration": "the link to {system}",
}  # fmt: skip
LOST_REASONS = (
    "{competitor} was cheaper.", "No budget this year.", "The sponsor left.", "They stay with spreadsheets.",
    "We lacked {feature}.",
)  # fmt: skip

PROSPECT_PLACES = (
    "Harrowmere", "Oldcastle", "Brinefield", "Coldwater", "Stonebeck", "Amberlane", "Fernhollow", "Greywick",
    "Ravensholm", "Millbrae", "Saltmarsh", "Thistledown",
)  # fmt: skip
PROSPECT_TRADES = (
    ("Dairy", "food production"), ("Rail", "transport"), ("Clinics", "healthcare"), ("Cargo", "logistics"),
    ("Inns", "hospitality"), ("Glass", "manufacturing"), ("Power", "energy"),
)  # fmt: skip
PROSPECT_CITIES = ("Ghent", "Aarhus", "Bilbao", "Split", "Tartu", "Cork", "Uppsala", "Trieste")
