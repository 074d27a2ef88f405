"""A task whose end nobody told ran to the last sign of it, not to the instant at which it was found gone."""

from dataclasses import replace
from typing import Any

import pytest
from lifecycle_driver import NOW, Driver, make

from handlers.console.films import _recorded
from handlers.resources.recordings import view_recording
from service.lifecycle import apply
from service.lifecycle.deadlines import elapsed_seconds, end_inferred, over_at, ran_until
from service.lifecycle.observations import Judged, NoticeReceived
from service.operations.recordings.writing import ledger_rows
from service.recording import Attempt, AttemptState, EndReason, Notice, Parameters, Recording, State
from service.report import FileKind, JudgedFile, Level, Report, Verdict

HOUR = 3600
BEGAN = NOW + 5
LAST = NOW + 600.0


def gone(found_at: float = NOW + 9000, *, recording: dict[str, Any] | None = None, **changes: Any) -> Recording:
    """A recording whose task was there at first, and was found gone two and a half hours later."""
    known = {"started_at": NOW, "recording_at": BEGAN, "seen_at": NOW + 120, "ended_proof": "404", "hours": 3}
    known |= {"state": AttemptState.ENDED, "ended_at": found_at}
    one = Attempt(
        number=1, cname="test-1", uid=7, prefix="pr/x/a1/", planned_at=NOW, sid="sid-1", **known | changes,
    )  # fmt: skip
    made = make(parameters=Parameters(max_recording_hour=3))
    ended = {"state": State.VERIFYING, "ended_at": found_at, "end_reason": EndReason.ENDED_BY_ITSELF}
    return replace(made, attempts=(one,), **ended | (recording or {}))


def slices(until: float, **changes: Any) -> tuple[JudgedFile, ...]:
    begins = [BEGAN + 15 * number for number in range(int((until - BEGAN) / 15) + 1)]
    return tuple(
        JudgedFile(
            f"pr/x/a1/{at}.ts",
            FileKind.SLICE,
            starts_at=at,
            duration_seconds=min(15.0, until - at),
            **{"listed": True} | changes,
        )
        for at in begins
    )


def judged(recording: Recording, *files: JudgedFile, verdict: Verdict = Verdict.DEFECTIVE) -> Recording:
    report = Report(verdict, Level.CONTENT, NOW + 9300, files=files)
    return apply(recording, Judged(report), NOW + 9300).recording


def ended(recording: Recording) -> float | None:
    return ran_until(recording, recording.attempts[0])


def test_its_length_and_its_bill_end_with_its_last_slice() -> None:
    before = gone()
    assert (ended(before), end_inferred(before)) == (NOW + 9000, False), "not before the bucket was read"
    after = judged(before, *slices(LAST))
    assert (ended(after), over_at(after), end_inferred(after)) == (LAST, LAST, True)
    assert elapsed_seconds(after, NOW + 9999) == LAST - BEGAN
    assert [row.ended_at for row in ledger_rows(after)] == [LAST]
    shown = view_recording(after, NOW + 9999)
    assert shown.billed_seconds == LAST - NOW
    assert (shown.instants.ended_at, shown.attempts[0].ended_at) == (LAST, LAST)
    assert shown.instants.end_inferred
    assert "to about " in _recorded(after)
    assert after.attempts[0].ended_at == NOW + 9000, "what was believed stays for what is decided by it"


@pytest.mark.parametrize("proof", ["web_recorder_stopped", "session_exit", "uploaded", "no_recorded_data"])
def test_an_end_that_somebody_told_stays(proof: str) -> None:
    after = judged(gone(ended_proof=proof), *slices(LAST))
    assert (ended(after), end_inferred(after)) == (NOW + 9000, False)


def test_a_bucket_that_could_not_be_read_shows_nothing() -> None:
    after = judged(gone(), verdict=Verdict.UNREACHABLE)
    assert (ended(after), end_inferred(after)) == (NOW + 9000, False)
    assert ended(judged(gone())) == NOW + 9000, "nor does one that holds none of its files"


