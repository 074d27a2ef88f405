"""Rules for the outcome of updates: pause, resume, push target, fresh storage keys. Pure."""

from service.lifecycle.change import Draft
from service.lifecycle.observations import CallFailed, Updated, UpdateOnhold, UpdateRtmp, UpdateStorage
from service.recording import Attempt


def onhold_seen(draft: Draft, onhold: bool, since_at: float | None = None) -> None:
    """Record that Agora shows or has accepted the given on-hold state. This confirms a pause from the time when it was
    first requested. If the pause is no longer requested, the time that it omits counts as missing."""
    attempt = draft.attempt
    assert attempt is not None
    draft.set_attempt(update_sent_at=None)
    if attempt.onhold is onhold:
        return
    draft.set_attempt(onhold=onhold)
    if onhold and draft.recording.pause_wished:
        draft.open_pause(since_at if since_at is not None else draft.now)
    elif not onhold:
        draft.close_pause(draft.now)
    draft.note("paused" if onhold else "resumed")


def updated(draft: Draft, answer: Updated) -> None:
    attempt = draft.attempt
    if attempt is None or not attempt.may_be_alive:
        return
    draft.succeeded()
    draft.agora_answered()
    match answer.step:
        case UpdateOnhold(onhold=onhold):
            onhold_seen(draft, onhold, attempt.update_sent_at)
        case UpdateRtmp(version=version, shown=shown):
            draft.set_attempt(rtmp_version=version, rtmp=shown)
            draft.note("rtmp_changed")
        case UpdateStorage():
            again_at = draft.now + draft.recording.policy.sts_refresh_seconds
            draft.set_attempt(storage_refresh_at=again_at if answer.sts else None)
            draft.attended("credentials_not_refreshed")
            draft.note("credentials_refreshed")


def update_refused(draft: Draft, attempt: Attempt, failed: CallFailed) -> None:
    draft.succeeded()
    if isinstance(failed.step, UpdateRtmp):
        draft.warn("rtmp_refused", reason=failed.code)
        if failed.step.version == draft.recording.rtmp_version:  # a later request has not been sent yet
            draft.set(rtmp_version=attempt.rtmp_version, rtmp=attempt.rtmp)
        return
    draft.warn("update_refused", reason=failed.code)
    draft.set_attempt(update_sent_at=None)
    draft.set(pause_wished=attempt.onhold, pause_wished_at=draft.now if attempt.onhold else None)
    if attempt.onhold:
        draft.open_pause(draft.now)
