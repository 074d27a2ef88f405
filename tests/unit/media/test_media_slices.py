"""What a slice holds and what of it is lost: against ffprobe's times and against the pictures that ffmpeg shows."""

import json
from dataclasses import asdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_ffmpeg import AUDIO_PID, VIDEO_PID, pictures, places_of, probe, rows_of, slice_of

from service.media.spans import measure
from service.media.ts.packets import read_packets
from service.media.ts.rows import PACKET
from service.media.ts.slices import SliceFacts, from_plain, read_ends, read_whole, since
from service.media.ts.tables import Stream

KNOWN = (Stream(VIDEO_PID, 0x1B), Stream(AUDIO_PID, 0x0F))
WRAP = 1 << 33
FPS = 25
BOUNDED = ("-omit_video_pes_length", "0")


def whole(content: bytes | np.ndarray) -> SliceFacts:
    if isinstance(content, np.ndarray):
        content = content.tobytes()
    return read_whole(read_packets(content, KNOWN), KNOWN)


def lost_pictures(facts: SliceFacts) -> float:
    assert facts.video is not None
    return measure(facts.video.lost)


def lost_sound(facts: SliceFacts) -> float:
    assert facts.audio is not None
    return measure(facts.audio.lost)


def shown_otherwise(content: bytes, changed: bytes) -> float:
    """Seconds of pictures of `content` that ffmpeg does not show of `changed`."""
    kept = set(pictures(changed))
    return sum(one not in kept for one in pictures(content)) / FPS


