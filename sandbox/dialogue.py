"""What is said on calls: themes, each a set of exchanges in the words of a customer (c) and a seller (s).

A line starts with `c:` or `s:`; how `[choices]` and `{slots}` are filled is in `phrasing`. Exchanges of a
theme can come in any order; a call takes some of them, so two calls on one theme differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Exchange = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """One thing that calls and channels are about."""

    topic: str
    """The name Gong would give the monologue's topic."""
    titles: tuple[str, ...]
    brief: str
    key_points: tuple[str, ...]
    exchanges: tuple[Exchange, ...]


OPENINGS: tuple[Exchange, ...] = (
    ("s: [Good morning|Hello|Hi] everyone, thanks for [making the time|joining today].",
     "c: [Morning|Hi|Hello]. [Sorry, {chat}.|No problem, though {chat}.]",
     "s: [No worries at all.|I know the feeling.] Shall we [start|get going]?"),
    ("s: Can you hear me [well|all right]?", "c: Yes, loud and clear. How are things on your side?",
     "s: Busy but good. [Honestly, {chat}.|And {chat}.]", "c: Ha, same in {city}. [Let's begin then.|Go ahead.]"),
    ("c: Thanks for setting this up [so quickly|at short notice].",
     "s: Of course. Is anybody else joining from {account}?",
     "c: [No, it is just us today.|One colleague may come later.] By the way, {chat}."),
)  # fmt: skip

CLOSINGS: tuple[Exchange, ...] = (
    ("s: Let me sum up the next steps. [I send the notes today|You get a summary by tomorrow] and we speak again on {weekday}.",
     "c: [Good.|Perfect.] I will [check with the team|talk to my manager] until then.",
     "s: [Great, thank you.|Wonderful.] Have a good rest of the week."),
    ("c: What do you need from us now?",
     "s: A named contact for {site}, and [a decision|an answer] by {weekday}.",
     "c: [Fine, noted.|That works.] I will send it by mail.", "s: Thank you, talk soon. Bye."),
    ("s: So the action item on my side is a written answer by {weekday}.",
     "c: And on ours to find out who signs. [Agreed.|Deal.]", "s: [Thanks all.|Lovely, bye for now.]"),
)  # fmt: skip

