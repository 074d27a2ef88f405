"""Computes the presentation times of a track's samples, and the stretches of time that are lost with some of them."""

from collections.abc import Iterable

import numpy as np

from service.media.mp4.boxes import Ints
from service.media.mp4.facts import PICTURE, UNKNOWN_SHIFT, Flags, Mp4, Track

Range = tuple[float, float]

# A running recorder writes pictures and audio frames far more often.
_LONGEST_PICTURE_SECONDS = 10.0
_LONGEST_SOUND_SECONDS = 1.0
_DISPLACED_SECONDS = 1.0
# Rounding to 90 kHz time stamps changes a step by less than this.
_SAME_STEP_SHARE = 0.001
# A greater distance between audio and picture is noticeable to every viewer.
IN_STEP_SECONDS = 0.5


def origin_seconds(track: Track) -> float:
    """Return the media time of the track that a player shows at time 0 of the file."""
    empty = 0.0
    for edit in track.edits:
        if edit.media_time is not None:
            return edit.media_time / track.timescale - empty if track.timescale else 0.0
        empty += edit.seconds
    return -empty


def delay_seconds(track: Track) -> float:
    """Return the presentation time of the track's first sample. It is negative if the edit list cuts the sample off."""
    if not len(track.samples) or not track.timescale:
        return 0.0
    return int(track.shown.min()) / track.timescale - origin_seconds(track)


def end_seconds(track: Track, *, fragmented: bool = False) -> float:
    """Return the end of the track's last sample or of its edit list. An edit in a fragmented file has no end."""
    if not len(track.samples) or not track.timescale:
        return 0.0
    end = int((track.shown + track.samples.duration)[~displaced(track)].max(initial=0)) / track.timescale
    end -= origin_seconds(track)
    windows = [edit.seconds for edit in track.edits if edit.media_time is not None]
    if fragmented or not windows:
        return max(0.0, end)
    return max(0.0, min(end, sum(edit.seconds for edit in track.edits)))


def unplaced(track: Track, mp4: Mp4) -> Flags:
    """Flag the samples that no player can read because they have no position, have no bytes, or are beyond the end of
    the file."""
    samples = track.samples
    return (samples.offset < 0) | (samples.size <= 0) | (samples.offset + samples.size > mp4.size_bytes)


def ends_at(track: Track, mp4: Mp4) -> float | None:
    """Return the decoding time of the first sample that begins beyond the end of the file. Players stop at this
    sample."""
    beyond = np.flatnonzero(track.samples.offset >= mp4.size_bytes)
    return int(track.samples.decode[beyond].min()) / track.timescale if len(beyond) and track.timescale else None


def displaced(track: Track) -> Flags:
    """Flag the samples whose presentation time is far from their decoding order, or unknown."""
    count, samples = len(track.samples), track.samples
    if not count or not track.timescale:
        return np.zeros(count, np.bool_)
    found = _late(track)
    kept = np.flatnonzero(~found)
    order = kept[np.argsort(track.shown[kept], kind="stable")]
    off = track.shown[order] - samples.decode[kept]
    bound = max(_DISPLACED_SECONDS * track.timescale, 4 * float(np.median(samples.duration)))
    found[order] = np.abs(off - np.median(off)) > bound
    found |= samples.shift == UNKNOWN_SHIFT
    return found


def _late(track: Track) -> Flags:
    """Flag the samples of fragments that are decoded after samples that end later, because a player has already passed
    their time. A time line that continues later is a hole and is not counted here."""
    samples = track.samples
    reached = np.maximum.accumulate(samples.decode + samples.duration)
    found = np.zeros(len(reached), np.bool_)
    found[1:] = reached[:-1] - samples.decode[1:] > IN_STEP_SECONDS * track.timescale
    return found


def holes(track: Track) -> list[Range]:
    """Return the stretches between two samples in which nothing is shown."""
    if not len(track.samples) or not track.timescale:
        return []
    kept = np.flatnonzero(~_late(track))
    ends = (track.samples.decode + track.samples.duration)[kept]
    gaps = track.samples.decode[kept][1:] - ends[:-1]
    # The distance between decoding and presentation is constant over the track.
    begin = int(track.shown.min()) - int(track.samples.decode.min())
    return [
        (at, at + int(gaps[index]) / track.timescale)
        for index in np.flatnonzero(gaps > IN_STEP_SECONDS * track.timescale)
        for at in [max(0.0, (int(ends[index]) + begin) / track.timescale - origin_seconds(track))]
    ]


