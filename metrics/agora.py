"""Calls to Agora's REST API: number, outcome, duration, and the wait for the request budget."""

from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram

from metrics import REGISTRY


class Operation(StrEnum):
    """The operation that is requested from Agora."""

    ACQUIRE = "acquire"
    START = "start"
    QUERY = "query"
    UPDATE = "update"
    STOP = "stop"
    NCS_IPS = "ncs_ips"


class Outcome(StrEnum):
    """The outcome of a call. Alerts use the specific values. `REFUSED`, `UNAVAILABLE` and `UNKNOWN` cover the other
    outcomes."""

    OK = "ok"
    MISSING = "missing"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    CAPACITY = "capacity"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


_REQUESTS = Counter(
    "pagereel_agora_requests_total",
    "Calls to Agora by operation and outcome; a switch of the host within one call is not counted again",
    ("operation", "outcome"),
    registry=REGISTRY,
)
_SECONDS = Histogram(
    "pagereel_agora_request_seconds",
    "Time from sending a call to Agora to its outcome, without the wait for the budget",
    ("operation",),
    buckets=(0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 10, 15, 20),
    registry=REGISTRY,
)
_WAITS = Histogram(
    "pagereel_agora_rate_limit_wait_seconds",
    "Time a call to Agora waited for its place in the request budget",
    ("operation",),
    buckets=(0.001, 0.01, 0.05, 0.125, 0.25, 0.5, 1, 2, 5, 10),
    registry=REGISTRY,
)
_SHORT = Counter(
    "pagereel_agora_rate_limit_timeouts_total",
    "Calls to Agora that were given up because the request budget had no place in time",
    ("operation",),
    registry=REGISTRY,
)
_SWITCHES = Counter(
    "pagereel_agora_host_switches_total",
    "Times a call went on with another of Agora's hosts",
    registry=REGISTRY,
)
_SKEW = Gauge(
    "pagereel_agora_clock_skew_seconds",
    "This machine's clock less the clock in Agora's last answer, to the second",
    registry=REGISTRY,
)

for _operation in Operation:
    _SECONDS.labels(_operation.value)
    _WAITS.labels(_operation.value)
    _SHORT.labels(_operation.value)
    for _outcome in Outcome:
        _REQUESTS.labels(_operation.value, _outcome.value)


def count_request(operation: Operation, outcome: Outcome, seconds: float) -> None:
    """Record the outcome and duration of one call."""
    _REQUESTS.labels(operation.value, outcome.value).inc()
    _SECONDS.labels(operation.value).observe(seconds)


def observe_budget_wait(operation: Operation, seconds: float) -> None:
    """Record how long one call waited for its place in the budget."""
    _WAITS.labels(operation.value).observe(seconds)


def count_budget_short(operation: Operation) -> None:
    """Count one call that got no place in the budget in time."""
    _SHORT.labels(operation.value).inc()


def count_host_switch() -> None:
    """Count one call that continued with another host."""
    _SWITCHES.inc()


def set_clock_skew(seconds: float) -> None:
    """Set the difference between this machine's clock and Agora's."""
    _SKEW.set(seconds)
