"""What the worker decides by itself."""

import pytest

from service.worker.loops import LONGEST_REST_SECONDS, rest_seconds


def test_in_a_storm_it_rests_in_proportion_to_its_work_but_never_for_long() -> None:
    assert rest_seconds(0.004, 0) == pytest.approx(0.04)
    assert rest_seconds(0.004, 0.1) == pytest.approx(0.24)
    assert rest_seconds(8, 0) == rest_seconds(0, 30) == LONGEST_REST_SECONDS
