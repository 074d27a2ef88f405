"""Who waits for a look hears of a bucket that does not answer, also where two looks at one recording overlap."""

from contextlib import ExitStack
from typing import Any

import pytest

from service.buckets.troubles import Troubles

BUCKET: Any = object()


@pytest.mark.parametrize("first_ends_first", [True, False])
async def test_two_looks_at_one_recording_may_overlap_and_end_in_any_order(first_ends_first: bool) -> None:
    heard, first, second = Troubles(), ExitStack(), ExitStack()
    first.enter_context(heard.telling("rec_1", lambda _: None))
    second.enter_context(heard.telling("rec_1", lambda _: None))
    one, other = (first, second) if first_ends_first else (second, first)
    one.close()
    assert (heard.watch("rec_1", BUCKET) is BUCKET) is not first_ends_first
    other.close()
    assert heard.watch("rec_1", BUCKET) is BUCKET


def test_nobody_hears_of_a_recording_that_is_not_looked_at() -> None:
    heard = Troubles()
    with heard.telling("rec_1", lambda _: None):
        assert heard.watch("rec_2", BUCKET) is BUCKET
