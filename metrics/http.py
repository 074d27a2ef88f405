"""Requests that the listeners answered: number and duration by route template.

The number of series is bounded, because routes are declared at the start with zero values, and every other request
counts as the route `other`. Paths, ids and callers are never labels.
"""

from prometheus_client import Counter, Histogram

from metrics import REGISTRY

_CLASSES = ("2xx", "3xx", "4xx", "5xx")

_REQUESTS = Counter(
    "pagereel_http_requests",
    "Requests answered, by route template, method and class of the HTTP status.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
_SECONDS = Histogram(
    "pagereel_http_request_seconds",
    "Time from the request's head to the finished answer, `Prefer: wait` included, by route template and method.",
    ["route", "method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
    registry=REGISTRY,
)


class RouteMeter:
    """The series of one route, looked up once to avoid a label lookup for each request."""

    __slots__ = ("_classes", "_seconds")

    def __init__(self, route: str, method: str) -> None:
        self._classes = {name[0]: _REQUESTS.labels(route, method, name) for name in _CLASSES}
        self._seconds = _SECONDS.labels(route, method)

    def observe(self, status: int, seconds: float) -> None:
        """Count one answer with HTTP `status` that took `seconds`."""
        counter = self._classes.get(str(status)[0])
        if counter is not None:
            counter.inc()
        self._seconds.observe(seconds)


OTHER = RouteMeter("other", "any")
