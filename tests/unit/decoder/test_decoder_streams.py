"""The decoder says lost what a player does not show, and nothing else. It runs in a process of its own, as always."""

from collections.abc import AsyncIterator
from random import Random

import pytest
from decoder_made import AUDIO_PID, COUNT, FPS, SECONDS, VIDEO_PID, cut, decode, lost, lost_sound, with_noise

from service.media.ts.packets import read_packets
from service.media.ts.rows import PACKET
from service.media.ts.slices import read_whole
from service.verifier.decoding.process import Decoder

WRAP_SECONDS = (1 << 33) / 90_000
FORMS = {
    "plain": {},
    "B-frames": {"x264": "keyint=20:min-keyint=20:scenecut=0:bframes=3"},
    "open GOP": {"x264": "keyint=20:min-keyint=20:scenecut=0:bframes=3:open-gop=1"},
    "intra refresh": {"x264": "keyint=20:intra-refresh=1:bframes=0"},
    "flagged interlaced": {"x264": "keyint=20:scenecut=0:fake-interlaced=1"},
    "interlaced": {"x264": "keyint=20:scenecut=0:interlaced=1"},
    "several slices a picture": {"x264": "keyint=20:scenecut=0:slices=4"},
    "44.1 kHz": {"rate": 44_100},
    "across 2^33 in the middle of a slice": {"first": WRAP_SECONDS - 7},
    "across 2^33 between slices": {"first": WRAP_SECONDS - 5.4},
    "B-frames across 2^33": {"first": WRAP_SECONDS - 7, "x264": "keyint=20:min-keyint=20:scenecut=0:bframes=3"},
    "of odd size": {"size": "162x122"},
}


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    async with Decoder() as made:
        yield made


@pytest.mark.parametrize("form", FORMS)
async def test_of_a_recorders_own_slices_nothing_is_lost(decoder: Decoder, form: str) -> None:
    contents = cut(**FORMS[form])
    answers = await decode(decoder, contents)
    assert [(one["lost"], one["sound_lost"], one["damaged"]) for one in answers] == [([], [], 0)] * len(contents)
    width, height = (int(side) for side in FORMS[form].get("size", "160x120").split("x"))
    assert {(one["width"], one["height"]) for one in answers} == {(width, height)}
    sound = sum(one["sound_seconds"] for one in answers)
    assert sound == pytest.approx(COUNT * SECONDS, abs=0.1)


async def test_a_slice_of_an_open_gop_alone_lacks_the_pictures_that_need_the_one_before(decoder: Decoder) -> None:
    contents = cut(**FORMS["open GOP"])
    sets = read_whole(read_packets(contents[0])).sets
    (alone,) = await decode(decoder, contents[1:2], sets)
    assert 0 < lost(alone) < 1
    _, after = await decode(decoder, contents[:2])
    assert lost(after) == 0


@pytest.mark.parametrize("form", ["plain", "B-frames"])
async def test_noise_is_lost_from_its_first_picture_to_the_next_key(decoder: Decoder, form: str) -> None:
    for first, count in ((1, 1), (5, 10), (15, 4), (25, 15)):
        # In a smaller picture noise may pass for a picture: FFmpeg does not see it then.
        contents = list(cut(**FORMS[form], size="640x360"))
        contents[1] = with_noise(contents[1], VIDEO_PID, range(first, first + count))
        answers = await decode(decoder, contents)
        until = 2.0 if first < 20 else 4.0
        assert lost(answers[1]) == pytest.approx(until - first / FPS, abs=0.35), (first, count)
        assert [lost(answers[number]) for number in (0, 2, 3)] == [0, 0, 0]


async def test_a_slice_full_of_noise_is_lost_whole(decoder: Decoder) -> None:
    contents = list(cut())
    contents[2] = with_noise(contents[2], VIDEO_PID, range(1000))
    answers = await decode(decoder, contents)
    assert lost(answers[2]) == pytest.approx(SECONDS, abs=0.2)
    assert [lost(answers[number]) for number in (0, 1, 3)] == [0, 0, 0]