THEMES: Mapping[str, Theme] = {
    "pricing": Theme(
        "Pricing",
        ("{account}: pricing for {seats} seats", "{account} - commercial proposal", "Offer review with {account}"),
        "{account} asked for better terms on {seats} seats; a discount of {discount} percent against {term} was discussed.",
        ("List price is {price} euros a seat and month.", "A discount of {discount} percent needs a term of {term}."),
        (
            ("c: [So|Right], what would {seats} seats cost us?",
             "s: The list price is {price} euros a seat and month, so about {amount} euros a year."),
            ("c: That is [more than|well above] what we have in the budget. Is there any discount?",
             "s: If you commit to {term}, I can ask for {discount} percent.",
             "c: And without the longer term?", "s: Then [five percent is my limit|I have very little room]."),
            ("c: Our procurement wants {low_price} euros a seat, otherwise they [open a tender|stop the process].",
             "s: I hear you. {low_price} euros needs approval by our finance team, I take it there on {weekday}."),
            ("c: Do we pay for [seasonal staff|temporary workers] too?",
             "s: Only for people who are planned in a month. Idle accounts cost nothing."),
            ("c: Could we be invoiced [every quarter|once a year in {month}]?",
             "s: Yes, yearly in advance is the default, quarterly adds two percent."),
            ("s: What would you compare this price with?",
             "c: With the {number} hours a week that our planners [lose|spend] on corrections."),
            ("c: If we add {more_seats} seats later, do they get the same rate?",
             "s: The rate is fixed for {term}, also for added seats."),
            ("c: Is the {module} included or is it an extra?",
             "s: The {module} is included. Only premium support is priced on its own."),
        ),
    ),
    "renewal": Theme(
        "Renewal",
        ("{account}: renewal on {renewal}", "Renewal check-in {account}", "{account} - contract extension"),
        "The contract with {account} ends on {renewal}; they consider {term} more with {more_seats} added seats.",
        ("The renewal date is {renewal}.", "{account} wants to add {more_seats} seats for {site}."),
        (
            ("s: Your contract runs until {renewal}. How do you [feel|think] about extending it?",
             "c: In general we are happy. The {module} saved us a lot of {metric}."),
            ("c: We have to give notice {weeks} weeks before {renewal}, so I need the offer soon.",
             "s: You will have the renewal offer by {weekday}."),
            ("s: Would {term} be an option?",
             "c: My director prefers one year, because the reorganisation of {site} is not finished."),
            ("c: We would take {more_seats} more seats for {site}.",
             "s: [That is good news.|Great to hear.] I put them into the renewal at the same rate."),
            ("c: There must be no price increase, otherwise this goes to the board again.",
             "s: The indexation in the contract is {percent} percent. I can try to waive it once."),
            ("c: Who signs on your side?", "s: Our VP Sales. And on yours?",
             "c: The managing director, and she is away until {month}."),
            ("s: What did you get out of the last year?",
             "c: {metric} went down by {percent} percent, we showed that in the steering meeting."),
            ("c: Auto-renewal has to go out of the contract, legal insists on it.",
             "s: Understood, I ask for a clause with a written renewal instead."),
        ),
    ),
    "bug": Theme(
        "Product issue",
        ("{account}: problem with the {area}", "{account} - {ticket} follow-up", "Support escalation {account}"),
        "At {account} the {area} {symptom} ({ticket}); a fix was promised for {weekday}.",
        ("The {area} {symptom}.", "{ticket} was raised and its cause is {cause}."),
        (
            ("c: Since the last release the {area} {symptom}.",
             "s: [I am sorry to hear that.|That should not happen.] Does it concern all sites?",
             "c: Mostly {site}, and there it is every day."),
            ("s: We tracked it as {ticket}. The cause is {cause}.", "c: And when is it fixed?",
             "s: The patch is in test, I expect it by {weekday}."),
            ("c: We had {number} wrong entries last week and corrected every one by hand.",
             "s: Please send me the list, then we can repair the data on our side."),
            ("c: Is anyone else [hit by this|seeing it]?",
             "s: Two other customers reported it, both with large rosters."),
            ("s: Could you send us a screenshot and the time when it happened?",
             "c: You find both in {ticket}, I added them on {weekday}."),
            ("c: The workaround does not help, since the {area} {symptom} again after an hour.",
             "s: Then I raise the priority today and call our engineers right after this."),
            ("c: My people start to mistrust the numbers.",
             "s: I understand. We will write a note that says which days were wrong and why."),
        ),
    ),
    "competitor": Theme(
        "Competition",
        ("{account}: comparison with {competitor}", "{account} - evaluation", "Evaluation update {account}"),
        "{account} compares us with {competitor}, who come in {percent} percent cheaper but lack the {module}.",
        ("{competitor} is also in the evaluation.", "Their price is {percent} percent below ours."),
        (
            ("c: To be open, we are also talking to {competitor}.",
             "s: Thank you for telling me. What do you like about them?",
             "c: Their offer is {percent} percent cheaper and the app looks [nicer|more modern]."),
            ("s: What is missing at {competitor}?",
             "c: They have nothing like the {module}, and their support sits in another time zone."),
            ("c: {competitor} promised {feature} within {weeks} weeks.",
             "s: I would ask them to put that into the contract. We have it on our plan for {month}."),
            ("c: Two of our planners used {competitor} in an earlier job and [hated|loved] it.",
             "s: What was their main point?", "c: That every change needs a consultant."),
            ("s: When do you decide between us and {competitor}?",
             "c: The evaluation ends in {month}, the committee meets on a {weekday}."),
            ("c: Their reference was a company in {industry}, do you have one like that?",
             "s: Yes, I can set up a call with a customer of your size."),
            ("c: How do you handle a migration away from {competitor}?",
             "s: We import their rosters, that took {weeks} weeks with the last customer."),
        ),
    ),
    "security": Theme(
        "Security review",
        ("{account}: security review", "{account} - security questionnaire", "InfoSec session with {account}"),
        "The security team of {account} blocks the purchase until it has the {report} and answers on {control}.",
        ("The {report} is required before signature.", "Open question: {control}."),
        (
            ("c: Before we can sign, our security team needs your {report}.",
             "s: I can share the {report} under a confidentiality agreement today."),
            ("c: The questionnaire has {number} open questions, most of them about {control}.",
             "s: Our engineer answers them by {weekday}."),
            ("c: How long do you keep the logs?", "s: Thirteen months, and you can stream them to your own system."),
            ("c: Who can see our employees' data on your side?",
             "s: Only support staff on call, each access is recorded in the audit log."),
            ("c: Do you test your backups?", "s: We restore one every quarter and write a report about it."),
            ("c: The last vendor failed on {control}, so this is a [red|sore] point with us.",
             "s: Then let us look at {control} first, I bring our security lead on {weekday}."),
            ("c: Without the review the deal stays blocked, whatever operations says.",
             "s: Clear. Is {weeks} weeks realistic for you?", "c: If the answers are complete, yes."),
        ),
    ),
    "sso": Theme(
        "Single sign-on",
        ("{account}: SSO with {idp}", "{account} - single sign-on setup", "Identity workshop {account}"),
        "{account} needs single sign-on with {idp} before the rollout to {seats} people.",
        ("SSO with {idp} is a condition for the rollout.", "Provisioning by SCIM is wanted by {month}."),
        (
            ("c: We can't roll out to {seats} people without SSO through {idp}.",
             "s: SAML with {idp} is supported, the setup takes an hour."),
            ("c: What about provisioning? We don't want to create accounts by hand.",
             "s: SCIM is [in beta|available on request], we can switch it on for you by {month}."),
            ("c: Shift workers share tablets at {site}. Does SSO work there?",
             "s: For shared tablets we have a badge login, which maps to the {idp} account."),
            ("s: Who administers {idp} in your company?",
             "c: A central team, and a change takes them {weeks} weeks."),
            ("c: When somebody leaves, access has to end the same day.",
             "s: With SCIM it ends within {number} minutes."),
            ("c: The test login failed with a certificate error.",
             "s: Probably the old metadata file. I send you a new one on {weekday}."),
        ),
    ),
    "residency": Theme(
        "Data residency",
        ("{account}: data residency", "{account} - hosting in {region}", "Data protection call {account}"),
        "{account} may only use the service if the data stay in {region}; a contract annex was discussed.",
        ("Data must be kept in {region}.", "The data protection officer wants an annex to the contract."),
        (
            ("c: Where is our data stored?", "s: Today in {region}, with a copy in a second zone of the same region.",
             "c: Our data protection officer wants that in writing."),
            ("c: Personal data must not leave {region}, not even for support.",
             "s: We can restrict support to staff in the region, it is an option of the enterprise plan."),
            ("c: Which subprocessors do you use?", "s: {number} in total, only three of them see personal data."),
            ("c: What happens to the data after the contract ends?",
             "s: It is exported for you and deleted after {weeks} weeks, with a certificate."),
            ("s: Is the works council involved?", "c: Yes, and they meet only once in {month}."),
            ("c: If {region} is not possible we would need hosting on our own machines.",
             "s: That we don't offer, but {region} is no problem."),
        ),
    ),
    "onboarding": Theme(
        "Onboarding",
        ("{account}: onboarding {site}", "{account} - kick-off", "Training plan with {account}"),
        "Onboarding of {account}: {site} goes live in {weeks} weeks after training of {number} planners.",
        ("{site} is the first to go live.", "{number} planners need training."),
        (
            ("s: Which site should go live first?", "c: I would start with {site}, the team there is [open|curious]."),
            ("c: How long does the training take?",
             "s: Half a day for planners. The app needs [ten minutes|no training]."),
            ("c: Our master data is a mess, {percent} percent of the people have no skill set.",
             "s: The skills matrix can be filled by import, we help you with the first file."),
            ("s: Go-live in {weeks} weeks, does that hold?",
             "c: Only if the contracts team delivers the shift rules by {weekday}."),
            ("c: Who is our contact after the go-live?", "s: Your success manager, and support from six to ten at night."),
            ("c: {number} planners have to be trained, half of them at night.",
             "s: We do two sessions, one at five in the morning."),
            ("c: The first week at {site} went [better than expected|well, apart from the {area}].",
             "s: [Glad to hear it.|Very good.] I note the point about the {area}."),
        ),
    ),
    "feature": Theme(
        "Feature request",
        ("{account}: roadmap session", "{account} - request for {feature}", "Product feedback {account}"),
        "{account} asks for {feature}; product will answer by {month}.",
        ("{account} wants {feature}.", "Without it {number} hours a week are lost."),
        (
            ("c: What we really miss is {feature}.", "s: Tell me how you would use it.",
             "c: At {site} we [do it in a spreadsheet|print it and pin it to the wall]."),
            ("s: How much time would {feature} save?", "c: I would say {number} hours a week, over all sites."),
            ("c: Is it on the roadmap?", "s: It is on the list for {month}, not promised yet."),
            ("c: Others must have asked for {feature} too.",
             "s: Yes, {number} customers voted for it, so I will push it."),
            ("c: We would also test an early version of it.", "s: [Great|Perfect], I add {account} to the beta group."),
            ("c: And the {area} should remember our settings.", "s: That is a small one, I write it down."),
        ),
    ),
    "churn": Theme(
        "Churn risk",
        ("{account}: health check", "{account} - escalation", "Recovery plan {account}"),
        "{account} considers leaving because {reason}; usage fell by {percent} percent.",
        ("Usage fell by {percent} percent because {reason}.", "A recovery plan is due on {weekday}."),
        (
            ("c: I have to be honest, we are thinking about leaving.", "s: Thank you for saying it openly. What happened?",
             "c: Mainly that {reason}."),
            ("s: We saw that usage fell by {percent} percent since {month}.",
             "c: Yes, {site} stopped using it altogether."),
            ("c: If nothing changes until {renewal}, we will cancel.",
             "s: Give us {weeks} weeks. I bring a plan with dates on {weekday}."),
            ("c: My team says that {reason}.", "s: I take that to our management today, this deserves an answer."),
            ("s: What would make you stay?", "c: A fixed contact, the {area} repaired, and a credit for {month}."),
            ("c: The director asked why we still pay {amount} euros a year.",
             "s: Let us show the effect on {metric} together, I have the figures."),
        ),
    ),
    "pilot": Theme(
        "Pilot",
        ("{account}: pilot at {site}", "{account} - pilot review", "Proof of concept {account}"),
        "{account} runs a pilot at {site} for {weeks} weeks; success means {percent} percent less {metric}.",
        ("The pilot at {site} lasts {weeks} weeks.", "Goal: {percent} percent less {metric}."),
        (
            ("s: Let us define what success of the pilot means.",
             "c: {percent} percent less {metric} at {site}, measured over {weeks} weeks."),
            ("c: We can give you {number} people for the pilot, not more.", "s: That is enough to see a trend."),
            ("c: What does the pilot cost?", "s: Nothing for {weeks} weeks, if we agree on a decision date now."),
            ("c: The planners at {site} liked the {module} most.",
             "s: And what did they [dislike|complain about]?", "c: That the {area} {symptom}."),
            ("s: After {number} days we see {percent} percent less {metric}.",
             "c: [Impressive.|That is more than we expected.] Can I have the raw figures?"),
            ("c: If the pilot works, we roll out to {seats} people in {month}.",
             "s: Then I prepare an offer for that already."),
        ),
    ),
    "integration": Theme(
        "Integration",
        ("{account}: connection to {system}", "{account} - API workshop", "Technical session {account}"),
        "{account} wants to connect {system} by {protocol}; a test system is ready in {weeks} weeks.",
        ("{system} shall be connected by {protocol}.", "A test system is needed by {month}."),
        (
            ("c: We have to connect {system}. How would you do that?", "s: Most customers use {protocol} for it."),
            ("c: How many requests a minute does the public API allow?",
             "s: {number} a second for each customer, with a clear answer when you go over it."),
            ("c: {system} only knows personnel numbers, not mail addresses.",
             "s: You can map on any external id, the import has a column for it."),
            ("s: Who would build it on your side?", "c: A partner, and they need documentation and a test system."),
            ("c: What if a delivery is lost?", "s: Deliveries are repeated for a day, and you can read everything again."),
            ("c: The test import with {number} thousand rows took an hour.",
             "s: That is too slow. I suspect {cause}, let me look."),
        ),
    ),
}  # fmt: skip
