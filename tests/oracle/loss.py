"""What a viewer loses: the untouched and the damaged recording, compared by time.

The place of a slice on the recording's line is what its name states, in the order in which they are played: the k-th
slice played has the k-th of the instants that the played names state, so a slice left out leaves a hole and two that
changed places are both wrong. Within a slice time stamps decide. Where most of them fit its place on the untouched
line they are taken as they are (the head of a slice may be lost); else the slice begins with its first (players start
a new line there). Of an MP4 the time stamps are the places.

A picture of the untouched recording is kept if within half a picture of its instant one is shown that differs in no
block (a ninth by a sixteenth of the picture) by more than `PICTURE_BOUND` gray levels on average; sound is kept, by
windows of 20 ms, if the difference has at most `SOUND_BOUND` of its energy's root. All of it may be one coded frame of
sound early or late, as it is in a player that does not go by an edit list: 21 to 24 ms lie within the 40 ms that EBU
R37 allows between sound and picture. Beside pictures and sound count
the clock (how far the length that a player is given, the sum of EXTINF or the header of the MP4, is from the untouched
one; and how far a slice's place by the EXTINF before it is, since a player seeks by it) and what is shown again at an
instant that was shown before. The loss is the largest of the eight: picture, sound, clock and repetition, of slices and
MP4.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.oracle.player import HEIGHT, WIDTH, Numbers, Played

PICTURE_BOUND = 24.0
SOUND_BOUND = 0.6
WINDOW_SECONDS = 0.02
# AAC: 1,024 samples.
CODED_FRAME = 1024
SHIFT_SECONDS = 0.09
_BLOCK = 4
_CANDIDATES = 4
_WRAP = 2**33 / 90_000
_SLACK_SECONDS = 1.0
ROUNDED_SECONDS = 0.1
_MOST_OF_IT = 0.5


@dataclass(frozen=True)
class Loss:
    """Seconds that are not as in the untouched recording."""

    slice_picture: float = 0.0
    slice_sound: float = 0.0
    slice_clock: float = 0.0
    slice_again: float = 0.0
    mp4_picture: float = 0.0
    mp4_sound: float = 0.0
    mp4_clock: float = 0.0
    mp4_again: float = 0.0

    @property
    def seconds(self) -> float:
        return float(max(asdict(self).values()))


@dataclass(frozen=True)
class Line:
    """Pictures (in order of time) and sound on the recording's line of time, in seconds from its beginning."""

    at: Numbers
    pictures: NDArray[np.uint8]
    sound: NDArray[np.float32]
    rate: int
    seconds: float


@dataclass(frozen=True)
class Stretch:
    """Where a slice lies: in the played bytes, and on the line. `first_pts`: the untouched slice's, None: not known."""

    begin: int
    end: int
    start: float
    seconds: float
    first_pts: float | None


def stretched(played: Played, stretches: Sequence[Stretch], length: float) -> Line:
    """Put what was played from slices on the line of time."""
    frames, sounds = played.frames, played.sounds
    at_picture, at_sound = np.full(len(frames.at), np.nan), np.full(len(sounds.at), np.nan)
    for stretch in stretches:
        shown = (frames.position >= stretch.begin) & (frames.position < stretch.end)
        heard = (sounds.position >= stretch.begin) & (sounds.position < stretch.end)
        anchor = _anchor(frames.at[shown], sounds.at[heard], stretch)
        at_picture[shown] = stretch.start + _apart(frames.at[shown], anchor)
        at_sound[heard] = stretch.start + _apart(sounds.at[heard], anchor)
    return _line(played, at_picture, at_sound, length)


def unstretched(played: Played, length: float) -> Line:
    """The same for an MP4."""
    return _line(played, played.frames.at, played.sounds.at, length)


def first_pts(played: Played, begin: int, end: int) -> float:
    """The first time stamp of a stretch of the played bytes: of its pictures, or where it has none of its sound."""
    for stream in (played.frames, played.sounds):
        found = stream.at[(stream.position >= begin) & (stream.position < end)]
        if len(found):
            return _first(found)
    return 0.0


def lost_pictures(untouched: Line, damaged: Line) -> float:
    """Seconds of pictures that the damaged recording does not show at their instants."""
    at_its_instant = _lost_pictures(untouched, damaged)
    if at_its_instant < untouched.seconds * _MOST_OF_IT:
        return at_its_instant
    most = int(SHIFT_SECONDS / _period(untouched))
    moved = (replace(damaged, at=damaged.at + shift * _period(untouched)) for shift in range(-most, most + 1))
    return min(_lost_pictures(untouched, one) for one in moved)


def _period(line: Line) -> float:
    return float(np.median(np.diff(line.at)))


