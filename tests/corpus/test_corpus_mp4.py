"""MP4 files: good ones of many muxers are whole, damaged ones cost what ffmpeg can no longer play of them."""

import subprocess
import tempfile
from random import Random

import pytest
from corpus_mp4 import ALLOWED, GOOD, SECONDS, good, look, lost_seconds
from mp4_damages import (
    Damage,
    chunked,
    cut,
    describe,
    drop_fragments,
    empty,
    fill,
    halved,
    noise,
    ones,
    places,
    put,
    rename,
    scale,
    shift_chunks,
    step,
    strike,
    time_scale,
    zeros,
)

from service.media.mp4 import PICTURE, SOUND
from service.media.mp4.judging import SlicesHeld
from service.report import Level

S, C, F = Level.STRUCTURE, Level.CONTENT, Level.FULL


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_of_any_muxer_is_whole_at_every_level(name: str) -> None:
    content = good(name)
    for level in (S, C, F):
        seen = look(content, level, whole=content)
        assert seen.codes <= {"mp4_fragmented"}
        assert seen.seconds == 0


FORMS: dict[str, Damage] = {
    "an mdat for each chunk": lambda content, _: chunked(content),
    "an mdat of 64 bits for each chunk": lambda content, _: chunked(content, wide=True),
    "an unknown brand": lambda content, _: put(content, 8, b"zzzz"),
    "another first box": lambda content, _: put(content, 4, b"junk"),
    "boxes nobody knows": lambda content, _: content + b"\0\0\0\x08abcd" * 5000,
    "media without an owner": lambda content, _: content + b"\0\0\1\0mdat" + bytes(248),
    "a last byte less": lambda content, _: content[:-1],
    "trailing bytes that are no box": lambda content, _: content + bytes(7),
    "no track header": rename(b"tkhd"),
    "sync samples nobody names": rename(b"stss"),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_ffmpeg_plays_without_a_loss_is_never_an_error_whatever_its_form(name: str) -> None:
    whole = good("plain")
    content = FORMS[name](whole, Random(1))
    assert content != whole
    assert lost_seconds(content, whole) < 0.05
    for level in (S, C, F):
        assert look(content, level, whole=whole).errors == set()


# name: (good file, damage, level that sees it, codes of which one names it)
Case = tuple[str, Damage, Level, set[str]]
DAMAGED: dict[str, Case] = {
    **{f"no samples of {what}": ("plain", empty(what), S, {"mp4_track_absent"}) for what in (PICTURE, SOUND)},
    **{
        f"media of {what} zeroed from {begin:.0%} to {end:.0%}": (
            "plain",
            fill(what, (begin, end), zeros),
            C,
            {"mp4_damaged"},
        )
        for what in (PICTURE, SOUND)
        for begin, end in ((0, 1), (0, 0.5), (0.5, 1), (0.3, 0.7))
    },
    **{
        f"media of {what} as {how.__name__}": (
            "B-frames and an edit list",
            fill(what, (0.25, 0.75), how),
            F,
            {"mp4_damaged"},
        )
        for what in (PICTURE, SOUND)
        for how in (zeros, ones, noise, halved)
    },
    **{
        f"file cut to {share:.0%}, {form}": (form, cut(share), S, {"mp4_broken", "mp4_damaged", "mp4_duration"})
        for share in (0.02, 0.3, 0.6)
        for form in ("plain", "moov in front", "fragments", "fragments with an index")
    },
    **{
        f"no {kind.decode()}": ("plain", rename(kind), S, {"mp4_broken", "mp4_track_absent"})
        for kind in (b"moov", b"mvhd", b"trak", b"mdia", b"mdhd", b"minf", b"stbl", b"stsd")
    },
    **{
        f"no {kind.decode()}": (
            "plain",
            rename(kind),
            S,
            {"mp4_broken", "mp4_track_absent", "mp4_damaged", "mp4_duration"},
        )
        for kind in (b"stsz", b"stsc", b"stco", b"stts")
    },
    "fragments without moov": ("fragments", rename(b"moov"), S, {"mp4_broken"}),
    "fragments without what announces them": ("fragments", rename(b"mvex"), S, {"mp4_track_absent"}),
    **{
        f"only fragments outside {begin:.0%} to {end:.0%}, {form}": (
            form,
            drop_fragments((begin, end)),
            S,
            {"mp4_duration", "mp4_damaged"},
        )
        for begin, end in ((0.1, 1), (0.5, 1), (0.3, 0.7))
        for form in (
            "fragments",
            "fragments with their own base",
            "fragments of half a second",
            "a fragment for each track",
            "fragments with an index",
        )
    },
    **{
        f"time scale of {what} times {factor}": ("plain", time_scale(what, factor), S, {"mp4_duration", "mp4_damaged"})
        for what in (PICTURE, SOUND)
        for factor in (0.5, 2, 0.1, 10, 0.9, 1.1)
    },
    **{
        f"steps of {what} times {factor}": (
            "plain",
            step(what, lambda ticks, factor=factor: int(ticks * factor)),
            S,
            {"mp4_duration", "mp4_damaged"},
        )
        for what in (PICTURE, SOUND)
        for factor in (0, 0.5, 2, 100)
    },
    **{
        f"chunks of {what} {by} bytes on": ("plain", shift_chunks(what, by), S, {"mp4_damaged"})
        for what in (PICTURE, SOUND)
        for by in (4, -4, 1000, 10**9)
    },
    **{
        f"description {number} of {('picture', 'sound')[which]} in {kind.decode()}, {form}": (
            form,
            describe(kind, number, which),
            S,
            {"mp4_damaged", "mp4_track_absent"},
        )
        for which in (0, 1)
        for kind, number, form in (
            (b"stsc", 2, "plain"),
            (b"stsc", 2**31, "B-frames and an edit list"),
            (b"trex", 0, "fragments"),
            (b"trex", 2, "fragments with an index"),
        )
    },
    **{
        f"chunks of {what} 4 bytes on from the middle": ("plain", shift_chunks(what, 4, 0.5), S, {"mp4_damaged"})
        for what in (PICTURE, SOUND)
    },
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_ffmpeg_cannot_play_any_more_is_an_error(name: str) -> None:
    form, damage, level, codes = DAMAGED[name]
    whole = good(form)
    content = damage(whole, Random(1))
    assert lost_seconds(content, whole) > ALLOWED + 1
    for deeper in {level, F}:
        assert look(content, deeper, whole=whole).errors & codes


HEADERS: dict[str, tuple[Damage, bool]] = {
    "film twice as long": (scale(b"mvhd", None, 2), True),
    "film half as long": (scale(b"mvhd", None, 0.5), True),
    "film a little longer": (scale(b"mvhd", None, 1.1), False),
    "picture twice as long": (scale(b"mdhd", PICTURE, 2), False),
    "picture a little longer": (scale(b"mdhd", PICTURE, 1.1), False),
    "picture half as long": (scale(b"mdhd", PICTURE, 0.5), False),
    "sound twice as long": (scale(b"mdhd", SOUND, 2), False),
    "sound a little longer": (scale(b"mdhd", SOUND, 1.1), False),
    "shown picture twice as long": (scale(b"tkhd", PICTURE, 2), False),
    "shown sound twice as long": (scale(b"tkhd", SOUND, 2), False),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_promises_what_the_tables_do_not_hold_weighs_if_a_player_goes_by_it(name: str) -> None:
    damage, error = HEADERS[name]
    content = damage(good("plain"), Random(1))
    assert (abs(_shown_seconds(content) - SECONDS) > ALLOWED) is error
    seen = look(content, S)
    assert seen.codes == {"mp4_duration"}
    assert bool(seen.errors) is error


def test_a_film_of_no_length_is_one_that_does_not_say() -> None:
    """FFmpeg says 0 s and plays all of it; Chromium says 24 s, by the tracks."""
    whole = good("plain")
    content = scale(b"mvhd", None, 0)(whole, Random(1))
    assert lost_seconds(content, whole) < 0.05
    for level in (S, C, F):
        seen = look(content, level, whole=whole)
        assert (seen.codes, seen.errors) == ({"mp4_duration"}, set())


def _shown_seconds(content: bytes) -> float:
    """How long FFmpeg says that a film is."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(content)
        file.flush()
        asked = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file.name]
        return float(subprocess.run(asked, check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.parametrize("what", [PICTURE, SOUND])
@pytest.mark.parametrize(("lost", "error"), [(3.0, False), (4.0, False), (6.0, True), (20.0, True)])
def test_zeroed_media_is_a_warning_within_the_allowance_and_an_error_beyond_it(
    what: str, lost: float, error: bool
) -> None:
    whole = good("plain")
    content = fill(what, (1 - lost / SECONDS, 1), zeros)(whole, Random(1))
    seen = look(content, F)
    # A picture is lost to the next one that stands alone; the last group ends with the file.
    assert seen.seconds == pytest.approx(lost, abs=0.1)
    assert lost_seconds(content, whole) == pytest.approx(lost, abs=0.1)
    assert seen.codes == {"mp4_damaged"}
    assert bool(seen.errors) is error


@pytest.mark.parametrize(("seconds", "errors"), [(SECONDS, set()), (27.0, set()), (31.0, {"mp4_duration"})])
def test_a_file_shorter_than_its_slices_weighs_by_what_it_lacks(seconds: float, errors: set[str]) -> None:
    held = SlicesHeld(seconds, seconds)
    seen = look(good("plain"), S, held=held)
    assert seen.errors == errors
    assert (seen.codes == set()) is (seconds == SECONDS)


def test_a_pause_may_be_cut_out_of_a_file_or_left_in() -> None:
    for held in (SlicesHeld(SECONDS, SECONDS + 600), SlicesHeld(SECONDS - 10, SECONDS)):
        assert look(good("plain"), S, held=held).codes == set()


def test_sound_that_the_slices_lack_as_well_is_not_missed() -> None:
    content = cut_sound(good("plain"))
    assert look(content, S, held=SlicesHeld(SECONDS, SECONDS, SECONDS, 5.0)).errors == set()
    assert look(content, S, held=SlicesHeld(SECONDS, SECONDS, SECONDS, SECONDS)).errors == {"mp4_duration"}


def cut_sound(content: bytes) -> bytes:
    """The tables of sound end after five seconds; the headers agree."""
    count = 5 * 48000 // 1024
    stts, stsz = (places(content, kind)[1][0] for kind in (b"stts", b"stsz"))
    content = put(put(content, stts + 16, count.to_bytes(4, "big")), stsz + 16, count.to_bytes(4, "big"))
    stts_end = places(content, b"stts")[1][1]
    if stts_end - stts > 24:
        content = put(content, stts + 24, bytes(4))
    for kind, at in ((b"mdhd", 24), (b"tkhd", 28)):
        begin = places(content, kind)[1][0] + at
        content = put(content, begin, (5 * (48000 if kind == b"mdhd" else 1000)).to_bytes(4, "big"))
    return content


@pytest.mark.parametrize("first", range(0, 60, 6))
def test_random_damage_of_a_box_is_judged_as_ffmpeg_plays_it(first: int) -> None:
    for seed in range(first, first + 6):
        dice = Random(seed)
        form = dice.choice(list(GOOD))
        whole = good(form)
        content, what = strike(whole, dice)
        seen, lost = look(content, S, whole=whole), lost_seconds(content, whole)
        if lost > ALLOWED + 1:
            assert seen.errors, (seed, form, what, lost)
        elif lost == 0:
            assert not seen.errors or promises_more(seen.codes), (seed, form, what, seen)


def promises_more(codes: set[str]) -> bool:
    """A header that says another length costs ffmpeg nothing, but players show it."""
    return codes == {"mp4_duration"}
