"""The counter of sound frames against ffprobe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_ffmpeg import ffmpeg, probe, probe_stream

from service.media.ts.adts import RATES, SAMPLES, count_frames

ENCODED_RATES = [rate for rate in RATES if rate <= 96_000]


def adts(rate: int = 48_000, seconds: float = 2, channels: int = 1, bits: str = "96k") -> bytes:
    return ffmpeg(
        *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}", "-t", str(seconds)),
        *("-ac", str(channels), "-c:a", "aac", "-b:a", bits, "-f", "adts"),
    )


@pytest.mark.parametrize("rate", ENCODED_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_frame_is_counted_at_the_rate_that_ffprobe_names(rate: int, channels: int) -> None:
    content = adts(rate, channels=channels)
    count, rest, found = count_frames(content)
    assert (count, rest) == (len(probe(content, "a")), 0)
    assert found == int(probe_stream(content, "a")["sample_rate"]) == rate
    assert count * SAMPLES / rate == pytest.approx(2, abs=0.4)


def test_counts_of_any_two_parts_add_up_to_those_of_the_whole() -> None:
    content = adts()
    whole = count_frames(content)[0]
    # A header that is cut in two is seen in neither part: a player that holds both parts loses nothing by it.
    for cut in range(50, len(content), 97):
        first, rest, _ = count_frames(content[:cut])
        second, _, _ = count_frames(content[cut:], rest)
        assert whole - 1 <= first + second <= whole, cut


def test_what_of_the_last_frame_is_still_to_come_is_known() -> None:
    content = adts()
    length = (content[3] & 3) << 11 | content[4] << 3 | content[5] >> 5
    for cut in range(7, length):
        assert count_frames(content[:cut]) == (1, length - cut, 48_000)


def test_zeros_between_frames_cost_only_the_frames_they_lie_in() -> None:
    content = adts()
    whole = count_frames(content)[0]
    for at in range(300, len(content) - 600, 401):
        count = count_frames(content[:at] + bytes(100) + content[at + 100 :])[0]
        assert whole - 2 <= count <= whole, at


def test_several_sounds_in_one_frame_are_counted_each() -> None:
    content = bytearray(adts())
    content[6] |= 3
    assert count_frames(content)[0] == count_frames(adts())[0] + 3


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xf1", b"\xff" * 5000, bytes(5000), b"\xff\xf1\x40\x00\x00\x1f\xfc"]
)
def test_what_is_no_frame_is_none(content: bytes) -> None:
    assert count_frames(content) == (0, 0, None)


@given(st.binary(max_size=4000), st.integers(0, 5000))
def test_random_bytes_never_raise(content: bytes, skipped: int) -> None:
    count, rest, rate = count_frames(content, skipped)
    assert 0 <= count <= 4 * len(content)
    assert rest >= 0
    assert rate in (None, *RATES)
