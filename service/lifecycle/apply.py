"""`apply(recording, observation, now)`: the change that an observation makes to a recording. Pure; the rules are in
`rules/`."""

from collections.abc import Callable
from typing import Any

from service.lifecycle.change import Draft
from service.lifecycle.observations import (
    Acquired,
    CallFailed,
    Change,
    Judged,
    LabelsChanged,
    Limited,
    Looked,
    LookFailed,
    LookHeldUp,
    NoticeReceived,
    Observation,
    PageTried,
    PauseRequested,
    ResumeRequested,
    RtmpRequested,
    Started,
    StepTaken,
    StopAtChanged,
    Stopped,
    StopRequested,
    TaskFound,
    TaskMissing,
    TaskSeen,
    Updated,
    VerifyRequested,
    subject,
)
from service.lifecycle.rules.bucket import judged, look_failed, look_held_up, looked
from service.lifecycle.rules.callers import (
    labels_changed,
    onhold_requested,
    rtmp_requested,
    stop_at_changed,
    stop_requested,
    verify_requested,
)
from service.lifecycle.rules.calls import call_failed, stopped, task_missing, task_seen
from service.lifecycle.rules.notifications import notice_received
from service.lifecycle.rules.start import acquired, start_answered
from service.lifecycle.rules.updates import updated
from service.lifecycle.rules.worker import limited, page_tried, step_taken, task_found
from service.recording import Recording


def apply(recording: Recording, observation: Observation, now: float) -> Change:
    """Return the change that `observation`, made at `now`, makes to the recording. An observation that arrives too late
    changes nothing.

    Raise `ServiceError` (conflict) only for a caller's request that the present state does not allow.
    """
    draft = Draft(recording, now, subject(observation))
    _RULES[type(observation)](draft, observation)
    draft.doubt_adoption()
    return draft.done()


_RULES: dict[type, Callable[[Draft, Any], None]] = {
    StopRequested: stop_requested,
    PauseRequested: lambda draft, _: onhold_requested(draft, True),
    ResumeRequested: lambda draft, _: onhold_requested(draft, False),
    RtmpRequested: rtmp_requested,
    StopAtChanged: stop_at_changed,
    LabelsChanged: labels_changed,
    VerifyRequested: verify_requested,
    StepTaken: step_taken,
    Limited: limited,
    PageTried: page_tried,
    TaskFound: task_found,
    Acquired: acquired,
    Started: start_answered,
    TaskSeen: task_seen,
    TaskMissing: task_missing,
    Updated: updated,
    Stopped: stopped,
    CallFailed: call_failed,
    Looked: looked,
    LookFailed: look_failed,
    LookHeldUp: look_held_up,
    Judged: judged,
    NoticeReceived: notice_received,
}