def test_a_pause_is_billed_and_has_no_slices() -> None:
    after = judged(gone(onhold=True), *slices(LAST))
    assert (ended(after), end_inferred(after)) == (NOW + 9000, False)


def test_what_agora_saw_or_said_later_than_the_last_slice_counts() -> None:
    assert ended(judged(gone(seen_at=NOW + 5000), *slices(LAST))) == NOW + 5000
    notice = Notice("n", 33, NOW + 7000, NOW + 7000, "test-1", "7", "sid-1", None, 6, {"progress": 900})
    told = apply(gone(), NoticeReceived(notice), NOW + 9100).recording
    assert ended(judged(told, *slices(LAST))) == NOW + 7000


def test_a_slice_that_a_witness_named_and_the_bucket_lost_was_recorded() -> None:
    lost = slices(LAST + 300, listed=False, missing=True)
    assert ended(judged(gone(), *slices(LAST), *lost)) == LAST + 300


def test_another_look_that_finds_less_takes_nothing_back() -> None:
    after = judged(judged(gone(), *slices(LAST)), *slices(LAST - 300))
    assert ended(after) == LAST


def test_an_end_that_was_found_soon_is_taken_as_it_was_found() -> None:
    after = judged(gone(LAST + 59), *slices(LAST))
    assert (ended(after), end_inferred(after)) == (LAST + 59, False)


def test_names_of_files_that_cannot_be_true_shorten_nothing() -> None:
    old = JudgedFile("pr/x/a1/1.ts", FileKind.SLICE, starts_at=1.0, duration_seconds=15.0, listed=True)
    assert ended(judged(gone(), old)) == NOW + 9000
    late = JudgedFile("pr/x/a1/2.ts", FileKind.SLICE, starts_at=NOW + 10**6, duration_seconds=15.0, listed=True)
    assert ended(judged(gone(), late)) == NOW + 9000
    other = JudgedFile("pr/x/a2/2.ts", FileKind.SLICE, starts_at=LAST, duration_seconds=15.0, listed=True)
    assert ended(judged(gone(), other)) == NOW + 9000


@pytest.mark.parametrize("proof", ["404", "query", "hour_limit"])
def test_no_task_outlasts_its_hour_limit(proof: str) -> None:
    """Found days later: Agora had ended it."""
    found = gone(NOW + 48 * HOUR, ended_proof=proof)
    assert (ended(found), end_inferred(found)) == (NOW + 3 * HOUR + 60, True)
    seen = gone(NOW + 48 * HOUR, ended_proof=proof, seen_at=NOW + 4 * HOUR)
    assert ended(seen) == NOW + 4 * HOUR, "but never less than what was seen"


def test_what_runs_has_no_end() -> None:
    runs = gone(ended_proof=None, state=AttemptState.RUNNING)
    runs = replace(runs, ended_at=None, attempts=(replace(runs.attempts[0], ended_at=None),))
    assert (ended(runs), over_at(runs), end_inferred(runs)) == (None, None, False)


def test_a_life_without_notices_whose_service_was_down_when_it_died() -> None:
    """As an operator saw it: the task died after ten minutes, and nobody looked for hours."""
    driver = Driver(make(parameters=Parameters(max_recording_hour=3)), deliver=lambda event_type, number: [])
    driver.agora.page_dies = [(600, 6)]
    driver.at(300, lambda: driver.kill(5000))
    recording = driver.run()
    task_ended = driver.task.ended_at
    assert task_ended is not None
    assert recording.attempts[0].ended_proof in ("404", "query")
    assert (recording.attempts[0].ended_at or 0) > task_ended + 4000
    until = ran_until(recording, recording.attempts[0])
    assert until == pytest.approx(task_ended, abs=16)
    assert end_inferred(recording)
