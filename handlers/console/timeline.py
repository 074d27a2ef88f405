"""The timeline as a drawing, with one lane for each source and missing time in red. Pure; it computes positions
only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from handlers.console.films import never_recorded
from handlers.console.words import SOURCES, line, span, time_of_day, words
from service.lifecycle.deadlines import over_at
from service.operations import HistoryEntry
from service.recording import Recording
from service.report import FileKind, Interval, JudgedFile, MissingClass
from service.wording import nothing_wanted

WIDTH: Final = 1000
LANE_HEIGHT: Final = 34
_LEAST_SECONDS: Final = 10.0
_TICKS: Final = 6
# Slices narrower than this many pixels are merged.
_NARROW: Final = 4
_MISSING: Final = frozenset(MissingClass)


@dataclass(frozen=True, slots=True)
class Bar:
    """A period of time. `look` is its kind: wanted, paused, covered, seen, missing or unknown."""

    x: float
    width: float
    look: str
    title: str
    from_at: float = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the drawing."""

    name: str
    y: int
    bars: tuple[Bar, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """The lanes of the timeline. `ticks` are times along the axis, and `says` describes the drawing in words. `now_x`
    is None if the recording has ended or `now` is outside the axis."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int
    says: str
    now_x: float | None


def draw(
    recording: Recording,
    history: Sequence[HistoryEntry],
    files: Iterable[JudgedFile],
    now: float,
    *,
    more_files: bool = False,
) -> Drawing:
    """Compute the drawing from the request to the end of the requested window and of the history, or to `now` before
    the end. If `more_files` is true, `files` is incomplete, and the time after its last slice is drawn as unknown."""
    scale = _scale(recording, history, now)
    lanes = [
        Lane("wanted", 0, tuple(_wanted(recording, scale))),
        Lane("recorded", 1, tuple(_recorded(recording, files, scale, more_files=more_files))),
    ]
    for source, name in SOURCES.items():
        marks = tuple((scale.x(entry.at), _title(entry)) for entry in history if entry.source == source)
        lanes.append(Lane(name, len(lanes), marks=marks))
    placed = tuple(Lane(lane.name, 8 + lane.y * LANE_HEIGHT, lane.bars, lane.marks) for lane in lanes)
    drawn = scale.from_at <= now <= scale.to_at and not recording.state.terminal
    now_x = scale.x(now) if drawn else None
    return Drawing(placed, scale.ticks(), len(lanes) * LANE_HEIGHT + 32, _says(recording), now_x)


@dataclass(frozen=True, slots=True)
class _Scale:
    from_at: float
    to_at: float

    def x(self, at: float) -> float:
        share = (at - self.from_at) / (self.to_at - self.from_at)
        return round(min(max(share, 0), 1) * WIDTH, 1)

    def bar(self, from_at: float, to_at: float | None, look: str, what: str) -> Bar:
        end = self.to_at if to_at is None else to_at
        x = self.x(from_at)
        title = (
            f"{what}: {time_of_day(from_at)} to {'now' if to_at is None else time_of_day(end)} ({span(end - from_at)})"
        )
        return Bar(x, max(2.0, round(self.x(end) - x, 1)), look, title, from_at)

    def touch(self, end_at: float, from_at: float, to_at: float) -> bool:
        """Return True if a period is narrow and follows one that ends at `end_at` without a visible gap."""
        pixel = (self.to_at - self.from_at) / WIDTH
        return to_at - from_at < _NARROW * pixel and abs(from_at - end_at) < pixel / 2

    def ticks(self) -> tuple[tuple[float, str], ...]:
        step = (self.to_at - self.from_at) / _TICKS
        return tuple(
            (self.x(at), time_of_day(at)) for at in (self.from_at + number * step for number in range(_TICKS + 1))
        )


def _window(recording: Recording) -> Interval | None:
    """Return the requested window of the newest report, or the planned window, which may have no end. The window of a
    recording that never began ends when the recording ended."""
    window = _whole_window(recording)
    if window is None or not never_recorded(recording):
        return window
    over_at = recording.state_since_at if recording.ended_at is None else recording.ended_at
    to_at = over_at if window.to_at is None else min(window.to_at, over_at)
    return Interval(window.from_at, to_at) if window.from_at < to_at else None


def _whole_window(recording: Recording) -> Interval | None:
    report = recording.latest_report
    if report is not None and report.coverage is not None:
        return report.coverage.window
    if recording.window_from_at is None:
        return None
    from_at = recording.recorded_from_at or recording.window_from_at
    ends = [at for at in (recording.stop_wished_at, recording.stop_at) if at is not None]
    if not ends and recording.record_for_seconds is not None:
        ends = [from_at + recording.record_for_seconds]
    return Interval(from_at, min(ends, default=over_at(recording)))


def _scale(recording: Recording, history: Sequence[HistoryEntry], now: float) -> _Scale:
    """Return a time axis that contains the whole requested window, so that missing time at its end is visible. Events
    long before the window or long after the end are placed at the edge; otherwise days of waiting and verification
    would leave no room for the recording."""
    window, from_at = _window(recording), recording.requested_at
    wanted_to = window.to_at if window is not None and window.to_at is not None else None
    if window is not None:
        from_at = max(from_at, window.from_at - _margin((wanted_to or window.from_at) - window.from_at))
    ends = [entry.at for entry in history] + ([] if recording.state.terminal else [now])
    if (ended_at := over_at(recording)) is not None:
        end = max(ended_at, wanted_to or ended_at)
        ends = [*(min(at, end + _margin(end - from_at)) for at in ends), end]
    return _Scale(from_at, max([*ends, wanted_to or from_at, from_at + _LEAST_SECONDS]))


def _margin(seconds: float) -> float:
    """Return how many seconds of the axis next to a period of `seconds` may show other events."""
    return max(_LEAST_SECONDS, seconds / 4)


def _wanted(recording: Recording, scale: _Scale) -> Iterable[Bar]:
    window = _window(recording)
    if window is not None:
        yield scale.bar(window.from_at, window.to_at, "wanted", "wanted")
    for pause in recording.pauses:
        yield scale.bar(pause.from_at, pause.to_at, "paused", "paused")


def _recorded(recording: Recording, files: Iterable[JudgedFile], scale: _Scale, *, more_files: bool) -> Iterable[Bar]:
    stretches = _stretches(files, scale)
    for from_at, to_at, look, what in stretches:
        yield scale.bar(from_at, to_at, look, what)
    if more_files and stretches:
        yield scale.bar(stretches[-1][1], scale.to_at, "unknown", "more slices than this drawing shows")
    if never_recorded(recording):
        return
    for finding in recording.latest_report.findings if recording.latest_report else ():
        if finding.code in _MISSING and finding.interval is not None:
            yield scale.bar(finding.interval.from_at, finding.interval.to_at, "missing", words(finding.code))


def _stretches(files: Iterable[JudgedFile], scale: _Scale) -> list[tuple[float, float, str, str]]:
    """Return start, end, look and words of each slice. Slices that are too narrow to distinguish are merged."""
    found: list[tuple[float, float, str, str]] = []
    for file in files:
        if file.kind is not FileKind.SLICE or file.starts_at is None:
            continue
        from_at, to_at = file.starts_at, file.starts_at + (file.duration_seconds or 0)
        if file.missing:
            look, what = "missing", "slice missing"
        else:  # before the playlist was read, the length of a slice is unknown
            look, what = ("covered", "recorded") if file.duration_seconds else ("seen", "a slice begins")
        if found and found[-1][2] == look == "covered" and scale.touch(found[-1][1], from_at, to_at):
            from_at = found.pop()[0]
        found.append((from_at, to_at, look, what))
    return found


def _title(entry: HistoryEntry) -> str:
    return f"{time_of_day(entry.at)} {line(entry)}"


def _says(recording: Recording) -> str:
    report = recording.latest_report
    if never_recorded(recording):
        return "Timeline of the recording. Nothing was recorded."
    if report is None or report.coverage is None:
        return "Timeline of the recording. The bucket has not been verified yet."
    account = report.coverage
    if account.share is None:
        return f"Timeline of the recording: {nothing_wanted(account.paused_seconds)}."
    return (
        f"Timeline of the recording: {span(account.covered_seconds)} of {span(account.expected_seconds)} recorded, "
        f"{span(account.missing_seconds)} missing."
    )
