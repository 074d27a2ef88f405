"""Digests of coded units: equal streams in different containers, and what a comparison finds."""

import random
import time

import numpy as np
import pytest

from service.media.ts.units import (
    aac_unit,
    adts_units,
    annexb_units,
    avcc_units,
    is_intra,
    is_zeroed,
    judge_units,
)

DICE = random.Random(5)


def nal(kind: int, size: int = 200) -> bytes:
    """A unit without zeros, so that no start code lies in it."""
    return bytes([0x60 | kind, *(DICE.randrange(1, 256) for _ in range(size))])


def annexb(*units: bytes, start: bytes = b"\0\0\0\1") -> bytes:
    return b"".join(start + unit for unit in units)


def avcc(*units: bytes, size: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


@pytest.mark.parametrize("start", [b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\0\1"])
@pytest.mark.parametrize("size", [2, 4])
def test_a_picture_has_the_same_units_in_a_slice_and_in_an_mp4(start: bytes, size: int) -> None:
    pictures = [nal(5), nal(1), nal(1, 3)]
    stream = annexb(nal(9), nal(7), nal(8), pictures[0], nal(9), nal(6), *pictures[1:], start=start)
    samples = [avcc(nal(6), one, size=size) for one in pictures]
    assert annexb_units(stream) == [unit for one in samples for unit in avcc_units(one, size) or []]
    assert annexb_units(memoryview(stream)) == annexb_units(stream)


def test_zeros_behind_a_unit_do_not_count() -> None:
    one = nal(1)
    assert annexb_units(annexb(one + bytes(3))) == avcc_units(avcc(one), 4) == avcc_units(avcc(one + b"\0"), 4)


@pytest.mark.parametrize("sample", [b"", bytes(50), avcc(nal(1))[:-1], avcc(nal(1)) + b"\0", b"\xff" * 40, b"\0\0\0"])
def test_lengths_that_do_not_add_up_give_no_units(sample: bytes) -> None:
    assert avcc_units(sample, 4) is None
    assert is_zeroed(sample, 4)


def test_zeros_within_a_unit_are_told_from_what_encoders_write() -> None:
    one = nal(1)
    assert not is_zeroed(avcc(one, one), 4)
    assert not is_zeroed(avcc(one + bytes(4)), 4)
    assert not is_zeroed(avcc(one[:50] + b"\0\0\3\0" + one[50:]), 4)
    assert is_zeroed(avcc(one[:50] + bytes(3) + one[50:]), 4)


@pytest.mark.parametrize(
    ("kind", "head", "intra"), [(5, 0x88, True), (1, 0x88, True), (1, 0x9A, False), (1, 0xE0, False), (6, 0x88, False)]
)
def test_a_picture_that_stands_alone_is_told_by_its_header(kind: int, head: int, intra: bool) -> None:
    # 1 00010.. hex 88: first macroblock 0, slice type 7 (I); 9a: type 5 (P); e0: types 0 (P).
    assert is_intra(avcc(bytes([0x60 | kind, head, 0x84, 0x21, 0xFF])), 4) is intra


def adts(frame: bytes, *, checked: bool = False) -> bytes:
    length = len(frame) + (9 if checked else 7)
    head = bytes(
        [0xFF, 0xF0 if checked else 0xF1, 0x4C, 0x80 | length >> 11, length >> 3 & 255, (length & 7) << 5 | 0x1F, 0xFC]
    )
    return head + (b"\0\0" if checked else b"") + frame


def test_a_sound_has_the_same_unit_in_a_slice_and_in_an_mp4() -> None:
    frames = [DICE.randbytes(150) for _ in range(20)]
    stream = b"".join(adts(one, checked=bool(index % 3)) for index, one in enumerate(frames))
    assert adts_units(stream) == [aac_unit(one) for one in frames]
    assert adts_units(b"junk" + stream[:-1])[:19] == [aac_unit(one) for one in frames][:19]


UNITS = [DICE.getrandbits(50) for _ in range(1000)]
SAMPLES = [[one] for one in UNITS]


def test_equal_streams_need_no_decoding() -> None:
    seen = judge_units(UNITS, SAMPLES)
    assert seen.same_stream
    assert not seen.to_decode.any()
    assert seen.absent == []


def test_pictures_that_repeat_byte_for_byte_are_no_disorder() -> None:
    still = [*UNITS[:100], *UNITS[50:100], *UNITS[100:]]
    assert not judge_units(still, [[one] for one in still]).to_decode.any()


DIFFERENCES = {
    "damaged": ([*SAMPLES[:300], [7], [8], *SAMPLES[302:]], [300, 301]),
    "without units": ([*SAMPLES[:300], None, [], *SAMPLES[302:]], [300, 301]),
    "swapped": ([*SAMPLES[:300], SAMPLES[301], SAMPLES[300], *SAMPLES[302:]], [300]),
    "moved to the end": ([*SAMPLES[:300], *SAMPLES[310:], *SAMPLES[300:310]], list(range(990, 1000))),
    "repeated": ([*SAMPLES[:310], *SAMPLES[300:]], list(range(310, 320))),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_samples_that_the_slices_do_not_vouch_for_are_named(name: str) -> None:
    samples, wrong = DIFFERENCES[name]
    seen = judge_units(UNITS, samples)
    found = np.flatnonzero(seen.to_decode).tolist()
    assert seen.same_stream
    assert len(found) == len(wrong)
    assert set(found) == set(wrong) or name == "swapped"


def test_pictures_of_the_slices_that_an_mp4_leaves_out_are_named() -> None:
    assert judge_units(UNITS, [*SAMPLES[10:300], *SAMPLES[320:900]]).absent == [(300, 319)]


def test_another_encoding_is_not_the_same_stream() -> None:
    other = [[DICE.getrandbits(50)] for _ in range(1000)]
    assert not judge_units(UNITS, [*SAMPLES[:100], *other[100:]]).same_stream
    assert not judge_units([], []).same_stream
    assert not judge_units(UNITS, []).same_stream
    assert not judge_units([], SAMPLES).same_stream


def test_three_hundred_megabytes_a_second_are_digested() -> None:
    units = [nal(1, 300) * 30 for _ in range(2000)]
    stream = annexb(*units)
    spent = []
    for _ in range(5):
        began = time.process_time()
        annexb_units(stream)
        spent.append(time.process_time() - began)
    assert len(stream) / min(spent) > 300e6
