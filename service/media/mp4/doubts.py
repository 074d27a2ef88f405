"""Finds samples whose position the tables alone do not prove, so that these samples are read and decoded before they
are evaluated.

Writers store the samples of all tracks contiguously in `mdat`, so every byte belongs to one sample. If two samples
claim the same bytes, or no sample does, a table may be wrong. The result only selects bytes to read and is no finding.
"""

import numpy as np

from service.media.mp4.boxes import Ints
from service.media.mp4.facts import Flags, Mp4
from service.media.mp4.times import runs_of


def doubtful(mp4: Mp4) -> list[Flags]:
    """Return by track which of its samples must be read."""
    runs = [runs_of(track.samples.offset, track.samples.size) for track in mp4.tracks]
    owner = np.concatenate([np.full(len(one[0]), index) for index, one in enumerate(runs)] or [np.zeros(0, np.int64)])
    first = np.concatenate([one[0] for one in runs] or [np.zeros(0, np.int64)])
    last = np.concatenate([one[1] for one in runs] or [np.zeros(0, np.int64)])
    begin = _of(mp4, [track.samples.offset[one[0]] for track, one in zip(mp4.tracks, runs, strict=True)])
    end = _of(
        mp4, [(track.samples.offset + track.samples.size)[one[1]] for track, one in zip(mp4.tracks, runs, strict=True)]
    )
    bad = _conspicuous(mp4, begin, end)
    flags = [np.zeros(len(track.samples), np.bool_) for track in mp4.tracks]
    for index in np.flatnonzero(bad):
        flags[int(owner[index])][first[index] : last[index] + 1] = True
    return flags


def _of(mp4: Mp4, parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _conspicuous(mp4: Mp4, begin: Ints, end: Ints) -> Flags:
    """Flag the runs of samples that overlap others, adjoin unclaimed bytes, or lie outside the media."""
    if not len(begin):
        return np.zeros(0, np.bool_)
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], end[order]
    reached = np.maximum.accumulate(end)
    media_begin, media_end = _media_before(mp4, begin), _media_before(mp4, end)
    found: Flags = media_end - media_begin != end - begin
    overlaps = begin[1:] < reached[:-1]
    gaps = media_begin[1:] > _media_before(mp4, reached[:-1])
    found[1:] |= overlaps | gaps
    found[:-1] |= overlaps | gaps
    total = int((mp4.media_to - mp4.media_from).sum())
    found[0] |= media_begin[0] > 0
    found[-1] |= int(_media_before(mp4, reached[-1:])[0]) < total
    back = np.zeros(len(found), np.bool_)
    back[order] = found
    return back


def _media_before(mp4: Mp4, at: Ints) -> Ints:
    """Return the number of media bytes before each place in the file."""
    if not len(mp4.media_from):
        return np.zeros(len(at), np.int64)
    sizes = mp4.media_to - mp4.media_from
    before = np.cumsum(sizes) - sizes
    index = np.searchsorted(mp4.media_from, at, "right") - 1
    inside = np.clip(at - mp4.media_from[index], 0, sizes[index])
    found: Ints = np.where(index < 0, 0, before[index] + inside)
    return found
