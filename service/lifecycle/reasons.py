"""What a recording was waiting for that never recorded. Pure."""

from service.recording import ADOPTED, EndReason, Recording

# Calls that were never made, for want of something of our own.
OUR_FAILURES = frozenset(
    {
        "page_not_readable",
        "app_not_configured",
        "storage_not_configured",
        "database_unavailable",
        "budget",
        "unexpected_error",
    }
)
# agora-reference §8.5, event 71; the code 0 and unknown codes say nothing about why.
STOP_REASONS = {
    1: EndReason.HOUR_LIMIT,
    2: EndReason.CAPABILITY_LIMIT,
    3: EndReason.ENGINE_FAILED,
    4: EndReason.PAGE_LOAD_TIMEOUT,
    5: EndReason.PAGE_UNREACHABLE,
    6: EndReason.RECORDER_ERROR,
}
# Agora's answer to a customer ID or secret that it does not accept.
UNAUTHORIZED = "unauthorized"
# Attentions that are over as soon as Agora answers a call.
UNANSWERED = ("agora_unavailable", "agora_credentials_refused", "call_not_made")
NEVER_FOUND = "Agora finds no task by the values of its adoption; if they are mistaken, adopt it again"
# A recorder that was started this much before it had to stop would record, if its page were ready.
READY_SECONDS = 10


def reason_of_failure(code: str) -> EndReason:
    """Whose failure it was that kept a start waiting."""
    if code == "capacity":
        return EndReason.CAPACITY
    if code == "limited":
        return EndReason.LIMITED
    return EndReason.MISSED if code in OUR_FAILURES else EndReason.AGORA_UNAVAILABLE


def give_up_reason(recording: Recording) -> EndReason:
    """Why it did not start in time. `missed` is what nobody but us has missed: Agora was never even asked."""
    if recording.last_failure is not None:
        return reason_of_failure(recording.last_failure)
    attempt = recording.attempt
    asked = attempt is not None and attempt.may_be_alive
    return EndReason.AGORA_UNAVAILABLE if asked else EndReason.MISSED


def waited_for(recording: Recording) -> EndReason:
    """What it was waiting for when its `stop_at` came and nothing was recorded: its start, or its page, whichever took
    longer. `stop_at` itself where there was no time to record anything."""
    attempt, stop_at = recording.attempt, recording.stop_at
    if attempt is None or stop_at is None or any(one.recording_at is not None for one in recording.attempts):
        return EndReason.STOP_AT
    if attempt.stop_code in STOP_REASONS:
        return STOP_REASONS[attempt.stop_code]
    delay = None if attempt.delayed_by is None else reason_of_failure(attempt.delayed_by)
    if attempt.started_at is None:
        return delay or EndReason.AGORA_UNAVAILABLE
    wanted_at = recording.start_at if recording.start_at is not None else recording.requested_at
    starting, loading = attempt.started_at - wanted_at, stop_at - attempt.started_at
    if delay is not None and (starting >= loading or not attempt.checks):
        return delay
    return EndReason.PAGE_LOAD_TIMEOUT if loading >= READY_SECONDS else delay or EndReason.STOP_AT


def never_found(recording: Recording) -> bool:
    """Whether it was adopted by values under which Agora has shown no task, and does not find one."""
    attempt = recording.attempt
    if recording.page != ADOPTED or attempt is None or attempt.seen_at is not None or attempt.recording_at is not None:
        return False
    return attempt.missing_since_at is not None or attempt.ended_proof == "404"
