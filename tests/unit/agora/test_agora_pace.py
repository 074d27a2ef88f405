"""The request budget: rate, burst, priority; and the order of hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.agora.hosts import AVOID_SECONDS, order_hosts
from service.agora.pace import Priority, Rate, take

RATE = Rate(per_second=8, burst=2)


def serve(arrivals, rate=RATE):
    """Grant times of calls (arrival, priority) that each wait and ask again, as any replica does."""
    state, granted = float("-inf"), []
    waiting = [(arrival, index, priority) for index, (arrival, priority) in enumerate(arrivals)]
    while waiting:
        waiting.sort()
        now, index, priority = waiting.pop(0)
        state, wait = take(state, now, priority, rate)
        if wait:
            waiting.append((now + wait + 1e-9, index, priority))
        else:
            granted.append((now, index, priority))
    return granted


def test_a_burst_passes_at_once_and_the_next_waits_one_interval():
    state, waits = 100.0, []
    for _ in range(3):
        state, wait = take(state, 100.0, Priority.STOP, RATE)
        waits.append(wait)
    assert waits == [0, 0, pytest.approx(0.125)]


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from(list(Priority))), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_no_window_holds_more_than_rate_and_burst_allow(arrivals, burst):
    times = [at for at, _, _ in serve(arrivals, Rate(8, burst))]
    for first in range(len(times)):
        for last in range(first, len(times)):
            calls = last - first + 1
            assert calls <= (times[last] - times[first]) * 8 + burst + 1e-3


def test_the_more_urgent_goes_first_when_all_wait():
    order = [Priority.QUERY, Priority.START, Priority.OVERDUE_QUERY, Priority.UPDATE, Priority.STOP]
    crowd = [(0.0, Priority.QUERY)] * 3 + [(0.001, priority) for priority in order * 4]
    late = [priority for at, _, priority in serve(crowd) if at > 0.2]
    served = [priority for priority in late if priority is not Priority.QUERY]
    assert served == sorted(served)


def test_the_least_urgent_alone_gets_the_whole_rate():
    times = [at for at, _, _ in serve([(0.0, Priority.QUERY)] * 41)]
    assert times[-1] == pytest.approx(40 / 8, abs=0.2)


def test_a_budget_that_stood_still_gives_no_more_than_a_burst():
    granted = [at for at, _, _ in serve([(1000.0, Priority.STOP)] * 5) if at <= 1000.0]
    assert len(granted) == 2


URLS = ("https://a", "https://b", "https://c")


@pytest.mark.parametrize(
    ("failed_at", "expected"),
    [
        ({}, "abc"),
        ({"https://a": 99.0}, "bca"),
        ({"https://a": 99.0, "https://b": 95.0}, "cba"),
        ({"https://a": 100.0 - AVOID_SECONDS}, "abc"),
        ({"https://x": 99.0}, "abc"),
    ],
)
def test_a_host_that_failed_lately_is_tried_last(failed_at, expected):
    assert order_hosts(URLS, failed_at, 100.0) == tuple(f"https://{letter}" for letter in expected)
