"""Notifications from Agora: number, delay and backlog. The metrics are updated per batch, because an update per
notification would cost more than storing it."""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from metrics import REGISTRY

# All numbers that Agora's documents name for Cloud Recording (agora-reference §8.1). Other numbers count as "other".
EVENT_TYPES = (
    *(1, 2, 3, 4, 11, 12, 13, 30, 31, 32, 33, 34, 40, 41, 42, 43, 44, 45, 46, 47, 60, 61, 70, 71, 72, 73),
    *(80, 81, 90, 100, 110, 111, 112, 113, 1001),
)
OUTCOMES = ("accepted", "duplicate", "rejected", "foreign", "unmatched", "test", "broken")

_LABEL = {number: str(number) for number in EVENT_TYPES}

notices = Counter(
    "pagereel_notifications",
    "Notifications from Agora by event type and outcome. accepted: stored; duplicate: was stored before; rejected: bad"
    " signature (type other). Of the accepted ones, once looked at: foreign: another deployment's; unmatched: no such"
    " attempt; test: the console's check; broken: not understood.",
    ["type", "outcome"],
    registry=REGISTRY,
)
_counters = {
    (label, outcome): notices.labels(label, outcome) for label in (*_LABEL.values(), "other") for outcome in OUTCOMES
}
for _child in _counters.values():
    _child.inc(0)

waiting = Gauge(
    "pagereel_intake_waiting", "Notifications received and not yet committed, this process.", registry=REGISTRY
)
inbox_depth = Gauge("pagereel_inbox_depth", "Stored notifications not yet looked at, all processes.", registry=REGISTRY)
inbox_oldest = Gauge(
    "pagereel_inbox_oldest_timestamp_seconds",
    "When the oldest stored notification not yet looked at came in; 0 if there is none.",
    registry=REGISTRY,
)
unknown = Gauge(
    "pagereel_recorders_unknown",
    "Tasks of which notifications with this deployment's name came in the last 15 minutes, and which belong to no"
    " recording. One that is adopted no longer counts.",
    registry=REGISTRY,
)
commit_seconds = Histogram(
    "pagereel_intake_commit_seconds",
    "From handing a batch of notifications to the database to its commit.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10),
    registry=REGISTRY,
)
batch_size = Histogram(
    "pagereel_intake_batch_size",
    "Notifications in one commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    registry=REGISTRY,
)
failures = Counter(
    "pagereel_intake_failures",
    "Notifications answered 503, to be sent again. full: too many waiting; late: no commit in time; database: it"
    " could not be written.",
    ["reason"],
    registry=REGISTRY,
)
skipped = Counter(
    "pagereel_notification_sequence_gaps",
    "Numbers that Agora's sequence of a task jumped over: lost, or still to come.",
    registry=REGISTRY,
)
overtaken = Counter(
    "pagereel_notifications_out_of_order",
    "Notifications that came after one of a higher number of the same task.",
    registry=REGISTRY,
)
for _reason in ("full", "late", "database"):
    failures.labels(_reason).inc(0)


class _Delays(Collector):
    """A histogram that takes a whole batch at once, because the library's own takes 2 µs for each value."""

    NAME = "pagereel_notification_delay_seconds"
    TEXT = "From Agora's event (sendts) to its arrival here; clocks that differ show as the first or a late bucket."
    BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)

    def __init__(self) -> None:
        self._counts = [0] * (len(self.BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, delays: Iterable[float]) -> None:
        for delay in delays:
            self._counts[bisect_left(self.BOUNDS, delay)] += 1
            self._sum += delay

    def collect(self) -> Iterator[Metric]:
        total, buckets = 0, []
        for bound, count in zip((*map(str, self.BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield HistogramMetricFamily(self.NAME, self.TEXT, buckets=buckets, sum_value=self._sum)


delays = _Delays()
REGISTRY.register(delays)


def counted(event_type: int | None, outcome: str, amount: int = 1) -> None:
    """Count `amount` notifications of this type and outcome."""
    _counters[_LABEL.get(event_type or 0, "other"), outcome].inc(amount)


def committed(
    event_types: Iterable[int | None], duplicates: Sequence[int | None], lateness: Iterable[float], seconds: float
) -> None:
    """Record one durable batch. The arguments are the types of all its notifications and of the duplicates among them,
    the delays of the notifications with a time of sending, and the duration of the commit."""
    accepted = Tally(event_types)
    batch_size.observe(accepted.total())
    commit_seconds.observe(seconds)
    if duplicates:
        doubles = Tally(duplicates)
        accepted -= doubles
        for event_type, amount in doubles.items():
            counted(event_type, "duplicate", amount)
    for event_type, amount in accepted.items():
        counted(event_type, "accepted", amount)
    delays.observe(lateness)


def sequenced(before: int | None, number: int) -> None:
    """Record the sequence number of a task's notification. `before` is the highest number so far."""
    if before is None:
        return
    if number > before:
        skipped.inc(number - before - 1)
    elif number < before:
        overtaken.inc()


def measured(depth: int, oldest_at: float | None, unknown_tasks: int) -> None:
    """Set the number of unprocessed notifications, the time of the oldest one and the number of unknown tasks."""
    unknown.set(unknown_tasks)
    inbox_depth.set(depth)
    inbox_oldest.set(oldest_at or 0)
