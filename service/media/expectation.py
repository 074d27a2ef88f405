"""The expected contents of the bucket, which are derived from the recording's row before anything is read."""

from dataclasses import dataclass

from service.policy import Policy
from service.recording import ADOPTED, BLAME, Attempt, Blame, EndReason, Recording
from service.report import Interval

_HOUR = 3600.0
# The bit rates of the audio profiles 0, 1, 2 (agora-reference §3.3).
_CHANNELS = (1, 1, 2)


@dataclass(frozen=True, slots=True)
class ExpectedAttempt:
    """One Agora task whose files belong to the recording. `prefix` is its key prefix with the closing slash.
    `announced` contains the file names that Agora reported. If `sid` is None, it is taken from the files. If `several`
    is true, earlier and possibly unknown tasks may also have written below the prefix."""

    number: int
    prefix: str
    cname: str
    sid: str | None
    announced: tuple[str, ...]
    several: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected contents of a recording. `wanted` is the requested window after the start allowance. `end_proven` is
    true if no task can still be running. `size` (width, height), `channels` and `sound` are the requested values, or
    None if unknown. If `sound` is False, silence and a missing audio track are acceptable. `open_ended` is true if the
    end of the window is unknown, so that the window extends to the end of the last slice."""

    key_prefix: str
    attempts: tuple[ExpectedAttempt, ...]
    wanted: Interval
    pauses: tuple[Interval, ...]
    mp4: bool
    hours: int
    ended_by_itself: bool
    end_proven: bool
    policy: Policy
    size: tuple[int, int] | None = None
    channels: int | None = None
    sound: bool | None = None
    open_ended: bool = False

    def allowed_seconds(self, expected_seconds: float) -> float:
        """Return the seconds of unexplained missing time that `verified` allows (docs/verification.md)."""
        policy = self.policy
        if policy.max_missing_seconds is not None:
            return policy.max_missing_seconds
        return max(policy.missing_floor_seconds, policy.missing_share * expected_seconds)


def expectation(recording: Recording) -> Expectation:
    """Return the expected contents of `recording`."""
    reason = recording.end_reason
    return Expectation(
        key_prefix=recording.key_prefix,
        attempts=tuple(
            ExpectedAttempt(one.number, one.prefix, one.cname, one.sid, one.announced, one.several)
            for one in recording.attempts
        ),
        wanted=_wanted(recording),
        pauses=recording.pauses,
        mp4="mp4" in recording.parameters.av_file_type,
        hours=recording.parameters.max_recording_hour,
        # The caller sets Agora's hour limit, but reaching it early was not requested.
        ended_by_itself=reason is EndReason.HOUR_LIMIT or (reason is not None and BLAME[reason] is not Blame.CALLER),
        end_proven=not any(one.may_be_alive and one.uploaded is None for one in recording.attempts),
        policy=recording.policy,
        size=(recording.parameters.video_width, recording.parameters.video_height),
        channels=_CHANNELS[recording.parameters.audio_profile],
        sound=recording.sound,
    )


def _wanted(recording: Recording) -> Interval:
    ends = [at for at in (recording.stop_wished_at, recording.stop_at) if at is not None]
    if recording.attempts:
        ends.append(_began_at(recording.attempts[0]) + recording.parameters.max_recording_hour * _HOUR)
    elif recording.window_from_at is not None:
        ends.append(recording.window_from_at + recording.parameters.max_recording_hour * _HOUR)
    if recording.end_reason is EndReason.PAUSED_TOO_LONG and recording.ended_at is not None:
        # The recording was never resumed, so the requested window ends with the caller's pause.
        ends.append(recording.ended_at)
    if recording.page == ADOPTED and recording.ended_at is not None:
        # The requested duration is unknown, because the hours are only a limit. The actual end came before an end that
        # was only requested.
        one = recording.attempts[-1]
        ends.append(recording.ended_at)
        if one.seen_at is not None and one.ended_proof in ("query", "404"):
            ends.append(one.seen_at)
    begin = recording.recorded_from_at
    if begin is None and recording.window_from_at is not None:
        begin = recording.window_from_at + recording.policy.start_allowance_seconds
        if recording.length_seconds is not None:
            # No start of the recording is proven, so its length was never turned into a stop time.
            ends.append(begin + recording.length_seconds)
    end = min(ends, default=recording.requested_at)
    return Interval(end if begin is None else min(begin, end), end)


def _began_at(attempt: Attempt) -> float:
    # Agora counts its hours from the start request, not from the first slice or a resume.
    return next(at for at in (attempt.started_at, attempt.start_sent_at, attempt.planned_at) if at is not None)
