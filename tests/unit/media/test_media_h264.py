"""The reader of parameter sets against ffprobe: every size, crop, profile and way of coding that x264 writes."""

import subprocess
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_ffmpeg import ffmpeg, probe_stream

from service.media.ts.h264 import ParameterSet, nal_units, read_beginning, read_parameters

SIZES = [
    *((16, 16), (18, 16), (34, 18), (98, 66), (160, 120), (162, 122), (240, 426), (320, 240), (322, 242), (640, 360)),
    *((720, 576), (854, 480), (960, 540), (1080, 1920), (1280, 720), (1366, 768), (1440, 900), (1920, 1080)),
    *((2560, 1440), (3840, 2160), (4096, 2304)),
]
FORMATS = {
    "baseline": ("-profile:v", "baseline", "-pix_fmt", "yuv420p"),
    "main": ("-profile:v", "main", "-pix_fmt", "yuv420p"),
    "high": ("-profile:v", "high", "-pix_fmt", "yuv420p"),
    "ten bits": ("-pix_fmt", "yuv420p10le"),
    "4:2:2": ("-pix_fmt", "yuv422p"),
    "4:4:4": ("-pix_fmt", "yuv444p"),
    "grey": ("-pix_fmt", "gray"),
    "lossless": ("-qp", "0", "-pix_fmt", "yuv444p"),
    "interlaced": ("-pix_fmt", "yuv420p", "-x264-params", "interlaced=1"),
    "interlaced 4:2:2": ("-pix_fmt", "yuv422p", "-x264-params", "interlaced=1"),
    "flagged interlaced": ("-pix_fmt", "yuv420p", "-x264-params", "fake-interlaced=1"),
    "scaling matrices": ("-pix_fmt", "yuv420p", "-x264-params", "cqm=jvt"),
    "colours and aspect": ("-pix_fmt", "yuv420p", "-aspect", "4:3", "-colorspace", "bt709", "-color_range", "pc"),
    "open GOP with B-frames": ("-pix_fmt", "yuv420p", "-x264-params", "open-gop=1:bframes=3:b-pyramid=normal"),
}


@cache
def coded(width: int, height: int, *options: str) -> bytes:
    """One picture, or a few, in Annex B form."""
    source = f"color=c=blue:size={width}x{height}:rate=5"
    return ffmpeg(
        *("-f", "lavfi", "-i", source, "-frames:v", "2", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1"),
        *(options or FORMATS["high"]),
        *("-f", "h264"),
    )


def assert_as_ffprobe(content: bytes) -> None:
    beginning, told = read_beginning(content), probe_stream(content, "v")
    assert beginning.parameters is not None
    assert (beginning.parameters.width, beginning.parameters.height) == (told["width"], told["height"])
    assert beginning.parameters.level == told["level"]
    assert beginning.alone


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_size_is_the_one_that_ffprobe_names(width: int, height: int) -> None:
    assert_as_ffprobe(coded(width, height))


@pytest.mark.parametrize("name", FORMATS)
def test_the_size_is_found_in_every_way_of_coding(name: str) -> None:
    assert_as_ffprobe(coded(360, 240, *FORMATS[name]))


def test_the_size_of_interlaced_pictures_is_that_of_both_fields() -> None:
    assert_as_ffprobe(coded(1920, 1080, *FORMATS["interlaced"]))


@pytest.mark.parametrize(
    "crop", [(0, 0, 0, 0), (2, 0, 0, 0), (0, 4, 0, 0), (0, 0, 8, 0), (0, 0, 0, 8), (10, 12, 16, 12)]
)
@pytest.mark.parametrize("name", ["high", "4:2:2", "4:4:4", "interlaced"])
def test_any_crop_is_taken_off(name: str, crop: tuple[int, int, int, int]) -> None:
    left, right, top, bottom = crop
    filters = f"h264_metadata=crop_left={left}:crop_right={right}:crop_top={top}:crop_bottom={bottom}"
    command = ["ffmpeg", "-v", "error", "-f", "h264", "-i", "-", "-c", "copy", "-bsf:v", filters, "-f", "h264", "-"]
    plain = coded(320, 240, *FORMATS[name])
    content = subprocess.run(command, input=plain, capture_output=True, check=True, timeout=60).stdout
    assert_as_ffprobe(content)


def test_the_sets_of_a_beginning_are_what_a_decoder_needs() -> None:
    content = coded(320, 240)
    sets = read_beginning(content).sets
    kinds = [unit[0] & 0x1F for unit in nal_units(content)]
    assert [unit[0] & 0x1F for unit in nal_units(sets)] == [7, 8]
    assert sets in content
    assert 5 in kinds


def test_a_beginning_that_is_no_idr_is_not_alone() -> None:
    units = [b"\x00\x00\x01" + unit for unit in nal_units(coded(320, 240)) if unit[0] & 0x1F != 5]
    beginning = read_beginning(b"".join(units))
    assert not beginning.alone
    assert beginning.parameters is not None


def test_any_two_sets_that_differ_have_different_digests() -> None:
    found = [read_beginning(coded(*size)).parameters for size in SIZES]
    assert len({one.digest for one in found if one is not None}) == len(SIZES)
    assert read_beginning(coded(320, 240)).parameters == read_beginning(coded(320, 240)).parameters


def parameter_unit() -> bytes:
    return next(unit for unit in nal_units(coded(1366, 768)) if unit[0] & 0x1F == 7)


def test_a_set_that_is_cut_off_before_its_size_says_nothing() -> None:
    unit = parameter_unit()
    for length in range(8):
        assert read_parameters(unit[:length]) is None
    assert read_parameters(unit) is not None


def test_a_picture_of_impossible_size_has_no_size() -> None:
    bits = "010000101100000000110100" + golomb(0) * 2 + golomb(2) + golomb(1) + "0" + golomb(65_535) * 2 + "11001"
    raw = b"\x67" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    assert read_parameters(raw) is None


def golomb(number: int) -> str:
    text = bin(number + 1)[2:]
    return "0" * (len(text) - 1) + text


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda rest: b"\x00\x00\x01\x67" + rest)))
def test_random_bytes_never_raise(content: bytes) -> None:
    read_beginning(content)
    read_parameters(content)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=8))
def test_a_set_with_any_bytes_changed_never_raises_and_has_a_possible_size(changes: list[tuple[int, int]]) -> None:
    unit = bytearray(parameter_unit())
    for at, value in changes:
        unit[at % len(unit)] = value
    found = read_parameters(bytes(unit))
    assert found is None or (
        isinstance(found, ParameterSet) and 0 < found.width <= 1 << 14 and 0 < found.height <= 1 << 14
    )
