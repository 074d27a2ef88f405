"""Where missing time is in the film, and what was wanted of a recording. Pure.

A film has no time for what was not recorded: a gap is the place where the picture jumps.
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

# So much of the film before the place is shown first.
_BEFORE_SECONDS: Final = 3.0
_MOST_GAPS: Final = 100
# Both sides round: the report by time stamps, the listing by the playlist's lengths.
_EDGE_SECONDS: Final = 0.5
_MISSING: Final = frozenset(MissingClass)


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing time, and where the film jumps over it. `seconds` None: there is no film to show it in."""

    from_at: float
    to_at: float
    what: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Film:
    """What the page plays first: its only MP4, else all slices as one stream.

    `begins` and `ends` of the slices are Unix seconds, each in order."""

    begins: Sequence[float]
    ends: Sequence[float]
    mp4: str | None
    _sums: tuple[Sequence[float], Sequence[float]]

    @property
    def element(self) -> str:
        """The id of its element in the page."""
        return "film-1" if self.mp4 else "film-hls"

    def place(self, at: float) -> float | None:
        """The second of the film that shows what was recorded shortly before the instant."""
        if not self.begins:
            return None
        # What began before it lasts from its begin to its end, or to the instant.
        begun, ended = bisect(self.begins, at), bisect(self.ends, at)
        since = at - self.begins[0]
        recorded = begun * since - self._sums[0][begun] - (ended * since - self._sums[1][ended])
        return round(max(0.0, recorded - _BEFORE_SECONDS), 1)


def film_of(files: Iterable[JudgedFile]) -> Film:
    """Agora makes the MP4 from all that was recorded, the stream has only what is in the bucket."""
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
    """Whether it is over, and never began: then no time is missing, for there is nothing to miss it in."""
    began = any(one.recording_at is not None for one in recording.attempts)
    return recording.state in (State.FAILED, State.CANCELLED) and not began


def gaps(recording: Recording, files: Iterable[JudgedFile], film: Film) -> Sequence[Gap]:
    """Missing time in order: what the newest report found, and slices outside of it that the bucket does not hold."""
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
    """The spans in order, those that touch each other as one."""
    joined: list[tuple[float, float]] = []
    for from_at, to_at in sorted(spans):
        if joined and from_at <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_at))
        else:
            joined.append((from_at, to_at))
    return joined


def _lies_in(spans: Sequence[tuple[float, float]], from_at: float, to_at: float) -> bool:
    """Whether one of these spans, which are in order, holds all of this one but for a moment at its edges."""
    place = bisect(spans, (from_at + _EDGE_SECONDS, float("inf")))
    return place > 0 and to_at <= spans[place - 1][1] + _EDGE_SECONDS


def explain_window(recording: Recording) -> str:
    """What was wanted, what was recorded, and from when on it counts."""
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
