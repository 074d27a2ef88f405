"""Database transactions: their duration, including the wait for a writer or connection, and database failures."""

from prometheus_client import Counter, Histogram

from metrics import REGISTRY

_seconds = Histogram(
    "pagereel_database_transaction_seconds",
    "From asking for a transaction to its end, committed or rolled back; the wait for its turn included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
_failures = Counter(
    "pagereel_database_failures_total", "Transactions that found the database away or full.", registry=REGISTRY
)


def transacted(seconds: float) -> None:
    """Record the duration of one finished transaction."""
    _seconds.observe(seconds)


def failed() -> None:
    """Count one transaction that found the database unavailable or full."""
    _failures.inc()
