"""The position of missing time in the played media, and the text about a recording's requested window. Pure.

Time that was not recorded has no length in the media, so playback jumps over a gap.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from handlers.console.words import span, time_of_day, words
from service.lifecycle.deadlines import end_inferred, over_at
from service.recording import Recording, State
from service.report import FileKind, JudgedFile, MissingClass

# Playback starts this long before the gap.
_BEFORE_SECONDS: Final = 3.0
_MOST_GAPS: Final = 100
# The report rounds by time stamps, and the listing by the playlist's durations.
_EDGE_SECONDS: Final = 0.5
_MISSING: Final = frozenset(MissingClass)


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing time, and the position at which playback jumps over it. `seconds` is None if no media shows it."""

    from_at: float
    to_at: float
    what: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Film:
    """The media that the page plays first. This is its only MP4 file, otherwise all slices as one stream.

    `begins` and `ends` of the slices are in Unix seconds and sorted.
    """

    begins: Sequence[float]
    ends: Sequence[float]
    mp4: str | None
    _sums: tuple[Sequence[float], Sequence[float]]

    @property
    def element(self) -> str:
        """Return the id of its element in the page."""
        return "film-1" if self.mp4 else "film-hls"

    def place(self, at: float) -> float | None:
        """Return the second of the media that was recorded shortly before the timestamp, or None without media."""
        if not self.begins:
            return None
        # A slice that began before the timestamp counts from its start to its end, or to the timestamp if that is
        # earlier.
        begun, ended = bisect(self.begins, at), bisect(self.ends, at)
        since = at - self.begins[0]
        recorded = begun * since - self._sums[0][begun] - (ended * since - self._sums[1][ended])
        return round(max(0.0, recorded - _BEFORE_SECONDS), 1)


def film_of(files: Iterable[JudgedFile]) -> Film:
    """Return the media to play. The MP4 file contains all that Agora recorded, and the stream only what is in the
    bucket."""
    files = list(files)
    mp4 = [one.key for one in files if one.kind is FileKind.MP4 and one.listed]
    only = mp4[0] if len(mp4) == 1 else None
    played = [
        (one.starts_at, one.starts_at + one.duration_seconds)
        for one in files
        if one.kind is FileKind.SLICE and one.starts_at is not None and one.duration_seconds and (only or one.listed)
    ]
    begins, ends = sorted(begin for begin, _ in played), sorted(end for _, end in played)
    sums = [list(accumulate((at - begins[0] for at in instants), initial=0.0)) for instants in (begins, ends)]
    return Film(begins, ends, only, (sums[0], sums[1]))


def never_recorded(recording: Recording) -> bool:
    """Return True if the recording ended without having begun. In this case no time is missing."""
    began = any(one.recording_at is not None for one in recording.attempts)
    return recording.state in (State.FAILED, State.CANCELLED) and not began


def gaps(recording: Recording, files: Iterable[JudgedFile], film: Film) -> Sequence[Gap]:
    """Return missing time in order: that of the newest report, and slices outside of it that the bucket lacks."""
    if never_recorded(recording):
        return []
    report = recording.latest_report
    found = [
        (one.interval.from_at, one.interval.to_at, words(one.code))
        for one in (report.findings if report else ())
        if one.code in _MISSING and one.interval is not None and one.interval.to_at is not None
    ]
    told = _union((from_at, to_at) for from_at, to_at, _ in found)
    found += [
        (one.starts_at, one.starts_at + one.duration_seconds, "slice missing")
        for one in files
        if one.missing and one.kind is FileKind.SLICE and one.starts_at is not None and one.duration_seconds
        if not _lies_in(told, one.starts_at, one.starts_at + one.duration_seconds)
    ]
    return [Gap(from_at, to_at, what, film.place(from_at)) for from_at, to_at, what in sorted(found)[:_MOST_GAPS]]


def _union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the spans in order, with those that touch merged."""
    joined: list[tuple[float, float]] = []
    for from_at, to_at in sorted(spans):
        if joined and from_at <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_at))
        else:
            joined.append((from_at, to_at))
    return joined


def _lies_in(spans: Sequence[tuple[float, float]], from_at: float, to_at: float) -> bool:
    """Return True if one of the sorted spans contains this one, with a tolerance at its edges."""
    place = bisect(spans, (from_at + _EDGE_SECONDS, float("inf")))
    return place > 0 and to_at <= spans[place - 1][1] + _EDGE_SECONDS


def explain_window(recording: Recording) -> str:
    """Return a text with the requested window, the recorded time, and the time that counts."""
    parts = [_asked(recording), _recorded(recording), _counted(recording)]
    return "; ".join(part for part in parts if part) + "." if parts[1] else ""


def _asked(recording: Recording) -> str:
    length = recording.length_seconds
    if length is None and recording.stop_at is not None:
        length = recording.stop_at - (recording.recorded_from_at or recording.start_at or recording.requested_at)
    stopped = recording.stop_wished_at
    if stopped is not None and (recording.stop_at is None or stopped < recording.stop_at):
        return f"Stopped by a caller at {time_of_day(stopped)}"
    return f"Asked for {span(length)}" if length is not None else "Asked for no length"


def _recorded(recording: Recording) -> str:
    began = [one.recording_at for one in recording.attempts if one.recording_at is not None]
    if not began:
        return ""
    ended_at = over_at(recording)
    if ended_at is None:
        return f"recording since {time_of_day(min(began))}" if recording.state is State.RECORDING else ""
    about = "about " if end_inferred(recording) else ""
    return f"recorded from {time_of_day(min(began))} to {about}{time_of_day(ended_at)}"


def _counted(recording: Recording) -> str:
    report, allowance = recording.latest_report, recording.policy.start_allowance_seconds
    allowed = f"the first {span(allowance)} are the allowance for the start and do not count"
    counts = recording.recorded_from_at is None and recording.window_from_at is not None and allowance > 0
    if report is None or report.coverage is None or report.coverage.window.to_at is None:
        return allowed if counts else ""
    from_at, to_at = report.coverage.window.from_at, report.coverage.window.to_at
    wanted = f"verified from {time_of_day(from_at)} to {time_of_day(to_at)} UTC"
    return f"{wanted}, because {allowed}" if counts else wanted