def _lost_pictures(untouched: Line, damaged: Line) -> float:
    period = _period(untouched)
    first = np.searchsorted(damaged.at, untouched.at - period * 0.499)
    last = np.searchsorted(damaged.at, untouched.at + period * 0.499, side="right")
    kept = np.zeros(len(untouched.at), bool)
    for number in range(_CANDIDATES):
        there = np.flatnonzero((first + number < last) & ~kept)
        different = difference(untouched.pictures[there], damaged.pictures[first[there] + number])
        kept[there] = different <= PICTURE_BOUND
    return float(np.count_nonzero(~kept)) * period


def shown_again(untouched: Line, damaged: Line) -> float:
    """Seconds of pictures that the damaged recording shows beside others of the same instant."""
    period = _period(untouched)
    return float(np.count_nonzero(np.diff(damaged.at) < period * 0.499)) * period


def lost_sound(untouched: Line, damaged: Line) -> float:
    """Seconds of sound that the damaged recording does not play at their instants."""
    if untouched.rate != damaged.rate:
        return len(untouched.sound) / untouched.rate if untouched.rate else 0.0
    at_its_instant = _lost_sound(untouched, damaged)
    if at_its_instant < untouched.seconds * _MOST_OF_IT:
        return at_its_instant
    moved = (replace(damaged, sound=np.roll(damaged.sound, shift)) for shift in (-CODED_FRAME, CODED_FRAME))
    return min(at_its_instant, *(_lost_sound(untouched, one) for one in moved))


def _lost_sound(untouched: Line, damaged: Line) -> float:
    return float(np.count_nonzero(sound_difference(untouched, damaged) > SOUND_BOUND)) * WINDOW_SECONDS


def lost_clock(untouched: Played, damaged: Played) -> float:
    """Seconds by which the stated length is wrong, at most the whole; 0 where FFmpeg reads none, and
    where muxers differ by a frame of sound."""
    if not damaged.seconds:
        return 0.0
    apart = abs(untouched.seconds - damaged.seconds)
    return min(apart, untouched.seconds) if apart > ROUNDED_SECONDS else 0.0


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Numbers:
    """For each pair of pictures, the largest of the blocks' mean differences in gray levels."""
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    blocks = apart.reshape(-1, HEIGHT // _BLOCK, _BLOCK, WIDTH // _BLOCK, _BLOCK).mean(axis=(2, 4))
    return np.asarray(blocks.max(axis=(1, 2)), np.float64)


def sound_difference(one: Line, other: Line, *, shift: int = 0) -> Numbers:
    """For each window, the root of the difference's energy by that of `one`; `other` moved by `shift` windows."""
    size = round(one.rate * WINDOW_SECONDS)
    count = min(len(one.sound), len(other.sound)) // size
    first = one.sound[: count * size].reshape(count, size)
    second = np.roll(other.sound[: count * size].reshape(count, size), shift, axis=0)
    there = np.sqrt((first**2).mean(axis=1))
    apart = np.sqrt(((first - second) ** 2).mean(axis=1))
    # A window without sound (before the first, after the last) has nothing to lose.
    return np.where(there > 1e-3, apart / np.maximum(there, 1e-3), 0.0)


def _anchor(pictures: Numbers, sounds: Numbers, stretch: Stretch) -> float:
    known = pictures[~np.isnan(pictures)] if len(pictures) else sounds[~np.isnan(sounds)]
    if stretch.first_pts is not None and len(known):
        at = _apart(known, stretch.first_pts)
        fits = (at > -_SLACK_SECONDS) & (at < stretch.seconds + _SLACK_SECONDS)
        if np.count_nonzero(fits) * 2 >= len(known):
            return stretch.first_pts
    return _first(known) if len(known) else stretch.first_pts or 0.0


def _first(at: Numbers) -> float:
    """The least of most time stamps: one that is far from the rest, of a packet that lies across a border, is none."""
    middle = float(np.nanmedian(at))
    away = _apart(at, middle)
    spread = float(np.nanmedian(np.abs(away))) * 3 + _SLACK_SECONDS
    near = away[np.abs(away) <= spread]
    return middle + float(near.min()) if len(near) else middle


def _apart(at: Numbers, anchor: float) -> Numbers:
    """`at` less `anchor`, across the wrap of 33 bits."""
    return (at - anchor + _WRAP / 2) % _WRAP - _WRAP / 2


def _line(played: Played, at_picture: Numbers, at_sound: Numbers, length: float) -> Line:
    known = np.flatnonzero(~np.isnan(at_picture))
    order = known[np.argsort(at_picture[known], kind="stable")]
    rate = played.sounds.rate
    sound = np.zeros(round((length + 1) * rate), np.float32)
    for at, block in zip(at_sound, played.sounds.blocks, strict=True):
        begin = -1 if np.isnan(at) else round(at * rate)
        if 0 <= begin < len(sound):
            sound[begin : begin + len(block)] = block[: len(sound) - begin]
    return Line(at_picture[order], played.frames.pictures[order], sound, rate, played.seconds)
