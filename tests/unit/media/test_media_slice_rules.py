"""What each slice says of itself is judged wherever bytes of it were read."""

from dataclasses import replace

import pytest
from media_continuity import cut, facts_of, pieces_of

from service.media.slice_rules import judge_slices
from service.media.ts.slices import SliceFacts
from service.media.ts.tables import Stream
from service.report import Severity

VIDEO, AUDIO = Stream(0x100, 0x1B), Stream(0x101, 0x0F)
GOOD = facts_of(cut()[2], ends=False)


def judged(
    facts: dict[int, SliceFacts], *, sound: bool | None = None, marked: tuple[int, ...] = ()
) -> list[tuple[int, str]]:
    pieces = pieces_of([b"x"] * 4, marked=marked)
    return [
        (one.index, one.code) for one in judge_slices(pieces, facts, sound=sound) if one.severity is not Severity.NOTE
    ]


def four(changed: SliceFacts, index: int = 2) -> dict[int, SliceFacts]:
    return {number: changed if number == index else GOOD for number in range(4)}


def test_good_slices_have_no_fault() -> None:
    assert judged(four(GOOD)) == []
    assert judged({number: facts_of(content, ends=True) for number, content in enumerate(cut()[:4])}) == []


FAULTS = {
    "packets that are damaged": (replace(GOOD, bad_packets=3), "slice_broken"),
    "units that miss bytes": (replace(GOOD, torn=2), "packets_lost"),
    "no tables": (replace(GOOD, programs=0), "slice_tables_absent"),
    "two programs": (replace(GOOD, programs=2), "slice_programs"),
    "two maps": (replace(GOOD, maps=2), "streams_changed"),
    "no picture in its map": (replace(GOOD, streams=(AUDIO,)), "video_absent"),
    "no sound in its map": (replace(GOOD, streams=(VIDEO,)), "audio_absent"),
    "a picture in its map alone": (replace(GOOD, video=None), "video_absent"),
    "sound in its map alone": (replace(GOOD, audio=None), "audio_absent"),
    "another PID": (replace(GOOD, streams=(Stream(0x222, 0x1B), AUDIO)), "streams_changed"),
    "HEVC": (replace(GOOD, streams=(Stream(0x100, 0x24), AUDIO)), "codec_unexpected"),
    "MP3": (replace(GOOD, streams=(VIDEO, Stream(0x101, 0x03))), "codec_unexpected"),
    "no key frame": (replace(GOOD, key=False), "slice_without_key"),
}


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_in_whatever_slice_it_lies(name: str, index: int) -> None:
    facts, code = FAULTS[name]
    # Streams are compared to those of the slice before; the first slice has none.
    named = 1 if (index, code) == (0, "streams_changed") and facts.maps == 1 else index
    assert (named, code) in judged(four(facts, index))


@pytest.mark.parametrize("name", FAULTS)
def test_slices_that_were_not_read_are_passed_over(name: str) -> None:
    facts, code = FAULTS[name]
    if code != "streams_changed":
        assert (2, code) in judged({2: facts}, sound=True)
    assert judged({}) == []


def test_of_streams_that_change_where_the_recorder_was_interrupted_nothing_is_said() -> None:
    other = replace(GOOD, streams=(Stream(0x222, 0x1B), AUDIO))
    changed = {0: GOOD, 1: GOOD, 2: other, 3: other}
    assert judged(changed) == [(2, "streams_changed")]
    assert judged(changed, marked=(2,)) == []


def test_the_last_slice_may_hold_fewer_streams_and_no_slice_before_it() -> None:
    sound_alone = replace(GOOD, streams=(AUDIO,), video=None)
    assert (3, "streams_changed") not in judged(four(sound_alone, 3))
    assert (3, "video_absent") in judged(four(sound_alone, 3))
    assert (2, "streams_changed") in judged(four(sound_alone, 2))


def test_the_order_of_streams_in_a_map_is_no_change() -> None:
    assert judged(four(replace(GOOD, streams=(AUDIO, VIDEO)))) == []


def test_sound_that_no_slice_has_is_a_note_unless_it_was_wanted() -> None:
    mute = {number: replace(GOOD, streams=(VIDEO,), audio=None) for number in range(4)}
    assert judged(mute) == []
    assert judged(mute, sound=False) == []
    assert judged(mute, sound=True) == [(number, "audio_absent") for number in range(4)]
