"""Warnings of the newest report stand with the recording, and a stop is refused where nothing runs."""

from dataclasses import replace
from typing import Any

import pytest

from service.errors import Code, ServiceError
from service.explain import explain
from service.lifecycle import apply
from service.lifecycle.change import Draft
from service.lifecycle.deadlines import (
    elapsed_seconds,
    hour_limit_at,
    latest_end_at,
    planned_start_at,
    planned_stop_at,
    task_limit_at,
)
from service.lifecycle.observations import (
    CallFailed,
    Failure,
    Judged,
    Looked,
    LookFailed,
    LookHeldUp,
    Query,
    Stop,
    Stopped,
    StopRequested,
    TaskSeen,
)
from service.media.verdict import judge_blind
from service.messages import message_of
from service.recording import ADOPTED, AttemptState, Attention, Blame, EndReason, Recording, State
from service.report import FileKind, Finding, JudgedFile, Level, Report, Severity, Verdict
from service.wording import clock
from tests.database.samples import attempt, recording

NOW = 2000.0
FILES = (JudgedFile("pr/x/1/a.ts", FileKind.SLICE, listed=True),)
BLANK = Finding("picture_blank", Severity.WARNING, "Nothing is shown.")
SILENT = Finding("sound_silent", Severity.WARNING, "It is silent.")
STATIC = Finding("picture_static", Severity.NOTE, "It does not move.")


def judge(before: Recording, *findings: Finding, verdict: Verdict = Verdict.VERIFIED, **more: Any) -> Recording:
    given = {"level": Level.CONTENT, "files": FILES, "findings": findings} | more
    return apply(before, Judged(Report(verdict, judged_at=NOW, **given)), NOW).recording


def test_every_finding_of_severity_warning_stands_with_a_verified_recording_once() -> None:
    after = judge(recording(state=State.VERIFYING), BLANK, STATIC, SILENT, BLANK)
    assert (after.state, after.warned) == (State.VERIFIED, ("picture_blank", "sound_silent"))
    assert judge(recording(state=State.VERIFYING), STATIC).warned == ()


def test_a_shallower_or_a_blind_verification_takes_no_warning_back_and_one_as_deep_does() -> None:
    warned = judge(recording(state=State.VERIFYING), BLANK)
    shallow = judge(judge(warned, level=Level.LISTING), level=Level.LISTING)
    assert shallow.warned == ("picture_blank",)
    assert judge(shallow, SILENT, level=Level.STRUCTURE).warned == ("picture_blank", "sound_silent")
    assert judge(shallow, verdict=Verdict.UNREACHABLE, files=(), level=Level.LISTING).warned == ("picture_blank",)
    assert judge(shallow, SILENT, level=Level.FULL).warned == ("sound_silent",)
    assert judge(shallow).warned == ()


def test_the_errors_of_a_later_verification_are_shown_until_a_report_lacks_them() -> None:
    gone = Finding("object_vanished", Severity.ERROR, "It is gone.")
    verified = judge(recording(state=State.VERIFYING), SILENT, level=Level.CONTENT)
    assert (verified.state, verified.warned) == (State.VERIFIED, ("sound_silent",))
    lost = judge(verified, gone, verdict=Verdict.DEFECTIVE, level=Level.LISTING)
    assert (lost.state, lost.warned) == (State.VERIFIED, ("sound_silent", "object_vanished"))
    assert judge(lost, level=Level.LISTING).warned == ("sound_silent",), "it is back"
    assert judge(recording(state=State.VERIFYING), gone, verdict=Verdict.DEFECTIVE).warned == (), "the state says it"


def test_messages_have_the_warnings() -> None:
    told = message_of(judge(recording(state=State.VERIFYING), BLANK), 3, NOW, "state", {"state": "verified"})
    assert told is not None
    assert list(told.document["data"]["warned"]) == ["picture_blank"]


ENDED = recording(
    state=State.INCOMPLETE,
    requested_at=1000.0,
    stop_at=1900.0,
    end_reason=EndReason.STOP_AT,
    ended_at=1900.0,
    attempts=(attempt(1, "test-1", 7, started_at=1005.0, recording_at=1010.0),),
)