FORMS = {
    "plain": {},
    "B-frames": {"x264": "keyint=50:scenecut=0:bframes=3"},
    "open GOP": {"x264": "keyint=25:scenecut=0:bframes=3:open-gop=1"},
    "60 a second": {"fps": 60},
    "44.1 kHz": {"rate": 44_100},
    "across 2^33": {"first": WRAP / 90_000 - 2},
    "mono at 8 kHz": {"rate": 8_000},
    "2 s of sound in one PES packet": {"muxer": ("-pes_payload_size", "60000")},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_slice_begins_and_ends_where_ffprobe_says_and_nothing_of_it_is_lost(form: str) -> None:
    content = slice_of(**FORMS[form])
    facts = whole(content)
    video, audio = probe(content, "v"), probe(content, "a")
    assert facts.video is not None
    assert facts.audio is not None
    assert (facts.damage, facts.video.lost, facts.audio.lost, facts.doubtful) == (0, (), (), False)
    assert facts.origin == int(video[0]["dts"]) % WRAP
    step = int(video[1]["dts"]) - int(video[0]["dts"])
    assert facts.video.ends == pytest.approx((int(video[-1]["dts"]) + step - int(video[0]["dts"])) / 90_000)
    ended = int(audio[-1]["pts"]) + int(audio[-1]["duration"]) - int(video[0]["dts"])
    assert facts.audio.ends == pytest.approx(ended / 90_000, abs=0.001)
    assert facts.audio.begins == pytest.approx((int(audio[0]["pts"]) - int(video[0]["dts"])) / 90_000, abs=0.001)
    assert (facts.key, facts.alone) == (True, True)


@pytest.mark.parametrize("form", FORMS)
def test_both_ends_say_of_a_slice_what_all_of_it_says(form: str) -> None:
    content = slice_of(seconds=8, **FORMS[form])
    facts = whole(content)
    tail = len(content) // PACKET // 2 * PACKET
    head = read_packets(content[: 60 * PACKET], partial=True)
    ends = read_ends(head, read_packets(content[tail:], head.maps[0]))
    assert (ends.doubtful, ends.damage, ends.origin) == (False, 0, facts.origin)
    for one, other in ((ends.video, facts.video), (ends.audio, facts.audio)):
        assert one is not None
        assert other is not None
        assert (one.first_at, one.begins, one.counters) == (other.first_at, other.begins, other.counters)
        assert one.ends == pytest.approx(other.ends)
    assert (ends.parameters, ends.sets, ends.maps, ends.programs) == (facts.parameters, facts.sets, 1, 1)


@pytest.mark.parametrize("muxer", [(), BOUNDED], ids=["no lengths", "lengths of pictures"])
def test_no_packet_can_be_lost_without_the_pictures_lost_that_ffmpeg_lacks(muxer: tuple[str, ...]) -> None:
    content = slice_of(muxer=muxer)
    rows, dice = rows_of(content), Random(3)
    for _ in range(12):
        first = dice.choice(places_of(rows, VIDEO_PID)[1:-40])
        count = dice.choice((1, 1, 2, 7, 40))
        changed = np.delete(rows, range(first, first + count), axis=0)
        facts = whole(changed)
        assert lost_pictures(facts) >= shown_otherwise(content, changed.tobytes()) - 1.5 / FPS, (first, count)
        assert lost_pictures(facts) <= 1.0 + count / 20, (first, count)


def test_a_picture_lost_as_a_whole_takes_those_after_it_up_to_the_next_key() -> None:
    rows = rows_of(slice_of(muxer=BOUNDED))
    starts, mine = places_of(rows, VIDEO_PID, begins=True), places_of(rows, VIDEO_PID)
    for unit in (1, 10, 24):
        facts = whole(np.delete(rows, [at for at in mine if starts[unit] <= at < starts[unit + 1]], axis=0))
        assert facts.video is not None
        assert facts.video.lost == (pytest.approx((unit / FPS, 1.0)),)
        assert not facts.video.unfinished


def test_what_is_lost_after_the_last_key_is_unfinished() -> None:
    rows = rows_of(slice_of())
    starts = places_of(rows, VIDEO_PID, begins=True)
    facts = whole(np.delete(rows, starts[80] + 1, axis=0))
    assert facts.video is not None
    assert facts.video.unfinished
    assert facts.video.lost == (pytest.approx((80 / FPS, 4.0)),)
    facts = whole(np.delete(rows, starts[60] + 1, axis=0))
    assert facts.video is not None
    assert not facts.video.unfinished


def test_a_slice_that_lacks_its_beginning_is_lost_up_to_its_first_key() -> None:
    rows = rows_of(slice_of())
    starts = places_of(rows, VIDEO_PID, begins=True)
    facts = whole(rows[starts[4] + 1 :])
    assert facts.video is not None
    # The origin is the first picture that is there, the sixth.
    assert facts.video.lost == (pytest.approx((0.0, 1.0 - 5 / FPS)),)
    assert not facts.key
    facts = whole(rows[starts[80] + 1 :])
    assert facts.video is not None
    assert facts.video.unfinished


def test_a_slice_without_a_key_frame_has_lost_nothing_by_that() -> None:
    rows = rows_of(slice_of())
    starts = places_of(rows, VIDEO_PID, begins=True)
    facts = whole(rows[starts[3] : starts[24]])
    assert facts.video is not None
    assert (facts.video.lost, facts.video.first_key, facts.key, facts.alone) == ((), None, False, False)


def test_zeroed_regions_lose_at_least_the_pictures_that_ffmpeg_lacks() -> None:
    content = slice_of()
    dice = Random(11)
    for _ in range(8):
        first = dice.randrange(300, len(content) - 20_000)
        size = dice.choice((188, 1000, 9_000, 60_000))
        changed = (content[:first] + bytes(size) + content[first + size :])[: len(content)]
        facts = whole(changed)
        assert facts.damage
        # How late the last picture is that is left only the next slice can show.
        missing = lost_pictures(facts) + 4.0 - (facts.video.ends or 0.0 if facts.video else 0.0)
        assert missing >= shown_otherwise(content, changed) - 1.5 / FPS, (first, size)


def test_lost_sound_is_as_long_as_the_frames_that_are_lost() -> None:
    content = slice_of(muxer=("-pes_payload_size", "0"))
    rows = rows_of(content)
    starts, mine = places_of(rows, AUDIO_PID, begins=True), places_of(rows, AUDIO_PID)
    frame = 1024 / 48_000
    for unit, count in ((5, 1), (50, 3), (100, 40)):
        gone = [at for at in mine if starts[unit] <= at < starts[unit + count]]
        facts = whole(np.delete(rows, gone, axis=0))
        assert lost_sound(facts) == pytest.approx(count * frame, abs=0.002), (unit, count)
        assert lost_pictures(facts) == 0


def test_a_sound_that_misses_a_packet_is_lost_and_takes_no_other() -> None:
    rows = rows_of(slice_of(muxer=("-pes_payload_size", "0")))
    inner = places_of(rows, AUDIO_PID, begins=False)
    for place in inner[10:-1:15]:
        facts = whole(np.delete(rows, place, axis=0))
        assert lost_sound(facts) == pytest.approx(1024 / 48_000, abs=0.002), place


def test_pictures_far_apart_are_a_hole_and_a_slow_page_is_none() -> None:
    rows = rows_of(slice_of(seconds=8))
    starts, mine = places_of(rows, VIDEO_PID, begins=True), places_of(rows, VIDEO_PID)
    gone = [at for at in mine if starts[25] <= at < starts[75]]
    renumbered = np.delete(rows, gone, axis=0)
    for number, at in enumerate(places_of(renumbered, VIDEO_PID)):
        renumbered[at, 3] = renumbered[at, 3] & 0xF0 | number & 0x0F
    facts = whole(renumbered)
    assert facts.video is not None
    assert facts.torn == 0
    assert facts.video.lost == (pytest.approx((1.0, 3.0)),)
    assert whole(slice_of(fps=1, x264="keyint=4:scenecut=0:bframes=0")).video.lost == ()  # type: ignore[union-attr]


def renumbered(rows: np.ndarray) -> np.ndarray:
    """The same with counters that run on, so that only the clock tells what was put in."""
    made = rows.copy()
    for pid in (VIDEO_PID, AUDIO_PID):
        for number, at in enumerate(places_of(made, pid)):
            made[at, 3] = made[at, 3] & 0xF0 | number & 0x0F
    return made


@pytest.mark.parametrize("kind", ["pictures", "sound"])
def test_a_stretch_that_comes_twice_counts_once_as_ffmpeg_shows_it_twice(kind: str) -> None:
    rows = rows_of(slice_of(seconds=8))
    starts = places_of(rows, VIDEO_PID, begins=True)
    begin, end = starts[50], starts[125]
    again = rows[begin:end]
    if kind == "sound":
        again = again[places_of(again, AUDIO_PID)]
    repeated = renumbered(np.concatenate([rows[:end], again, rows[end:]]))
    facts = whole(repeated)
    assert facts.torn == 0, "no packet is missing, so that nothing else finds it"
    shown = len(pictures(repeated.tobytes())) - len(pictures(rows.tobytes()))
    assert (shown, lost_pictures(facts)) == ((75, pytest.approx(3, abs=0.1)) if kind == "pictures" else (0, 0))
    assert lost_sound(facts) == pytest.approx(3, abs=0.3)


def test_a_clock_that_begins_anew_within_a_slice_shows_nothing_twice() -> None:
    first, second = slice_of(seconds=4, first=100.0), slice_of(seconds=4, first=20.0)
    facts = whole(renumbered(np.concatenate([rows_of(first), rows_of(second)])))
    assert lost_pictures(facts) == lost_sound(facts) == 0


@pytest.mark.parametrize(
    "change",
    [lambda rows: np.delete(rows, 3, axis=0), lambda rows: np.where(np.arange(len(rows))[:, None] == 1, 0, rows)],
    ids=["a packet lost", "a packet zeroed"],
)
def test_damage_at_an_end_makes_a_slice_doubtful(change: object) -> None:
    rows = rows_of(slice_of(seconds=8))
    assert callable(change)
    head = read_packets(change(rows[:22]).astype(np.uint8).tobytes(), partial=True)
    tail = read_packets(rows[-300:].tobytes(), KNOWN)
    assert read_ends(head, tail).doubtful


def test_ends_that_hold_no_last_sound_or_no_tables_are_doubtful() -> None:
    rows = rows_of(slice_of(seconds=8))
    head = read_packets(rows[:22].tobytes(), partial=True)
    silent = [at for at in range(len(rows) - 300, len(rows)) if at not in set(places_of(rows, AUDIO_PID))]
    assert read_ends(head, read_packets(rows[silent].tobytes(), KNOWN)).doubtful
    untold = read_packets(np.delete(rows[:22], places_of(rows[:22], 0), axis=0).tobytes(), partial=True)
    assert read_ends(untold, read_packets(rows[-300:].tobytes(), KNOWN)).doubtful


def test_sound_that_a_muxer_left_out_near_the_end_makes_a_slice_doubtful() -> None:
    rows = rows_of(slice_of(seconds=8))
    head = read_packets(rows[:22].tobytes(), partial=True)
    begins = [at for at in places_of(rows, AUDIO_PID, begins=True) if at >= len(rows) - 300]
    missing = [at for at in places_of(rows, AUDIO_PID) if begins[-3] <= at < begins[-2]]
    cut = np.delete(rows, missing, axis=0)
    # Its counters go on as if nothing were missing.
    sounds = places_of(cut, AUDIO_PID)
    cut[sounds, 3] = cut[sounds, 3] & 0xF0 | np.arange(len(sounds)) % 16
    whole_tail, cut_tail = (read_packets(all_of[-290:].tobytes(), KNOWN) for all_of in (rows, cut))
    assert not read_ends(head, whole_tail).doubtful
    assert (read_ends(head, cut_tail).damage, read_ends(head, cut_tail).doubtful) == (0, True)
    assert lost_sound(whole(cut)) > 0


def test_a_slice_of_zeros_or_of_nothing_holds_nothing() -> None:
    for content in (b"", bytes(100 * PACKET), b"\xff" * 50_000):
        facts = read_whole(read_packets(content, KNOWN), KNOWN)
        assert (facts.origin, facts.video, facts.audio) == (None, None, None)
        assert facts.whole


def test_facts_come_back_the_same_through_json() -> None:
    rows = rows_of(slice_of())
    facts = whole(np.delete(rows, [50, 700], axis=0)).with_lost([(1.0, 2.0)], [(0.5, 0.6)], unfinished=True)
    assert from_plain(json.loads(json.dumps(asdict(facts)))) == facts


def test_losses_found_twice_count_once() -> None:
    facts = whole(slice_of()).with_lost([(1.0, 2.0)], [])
    again = whole(slice_of()).with_lost([(1.5, 2.5)], []).with_losses_of(facts)
    assert again.video is not None
    assert again.video.lost == ((1.0, 2.5),)


@given(st.integers(0, WRAP - 1), st.integers(-90_000 * 3600 * 13, 90_000 * 3600 * 13))
def test_time_stamps_are_compared_across_the_wrap(earlier: int, ticks: int) -> None:
    assert since(earlier, (earlier + ticks) % WRAP) == ticks / 90_000


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=16)), min_size=1, max_size=60))
def test_bytes_changed_anywhere_never_raise_and_no_span_is_reversed(changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(slice_of(seconds=1))
    for at, piece in changes:
        content[at % len(content) : at % len(content) + len(piece)] = piece
    packets = read_packets(bytes(content), KNOWN)
    for facts in (read_whole(packets, KNOWN), read_whole(packets), read_ends(packets, packets)):
        json.dumps(asdict(facts))
        for held in (facts.video, facts.audio):
            assert held is None or all(begin < end for begin, end in held.lost)
