"""The effect of a committed change of a recording on the metrics."""

from collections.abc import Iterable, Iterator

from metrics import intake
from metrics import recordings as meter
from service.lifecycle import hours_end_at, ran_until
from service.lifecycle.observations import Entry, NoticeReceived, Observation
from service.recording import Attempt, EndReason, Recording, State

UPLOADING_PROGRESS = 33
# An end with one of these proofs was not reported. A query or the hour limit showed it.
_ASKED = ("query", "404", "hour_limit")
_REPAIRS = {"sid_found": "start_unanswered", "stop_ignored": "stop_ignored", "recorder_alive": "recorder_alive"}


def count_change(before: Recording, after: Recording, observation: Observation, at: float) -> None:
    """Update the metrics with one committed change."""
    if isinstance(observation, NoticeReceived):
        _count_notice(before, after, observation)
    for code in after.warnings[len(before.warnings) :]:
        meter.warned(code)
    if after.attention is not None and (before.attention is None or before.attention.code != after.attention.code):
        meter.attended(after.attention.code)
    if after.end_reason is not None and _end_is_known(after) and not _end_is_known(before):
        meter.ended(after.end_reason)
    for was, now in zip(before.attempts, after.attempts, strict=False):
        if was.ended_at is None and now.ended_at is not None and now.started_at is not None:
            over_at = ran_until(after, now) or now.ended_at
            _count_task(before, now, max(now.started_at, was.counted_until or 0), over_at)
        elif was.ended_at is not None and now.ended_at is not None and now.ended_at > was.ended_at:
            _count_task(before, now, was.ended_at, now.ended_at)
    if after.state is not before.state:
        _count_state(before, after, at)


def _end_is_known(recording: Recording) -> bool:
    """Return whether the end and its reason are final. If `stop_at` came before the recording was known to record, the
    bucket still decides the reason."""
    recorded = any(attempt.recording_at is not None for attempt in recording.attempts)
    open_reason = recording.end_reason is EndReason.STOP_AT and not recorded and not recording.state.terminal
    return recording.ended_at is not None and not open_reason


def find_repairs(before: Recording, after: Recording, history: Iterable[Entry]) -> Iterator[str]:
    """Yield the repairs (`metrics.recordings.REPAIRS`) of a change: states that queries or listings corrected and no
    notification reported."""
    for entry in history:
        if entry.kind in _REPAIRS:
            yield _REPAIRS[entry.kind]
        elif entry.kind == "attempt_ended" and entry.detail["proof"] in _ASKED:
            attempt = next(one for one in after.attempts if one.number == entry.detail["attempt"])
            if attempt.stop_sent_at is None:
                yield "end_unannounced"
    if before.state is State.INCOMPLETE and after.state is State.VERIFIED:
        yield "files_late"


def _count_notice(before: Recording, after: Recording, received: NoticeReceived) -> None:
    notice = received.notice
    if notice.event_type == UPLOADING_PROGRESS:
        said = notice.details.get("progress")
        if isinstance(said, int):
            meter.progressed(min(max(said / 10000, 0), 1))
    if notice.sequence is None:
        return
    for was, now in zip(before.attempts, after.attempts, strict=True):
        if now.sid is not None and now.sid == notice.sid:
            intake.sequenced(was.last_sequence, notice.sequence)


def _count_task(recording: Recording, attempt: Attempt, started_at: float, ended_at: float) -> None:
    """Count the time of a task. `started_at` is the task's start, or the time up to which it is already counted."""
    pixels = recording.parameters.video_width * recording.parameters.video_height
    meter.task_ended(ended_at - started_at, pixels)
    meter.ran_on(ended_at - max(started_at, _wanted_end_at(recording, attempt, started_at)))


def _wanted_end_at(recording: Recording, attempt: Attempt, started_at: float) -> float:
    """Return when the task should have ended: at the requested stop, at the end of its recording, or at the plan of its
    successor."""
    successors = [one.planned_at for one in recording.attempts if one.number > attempt.number]
    wanted = [recording.stop_wished_at, recording.stop_at, recording.ended_at, *successors]
    return min([at for at in wanted if at is not None], default=hours_end_at(recording, started_at))


def _count_state(before: Recording, after: Recording, at: float) -> None:
    if after.state is State.RECORDING and len(after.attempts) == 1:
        meter.recording_after(at - (after.start_at or after.requested_at))
    if len(after.attempts) > max(1, len(before.attempts)):
        meter.restarted()
    if not after.state.terminal:
        return
    meter.concluded(after.state, None if after.ended_at is None else at - after.ended_at)
    if after.state is State.VERIFIED and after.warned:
        meter.verified_with_warnings()
    report = after.latest_report
    if report is not None and report.coverage is not None and report.coverage.share is not None:
        meter.covered(report.coverage.share)
