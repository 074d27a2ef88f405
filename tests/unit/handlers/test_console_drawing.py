"""The console's drawing and words: where things are, and how they are said."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from handlers_stand_in import NOW, RECORDING
from hypothesis import given
from hypothesis import strategies as st

from handlers.console import pages
from handlers.console.films import film_of, gaps
from handlers.console.pages import _TEMPLATES
from handlers.console.timeline import WIDTH, Drawing, draw
from handlers.console.words import ago, events, named_event, percent, prose, size, span, tail
from service.operations import HistoryEntry
from service.operations.recordings.admission import Choices
from service.recording import Recording, State, Watch
from service.report import Coverage, FileKind, Finding, Interval, JudgedFile, Severity

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
    assert marks == {"caller": [0.0], "notification": [800.0], "bucket": [float(WIDTH)]}


def test_a_mark_says_when_what_happened_and_no_empty_detail() -> None:
    drawing = draw(ENDED, [entry(5)], [], NOW)
    (title,) = (title for lane in drawing.lanes for _, title in lane.marks)
    assert title.endswith("verification: report 2")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0, "0 s"),
        (1.26, "1.3 s"),
        (59.6, "1 min"),
        (3661, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (86459, "1 d"),
        (5400, "1 h 30 min"),
    ],
)
def test_lengths_are_said_by_their_two_largest_units(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "yet."),
        ({"limit": "5"}, "yet."),
        ({"state": "dead"}, "matching"),
        ({"outcome": "test"}, "matching"),
        ({"cursor": "x"}, "matching"),
    ],
    ids=["all", "limit", "state", "outcome", "older"],
)
@pytest.mark.parametrize(("page", "what"), [("messages", "messages"), ("notices", "notifications")], ids=str)
def test_an_empty_list_says_that_nothing_matches_only_where_something_was_asked_for(
    page: str, what: str, query: dict[str, str], said: str
) -> None:
    caller = SimpleNamespace(owner="school", scopes=("read",), token_id="x")
    empty = {"page": {"items": []}, "endpoints": [], "states": {}, "outcomes": {}, "query": query, "following": None}
    common = {"caller": caller, "form_key": "", "path": f"/console/{what}", "now": NOW, "status": 200}
    shown = _TEMPLATES.get_template(f"{page}.html").render(**common, **empty)
    assert (f"No {what} yet." if said == "yet." else f"No matching {what}.") in shown


def test_the_longest_state_breaks_into_two_lines_at_most() -> None:
    one = {"state": "verified", "warned": ["gap"], "instants": {"start_at": None}}
    chip = _TEMPLATES.get_template("chip.html").make_module({}).chip(one)  # type: ignore[attr-defined]
    (word,) = re.findall(r">([^<]+)<", chip)
    assert word.split(" ") == ["verified,", "with\u00a0warnings"]


def test_the_names_of_the_lanes_end_before_the_drawing_at_the_size_of_a_phone_too() -> None:
    """There the texts are of 20 units, and a mark at the left edge begins 6 before the axis."""
    page = (Path(pages.__file__).parent / "templates/recording.html").read_text(encoding="utf-8")
    (left,) = set(re.findall(r"(?:x|x1|x2|cx)=\"\{\{ [a-z.]*_?x \+ (\d+) \}\}\"", page))
    lanes = draw(ENDED, [], [], NOW).lanes
    assert max(len(lane.name) for lane in lanes) * 20 * 0.5 <= int(left) - 6 - 4


@pytest.mark.parametrize("emulated", [True, False], ids=["emulator", "agora"])
def test_the_start_form_says_which_app_an_emulator_records(emulated: bool) -> None:
    choices = Choices(("demo", "main"), ("demo",) if emulated else (), ("s",), ("default",), ())
    caller = SimpleNamespace(owner="school", scopes=("read", "start"), token_id="x")
    known = {"caller": caller, "form_key": "", "path": "/console/start", "now": NOW, "status": 200, "form": {},
             "wrong": {}, "focus": "url", "error": None, "once": "x", "choices": choices}  # fmt: skip
    shown = _TEMPLATES.get_template("start.html").render(**known)
    assert ("In place of Agora, the app demo uses an emulator" in shown) is emulated
    assert "the app main uses" not in shown


def test_no_instant_of_a_sentence_breaks_at_the_end_of_a_line() -> None:
    assert prose("Listed at 2026-12-01 16:20:05 UTC; <b>.") == (
        'Listed at <span class="one">2026-12-01 16:20:05 UTC</span>; &lt;b&gt;.'
    )


def test_sizes_shares_and_names() -> None:
    assert [size(count) for count in (None, 0, 999, 1000, 5 * 10**9)] == ["–", "0 B", "999 B", "1.0 kB", "5.0 GB"]
    assert [percent(share) for share in (1, 0.99999, 0.5)] == ["100 %", "99.9 %", "50 %"]
    assert tail("rec/a/" + "x" * 40 + "_20261122.ts") == "…" + "x" * 16 + "_20261122.ts"
    assert tail("rec/a/short.m3u8") == "short.m3u8"


def test_a_command_in_a_sentence_looks_like_one_and_stays_text() -> None:
    assert prose("Ask <b> with `pagereel look <id>`.") == "Ask &lt;b&gt; with <code>pagereel look &lt;id&gt;</code>."


def account(from_after: float, to_after: float, covered: float) -> Coverage:
    wanted = to_after - from_after
    missing = wanted - covered
    window = Interval(BEGAN + from_after, BEGAN + to_after)
    return Coverage(window, wanted, covered, 0, missing, missing, 5, covered / wanted)


def judged(recording: Recording, coverage: Coverage) -> Recording:
    assert recording.latest_report is not None
    lost_from = coverage.window.from_at + coverage.covered_seconds
    lost = Finding("gap", Severity.ERROR, "A gap.", None, Interval(lost_from, coverage.window.to_at))
    return replace(recording, latest_report=replace(recording.latest_report, coverage=coverage, findings=(lost,)))


@given(
    wanted=st.floats(20, 100_000),
    share=st.floats(0.01, 0.99),
    ended=st.floats(0.01, 1.5),
    later=st.lists(st.floats(0, 10_000_000), max_size=5),
)
def test_the_lane_is_as_green_as_the_window_is_covered(
    wanted: float, share: float, ended: float, later: list[float]
) -> None:
    """Whenever it ended, however long it was looked at afterwards."""
    covered = wanted * share
    recording = judged(replace(ENDED, ended_at=BEGAN + wanted * ended, pauses=()), account(2, 2 + wanted, covered))
    slices = [JudgedFile("a.ts", FileKind.SLICE, 1, "e", None, BEGAN + 2, covered, listed=True)]
    drawing = draw(recording, [entry(after) for after in later], slices, NOW)
    ((_, from_x, wanted_width),) = looks(drawing, "wanted")
    widths = {look: width for look, _, width in looks(drawing, "recorded")}
    assert from_x + wanted_width <= WIDTH + 0.2
    least = 2.0
    assert widths["covered"] == pytest.approx(max(least, wanted_width * share), abs=0.3)
    assert widths["missing"] == pytest.approx(max(least, wanted_width * (1 - share)), abs=0.3)


@pytest.mark.parametrize("state", [State.RECORDING, State.FAILED])
def test_the_axis_reaches_the_planned_end_without_a_report(state: State) -> None:
    ended = BEGAN + 18 if state.terminal else None
    recording = replace(
        RECORDING, state=state, latest_report=None, window_from_at=BEGAN, stop_at=BEGAN + 3600, ended_at=ended
    )
    drawing = draw(recording, [entry(5)], [], BEGAN + 60)
    ((_, x, width),) = [one for one in looks(drawing, "wanted") if one[0] == "wanted"]
    assert x + width <= WIDTH
    assert width >= WIDTH / 1.26
    assert (drawing.now_x is None) is state.terminal


def test_now_is_drawn_only_where_the_axis_has_it() -> None:
    planned = replace(RECORDING, state=State.REQUESTED, latest_report=None, attempts=(), pauses=(), watch=Watch())
    planned = replace(planned, start_at=NOW + 50_000, window_from_at=NOW + 50_000, stop_at=NOW + 50_300)
    assert draw(planned, [], [], NOW).now_x is None, "hours before what is drawn"
    assert draw(planned, [], [], NOW + 50_100).now_x is not None


@pytest.mark.parametrize("reported", [False, True])
@pytest.mark.parametrize("wish", [{"stop_at": BEGAN + 3600}, {"record_for_seconds": 3600.0}, {}])
def test_nothing_is_wanted_after_the_end_of_what_never_began_to_record(wish: dict[str, float], reported: bool) -> None:
    failed = replace(
        RECORDING, state=State.FAILED, state_since_at=BEGAN + 120, ended_at=None, attempts=(), pauses=(),
        window_from_at=BEGAN, latest_report=None, **wish,  # type: ignore[arg-type]
    )  # fmt: skip
    if reported:
        failed = judged(replace(failed, latest_report=RECORDING.latest_report), account(30, 3600, 0))
    drawing = draw(failed, [entry(0, "caller"), entry(120, "worker")], [], BEGAN + 86400)
    (lane,) = (one for one in drawing.lanes if one.name == "wanted")
    (bar,) = lane.bars
    assert bar.title.startswith("wanted: 07:58:50 to 08:00:20" if reported else "wanted: 07:58:20 to 08:00:20")
    assert bar.x + bar.width == WIDTH
    assert looks(drawing, "recorded") == []
    assert drawing.says == "Timeline of the recording. Nothing was recorded."
    assert gaps(failed, [], film_of([])) == []


def test_nothing_is_wanted_of_what_was_cancelled_before_its_start() -> None:
    cancelled = replace(
        RECORDING, state=State.CANCELLED, state_since_at=BEGAN + 5, ended_at=None, attempts=(), pauses=(),
        latest_report=None, start_at=BEGAN + 3600, window_from_at=BEGAN + 3600, stop_at=BEGAN + 7200,
    )  # fmt: skip
    assert looks(draw(cancelled, [entry(0, "caller"), entry(5, "caller")], [], NOW), "wanted") == []


def test_an_early_stop_is_the_end_of_the_wanted_window() -> None:
    recording = replace(
        ENDED, latest_report=None, window_from_at=BEGAN, stop_at=BEGAN + 3600, stop_wished_at=BEGAN + 100, pauses=()
    )
    assert looks(draw(recording, [], [], NOW), "wanted") == [("wanted", 0.0, 1000.0)]


def test_a_recording_planned_for_tomorrow_is_seen_when_it_comes() -> None:
    start = BEGAN + 86400
    recording = replace(
        RECORDING, latest_report=None, window_from_at=start, start_at=start, stop_at=start + 3600, pauses=()
    )
    drawing = draw(recording, [entry(0, "caller")], [], BEGAN + 1)
    assert looks(drawing, "wanted") == [("wanted", 200.0, 800.0)]


def test_a_planned_length_is_the_wanted_window_before_anything_is_recorded() -> None:
    start = BEGAN + 86400
    recording = replace(
        RECORDING, latest_report=None, window_from_at=start, start_at=start, record_for_seconds=3600, pauses=()
    )
    assert looks(draw(recording, [entry(0, "caller")], [], BEGAN + 1), "wanted") == [("wanted", 200.0, 800.0)]


def test_slices_too_narrow_to_be_told_apart_are_one_bar_and_a_gap_between_them_stays() -> None:
    starts = [number * 15 for number in range(1000) if number not in (400, 401, 402, 403)]
    slices = [JudgedFile(f"{at}.ts", FileKind.SLICE, 1, "e", None, BEGAN + at, 15, listed=True) for at in starts]
    recording = judged(replace(ENDED, ended_at=BEGAN + 15000, pauses=()), account(0, 15000, 14940))
    green = [bar for bar in looks(draw(recording, [], slices, NOW), "recorded") if bar[0] == "covered"]
    assert green == [("covered", 0.0, 400.0), ("covered", 404.0, 596.0)]


def test_what_lies_behind_the_files_that_were_read_is_unknown_and_not_blank() -> None:
    slices = [JudgedFile("a.ts", FileKind.SLICE, 1, "e", None, BEGAN, 50, listed=True)]
    recording = judged(replace(ENDED, pauses=()), account(0, 100, 100))
    drawn = looks(draw(recording, [], slices, NOW, more_files=True), "recorded")
    assert drawn[:2] == [("covered", 0.0, 500.0), ("unknown", 500.0, 500.0)]


@pytest.mark.parametrize(
    ("after", "said"),
    [(0, "1 s ago"), (-59, "59 s ago"), (-90, "1 min ago"), (-3700, "1 h 1 min ago"), (79000, "in 21 h 56 min")],
)
def test_an_instant_is_said_by_its_distance_and_shows_itself_when_pointed_at(after: float, said: str) -> None:
    shown = ago(NOW + after, NOW)
    assert f">{said}</time>" in shown
    assert re.search(r'title="2027-01-1\d \d\d:\d\d:\d\d UTC"', shown)
    assert ago(None, NOW) == "–"


def line(kind: str, number: int = 1, count: int = 1, source: str = "notice", **detail: Any) -> HistoryEntry:
    return HistoryEntry(number, BEGAN + number, kind, source, detail, count)


def test_the_history_is_in_words_and_not_in_codes() -> None:
    told = [
        line("state", state="starting"),
        line("attention", code="ending_unconfirmed", detail="Agora does not find the task"),
        line("notice_uploading_progress", 3, 4, event_type=33, progress=6667),
        line("notice_web_recorder_started", 4, event_type=70, recorderStartTime=1_795_897_912_091),
        line("stop_at_changed", 5, stop_at=NOW),
    ]
    assert [(event.what, event.details, event.count) for event in events(told)] == [
        ("state: starting", "", 1),
        ("attention: ending unconfirmed", "detail Agora does not find the task", 1),
        ("Agora: uploading progress", "progress 66.6 %", 4),
        ("Agora: web recorder started", "recorder start time 2026-11-28 20:31:52 UTC", 1),
        ("stop at changed", "stop at 2027-01-15 08:00:00 UTC", 1),
    ]
    assert [named_event(number) for number in (31, 4711, None)] == ["31 uploaded", "4711 unknown", "–"]


def test_reports_that_say_the_same_are_one_line() -> None:
    reports = [line("judged", number, source="bucket", report=number, verdict="incomplete") for number in (1, 2, 3)]
    (first, last) = events([*reports, line("judged", 4, source="bucket", report=4, verdict="verified")])
    assert (first.count, first.first_at, first.at, first.details) == (3, BEGAN + 1, BEGAN + 3, "verdict incomplete")
    assert last.details == "report 4, verdict verified"


def test_a_flood_of_warnings_is_one_line_although_progress_comes_between() -> None:
    flood = [
        line("notice_warning", number, event_type=2, module=1, warnCode=31)
        if number % 2
        else line("notice_uploading_progress", number, event_type=33, progress=number)
        for number in range(1, 101)
    ]
    other = line("notice_warning", 101, event_type=2, module=1, warnCode=32)
    later = [line("pause_requested", 102, source="caller"), line("notice_warning", 103, module=1, warnCode=31)]
    told = [
        (event.what, event.details, event.first_at, event.at, event.count) for event in events([*flood, other, *later])
    ]
    assert told == [
        ("Agora: warning", "module 1, warn code 31", BEGAN + 1, BEGAN + 99, 50),
        ("Agora: uploading progress", "progress 1 %", BEGAN + 2, BEGAN + 100, 50),
        ("Agora: warning", "module 1, warn code 32", BEGAN + 101, BEGAN + 101, 1),
        ("pause requested", "", BEGAN + 102, BEGAN + 102, 1),
        ("Agora: warning", "module 1, warn code 31", BEGAN + 103, BEGAN + 103, 1),
    ]


@pytest.mark.parametrize("value", [True, None, "x", -1, 0, 1e300, float("inf"), float("nan"), 10**30])
@pytest.mark.parametrize("name", ["progress", "recorderStartTime", "stop_at", "code"])
def test_no_detail_from_outside_breaks_a_page(name: str, value: object) -> None:
    assert len(list(events([line("notice_error", **{name: value})]))) == 1