@pytest.mark.parametrize("state", [State.UPLOADING, State.VERIFYING, State.INCOMPLETE])
@pytest.mark.parametrize(
    "ended",
    [
        {},
        {"end_reason": EndReason.HOUR_LIMIT},
        {"end_reason": EndReason.PAUSED_TOO_LONG, "stop_at": None},
        {"end_reason": EndReason.RECORDER_ERROR},
        {"end_reason": EndReason.RECORDER_ERROR, "stop_at": None, "requested_at": -90000.0, "attempts": ()},
    ],
    ids=["stop_at", "hour limit", "paused too long", "early, and its stop_at has come", "early, hours used up"],
)
def test_a_stop_of_what_has_ended_is_refused_and_leaves_no_trace(state: State, ended: dict[str, Any]) -> None:
    before = replace(ENDED, state=state, **ended)
    if not before.attempts:
        before = replace(before, attempts=(attempt(1, "test-1", 7, started_at=-90000.0),))
    with pytest.raises(ServiceError) as refused:
        apply(before, StopRequested(), NOW)
    assert (refused.value.code, refused.value.detail, refused.value.state) == (Code.CONFLICT, "nothing_runs", state)


@pytest.mark.parametrize("state", [state for state in State if state.terminal])
def test_a_stop_of_what_is_over_is_refused_with_the_same_reason(state: State) -> None:
    with pytest.raises(ServiceError) as refused:
        apply(replace(ENDED, state=state), StopRequested(), NOW)
    assert (refused.value.detail, refused.value.state) == ("nothing_runs", state)


def test_a_stop_that_is_asked_for_twice_is_answered_twice() -> None:
    before = replace(ENDED, stop_wished_at=1500.0, end_reason=EndReason.STOPPED)
    assert apply(before, StopRequested(), NOW).recording is before


def test_a_stop_of_what_ended_too_early_ends_the_window_that_is_still_wanted() -> None:
    before = replace(ENDED, end_reason=EndReason.RECORDER_ERROR, stop_at=3000.0)
    assert apply(before, StopRequested(), NOW).recording.stop_wished_at == NOW


def test_when_it_starts_and_ends_and_how_long_it_runs() -> None:
    planned = recording(requested_at=1000.0, start_at=5000.0, stop_at=6000.0)
    assert (planned_start_at(planned), planned_stop_at(planned), elapsed_seconds(planned, NOW)) == (5000, 6000, None)
    assert hour_limit_at(planned) == 5000 + 3 * 3600
    at_once = recording(requested_at=1000.0)
    assert (planned_start_at(at_once), planned_stop_at(at_once)) == (1000, 1000 + 3 * 3600)
    runs = replace(ENDED, state=State.RECORDING, ended_at=None, stop_at=None, end_reason=None)
    assert (planned_stop_at(runs), elapsed_seconds(runs, NOW)) == (1005 + 3 * 3600, 990)
    assert planned_stop_at(replace(runs, stop_wished_at=1950.0)) == 1950
    assert elapsed_seconds(ENDED, NOW) == 890


def test_the_hours_that_agora_was_asked_for_end_a_task_that_runs() -> None:
    runs = replace(ENDED, state=State.RECORDING, ended_at=None, stop_at=None, end_reason=None)
    (attempt,) = runs.attempts
    asked = replace(runs, attempts=(replace(attempt, state=AttemptState.RUNNING, hours=2),))
    assert latest_end_at(asked) == task_limit_at(asked, asked.attempts[0]) < hour_limit_at(asked)
    over = replace(runs, attempts=(replace(attempt, state=AttemptState.ENDED, hours=2),))
    assert latest_end_at(over) == hour_limit_at(over)


