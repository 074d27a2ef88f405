"""The reader of packets against ffprobe, and against bytes that are lost, doubled, zeroed or random."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_ffmpeg import AUDIO_PID, VIDEO_PID, pids_of, places_of, probe, rows_of, slice_of

from service.media.ts.packets import Packets, Units, aligned, elementary, read_packets
from service.media.ts.rows import PACKET
from service.media.ts.tables import Stream

KNOWN = (Stream(VIDEO_PID, 0x1B), Stream(AUDIO_PID, 0x0F))
NULL = np.frombuffer(b"\x47\x1f\xff\x10" + b"\xff" * 184, np.uint8)
WRAP = 1 << 33

FORMS = {
    "25 a second": {},
    "B-frames": {"x264": "keyint=50:scenecut=0:bframes=3", "muxer": ("-pes_payload_size", "0")},
    "open GOP": {"x264": "keyint=25:scenecut=0:bframes=3:open-gop=1"},
    "60 a second at 44.1 kHz": {"fps": 60, "rate": 44_100},
    "5 a second, lengths of pictures stated": {"fps": 5, "muxer": ("-omit_video_pes_length", "0")},
    "time stamps across 2^33": {"first": WRAP / 90_000 - 2},
    "tables ten times a second": {"muxer": ("-pat_period", "0.1", "-sdt_period", "0.1")},
    "PCR in adaptation fields of their own": {"muxer": ("-muxrate", "2M",)},
    "M2TS numbers of streams": {"muxer": ("-mpegts_start_pid", "0x1fe")},
}  # fmt: skip


def units_of(found: Packets, kind: str) -> Units:
    (pid,) = [one.pid for one in found.maps[0] if (one.video if kind == "v" else one.audio)]
    return found.units[pid]


def faults(found: Packets) -> int:
    """How many units of both streams miss bytes."""
    return sum(int((one.broken | one.cut).sum()) + one.orphaned for one in found.units.values())


@pytest.mark.parametrize("form", FORMS)
def test_pictures_have_the_times_keys_and_places_that_ffprobe_gives_them(form: str) -> None:
    content = slice_of(**FORMS[form])
    packets, units = probe(content, "v"), units_of(read_packets(content), "v")
    assert [(int(at) - int(one["pts"])) % WRAP for at, one in zip(units.shown, packets, strict=True)] == [0] * len(
        packets
    )
    assert [(int(at) - int(one["dts"])) % WRAP for at, one in zip(units.decoded, packets, strict=True)] == [0] * len(
        packets
    )
    assert units.keys.tolist() == ["K" in one["flags"] for one in packets]
    assert units.at.tolist() == [int(one["pos"]) for one in packets]


@pytest.mark.parametrize("form", FORMS)
def test_a_sound_slice_has_no_fault_and_as_many_sound_frames_as_ffprobe_counts(form: str) -> None:
    content = slice_of(**FORMS[form])
    found = read_packets(content)
    units = units_of(found, "a")
    assert (found.damaged, faults(found), found.programs, len(found.maps)) == (False, 0, 1, 1)
    assert units.frames is not None
    assert (int(units.frames.sum()), units.rate) == (len(probe(content, "a")), FORMS[form].get("rate", 48_000))


def test_packets_without_content_change_nothing() -> None:
    rows = rows_of(slice_of())
    filler = rows[places_of(rows, VIDEO_PID)[3]].copy()
    filler[1] &= 0xBF
    filler[3:6] = filler[3] & 0x0F | 0x20, 183, 0
    for row in (NULL, filler):
        mixed = np.insert(rows, range(7, len(rows), 50), row, axis=0)
        at = places_of(mixed, VIDEO_PID)
        # An adaptation field alone repeats the counter of the packet before it.
        for one, other in pairwise(at):
            if mixed[other, 3] & 0x30 == 0x20:
                mixed[other, 3] = 0x20 | mixed[one, 3] & 0x0F
        found = read_packets(mixed.tobytes())
        assert (found.damaged, faults(found)) == (False, 0)
        assert found.units[VIDEO_PID].shown.tolist() == read_packets(rows.tobytes()).units[VIDEO_PID].shown.tolist()


@pytest.mark.parametrize("pid", [VIDEO_PID, AUDIO_PID])
def test_any_one_packet_that_is_lost_is_seen_and_breaks_only_its_unit(pid: int) -> None:
    rows = rows_of(slice_of())
    places = places_of(rows, pid)
    # What is lost after the last packet of a slice only the next slice can show.
    for place in [*places[:3], *places[3:-1:9]]:
        found = read_packets(np.delete(rows, place, axis=0).tobytes())
        assert 1 <= faults(found) <= 2, place
        assert faults(found) == faults(Packets(0, 0, 0, 0, 1, (), {pid: found.units[pid]})), place


def test_sixteen_lost_packets_of_a_stream_are_seen_by_the_sync_that_is_missing_there() -> None:
    """The counters go on as if nothing were missing."""
    rows = rows_of(slice_of(rate=48_000))
    inner = [place for place in range(100, len(rows) - 100) if (pids_of(rows)[place : place + 16] == VIDEO_PID).all()]
    zeroed = rows.copy()
    zeroed[inner[0] : inner[0] + 16] = 0
    found = read_packets(zeroed.tobytes())
    assert found.unsynced == 16
    assert found.units[VIDEO_PID].broken.any()
    assert not found.units[AUDIO_PID].broken.any()


@pytest.mark.parametrize("pid", [VIDEO_PID, AUDIO_PID])
def test_a_packet_that_comes_twice_is_a_fault_as_ffmpeg_plays_it_twice(pid: int) -> None:
    rows = rows_of(slice_of())
    for place in places_of(rows, pid)[2:-2:20]:
        found = read_packets(np.insert(rows, place, rows[place], axis=0).tobytes())
        assert faults(found) >= 1, place


def test_a_counter_that_begins_anew_with_its_mark_is_no_loss() -> None:
    rows = rows_of(slice_of())
    place = next(at for at in places_of(rows, VIDEO_PID, begins=True)[5:] if rows[at, 3] & 0x20 and rows[at, 4])
    rows[place:, 3] = np.where(
        pids_of(rows[place:]) == VIDEO_PID, rows[place:, 3] & 0xF0 | (rows[place:, 3] + 5) & 0x0F, rows[place:, 3]
    )
    assert faults(read_packets(rows.tobytes())) == 1
    rows[place, 5] |= 0x80
    assert faults(read_packets(rows.tobytes())) == 0


@pytest.mark.parametrize("cut", [1, 3, 100, 187, 188, 189, 1000, 5000])
def test_after_bytes_that_were_cut_out_anywhere_reading_goes_on(cut: int) -> None:
    content, dice = slice_of(), Random(cut)
    whole = read_packets(content)
    for _ in range(12):
        at = dice.randrange(2 * PACKET, len(content) - cut - 4 * PACKET)
        found = read_packets(content[:at] + content[at + cut :])
        assert found.count >= whole.count - cut // PACKET - 2
        assert found.unsynced or faults(found) or cut % PACKET == 0
        lost = len(whole.units[VIDEO_PID].shown) - len(found.units[VIDEO_PID].shown)
        assert 0 <= lost <= 2 + cut // 1000


def test_bytes_put_in_anywhere_are_passed_over() -> None:
    content, dice = slice_of(), Random(5)
    for size in (1, 187, 188, 200, 4096, 200_000):
        at = dice.randrange(100, len(content) // PACKET - 100) * PACKET
        found = read_packets(content[:at] + bytes(size) + content[at:])
        assert (found.count, found.unsynced) == (len(content) // PACKET, -(-size // PACKET))
        assert aligned(content[:at] + bytes(size) + content[at:]) == content


def test_a_zeroed_region_costs_the_units_in_it_and_no_others() -> None:
    rows = rows_of(slice_of())
    whole = read_packets(rows.tobytes()).units[VIDEO_PID]
    rows[400:600] = 0
    found = read_packets(rows.tobytes())
    units = found.units[VIDEO_PID]
    inside = [at for at in whole.at.tolist() if 400 * PACKET <= at < 600 * PACKET]
    assert found.unsynced == 200
    assert sorted({*whole.at.tolist()} - {*units.at.tolist()}) == inside
    assert int(units.broken.sum()) == 1


def test_ones_in_the_place_of_pictures_cost_the_units_they_lie_in() -> None:
    rows = rows_of(slice_of(size="320x240"))
    whole = read_packets(rows.tobytes()).units[VIDEO_PID]
    inside = [place for place in places_of(rows, VIDEO_PID) if 400 <= place < 600]
    plain = [place for place in inside if rows[place, 3] & 0x30 == 0x10]
    rows[plain, 4:] = 0xFF
    units = read_packets(rows.tobytes()).units[VIDEO_PID]
    hit = {int(np.searchsorted(whole.at, place * PACKET, side="right")) - 1 for place in plain}
    broken = {int(np.searchsorted(whole.at, at, side="right")) - 1 for at in units.at[units.broken].tolist()}
    assert broken
    # Of a unit whose beginning is gone, the one before it is broken.
    assert broken <= {*hit, *(unit - 1 for unit in hit)}
    known = {*np.searchsorted(whole.at, units.at).tolist()}
    assert hit & known <= broken


def test_a_filler_unit_of_ones_is_no_damage() -> None:
    bits = "keyint=25:scenecut=0:bframes=0:nal-hrd=cbr:filler=1:bitrate=2000:vbv-maxrate=2000:vbv-bufsize=2000"
    content = slice_of(x264=bits)
    assert b"\xff" * 184 in content
    assert faults(read_packets(content)) == 0


@pytest.mark.parametrize(
    ("byte", "mask", "counted"), [(1, 0x80, "marked"), (3, 0x80, "scrambled"), (3, 0xC0, "scrambled")]
)
def test_marks_of_damage_and_encryption_are_counted_but_not_in_stuffing(byte: int, mask: int, counted: str) -> None:
    rows = rows_of(slice_of())
    place = places_of(rows, VIDEO_PID)[50]
    rows[place, byte] |= mask
    found = read_packets(rows.tobytes())
    assert getattr(found, counted) == 1
    assert int(found.units[VIDEO_PID].broken.sum()) == 1
    stuffing = NULL.copy()
    stuffing[byte] |= mask
    assert getattr(read_packets(np.vstack([rows_of(slice_of()), stuffing]).tobytes()), counted) == 0


def test_a_picture_that_states_its_length_is_whole_though_the_next_one_is_lost() -> None:
    rows = rows_of(slice_of(muxer=("-omit_video_pes_length", "0")))
    starts = places_of(rows, VIDEO_PID, begins=True)
    lost = [at for at in places_of(rows, VIDEO_PID) if starts[3] <= at < starts[4]]
    units = read_packets(np.delete(rows, lost, axis=0).tobytes()).units[VIDEO_PID]
    assert (np.flatnonzero(units.broken).tolist(), np.flatnonzero(units.cut).tolist()) == ([], [2])


def test_a_map_that_takes_several_packets_is_read() -> None:
    """A long list of descriptors pushes the second stream into the second packet."""
    rows = rows_of(slice_of())
    (place, *_) = places_of(rows, 0x1000)
    streams = b"\x1b\xe1\x00\xf0\xb4" + bytes([5, 178]) + bytes(178) + b"\x0f\xe1\x01\xf0\x00"
    body = b"\x00\x01\xc1\x00\x00\xe1\x00\xf0\x00" + streams
    section = b"\x02" + (0xB000 | len(body) + 4).to_bytes(2, "big") + body
    section += crc(section).to_bytes(4, "big")
    first = b"\x47\x50\x00\x10\x00" + section[:183]
    second = b"\x47\x10\x00\x11" + section[183:]
    split = [np.frombuffer(one.ljust(PACKET, b"\xff"), np.uint8) for one in (first, second)]
    kept = np.delete(rows, [at for at in places_of(rows, 0x1000) if at != place], axis=0)
    found = read_packets(np.vstack([kept[:place], *split, kept[place + 1 :]]).tobytes())
    assert found.maps == (KNOWN,)
    assert faults(found) == 0


def crc(section: bytes) -> int:
    """The sum of a table (ISO/IEC 13818-1, annex A), bit by bit."""
    value = 0xFFFFFFFF
    for bit in (byte >> at & 1 for byte in section for at in range(7, -1, -1)):
        value = (value << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if (value >> 31) ^ bit else 0)
    return value


def test_a_table_with_a_wrong_sum_is_no_table() -> None:
    rows = rows_of(slice_of())
    for place in places_of(rows, 0x1000):
        rows[place, 20] ^= 1
    found = read_packets(rows.tobytes())
    assert (found.maps, dict(found.units)) == ((), {})
    assert found.programs == 1
    assert len(read_packets(rows.tobytes(), KNOWN).units) == 2


def test_what_the_end_of_a_reading_cuts_off_is_not_missed() -> None:
    content = slice_of()
    for length in range(22 * PACKET, 40 * PACKET, 371):
        found = read_packets(content[:length], partial=True)
        assert (found.damaged, faults(found)) == (False, 0), length
    assert read_packets(content[: 22 * PACKET + 5]).unsynced == 1


def test_the_coded_stream_is_the_one_that_ffmpeg_takes_out() -> None:
    content = slice_of()
    for pid, kind in ((VIDEO_PID, "v"), (AUDIO_PID, "a")):
        assert len(elementary(content, pid)) == sum(int(one["size"]) for one in probe(content, kind)), kind


SYNCED = st.builds(
    lambda head, body: (b"\x47" + head + body).ljust(PACKET, b"\x00"),
    st.binary(min_size=11, max_size=30),
    st.binary(max_size=140),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=400), SYNCED), max_size=12), st.booleans())
def test_random_bytes_never_raise(pieces: list[bytes], partial: bool) -> None:
    content = b"".join(pieces)
    for known in ((), KNOWN, (Stream(0x1FFF, 0x1B), Stream(0, 0x0F))):
        found = read_packets(content, known, partial=partial)
        assert found.count * PACKET <= len(content)
    aligned(content)
    elementary(content, VIDEO_PID)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=24)), min_size=1, max_size=40))
def test_bytes_changed_anywhere_in_a_slice_never_raise(changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(slice_of(seconds=1))
    for at, piece in changes:
        content[at % len(content) : at % len(content) + len(piece)] = piece
    read_packets(bytes(content), KNOWN)
    read_packets(bytes(content), KNOWN, partial=True)
