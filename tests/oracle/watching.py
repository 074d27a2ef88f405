"""Watches a recording: which slices are played, where they lie, and what is lost against the untouched one."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from service.media.listing.names import parse_utc17
from tests.oracle.bases import BEGAN_AT, Base, base
from tests.oracle.loss import (
    ROUNDED_SECONDS,
    Line,
    Loss,
    Stretch,
    first_pts,
    lost_clock,
    lost_pictures,
    lost_sound,
    shown_again,
    stretched,
    unstretched,
)
from tests.oracle.player import Played, play_bytes, read_playlist

_STAND_IN_BYTES = 188 * 120
_SAME_LINE_SECONDS = 0.5


@dataclass(frozen=True)
class Places:
    """Where a recording's objects lie now: harmless changes rename them. `slices`: the base's keys to the present."""

    slices: Mapping[str, str]
    playlist: str
    mp4: str | None


@dataclass(frozen=True)
class Watched:
    """The untouched recording as it plays."""

    played: Played
    line: Line
    pts: Mapping[str, float]
    mp4: Played | None
    mp4_line: Line | None


def places(made: Base) -> Places:
    """The places of an untouched recording."""
    return Places({key: key for key in made.slices}, made.playlist, made.mp4)


@functools.cache
def watched(number: int) -> Watched:
    """How the base of this number plays."""
    made = base(number)
    order, _, seconds = read_playlist(made.objects[made.playlist], made.playlist, made.objects, _stand_in(made))
    assert order == made.slices, "FFmpeg opens other slices than the untouched playlist names"
    joined = play_bytes(b"".join(made.objects[key] for key in order), "mpegts")
    played = Played(joined.frames, joined.sounds, seconds)
    pts = _lines(made, played)
    line = stretched(played, _stretches(made, order, made.objects, pts), made.seconds)
    mp4 = play_bytes(made.objects[made.mp4], "mov") if made.mp4 else None
    return Watched(played, line, pts, mp4, unstretched(mp4, made.seconds) if mp4 else None)


def lost(number: int, objects: Mapping[str, bytes], now: Places) -> Loss:
    """What a viewer of `objects` loses against the base of this number."""
    made, untouched = base(number), watched(number)
    playlist = objects.get(now.playlist, b"")
    names = {there: key for key, there in now.slices.items()}
    as_before = playlist == made.objects[made.playlist] and all(objects.get(key) for key in made.slices)
    if as_before:
        order, late, seconds = made.slices, 0.0, untouched.played.seconds
    else:
        order, places, seconds = read_playlist(playlist, now.playlist, objects, _stand_in(made))
        late = _misplaced(made, order, places)
    slices = (0.0, 0.0, 0.0, 0.0)
    if not as_before or any(objects[key] != made.objects[key] for key in made.slices):
        joined = play_bytes(b"".join(objects[key] for key in order), "mpegts")
        played = Played(joined.frames, joined.sounds, seconds if order else 0.0)
        pts = {there: untouched.pts[key] for there, key in names.items()}
        line = stretched(played, _stretches(made, order, objects, pts), made.seconds)
        picture, sound, clock, again = _compared(untouched.played, untouched.line, played, line)
        slices = (picture, sound, max(clock, late), again)
    return Loss(*slices, *_lost_of_mp4(made, untouched, objects, now))


def _lines(made: Base, played: Played) -> dict[str, float]:
    """The time stamp of each slice's place: the line goes on from the slice before, or begins anew with its first."""
    pts: dict[str, float] = {}
    begin, goes_on = 0, float("inf")
    for slot in made.slots:
        end = begin + len(made.objects[slot.key])
        own = first_pts(played, begin, end)
        pts[slot.key] = goes_on if abs(own - goes_on) < _SAME_LINE_SECONDS else own
        begin, goes_on = end, pts[slot.key] + slot.seconds
    return pts


def _lost_of_mp4(
    made: Base, untouched: Watched, objects: Mapping[str, bytes], now: Places
) -> tuple[float, float, float, float]:
    content = objects.get(now.mp4 or "")
    if made.mp4 is None or untouched.mp4 is None or untouched.mp4_line is None or content == made.objects[made.mp4]:
        return 0.0, 0.0, 0.0, 0.0
    played = play_bytes(content or b"", "mov")
    return _compared(untouched.mp4, untouched.mp4_line, played, unstretched(played, made.seconds))


def _compared(untouched: Played, line: Line, damaged: Played, shown: Line) -> tuple[float, float, float, float]:
    clock, again = lost_clock(untouched, damaged), shown_again(line, shown)
    return lost_pictures(line, shown), lost_sound(line, shown), clock, again


def _misplaced(made: Base, order: list[str], places: list[float | None]) -> float:
    """Seconds by which the playlist places a slice wrongly: whoever seeks to its instant sees another one."""
    places_before, begin = {}, 0.0
    for slot in made.slots:
        places_before[round(slot.start, 2)] = begin
        begin += slot.seconds
    starts = [round(start, 2) for start in sorted(_stated(key) for key in order)]
    apart = (
        abs(place - places_before[at])
        for at, place in zip(starts, places, strict=True)
        if at in places_before and place is not None
    )
    late = max(apart, default=0.0)
    return min(late, made.seconds) if late > ROUNDED_SECONDS else 0.0


def _stretches(made: Base, order: list[str], objects: Mapping[str, bytes], pts: Mapping[str, float]) -> list[Stretch]:
    starts = sorted(_stated(key) for key in order)
    longest = max(slot.seconds for slot in made.slots)
    lengths = {round(slot.start, 2): slot.seconds for slot in made.slots}
    by_start = {round(_stated(key), 2): value for key, value in pts.items()}
    stretches, begin = [], 0
    for key, start in zip(order, starts, strict=True):
        end, place = begin + len(objects[key]), round(start, 2)
        stretches.append(Stretch(begin, end, start, lengths.get(place, longest), by_start.get(place)))
        begin = end
    return stretches


def _stated(key: str) -> float:
    """Seconds from the recording's beginning that a slice's name states."""
    stated = parse_utc17(key.removesuffix(".ts")[-17:])
    return 0.0 if stated is None else stated - BEGAN_AT


def _stand_in(made: Base) -> bytes:
    return made.objects[made.slices[0]][:_STAND_IN_BYTES]
