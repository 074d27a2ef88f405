"""Messages to callers: their deliveries, and the backlog."""

from prometheus_client import Counter, Gauge, Histogram

from metrics import REGISTRY

OUTCOMES = ("delivered", "refused", "failing", "gone", "skipped", "dead")

_tries = Counter(
    "pagereel_deliveries_total",
    "Tries to deliver a message by what came of them; dead: given up.",
    ["outcome"],
    registry=REGISTRY,
)
_seconds = Histogram(
    "pagereel_delivery_seconds",
    "How long an endpoint takes to answer.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
_delay = Histogram(
    "pagereel_delivery_delay_seconds",
    "From a fact to its message having got through.",
    buckets=(0.5, 1, 2, 5, 15, 60, 300, 3600, 86400),
    registry=REGISTRY,
)
_waiting = Gauge(
    "pagereel_deliveries_waiting",
    "Deliveries that are pending or dead, from the database.",
    ["state"],
    registry=REGISTRY,
)
_oldest = Gauge(
    "pagereel_deliveries_oldest_timestamp_seconds",
    "Since when the longest waiting delivery waits, from the database; 0: none waits.",
    registry=REGISTRY,
)
_endpoints = Gauge(
    "pagereel_endpoints_failing",
    "Endpoints that did not take the last message: failing, refusing or disabled; from the database.",
    registry=REGISTRY,
)

for _outcome in OUTCOMES:
    _tries.labels(_outcome)
for _state in ("pending", "dead"):
    _waiting.labels(_state)


def tried(outcome: str, seconds: float) -> None:
    """Record the outcome and duration of one attempt."""
    _tries.labels(outcome).inc()
    _seconds.observe(seconds)


def ended(outcome: str) -> None:
    """Count a delivery that ended without an attempt."""
    _tries.labels(outcome).inc()


def delivered_after(seconds: float) -> None:
    """Record the seconds from a fact to the delivery of its message."""
    _delay.observe(max(seconds, 0))


def measured(pending: int, dead: int, oldest_at: float | None, failing: int) -> None:
    """Set the current backlog and the number of failing endpoints. `oldest_at` is in Unix seconds."""
    _waiting.labels("pending").set(pending)
    _waiting.labels("dead").set(dead)
    _oldest.set(oldest_at or 0)
    _endpoints.set(failing)