@pytest.mark.parametrize(
    ("code", "detail", "told"),
    [
        ("storage_unreachable", "cannot connect", "cannot connect"),
        ("storage_unreachable", "", "storage_unreachable"),
        ("storage_refused", "status 403", "storage_refused: status 403"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_named_once(code: str, detail: str, told: str) -> None:
    running = replace(recording(), state=State.RECORDING, attempts=(attempt(1, "test-1", 7),))
    waits = apply(running, LookFailed(code, detail), 1000.0).recording.attention
    assert waits is not None
    assert (waits.code, waits.detail) == ("storage_unreachable", told)


def test_a_bucket_that_cannot_be_listed_shows_again_when_what_stood_before_it_is_over() -> None:
    tried = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", started_at=900.0, recording_at=901.0)
    running = replace(recording(), state=State.RECORDING, attempts=(tried,))
    away = apply(running, LookFailed("transport", "no answer"), 1000.0).recording
    asked = apply(away, CallFailed(Query(), Failure.UNAVAILABLE, "http_503"), 1010.0).recording
    assert asked.attention is not None
    assert asked.attention.code == "agora_unavailable"
    answered = apply(asked, TaskSeen(5), 1020.0).recording
    assert answered.attention is not None
    assert (answered.attention.code, answered.attention.since_at) == ("storage_unreachable", 1000.0)
    assert (
        "Pagereel has not been able to list the bucket since 1970-01-01 00:16:40 UTC." in explain(answered, ()).summary
    )
    again = apply(answered, LookFailed("transport", "no answer"), 1120.0).recording
    assert (again.attention and again.attention.since_at) == 1000.0
    over = Draft(replace(asked, state=State.FAILED), 1020.0)
    over.attended("agora_unavailable")
    assert over.recording.attention is None, "nobody looks into the bucket of a recording that is over"
    seen = apply(again, Looked(1, 1, "pr/x/1/b.ts", 1125.0), 1130.0).recording
    assert seen.attention is None
    listed = (
        "no problems so far. The bucket was last listed at 1970-01-01 00:18:50 UTC; "
        "the next listing is due at 1970-01-01 00:19:10 UTC."
    )
    assert explain(seen, ()).summary.endswith(listed)


def test_refused_credentials_are_named_from_the_first_401_until_agora_accepts_a_call() -> None:
    tried = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", started_at=900.0, recording_at=901.0)
    running = replace(recording(), state=State.RECORDING, attempts=(tried,))
    away = apply(running, CallFailed(Query(), Failure.UNAVAILABLE, "http_503"), 1000.0).recording
    refused = apply(away, CallFailed(Query(), Failure.REFUSED, "unauthorized"), 1010.0)
    waits = refused.recording.attention
    assert waits is not None
    assert (waits.code, waits.detail, waits.since_at) == ("agora_credentials_refused", "query: unauthorized", 1010.0)
    assert ("attention", "agora_credentials_refused") in [
        (entry.kind, entry.detail.get("code")) for entry in refused.history
    ]
    told = explain(refused.recording, ())
    assert (told.cause, told.blame) == ("agora_credentials_refused", Blame.US)
    assert "Agora refuses the customer ID or its secret (query: unauthorized)" in told.summary
    assert apply(refused.recording, TaskSeen(5), 1020.0).recording.attention is None
    stopping = replace(refused.recording, state=State.STOPPING, attempts=(replace(tried, stop_sent_at=1015.0),))
    assert apply(stopping, Stopped(), 1020.0).recording.attention is None


@pytest.mark.parametrize(("last_slice", "latest"), [(0, 80), (30, 180), (600, 180)])
def test_that_no_slice_comes_is_told_a_watch_period_after_the_setting_at_the_latest(
    last_slice: int, latest: int
) -> None:
    """As docs/settings.md says. A slice comes each 15 s until the last one, whenever that is between two listings."""
    told_after = []
    for shift in range(120):
        began_at = NOW + shift
        ends_at = began_at + (last_slice + shift if last_slice else 0)
        tried = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", recording_at=began_at)
        row, at, seen = replace(recording(), state=State.RECORDING, attempts=(tried,)), began_at, began_at
        while row.attention is None:
            at = row.watch.next_list_at or at + row.policy.first_watch_seconds
            slices = [began_at + 15 * number for number in range(1, 1 + int(min(at, ends_at) - began_at) // 15)]
            new = [one for one in slices if one > seen]
            row = apply(row, Looked(len(new), len(new), "", max(new, default=None)), at).recording
            seen = max(slices, default=began_at)
        assert row.attention == Attention("stalled", f"no new slice has arrived since {clock(seen)}", at)
        told_after.append(at - seen)
    assert row.policy.stalled_seconds < min(told_after)
    assert max(told_after) <= latest
    assert latest == row.policy.stalled_seconds + (
        row.policy.watch_seconds if last_slice else row.policy.first_watch_seconds
    )


def test_a_refused_stop_stays_before_a_bucket_that_cannot_be_read() -> None:
    """It bills; a look that fails does not. What waits behind it shows when the stop is accepted."""
    tried = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", started_at=900.0, stop_sent_at=990.0)
    stopping = replace(recording(), state=State.STOPPING, attempts=(tried,))
    refused = apply(stopping, CallFailed(Stop(EndReason.STOPPED), Failure.REFUSED, "unauthorized"), 1000.0).recording
    away = apply(refused, LookFailed("transport", "no answer"), 1010.0).recording
    assert away.attention == refused.attention
    assert (away.attention and away.attention.code) == "stop_refused"
    accepted = apply(away, Stopped(), 1020.0).recording
    assert (accepted.attention and accepted.attention.code) == "storage_unreachable"


def _unreachable(text: str, at: float) -> Judged:
    return Judged(judge_blind("storage_unreachable", text, at, {}))


def test_a_look_that_failed_is_told_with_the_reason_once_and_with_the_next_look() -> None:
    over = replace(recording(), state=State.VERIFYING, looks_from_at=1000.0, give_up_at=9000.0)
    held = apply(over, LookHeldUp("storage_unreachable", "s:1: no answer"), 1000.0)
    assert held.history == (), "it may answer again"
    failed = apply(held.recording, _unreachable("Pagereel could not read the bucket (s:1: no answer).", 1060.0), 1060.0)
    waits = failed.recording.attention
    assert waits is not None
    assert (waits.detail, waits.since_at) == ("s:1: no answer", 1000.0)
    assert [entry.kind for entry in failed.history] == ["judged", "attention"]
    told = explain(failed.recording, ()).summary
    assert told.startswith(
        "It is verifying and needs attention: Pagereel cannot list or read the bucket (s:1: no answer). "
        f"Pagereel tries again at {clock(waits.next_try_at or 0)}, and gives up at 1970-01-01 02:30:00 UTC."
    )
    again = apply(
        failed.recording, _unreachable("Pagereel could not read the bucket (s:1: no answer).", 1200.0), 1200.0
    )
    assert [entry.kind for entry in again.history] == ["judged"], "it is one wait"


def test_a_bucket_that_does_not_answer_stands_behind_what_is_worse() -> None:
    alive = Attention("recorder_alive", "it runs", 990.0)
    over = replace(recording(), state=State.VERIFYING, attention=alive)
    assert apply(over, LookHeldUp("storage_unreachable", "no answer"), 1000.0).recording.attention == alive
    assert apply(over, LookHeldUp(), 1000.0).recording.attention == alive
    running = replace(recording(), state=State.RECORDING)
    assert apply(running, LookHeldUp("storage_unreachable", "no answer"), 1000.0).recording == running


def test_an_adopted_recording_lasts_since_its_first_slice() -> None:
    """Nobody knows when its task began to record; Agora is first asked for it when it is adopted."""
    task = attempt(1, "test-1", 7, state=AttemptState.RUNNING, sid="sid-1", started_at=1000.0)
    adopted = replace(recording(), page=ADOPTED, state=State.STARTING, attempts=(task,), window_from_at=1000.0)
    asked = apply(adopted, TaskSeen(5), 4000.0).recording
    assert (asked.state, elapsed_seconds(asked, 4010.0)) == (State.RECORDING, 10.0)
    listed = Looked(199, 199, "pr/x/1/b.ts", 4005.0, began_at=3990.0, first_at=1010.0)
    shown = apply(asked, listed, 4020.0).recording
    assert elapsed_seconds(shown, 4020.0) == 3010.0
    assert elapsed_seconds(apply(shown, replace(listed, first_at=4005.0), 4140.0).recording, 4140.0) == 3130.0
    odd = apply(asked, replace(listed, first_at=7.0), 4020.0).recording
    assert elapsed_seconds(odd, 4020.0) == 3020.0, "not before it was asked for"


def test_an_adopted_recording_that_was_over_has_the_length_of_its_slices() -> None:
    over = attempt(1, "test-1", 7, state=AttemptState.ENDED, sid="sid-1", started_at=1000.0, ended_at=4000.0)
    over = replace(over, ended_proof="404")
    adopted = replace(recording(), page=ADOPTED, state=State.UPLOADING, attempts=(over,), ended_at=4000.0)
    assert elapsed_seconds(adopted, 5000.0) is None
    files = [
        JudgedFile(f"{over.prefix}{at}.ts", FileKind.SLICE, 1, "e", None, at, 15.0, listed=True)
        for at in (1010.0, 1025.0)
    ]
    report = Report(Verdict.VERIFIED, Level.CONTENT, 5000.0, files=tuple(files))
    judged = apply(adopted, Judged(report), 5000.0).recording
    assert elapsed_seconds(judged, 5000.0) == 30.0
    assert elapsed_seconds(apply(replace(adopted, page="https://x/"), Judged(report), 5000.0).recording, 5000.0) is None


def test_the_length_of_a_recording_stands_still_when_its_stop_was_accepted() -> None:
    tried = attempt(1, "test-1", 7, state=AttemptState.STOPPING, recording_at=1010.0, stop_accepted_at=1100.0)
    stopping = replace(recording(), state=State.STOPPING, attempts=(tried,))
    assert elapsed_seconds(stopping, 1200.0) == 90
    ignored = replace(stopping, attempts=(replace(tried, stop_accepted_at=None),))
    assert elapsed_seconds(ignored, 1200.0) == 190, "Agora ignored it"


@pytest.mark.parametrize(
    ("reason", "state"), [(EndReason.PAGE_UNREACHABLE, State.FAILED), (EndReason.STOPPED, State.CANCELLED)]
)
def test_what_was_never_recorded_has_no_warnings(reason: EndReason, state: State) -> None:
    early = Finding("ended_early", Severity.WARNING, "It ended early.")
    over = replace(recording(), state=State.VERIFYING, end_reason=reason)
    found = judge(over, early, verdict=Verdict.DEFECTIVE, files=())
    assert (found.state, found.warned) == (state, ())