async def test_sounds_of_noise_are_lost_by_their_length(decoder: Decoder) -> None:
    contents = list(cut())
    contents[1] = with_noise(contents[1], AUDIO_PID, range(1000))
    answers = await decode(decoder, contents)
    assert lost_sound(answers[1]) + SECONDS - answers[1]["sound_seconds"] == pytest.approx(SECONDS, abs=1.5)
    assert [lost_sound(answers[number]) for number in (0, 2, 3)] == [0, 0, 0]


@pytest.mark.parametrize("size", [188, 1000, 10_000, 60_000])
async def test_zeros_cost_no_less_than_what_the_scan_says_is_lost(decoder: Decoder, size: int) -> None:
    """A long stretch without sync bytes makes FFmpeg give up: it must not end the slice."""
    dice = Random(size)
    for _ in range(3):
        contents = list(cut())
        at = dice.randrange(8 * PACKET, len(contents[1]) - 3 * size // 2)
        contents[1] = contents[1][:at] + bytes(size) + contents[1][at + size :]
        answers = await decode(decoder, contents)
        facts = read_whole(read_packets(contents[1]))
        assert facts.video is not None
        both = facts.with_lost([tuple(span) for span in answers[1]["lost"]], [])
        assert both.video is not None
        assert sum(end - begin for begin, end in both.video.lost) >= lost(answers[1]) - 0.01
        assert [lost(answers[number]) for number in (0, 3)] == [0, 0]


@pytest.mark.parametrize(
    "content", [b"", bytes(20_000), b"\x47" * 20_000, b"\xff" * 188 * 30], ids=["nothing", "zeros", "syncs", "ones"]
)
async def test_what_holds_no_picture_shows_none(decoder: Decoder, content: bytes) -> None:
    (answer,) = await decode(decoder, [content])
    assert "mean" not in answer
    assert answer["sound_seconds"] == 0
    sampled, small = await decoder.run("sample", content, cut=True, sets="")
    assert ("mean" in sampled, small) == (False, b"")


async def test_random_bytes_never_end_the_decoder(decoder: Decoder) -> None:
    dice = Random(4)
    for _ in range(25):
        content = bytearray(cut()[1])
        for _ in range(dice.choice((1, 10, 100))):
            at = dice.randrange(len(content))
            content[at : at + 8] = dice.randbytes(8)
        if dice.random() < 0.3:
            content = content[: dice.randrange(len(content))]
        await decoder.run("sample", bytes(content), cut=False, sets="")
        await decode(decoder, [bytes(content)])
        await decoder.run("scan", bytes(content), known=[], units=True)


async def test_a_scan_says_what_the_reader_says(decoder: Decoder) -> None:
    answer, _ = await decoder.run("scan", cut()[0], known=[], units=True)
    facts = read_whole(read_packets(cut()[0]))
    assert answer["slice"]["video"]["ends"] == facts.video.ends  # type: ignore[union-attr]
    pictures, sounds = answer["units"]
    assert len(pictures) == len(read_packets(cut()[0]).units[VIDEO_PID].shown)
    assert len(sounds) == int(read_packets(cut()[0]).units[AUDIO_PID].frames.sum())  # type: ignore[union-attr]


async def test_a_sample_counts_what_is_damaged_but_not_what_its_end_cuts(decoder: Decoder) -> None:
    content = cut()[0]
    for length in (40_000, 60_000, len(content) // 2):
        facts, small = await decoder.run("sample", content[:length], cut=True, sets="")
        assert (facts["damaged"], facts["width"]) == (0, 160), length
        assert len(small) == 160 * 90 * 3 // 2
    facts, _ = await decoder.run("sample", with_noise(cut(size="640x360")[0], VIDEO_PID, range(1)), cut=False, sets="")
    assert facts["damaged"] >= 1
