"""The timeline as a drawing: one lane for each source, missing time in red. Pure: what is where in the drawing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from handlers.console.words import facts, span, words
from service.operations import HistoryEntry
from service.recording import Recording
from service.report import FileKind, JudgedFile, MissingClass

WIDTH: Final = 1000
LANE_HEIGHT: Final = 34
_LEAST_SECONDS: Final = 10.0
_TICKS: Final = 6
# The lanes of points, by the source of a line of the history.
_SOURCES: Final = {
    "caller": "callers",
    "notice": "callbacks",
    "agora": "queries",
    "bucket": "bucket",
    "worker": "service",
}
_MISSING: Final = frozenset(MissingClass)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time; `look` says what it is: wanted, paused, covered, missing."""

    x: float
    width: float
    look: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the drawing."""

    name: str
    y: int
    bars: tuple[Bar, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """`ticks` are instants along the time axis; `says` is the drawing in words."""

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int
    says: str


def draw(recording: Recording, history: Sequence[HistoryEntry], files: Iterable[JudgedFile], now: float) -> Drawing:
    """Where everything is, from the request to the last thing that happened (or to `now`, while it lasts)."""
    scale = _scale(recording, history, now)
    lanes = [
        Lane("wanted", 0, tuple(_wanted(recording, scale))),
        Lane("recorded", 1, tuple(_recorded(recording, files, scale))),
    ]
    for source, name in _SOURCES.items():
        marks = tuple((scale.x(entry.at), _title(entry)) for entry in history if entry.source == source)
        lanes.append(Lane(name, len(lanes), marks=marks))
    placed = tuple(Lane(lane.name, 8 + lane.y * LANE_HEIGHT, lane.bars, lane.marks) for lane in lanes)
    return Drawing(placed, scale.ticks(), len(lanes) * LANE_HEIGHT + 32, _says(recording))


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
        title = f"{what}: {_clock(from_at)} to {'now' if to_at is None else _clock(end)} ({span(end - from_at)})"
        return Bar(x, max(2.0, round(self.x(end) - x, 1)), look, title)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        step = (self.to_at - self.from_at) / _TICKS
        return tuple((self.x(at), _clock(at)) for at in (self.from_at + number * step for number in range(_TICKS + 1)))


def _scale(recording: Recording, history: Sequence[HistoryEntry], now: float) -> _Scale:
    """From the request to the last thing that happened; what came long after the end stands at the edge, or days of
    looking at the bucket would leave nothing to see of the recording."""
    ends = [entry.at for entry in history] + ([] if recording.state.terminal else [now])
    from_at, ended_at = recording.requested_at, recording.ended_at
    if ended_at is not None:
        edge = ended_at + max(_LEAST_SECONDS, (ended_at - from_at) / 4)
        ends = [min(end, edge) for end in ends]
    return _Scale(from_at, max([*ends, from_at + _LEAST_SECONDS]))


def _wanted(recording: Recording, scale: _Scale) -> Iterable[Bar]:
    report = recording.latest_report
    if report is not None and report.coverage is not None:
        window = report.coverage.window
        yield scale.bar(window.from_at, window.to_at, "wanted", "wanted")
    elif recording.window_from_at is not None:
        yield scale.bar(recording.window_from_at, recording.stop_wished_at, "wanted", "wanted")
    for pause in recording.pauses:
        yield scale.bar(pause.from_at, pause.to_at, "paused", "paused")


def _recorded(recording: Recording, files: Iterable[JudgedFile], scale: _Scale) -> Iterable[Bar]:
    for file in files:
        if file.kind is not FileKind.SLICE or file.starts_at is None:
            continue
        if file.missing:
            look, what = "missing", "slice missing"
        else:  # before a look at the playlist nobody knows how long a slice is
            look, what = ("covered", "recorded") if file.duration_seconds else ("seen", "a slice begins")
        yield scale.bar(file.starts_at, file.starts_at + (file.duration_seconds or 0), look, what)
    for finding in recording.latest_report.findings if recording.latest_report else ():
        if finding.code in _MISSING and finding.interval is not None:
            yield scale.bar(finding.interval.from_at, finding.interval.to_at, "missing", words(finding.code))


def _title(entry: HistoryEntry) -> str:
    details = facts(entry.detail)
    return f"{_clock(entry.at)} {words(entry.kind)}{f' ×{entry.count}' if entry.count > 1 else ''}" + (
        f": {details}" if details else ""
    )


def _says(recording: Recording) -> str:
    report = recording.latest_report
    if report is None or report.coverage is None:
        return "Timeline of the recording; the bucket has not been judged yet."
    account = report.coverage
    return (
        f"Timeline of the recording: {span(account.covered_seconds)} of {span(account.expected_seconds)} recorded, "
        f"{span(account.missing_seconds)} missing."
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
