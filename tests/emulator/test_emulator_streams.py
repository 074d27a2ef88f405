"""The table of streams by size and area, in both of its readings."""

from __future__ import annotations

import pytest

from emulator.requests.stream_limits import Area, Reading, Size, has_room, size_of

SD, HD, FHD = Size


def test_sizes_go_by_pixels_whichever_way_a_picture_stands() -> None:
    assert [size_of(640, 360), size_of(360, 640), size_of(641, 360)] == [SD, SD, HD]
    assert [size_of(1280, 720), size_of(720, 1280), size_of(1280, 721), size_of(1920, 1080)] == [HD, HD, FHD, FHD]


@pytest.mark.parametrize(
    ("area", "most"),
    [("CN", (100, 50, 30)), ("EU", (50, 30, 10)), ("NA", (100, 50, 30)), ("AP", (100, 100, 30))],
)
@pytest.mark.parametrize("reading", ["lower", "higher"])
def test_each_size_has_its_own_limit(area: Area, most: tuple[int, ...], reading: Reading) -> None:
    for size, limit in zip(Size, most, strict=True):
        assert has_room(area, [size] * (limit - 1), size, reading)
        assert not has_room(area, [size] * limit, size, reading)


def test_mixed_sizes_are_bounded_by_the_limit_of_the_lower_or_of_the_higher_one() -> None:
    assert has_room("NA", [HD] * 49 + [SD] * 50, SD, "lower")
    assert not has_room("NA", [HD] * 50 + [SD] * 50, SD, "lower")
    assert not has_room("NA", [HD] * 20 + [SD] * 30, SD, "higher")
    assert has_room("NA", [FHD] * 20 + [HD] * 29, HD, "lower")
    assert not has_room("NA", [FHD] * 20 + [HD] * 30, HD, "lower")
