"""What is written in Slack: threads on the themes of calls, loose messages, and what bots post.

Templates are filled by `phrasing`. A thread is its first message and the replies that may follow, in order.
"""

from __future__ import annotations

from collections.abc import Mapping

Thread = tuple[str, ...]

THREADS: Mapping[str, tuple[Thread, ...]] = {
    "pricing": (
        ("{account} asks for {discount} percent on {seats} seats, what can we do?",
         "What term do they offer?", "{term}, paid yearly in advance.",
         "[Then it is fine with me.|For that I can approve {discount} percent.]",
         "Put the approval into the deal please, finance asks every time."),
        ("Procurement at {account} says {low_price} euros a seat or they tender.",
         "List is {price}, we never went that low for this size.",
         "Could we leave premium support out instead?", "[Good idea|I like that], I ask them on {weekday}."),
    ),
    "renewal": (
        ("Renewal of {account} is due on {renewal}. Who has the last usage figures?",
         "Planning time is down {percent} percent, overtime too.", "Nice, that is our story for the meeting.",
         "They also want {more_seats} more seats for {site}.", "Offer is out, they decide by {weekday}."),
        ("{account} must give notice {weeks} weeks before {renewal}, please no surprises.",
         "I talk to them on {weekday}.", "Done, they lean towards {term}."),
    ),
    "bug": (
        ("{ticket}: at {account} the {area} {symptom}. Can someone look?",
         "Looking now.", "Found it, the cause is {cause}.", "Fix is in review, will be deployed on {weekday}.",
         "Customer confirms that it works again. Thanks!"),
        ("Support got {number} mails about the {area} today, it {symptom}.",
         "Same root as {ticket} I think.", "No, this one is {cause}.", "Rolled back, please tell {account}."),
    ),
    "competitor": (
        ("{account} showed me the offer of {competitor}: {percent} percent below ours.",
         "What is in it?", "No {module}, support by mail only.",
         "We beat them last time on the import of old rosters.", "I send you the comparison page."),
        ("Heard at {account} that {competitor} promises {feature} for {month}.",
         "They promised that last year as well.", "Still, we need an answer. Product?",
         "We have it planned for {month}, you can say so without a date."),
    ),
    "security": (
        ("{account} wants the {report} before signature, who can share it?",
         "I have it, needs an NDA first.", "NDA is signed since {weekday}.", "Sent.",
         "They have {number} follow-up questions on {control}, sigh."),
        ("Security review of {account} is blocked on {control}.",
         "We changed that in {month}, the text in the questionnaire is old.", "Can you write two lines?",
         "Written, please check the wording."),
    ),
    "sso": (
        ("SSO with {idp} fails at {account}: certificate error.", "Old metadata, they have to load it again.",
         "They did, now it works for admins but not for planners.", "Group mapping. I call them on {weekday}."),
        ("Does SCIM work with {idp}? {account} needs it for {seats} people.", "Yes, as beta.",
         "I switch it on for them, please watch the logs.", "All synced in {number} minutes."),
    ),
    "residency": (
        ("{account} needs all data in {region}, support included.", "Possible with the enterprise plan only.",
         "They know. Legal, do we have the annex?", "Version three is in the shared folder."),
    ),
    "onboarding": (
        ("Kick-off with {account} done, {site} goes first in {weeks} weeks.", "Who does the training?",
         "{number} planners, two sessions, one at night.", "I take the night one if I get a coffee."),
        ("{account}: import of master data has {percent} percent of people without skills.",
         "Send me the file, I write a mapping.", "Mapping is done, {number} rows left to check by hand."),
    ),
    "feature": (
        ("{account} asks again for {feature}.", "How many others?", "{number} votes by now.",
         "Then we should talk about it on {weekday}.", "Moved up to {month}."),
    ),
    "churn": (
        ("{account} is at risk: {reason}.", "Usage is down {percent} percent since {month}.",
         "Who talks to the director?", "I do, on {weekday}. We need a plan with dates until then.",
         "The plan is approved, we give a credit for one month."),
    ),
    "pilot": (
        ("Pilot at {account}, {site}: {percent} percent less {metric} after {weeks} weeks.",
         "Wow. Can we use that as a reference?", "They want to see {month} first.",
         "Fair. I prepare the offer for {seats} seats."),
    ),
    "integration": (
        ("{account} wants to connect {system} by {protocol}.", "We did that once, documentation is thin.",
         "I write it up.", "Test system is ready, the partner starts on {weekday}."),
    ),
}  # fmt: skip