def out_of_time(track: Track, wanted_seconds: float, step_seconds: float | None = None) -> Flags:
    """Flag the samples that are too late or too early because an earlier duration is wrong. This is the case if the
    track is longer than `wanted_seconds`, or shorter although it has enough samples. In all other cases, flag none.
    `step_seconds` is the distance between the samples in the slices. An even track with another step has the wrong time
    scale."""
    found = np.zeros(len(track.samples), np.bool_)
    length = track.samples.duration
    if not len(length) or not track.timescale:
        return found
    usual, total = float(np.median(length)), track.seconds
    if total <= wanted_seconds + _DISPLACED_SECONDS:
        if total >= wanted_seconds - _DISPLACED_SECONDS:
            return found
        steps = [usual, *_other_step(usual, step_seconds, track.timescale)]
        fitting = (
            step for step in steps if abs(step * len(length) / track.timescale - wanted_seconds) <= _DISPLACED_SECONDS
        )
        if (step := next(fitting, None)) is None:
            return found
        usual = step
    drift = np.abs(np.cumsum(length - usual)) > IN_STEP_SECONDS * track.timescale
    # An even track that is too long has the wrong time scale, so all of it is out of time.
    found[int(np.argmax(drift)) if drift.any() else 0 :] = True
    return found


def _other_step(usual: float, step_seconds: float | None, timescale: int) -> list[float]:
    """Return the slices' step in ticks of the track. If it equals the track's own step, return an empty list, because
    the track's samples are then as uneven as those of the slices."""
    step = (step_seconds or 0.0) * timescale
    return [step] if abs(step - usual) > _SAME_STEP_SHARE * usual else []


def spoilt(track: Track, bad: Flags) -> Flags:
    """Flag the samples that a viewer loses if `bad` samples cannot be decoded. A picture depends on all pictures since
    the last independent one."""
    if track.handler != PICTURE or not bad.any():
        return bad
    at = np.arange(len(bad))
    last_bad = np.maximum.accumulate(np.where(bad, at, -1))
    last_sync = np.maximum.accumulate(np.where(track.samples.sync, at, 0))
    # Without a sync picture at the start, all pictures before the first sync sample are one group.
    spoils: Flags = last_bad >= last_sync
    return spoils


def ranges_of(track: Track, flagged: Flags) -> list[Range]:
    """Return the stretches (seconds of the file) in which the flagged samples are shown. Adjacent stretches are
    joined."""
    found = np.flatnonzero(flagged)
    if not len(found) or not track.timescale:
        return []
    firsts = np.flatnonzero(np.diff(found, prepend=-2) > 1)
    shown = np.where(displaced(track), track.samples.decode, track.shown)
    begins = np.minimum.reduceat(shown[found], firsts) / track.timescale - origin_seconds(track)
    ends = np.maximum.reduceat((shown + track.samples.duration)[found], firsts) / track.timescale
    ends = ends - origin_seconds(track)
    return [(max(0.0, float(one)), float(other)) for one, other in zip(begins, ends, strict=True) if other > 0]


def stalls(track: Track) -> list[Range]:
    """Return the stretches in which one sample is shown for longer than any recorder shows it."""
    longest = _LONGEST_PICTURE_SECONDS if track.handler == PICTURE else _LONGEST_SOUND_SECONDS
    long = track.samples.duration > longest * (track.timescale or 1)
    return [
        (begin + longest, end)
        for index in np.flatnonzero(long)
        for begin, end in ranges_of(track, _one(len(long), int(index)))
    ]


def _one(count: int, index: int) -> Flags:
    flags = np.zeros(count, np.bool_)
    flags[index] = True
    return flags


def covered(ranges: Iterable[Range]) -> float:
    """Return the total seconds that the ranges cover."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(ranges):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def runs_of(samples_offset: Ints, samples_size: Ints) -> tuple[Ints, Ints]:
    """Return the first and the last index of each run of samples that are contiguous in the file."""
    count = len(samples_offset)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    breaks = np.flatnonzero(samples_offset[1:] != samples_offset[:-1] + samples_size[:-1]) + 1
    return np.concatenate([[0], breaks]), np.concatenate([breaks - 1, [count - 1]])
