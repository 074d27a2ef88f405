"""How slices join: restarts of every kind are fine, slices out of place and lost ends are found."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_continuity import (
    COUNT,
    FPS,
    FRAME,
    OTHER,
    SECONDS,
    SEGMENTS,
    continuity_of,
    cut,
    errors,
    facts_of,
    last_shown,
    lost_seconds,
    pieces_of,
    without,
)
from media_ffmpeg import AUDIO_PID, VIDEO_PID, probe

from service.media.continuity import judge_continuity, must_follow
from service.media.ts.h264 import ParameterSet
from service.media.ts.rows import PACKET
from service.media.ts.slices import Held, SliceFacts
from service.media.ts.tables import Stream

BOTH = pytest.mark.parametrize("ends", [False, True], ids=["whole", "ends"])
INNER = range(1, COUNT - 1)

FORMS = {
    "counters run on": {},
    "counters begin anew in each slice": {"slicer": SEGMENTS},
    "B-frames": {"x264": "keyint=20:min-keyint=20:scenecut=0:bframes=3"},
    "open GOP": {"x264": "keyint=20:min-keyint=20:scenecut=0:bframes=3:open-gop=1"},
    "44.1 kHz": {"rate": 44_100},
    "across 2^33": {"first": (1 << 33) / 90_000 - 12},
    "mute": {"mute": True},
}


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_a_recorders_own_slices_have_no_fault(form: str, ends: bool) -> None:
    continuity = continuity_of(cut(**FORMS[form]), ends=ends)
    assert (continuity.faults, dict(continuity.lost)) == ((), {})
    # ffmpeg's last slice of an open GOP is half a second shorter.
    assert set(continuity.durations) <= ({COUNT - 1} if form == "open GOP" else set())


def test_slices_in_which_no_key_frame_falls_have_no_fault() -> None:
    slicer = ("-f", "hls", "-hls_time", "4", "-hls_list_size", "0", "-hls_flags", "split_by_time")
    contents = cut(x264="keyint=90:scenecut=0:bframes=0", slicer=slicer)
    assert not all(any("K" in one["flags"] for one in probe(content, "v")) for content in contents)
    for ends in (False, True):
        assert continuity_of(contents, ends=ends).faults == ()


# --- out of place ----------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("form", ["counters run on", "counters begin anew in each slice", "across 2^33", "mute"])
def test_two_slices_swapped_are_both_out_of_place(form: str, ends: bool) -> None:
    for one in range(COUNT):
        for other in range(one + 1, COUNT):
            contents = list(cut(**FORMS[form]))
            contents[one], contents[other] = contents[other], contents[one]
            found = errors(continuity_of(contents, ends=ends))
            assert "slice_displaced" in found.values(), (one, other)


@BOTH
@pytest.mark.parametrize("form", ["counters run on", "counters begin anew in each slice"])
def test_a_slice_that_comes_twice_is_out_of_place(form: str, ends: bool) -> None:
    for index in range(COUNT):
        for copy in range(COUNT):
            if index == copy:
                continue
            contents = list(cut(**FORMS[form]))
            contents[copy] = contents[index]
            found = errors(continuity_of(contents, ends=ends))
            assert "slice_displaced" in found.values(), (index, copy)


@BOTH
def test_slices_moved_by_one_place_are_found(ends: bool) -> None:
    contents = list(cut())
    for first, last in ((0, 3), (2, 5), (4, 7), (0, 7)):
        moved = [*contents[:first], contents[last], *contents[first:last], *contents[last + 1 :]]
        assert errors(continuity_of(moved, ends=ends)), (first, last)


@BOTH
def test_a_slice_of_another_moment_between_others_is_out_of_place(ends: bool) -> None:
    later = cut(first=500)
    for index in INNER:
        contents = list(cut())
        contents[index] = later[index]
        assert errors(continuity_of(contents, ends=ends)) == {index: "slice_displaced"}, index
        lost = continuity_of(contents, ends=ends).lost
        assert {index: ((0.0, SECONDS),)} == dict(lost), index


def test_slices_that_leave_the_line_and_last_until_it_goes_on_are_out_of_place() -> None:
    """The last of them ends where the line goes on, as one does that holds fewer pictures a second."""
    contents = [*cut(first=100)[:3], *cut(first=99.6)[3:5], *cut(first=100)[5:]]
    facts = {index: facts_of(content, ends=False) for index, content in enumerate(contents)}
    video = facts[4].video
    assert video is not None
    facts[4] = replace(facts[4], video=replace(video, ends=SECONDS + 0.4))
    found = errors(judge_continuity(pieces_of(contents), facts))
    assert found == dict.fromkeys((3, 4), "slice_displaced")


@BOTH
def test_a_slice_of_another_recording_at_the_same_moment_is_known_by_its_counters(ends: bool) -> None:
    other = cut(**OTHER)
    for index in INNER:
        contents = list(cut())
        contents[index] = other[index]
        found = errors(continuity_of(contents, ends=ends))
        # Where its counters run on from the slice before by chance, the slice after it is named.
        assert set(found) <= {index, index + 1}, index
        assert set(found.values()) == {"slice_foreign"}, index


@BOTH
def test_a_slice_coded_otherwise_between_others_is_known_by_its_parameter_sets(ends: bool) -> None:
    other = cut(x264="keyint=10:min-keyint=10:scenecut=0:bframes=0:level=4.2", slicer=SEGMENTS)
    for index in INNER:
        contents = list(cut(slicer=SEGMENTS))
        contents[index] = other[index]
        assert errors(continuity_of(contents, ends=ends)) == {index: "slice_foreign"}, index


@BOTH
@pytest.mark.parametrize(("count", "begin", "end"), [(4, 1, 3), (8, 1, 7), (8, 2, 6), (3, 1, 2)])
def test_slices_coded_otherwise_are_known_by_what_comes_back_after_them_however_many(
    count: int, begin: int, end: int, ends: bool
) -> None:
    """Three of a short recording's joints are no habit, nor are many slices in a row."""
    other = cut(x264="keyint=10:min-keyint=10:scenecut=0:bframes=0:level=4.2", slicer=SEGMENTS)
    plain = cut(slicer=SEGMENTS)
    contents = [*plain[:begin], *other[begin:end], *plain[end:count]]
    assert errors(continuity_of(contents, ends=ends)) == dict.fromkeys(range(begin, end), "slice_foreign")


