"""The worker and the process: backlog, duration of steps, and blocking of the event loop."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram, Info

from metrics import REGISTRY

STEPS = (
    "acquire", "start", "query", "update_onhold", "update_rtmp", "update_storage", "stop", "look", "verify",
)  # fmt: skip
LOOPS = (
    "claims", "notices", "leases", "gauges", "pruning", "deliveries", "heartbeat", "reconciling", "wakeups", "keys",
    "clock", "reserve",
)  # fmt: skip

_overdue = Gauge(
    "pagereel_worker_overdue",
    "Recordings whose next step is due, from the database.",
    registry=REGISTRY,
)
_concurrency = Gauge(
    "pagereel_worker_concurrency",
    "Steps that this process performs at once; 0: it performs none.",
    registry=REGISTRY,
)
_running = Gauge("pagereel_worker_steps_running", "Steps being performed by this process.", registry=REGISTRY)
_step = Histogram(
    "pagereel_worker_step_seconds",
    "How long a step takes, its call outside included.",
    ["step"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 60),
    registry=REGISTRY,
)
_crashed = Counter(
    "pagereel_worker_step_errors_total", "Steps that ended in an error nobody expected.", ["step"], registry=REGISTRY
)
_loop_failed = Counter(
    "pagereel_worker_loop_errors_total",
    "Errors nobody expected in a loop of this process, each kept to the item or the round in which it came.",
    ["loop"],
    registry=REGISTRY,
)
_parked = Gauge(
    "pagereel_worker_parked_recordings",
    "Recordings that this process failed at eight times in a row by errors nobody expected, and tries again slowly.",
    registry=REGISTRY,
)
_due_lag = Histogram(
    "pagereel_worker_due_lag_seconds",
    "From when a recording's next step was due to when a worker claimed it.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300),
    registry=REGISTRY,
)
_lost = Counter(
    "pagereel_worker_claims_lost_total",
    "Steps whose result was not written because another worker had taken the recording over.",
    ["step"],
    registry=REGISTRY,
)
_skew = Gauge(
    "pagereel_database_clock_skew_seconds",
    "How far this machine's clock is ahead of PostgreSQL's, which is the one that counts; 0 with SQLite.",
    registry=REGISTRY,
)
_room = Gauge(
    "pagereel_disk_reserve_held",
    "1 while the room is held that is kept free beside a SQLite database; 0: its disk is full. 1 with PostgreSQL.",
    registry=REGISTRY,
)
_room.set(1)
_restored = Gauge(
    "pagereel_restore_pending",
    "1 while this process looks for what runs at Agora, because the database may be older than the world.",
    registry=REGISTRY,
)
_lag = Histogram(
    "pagereel_loop_lag_seconds",
    "How much later than asked for the event loop woke a sleeper.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
    registry=REGISTRY,
)
_build = Info("pagereel_build", "Version of the running service.", registry=REGISTRY)

for _name in LOOPS:
    _loop_failed.labels(_name)
for _name in STEPS:
    _step.labels(_name)
    _crashed.labels(_name)
    _lost.labels(_name)


def step_began() -> None:
    """Count a step that began."""
    _running.inc()


def step_done(step: str, seconds: float) -> None:
    """Record the end and duration of a step, whether it succeeded or failed."""
    _running.dec()
    _step.labels(step).observe(seconds)


def step_crashed(step: str) -> None:
    """Count a step that ended in an unexpected error."""
    _crashed.labels(step).inc()


def loop_failed(loop: str) -> None:
    """Count an unexpected error of a loop that continues."""
    _loop_failed.labels(loop).inc()


def parked(recordings: int) -> None:
    """Set the number of recordings that are retried slowly after unexpected errors."""
    _parked.set(recordings)


def claimed(late: Iterable[float]) -> None:
    """Record how many seconds after their due time recordings were claimed."""
    for seconds in late:
        _due_lag.observe(seconds)


def claim_lost(step: str) -> None:
    """Count a step that ended after its claim was lost. Another worker determines its result."""
    _lost.labels(step).inc()


def clock_skewed(seconds: float) -> None:
    """Set the difference between this machine's clock and the database's."""
    _skew.set(seconds)


def room_left(held: bool) -> None:
    """Set whether the disk space reserved for the database is available."""
    _room.set(held)


def restoring(pending: bool) -> None:
    """Set whether the process is still searching for running tasks after a restore."""
    _restored.set(pending)


def lagged(seconds: float) -> None:
    """Record one measurement of the event loop's delay."""
    _lag.observe(max(seconds, 0))


def measured(overdue: int) -> None:
    """Set the number of recordings whose step is due."""
    _overdue.set(overdue)


def works(concurrency: int) -> None:
    """Set how many steps this process performs at once."""
    _concurrency.set(concurrency)


def built(version: str) -> None:
    """Set the running version."""
    _build.info({"version": version})