ACCOUNT_NOTES = (
    "Call with {account} went [well|so so], next step is a session on the {module}.",
    "FYI {account} [hired a new|lost their] shift planning lead in {city}.",
    "{account} opened {ticket}, the {area} {symptom}.",
    "Reminder: contract of {account} ends on {renewal}.",
    "Sent the offer over {amount} euros to {account}.",
    "{account} mentioned {competitor} again, price {percent} percent lower.",
    "The people at {site} are [very happy|not happy] with the {module}.",
    "Can someone join the {account} session on {weekday}? Topic is {system}.",
    "Their IT asks whether we support {idp} groups.",
    "Notes of today: {metric} down {percent} percent, they want {feature}.",
    "{account} asks for the {report}, I forwarded it.",
    "Waiting for an answer of procurement at {account} since {weekday}.",
)

LOOSE: Mapping[str, tuple[str, ...]] = {
    "general": (
        "Reminder: all-hands on {weekday} at ten, agenda is in the calendar.",
        "Please book your holidays for {month} by {weekday}.",
        "New joiners this month: {number} percent more support people, welcome!",
        "The office is closed on {weekday} for the fire drill.",
        "We passed {number} thousand planned shifts in one day, [thank you all|what a milestone]!",
        "Travel requests for {month} go to the office team from now on.",
    ),
    "random": (
        "Anyone for lunch? {chat}.", "Found a scarf in the meeting room, [grey|green|red].",
        "My bread did not rise again, tips?", "Table football on {weekday}?",
        "{chat}, I'll be [ten minutes late|online a bit later].", "Which podcast do you listen to on the way?",
    ),
    "sales": (
        "Forecast for {month} is due on {weekday}.", "New lead from {industry}, {number} sites, who takes it?",
        "Template for offers has a new page on {control}.", "{competitor} changed its price page again.",
        "Win rate against {competitor} was {percent} percent last quarter.",
    ),
    "support": (
        "Queue is at {number} tickets, oldest is {ticket}.", "Macro for the {area} is updated.",
        "Phone is down for {number} minutes, use the backup line.",
        "Please link {ticket} when customers say that it {symptom}.", "Night shift handed over, nothing special.",
    ),
    "engineering": (
        "Build is red because of {cause}.",
        "Upgrading the test database on {weekday}, expect {number} minutes of pause.",
        "Reviewed the change to the {area}, two comments.", "Flaky test in the {area} is quarantined.",
        "Load test: {number} requests a second, p95 at {percent}0 ms.",
    ),
    "product": (
        "Interview notes on {feature} are in the folder.", "{number} customers asked for {feature} so far.",
        "Roadmap review moves to {weekday}.", "Mock-ups for the {area}, comments welcome.",
        "Usage of the {area} is up {percent} percent.",
    ),
    "incidents": (
        "Alert: error rate of the {area} at {percent} percent.",
        "Resolved after {number} minutes, the cause was {cause}.",
        "Post-mortem for {ticket} is on {weekday}.", "Status page is updated: {area} degraded in {region}.",
    ),
    "leadership": (
        "Board deck: churn risk at {account} needs a line, {amount} euros.",
        "Hiring plan for {month}: {number} open roles.", "We should decide on the {region} hosting by {weekday}.",
        "Price list change of {percent} percent is planned for {month}, keep it here.",
    ),
    "deal-desk": (
        "{account}: {discount} percent approved for {term}.", "{account}: needs a legal look at the {report} clause.",
        "Floor price is {low_price} euros this quarter.", "{account}: payment terms of {number} days, not standard.",
    ),
    "proj-old-importer": (
        "Migration of {account} to the new importer is done.", "{number} customers left on the old importer.",
        "The old importer {symptom}, nobody will fix it.", "Last one moved, I will archive this channel.",
    ),
    "coffee-machine": (
        "Descaling on {weekday}.", "Who took the last {number} capsules?", "New beans from {city} are here.",
    ),
}  # fmt: skip

BOT_POSTS: Mapping[str, tuple[str, ...]] = {
    "deploybot": (
        "Deployed release {number}.{percent} to {region}.",
        "Rolled back release {number}.{percent}: {area}.",
    ),
    "crmbot": ("Deal {account}: amount is now {amount} EUR.", "Deal {account}: close date moved to {renewal}."),
    "statusbot": ("{area} in {region}: operational.", "{area} in {region}: latency above {number}0 ms."),
}

PRIVATE_CHANNELS = ("leadership", "deal-desk")
ARCHIVED_CHANNEL = "proj-old-importer"
UNJOINED_CHANNEL = "coffee-machine"
"""Public, but the bot is no member until conversations.join."""
EMOJI = ("+1", "tada", "eyes", "heart", "pray", "white_check_mark", "rocket", "joy")
FILE_NAMES = (
    ("pricing-sheet", "xlsx"), ("rollout-plan", "pdf"), ("screenshot", "png"), ("meeting-notes", "txt"),
    ("questionnaire", "docx"), ("usage-report", "csv"),
)  # fmt: skip