@BOTH
def test_slices_coded_otherwise_on_both_sides_of_a_restart_are_known(ends: bool) -> None:
    coding = "keyint=10:min-keyint=10:scenecut=0:bframes=0:level=4.2"
    first, second = cut(slicer=SEGMENTS), cut(slicer=SEGMENTS, first=700)
    others = cut(x264=coding, slicer=SEGMENTS), cut(x264=coding, slicer=SEGMENTS, first=700)
    contents = [*first[:2], *others[0][2:4], *others[1][:2], *second[2:4]]
    assert errors(continuity_of(contents, ends=ends)) == dict.fromkeys(range(2, 6), "slice_foreign")


@BOTH
def test_a_restart_with_another_coding_that_ends_at_a_restart_is_no_fault(ends: bool) -> None:
    other = cut(x264="keyint=10:min-keyint=10:scenecut=0:bframes=0:level=4.2", slicer=SEGMENTS, first=700)
    contents = [*cut(slicer=SEGMENTS)[:3], *other[:3], *cut(slicer=SEGMENTS, first=3000)[:3]]
    assert errors(continuity_of(contents, ends=ends)) == {}


@BOTH
def test_a_recorder_that_changes_its_coding_with_each_slice_is_no_fault(ends: bool) -> None:
    other = cut(x264="keyint=10:min-keyint=10:scenecut=0:bframes=0:level=4.2", slicer=SEGMENTS)
    plain = cut(slicer=SEGMENTS)
    contents = [other[index] if index % 2 else plain[index] for index in range(8)]
    assert errors(continuity_of(contents, ends=ends)) == {}


@BOTH
def test_a_change_of_coding_that_stays_is_no_fault(ends: bool) -> None:
    other = cut(x264="keyint=10:min-keyint=10:scenecut=0:bframes=0:level=4.2", slicer=SEGMENTS)
    contents = [*cut(slicer=SEGMENTS)[:4], *other[4:]]
    assert errors(continuity_of(contents, ends=ends)) == {}


@BOTH
def test_a_size_that_comes_back_condemns_and_one_that_stays_warns(ends: bool) -> None:
    other, plain = cut(size="192x120", slicer=SEGMENTS), cut(slicer=SEGMENTS)
    back = continuity_of([*plain[:3], other[3], *plain[4:]], ends=ends)
    assert errors(back)[3] in ("size_changed", "slice_foreign")
    assert "size_changed" in {one.code for one in back.faults}
    stays = continuity_of([*plain[:3], *other[3:]], ends=ends)
    assert errors(stays) == {}
    assert {one.code for one in stays.faults} == {"size_changed"}


