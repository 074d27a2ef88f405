"""Which samples are opened, and what is lost with those that cannot be decoded."""

import numpy as np
import pytest

from service.media.mp4 import PICTURE, SOUND, Samples, Track
from service.media.mp4.keys import (
    choose_keys,
    choose_sounds,
    groups_of,
    is_bad_key,
    keys_between,
    undecodable_by_keys,
    undecodable_by_sounds,
    with_true_sync,
)
from service.media.mp4.times import covered, ranges_of, spoilt


def samples(count: int, group: int = 50) -> Samples:
    """Samples of a second's 25th, a sync sample in each `group`."""
    at = np.arange(count, dtype=np.int64)
    return Samples(at * 10, np.full(count, 10), at * 40, np.full(count, 40), np.zeros(count, np.int64), at % group == 0)


def track(count: int, handler: str = PICTURE) -> Track:
    return Track(handler=handler, timescale=1000, samples=samples(count))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_keys_are_spread_over_the_whole_time(count: int, seed: int) -> None:
    keys = choose_keys(samples(90_000), seed, count)
    assert 0 < len(keys) <= count
    assert all(key % 50 == 0 for key in keys)
    if count > 2:
        assert (keys[0], keys[-1]) == (0, 89_950)
        assert np.diff(keys).max() <= 2.5 * 90_000 / (count - 2)


def test_all_keys_are_taken_where_there_are_few() -> None:
    assert choose_keys(samples(100), 5, 40) == [0, 50]
    assert choose_keys(Samples(), 5, 40) == []
    assert choose_sounds(Samples(), 5, 40) == []


def test_sounds_are_spread_over_the_whole_time() -> None:
    chosen = choose_sounds(samples(10_000), 3, 20)
    assert (chosen[0], chosen[-1]) == (0, 9_999)
    assert np.diff(chosen).max() < 1_100


def test_between_two_bad_keys_all_is_lost_and_the_search_goes_on_at_the_edges() -> None:
    one = samples(1000)
    bad = {0: False, 200: True, 400: True, 950: False}
    lost = undecodable_by_keys(one, bad)
    assert np.flatnonzero(lost).tolist() == list(range(200, 450))
    assert keys_between(one, bad) == [100, 650]
    sounds = undecodable_by_sounds(one, {10: True, 20: True, 30: False, 40: True})
    assert np.flatnonzero(sounds).tolist() == [*range(10, 21), 40]


def test_a_key_that_is_none_by_its_bytes_is_not_held_against_the_file() -> None:
    needs_others = b"\0\0\0\x04\x61\x9a\x84\x21"
    assert is_bad_key({"state": "none", "idr": False}, needs_others, 4) is None
    assert is_bad_key({"state": "concealed", "idr": True}, needs_others, 4) is True
    assert is_bad_key({"state": "none", "idr": False}, bytes(8), 4) is True
    assert is_bad_key({"state": "clean", "idr": True}, needs_others, 4) is False
    assert not with_true_sync(samples(100), np.zeros(100, np.bool_)).sync.any()


def test_a_damaged_picture_spoils_what_follows_until_one_stands_alone_and_a_sound_only_itself() -> None:
    bad = np.zeros(200, np.bool_)
    bad[[60, 61, 170]] = True
    picture, sound = track(200), track(200, SOUND)
    assert np.flatnonzero(spoilt(picture, bad)).tolist() == [*range(60, 100), *range(170, 200)]
    assert spoilt(sound, bad).tolist() == bad.tolist()
    assert ranges_of(picture, spoilt(picture, bad)) == [(2.4, 4.0), (6.8, 8.0)]
    assert groups_of(samples(200), bad) == [(50, 100), (150, 200)]


def test_time_that_is_lost_twice_counts_once() -> None:
    assert covered([(3, 5), (0, 1), (4, 7), (6, 6.5)]) == 5
    assert covered([]) == 0
