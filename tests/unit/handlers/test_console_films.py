"""Where missing time is in the film, and the sentence about the wanted window."""

from dataclasses import replace

import pytest
from handlers_stand_in import RECORDING

from handlers.console.films import explain_window, film_of, gaps
from service.recording import Recording, State
from service.report import Coverage, FileKind, Finding, Interval, JudgedFile, Severity

BEGAN = RECORDING.requested_at


def slice_(after: float, seconds: float | None = 10, *, missing: bool = False) -> JudgedFile:
    at = BEGAN + after
    return JudgedFile(
        f"{after:g}.ts", FileKind.SLICE, starts_at=at, duration_seconds=seconds, listed=not missing, missing=missing
    )


def mp4(number: int = 0) -> JudgedFile:
    return JudgedFile(f"{number}.mp4", FileKind.MP4, listed=True)


def gapped(*findings: tuple[str, float, float]) -> Recording:
    assert RECORDING.latest_report is not None
    found = tuple(
        Finding(code, Severity.ERROR, "Missing.", None, Interval(BEGAN + from_after, BEGAN + to_after))
        for code, from_after, to_after in findings
    )
    return replace(RECORDING, latest_report=replace(RECORDING.latest_report, findings=found))


def places(recording: Recording, files: list[JudgedFile]) -> list[tuple[str, float, float, float | None]]:
    return [
        (one.what, one.from_at - BEGAN, one.to_at - BEGAN, one.seconds)
        for one in gaps(recording, files, film_of(files))
    ]


def test_a_gap_is_where_the_film_jumps_and_not_where_the_clock_says() -> None:
    files = [slice_(0), slice_(10), slice_(50), mp4()]
    found = places(gapped(("gap", 20, 50), ("ended_early", 60, 90), ("pause", 5, 6)), files)
    assert found == [("gap", 20, 50, 17.0), ("ended early", 60, 90, 27.0)]


def test_a_lost_slice_is_in_the_mp4_and_not_in_the_stream() -> None:
    lost = [slice_(0), slice_(10, missing=True), slice_(20), slice_(30, missing=True)]
    assert [place for *_, place in places(gapped(), [*lost, mp4()])] == [7.0, 27.0]
    assert [place for *_, place in places(gapped(), lost)] == [7.0, 17.0]


def test_time_that_the_report_found_missing_is_not_listed_once_more_for_its_slices() -> None:
    files = [slice_(0), slice_(10, missing=True), slice_(20, missing=True), slice_(30), slice_(40, missing=True)]
    found = places(gapped(("gap", 10.2, 29.9)), files)
    assert [(what, from_at, to_at) for what, from_at, to_at, _ in found] == [
        ("gap", pytest.approx(10.2), pytest.approx(29.9)),
        ("slice missing", 40, 50),
    ]


def test_with_several_mp4_files_the_place_is_in_the_stream() -> None:
    assert film_of([slice_(0), mp4(0), mp4(1)]).element == "film-hls"
    assert film_of([slice_(0), mp4(0)]).element == "film-1"


def test_the_first_seconds_are_shown_from_the_beginning() -> None:
    assert places(gapped(("late_start", -30, 0)), [slice_(0), mp4()]) == [("late start", -30, 0, 0.0)]


def test_without_slices_there_is_no_place_to_show() -> None:
    assert places(gapped(("gap", 0, 10)), [slice_(0, None), mp4()]) == [("gap", 0, 10, None)]


def test_slices_that_overlap_and_lie_in_any_order_play_one_after_the_other() -> None:
    film = film_of([slice_(40), slice_(0), slice_(5, 20), slice_(100, missing=True)])
    played = [(40, 10), (0, 10), (5, 20)]
    for after in (-5, 0, 3, 7, 12, 25, 41.5, 45, 60, 200):
        recorded = sum(min(max(0, after - begin), seconds) for begin, seconds in played)
        assert film.place(BEGAN + after) == pytest.approx(max(0, recorded - 3), abs=0.05)


def test_a_place_in_a_film_of_many_slices_is_found_at_once() -> None:
    """A page draws a bar for each missing slice; each of 40,000 places among 40,000 slices took 100 ms."""
    film = film_of([slice_(10 * number) for number in range(40_000)])
    assert [film.place(BEGAN + 10 * number + 4) for number in range(1, 40_000)] == [
        pytest.approx(10 * number + 1) for number in range(1, 40_000)
    ]


WINDOW = Coverage(Interval(BEGAN + 30, BEGAN + 70), 40, 40, 0, 0, 0, 5, 1)


@pytest.mark.parametrize(
    ("changes", "covered", "said"),
    [
        (
            {"record_for_seconds": 60, "recorded_from_at": BEGAN + 10, "ended_at": BEGAN + 70},
            True,
            "Asked for 1 min; recorded from 07:58:30 to 07:59:30; verified from 07:58:50 to 07:59:30 UTC.",
        ),
        (
            {"record_for_seconds": 600, "recorded_from_at": BEGAN + 10, "stop_at": BEGAN + 70, "ended_at": BEGAN + 70},
            True,
            "Asked for 1 min; recorded from 07:58:30 to 07:59:30; verified from 07:58:50 to 07:59:30 UTC.",
        ),
        (
            {"window_from_at": BEGAN, "stop_at": BEGAN + 70, "ended_at": BEGAN + 70},
            True,
            "Asked for 1 min 10 s; recorded from 07:58:30 to 07:59:30; verified from 07:58:50 to 07:59:30 UTC, because "
            "the first 30 s are the allowance for the start and do not count.",
        ),
        (
            {"window_from_at": BEGAN, "stop_at": BEGAN + 700, "stop_wished_at": BEGAN + 60, "ended_at": BEGAN + 61},
            False,
            "Stopped by a caller at 07:59:20; recorded from 07:58:30 to 07:59:21; the first 30 s are the allowance for "
            "the start and do not count.",
        ),
        (
            {"window_from_at": BEGAN, "state": State.RECORDING},
            False,
            "Asked for no length; recording since 07:58:30; the first 30 s are the allowance for the start and do not "
            "count.",
        ),
        ({"attempts": (), "window_from_at": BEGAN, "state": State.REQUESTED}, False, ""),
    ],
    ids=["length", "length replaced", "stop time", "stopped", "no length", "not begun"],
)
def test_the_wanted_window_is_explained_in_a_sentence(changes: dict[str, object], covered: bool, said: str) -> None:
    assert RECORDING.latest_report is not None
    report = replace(RECORDING.latest_report, coverage=WINDOW) if covered else None
    recording = replace(RECORDING, latest_report=report, pauses=(), **changes)  # type: ignore[arg-type]
    assert explain_window(recording) == said