@BOTH
def test_a_size_that_changes_where_time_stamps_do_not_go_on_condemns_unless_it_is_marked(ends: bool) -> None:
    contents = [*cut(slicer=SEGMENTS)[:4], *cut(size="192x120", slicer=SEGMENTS, first=700)[4:]]
    assert errors(continuity_of(contents, ends=ends)) == {4: "size_changed"}
    assert errors(continuity_of(contents, ends=ends, marked=(4,))) == {}


# --- restarts --------------------------------------------------------------------------------------------------------

RESTARTS = {
    "at 0": lambda: cut()[:4],
    "at 0, of another page": lambda: cut(**OTHER)[:4],
    "by the clock": lambda: cut(first=77)[4:],
    "back by the clock": lambda: cut(first=90_000)[4:],
    "from a base of its own": lambda: cut(first=12_345.678)[:4],
    "before the wrap": lambda: cut(first=(1 << 33) / 90_000 - 3)[:4],
}


@BOTH
@pytest.mark.parametrize("marked", [(), (4,)], ids=["unmarked", "marked"])
@pytest.mark.parametrize("kind", RESTARTS)
def test_a_line_that_begins_anew_and_goes_on_to_the_end_is_never_an_error(
    kind: str, marked: tuple[int, ...], ends: bool
) -> None:
    first = cut(**OTHER)[:4] if kind == "at 0" else cut()[:4]
    continuity = continuity_of([*first, *RESTARTS[kind]()], ends=ends, marked=marked)
    assert errors(continuity) == {}
    assert dict(continuity.lost) == {}
    assert {one.code for one in continuity.faults} <= {"timestamps_jump"}
    assert not (marked and continuity.faults)


@BOTH
def test_several_restarts_in_a_row_are_no_error(ends: bool) -> None:
    contents = [*cut()[:3], *cut(**OTHER)[:2], *cut(first=3000)[:2], *cut(first=40)[:4]]
    continuity = continuity_of(contents, ends=ends)
    assert errors(continuity) == {}
    assert [one.index for one in continuity.faults if one.code == "timestamps_jump"] == [3, 5, 7]


# --- lost ends -------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("form", ["counters run on", "counters begin anew in each slice", "B-frames"])
@pytest.mark.parametrize("packets", [40, 120, 300])
def test_the_time_that_a_cut_off_tail_takes_is_known_within_a_frame(form: str, packets: int, ends: bool) -> None:
    for index in (0, 3, COUNT - 2):
        contents = list(cut(**FORMS[form]))
        whole = contents[index]
        contents[index] = whole[: -packets * PACKET]
        gone = last_shown(whole, "v") - last_shown(contents[index], "v")
        if gone < 2 / FPS:
            continue
        found = lost_of(contents, index, ends=ends)
        assert errors(continuity_of(contents, ends=ends)) == {}, index
        assert gone - 1.5 / FPS <= found <= gone + 1.5 / FPS + 0.5, (index, gone, found)


def lost_of(contents: Sequence[bytes], index: int, *, ends: bool) -> float:
    """Seconds that are lost in a slice and behind it."""
    spans = list(continuity_of(contents, ends=ends).lost.get(index, ()))
    facts = facts_of(contents[index], ends=ends)
    spans += [span for held in (facts.video, facts.audio) if held is not None for span in held.lost]
    return max((end for _, end in spans), default=0.0) - min((begin for begin, _ in spans), default=0.0)


@BOTH
def test_sound_that_stops_early_is_lost_from_there_on(ends: bool) -> None:
    for kept in (30, 60):
        contents = list(cut(slicer=SEGMENTS))
        contents[3] = without(contents[3], AUDIO_PID, kept)
        gone = last_shown(cut(slicer=SEGMENTS)[3], "a") - last_shown(contents[3], "a")
        continuity = continuity_of(contents, ends=ends) if not ends else continuity_of(contents)
        (span,) = continuity.lost[3]
        assert gone > 0.1
        assert span[1] - span[0] == pytest.approx(gone, abs=0.03 + 2 * FRAME), kept


def test_sound_that_is_absent_from_one_slice_is_lost_in_all_of_it() -> None:
    contents = list(cut())
    contents[3] = without(contents[3], AUDIO_PID, 0)
    assert continuity_of(contents).lost[3] == ((0.0, SECONDS),)


def test_pictures_that_are_absent_from_one_slice_are_lost_in_all_of_it() -> None:
    contents = list(cut())
    contents[3] = without(contents[3], VIDEO_PID, 0)
    assert (0.0, SECONDS) in continuity_of(contents).lost[3]


