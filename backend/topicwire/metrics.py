"""The figures of one process, in Prometheus' terms; `exposition.py` shows those of all."""

from prometheus_client import Counter, Gauge, Histogram

frames_refused = Counter("topicwire_frames_refused", "Frames of visitors answered with an error", ["code"])
sockets_closed = Counter("topicwire_sockets_closed", "Visitors' sockets that we closed", ["code"])
sockets = Gauge("topicwire_sockets", "Visitors' sockets that are open")
messages_accepted = Counter("topicwire_messages_accepted", "Messages of visitors committed")
messages_repeated = Counter(
    "topicwire_messages_repeated", "Messages of visitors that came again and counted once"
)
messages_relayed = Counter("topicwire_messages_relayed", "Messages of visitors that Telegram took")
messages_failed = Counter(
    "topicwire_messages_failed", "Messages of visitors given up on, by the class of refusal", ["refusal"]
)
webhooks_refused = Counter("topicwire_webhooks_refused", "Webhook calls without the right secret")
updates_taken = Counter("topicwire_updates_taken", "Updates of Telegram committed, those known already too")
updates_repeated = Counter(
    "topicwire_updates_repeated", "Updates of Telegram that were known already: dropped"
)
updates_failed = Counter("topicwire_updates_failed", "Updates of Telegram whose effect failed twice")
updates_lost = Counter("topicwire_updates_lost", "Updates of Telegram given up on, after an hour")
doubts = Counter("topicwire_doubts", "Calls without an answer, by what became of them", ["verdict"])
lease_takeovers = Counter("topicwire_lease_takeovers", "Lanes taken from workers that did not give them back")
call_seconds = Histogram(
    "topicwire_call_seconds",
    "Seconds that a call of the Bot API took, whatever came of it",
    ["method"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 8, 12, 30),
)
calls_limited = Counter(
    "topicwire_calls_limited", "Bot API calls answered by 429, Too Many Requests", ["method"]
)
calls_refused = Counter("topicwire_calls_refused", "Bot API calls refused, by what it meant", ["meaning"])
rings_lost = Counter("topicwire_rings_lost", "Rings that Redis did not take; a sweep makes up for them")
budget_unchecked = Counter(
    "topicwire_budget_unchecked", "Calls made without asking the budget because Redis was away"
)
limit_exceeded = Counter(
    "topicwire_limit_exceeded", "What went beyond a limit: refused, or of a project let pass", ["policy"]
)
limit_unchecked = Counter(
    "topicwire_limit_unchecked", "What came while Redis was away: no limit was asked", ["policy"]
)
mails = Counter("topicwire_mails", "Mails to owners, by what became of them", ["outcome"])
