"""Which pictures of an MP4 file belong to which slice."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.verifier.mp4.stretches import by_place


@given(st.lists(st.integers(-1, 12)))
def test_every_place_has_the_indexes_at_which_it_occurs_in_their_order(places: list[int]) -> None:
    found = [(place, rows.tolist()) for place, rows in by_place(np.array(places, np.int64))]
    assert found == [
        (place, [index for index, one in enumerate(places) if one == place]) for place in sorted(set(places))
    ]


def test_many_slices_take_no_longer_than_few() -> None:
    """A comparison of every picture with every slice takes 200 times as long for the second."""
    spent = []
    for count in (10, 2000):
        places, tries = np.arange(400_000) * count // 400_000, []
        for _ in range(5):
            began = time.process_time()
            by_place(places)
            tries.append(time.process_time() - began)
        spent.append(min(tries))
    assert spent[1] < 20 * spent[0]