def test_sound_counts_as_lost_only_where_it_was_wanted_or_some_slice_names_it() -> None:
    emptied = [without(content, AUDIO_PID, 0) for content in cut()]
    assert lost_seconds(continuity_of(emptied)) == COUNT * SECONDS
    assert lost_seconds(continuity_of(emptied, sound=False)) == 0
    assert lost_seconds(continuity_of(emptied, sound=True)) == COUNT * SECONDS
    assert lost_seconds(continuity_of(cut(mute=True))) == 0
    assert lost_seconds(continuity_of(cut(mute=True), sound=True)) == COUNT * SECONDS


def test_a_loss_that_no_key_frame_ends_goes_on_in_the_next_slices() -> None:
    slicer = ("-f", "hls", "-hls_time", "4", "-hls_list_size", "0", "-hls_flags", "split_by_time")
    contents = list(cut(x264="keyint=90:scenecut=0:bframes=0", slicer=slicer))
    facts = {index: facts_of(content, ends=False) for index, content in enumerate(contents)}
    (begun, *_) = [
        index for index in range(1, COUNT) if facts[index].video is not None and facts[index].video.first_key is None
    ]  # type: ignore[union-attr]
    contents[begun] = without(contents[begun], VIDEO_PID, 10, 11)
    continuity = continuity_of(contents)
    assert begun + 1 in continuity.lost
    ended = {index: facts_of(content, ends=True) for index, content in enumerate(contents)}
    ended[begun] = facts_of(contents[begun], ends=False)
    assert must_follow(pieces_of(contents), ended) == [begun + 1]


# --- lengths ---------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("wrong", [-3.0, -1.0, 1.0, 7.5])
def test_a_length_that_the_playlist_gives_wrongly_is_known_by_its_seconds(wrong: float, ends: bool) -> None:
    contents = cut()
    facts = {index: facts_of(content, ends=ends) for index, content in enumerate(contents)}
    for index in range(COUNT):
        continuity = judge_continuity(pieces_of(contents, seconds={index: SECONDS + wrong}), facts)
        assert dict(continuity.durations) == {index: pytest.approx(wrong, abs=0.1)}, index
        assert errors(continuity) == {}, index


def test_lengths_within_a_quarter_of_a_second_are_not_held_against_a_playlist() -> None:
    contents = cut()
    facts = {index: facts_of(content, ends=False) for index, content in enumerate(contents)}
    seconds = {index: SECONDS + (0.2 if index % 2 else -0.2) for index in range(COUNT)}
    assert dict(judge_continuity(pieces_of(contents, seconds=seconds), facts).durations) == {}


# --- anything --------------------------------------------------------------------------------------------------------

TICKS = st.integers(0, (1 << 33) - 1)
LENGTH = st.one_of(st.none(), st.floats(-1e6, 1e6))
HELD = st.none() | st.builds(
    Held,
    first_at=st.none() | TICKS,
    begins=LENGTH,
    ends=LENGTH,
    step=st.floats(0, 1e5),
    counters=st.tuples(st.none() | st.integers(0, 15), st.none() | st.integers(0, 15)),
    lost=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), max_size=2).map(tuple),
    unfinished=st.booleans(),
    first_key=LENGTH,
)
FACTS = st.builds(
    SliceFacts,
    whole=st.booleans(),
    origin=st.none() | st.sampled_from([0, 360_000, 720_000]) | TICKS,
    bad_packets=st.integers(0, 2),
    torn=st.integers(0, 2),
    programs=st.integers(0, 2),
    streams=st.none()
    | st.lists(st.builds(Stream, st.integers(0, 300), st.sampled_from([0x1B, 0x0F, 6])), max_size=3).map(tuple),
    maps=st.integers(0, 2),
    video=HELD,
    audio=HELD,
    parameters=st.lists(st.builds(ParameterSet, *[st.integers(0, 3)] * 5), max_size=2).map(tuple),
    key=st.booleans(),
    alone=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.integers(0, 7), FACTS, max_size=8),
    st.sets(st.integers(0, 7)),
    st.sampled_from([None, True, False]),
)
def test_whatever_was_read_continuity_never_raises(
    facts: dict[int, SliceFacts], marked: set[int], sound: bool | None
) -> None:
    pieces = pieces_of([b""] * 8, marked=sorted(marked))
    continuity = judge_continuity(pieces, facts, sound=sound)
    assert all(0 <= one.index < 8 for one in continuity.faults)
    assert set(continuity.lost) <= set(range(8))
    assert all(begin < end for spans in continuity.lost.values() for begin, end in spans)
    must_follow(pieces, facts)
