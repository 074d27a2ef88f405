"""The console's drawing and words: where things are, and how they are said."""

from dataclasses import replace

import pytest
from handlers_stand_in import NOW, RECORDING

from handlers.console.timeline import WIDTH, Drawing, draw
from handlers.console.words import percent, prose, size, span, tail
from service.operations import HistoryEntry
from service.recording import State
from service.report import FileKind, Finding, Interval, JudgedFile, Severity

BEGAN = RECORDING.requested_at
ENDED = replace(RECORDING, state=State.DEFECTIVE, ended_at=BEGAN + 100, pauses=(Interval(BEGAN + 50, BEGAN + 60),))


def entry(after: float, source: str = "bucket") -> HistoryEntry:
    return HistoryEntry(1, BEGAN + after, "judged", source, {"report": 2, "nothing": None})


def looks(drawing: Drawing, lane: str) -> list[tuple[str, float, float]]:
    (found,) = (one for one in drawing.lanes if one.name == lane)
    return [(bar.look, bar.x, bar.width) for bar in found.bars]


def test_stretches_are_where_their_time_is() -> None:
    slices = [
        JudgedFile("a.ts", FileKind.SLICE, 1, "e", None, BEGAN + 10, 15, listed=True),
        JudgedFile("b.ts", FileKind.SLICE, starts_at=BEGAN + 25, duration_seconds=15, missing=True),
        JudgedFile("c.ts", FileKind.SLICE, 1, "e", None, BEGAN + 40, listed=True),
        JudgedFile("d.mp4", FileKind.MP4, 1, "e", None, BEGAN + 40, 60, listed=True),
    ]
    gap = Finding("gap", Severity.ERROR, "A gap.", None, Interval(BEGAN + 80, BEGAN + 90))
    report = replace(RECORDING.latest_report, findings=(gap,)) if RECORDING.latest_report else None
    drawing = draw(replace(ENDED, latest_report=report), [entry(100)], slices, NOW)
    assert looks(drawing, "recorded") == [
        ("covered", 100.0, 150.0),
        ("missing", 250.0, 150.0),
        ("seen", 400.0, 2.0),
        ("missing", 800.0, 100.0),
    ]
    assert ("paused", 500.0, 100.0) in looks(drawing, "wanted")


def test_what_comes_days_later_leaves_the_recording_to_be_seen() -> None:
    drawing = draw(ENDED, [entry(0, "caller"), entry(100, "notice"), entry(86400)], [], NOW + 90000)
    marks = {lane.name: [x for x, _ in lane.marks] for lane in drawing.lanes if lane.marks}
    assert marks == {"callers": [0.0], "callbacks": [800.0], "bucket": [float(WIDTH)]}


def test_a_mark_says_when_what_happened_and_no_empty_detail() -> None:
    drawing = draw(ENDED, [entry(5)], [], NOW)
    (title,) = (title for lane in drawing.lanes for _, title in lane.marks)
    assert title.endswith("judged: report 2")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (0, "0 s"), (1.26, "1.3 s"), (59.6, "1 min 0 s"), (3661, "1 h 1 min"), (90061, "1 d 1 h")],
)
def test_lengths_are_said_by_their_two_largest_units(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


def test_sizes_shares_and_names() -> None:
    assert [size(count) for count in (None, 0, 1023, 1024, 5 * 1024**3)] == ["–", "0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
    assert [percent(share) for share in (1, 0.99999, 0.5)] == ["100 %", "99.9 %", "50 %"]
    assert tail("rec/a/" + "x" * 40 + "_20261122.ts") == "…" + "x" * 16 + "_20261122.ts"
    assert tail("rec/a/short.m3u8") == "short.m3u8"


def test_a_command_in_a_sentence_looks_like_one_and_stays_text() -> None:
    assert prose("Ask <b> with `pagereel look <id>`.") == "Ask &lt;b&gt; with <code>pagereel look &lt;id&gt;</code>."
