"""The reasons why a recording did not record. Pure."""

from service.recording import ADOPTED, EndReason, Recording

# Failures before a call, caused by Pagereel or its configuration.
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
# agora-reference §8.5, event 71. Code 0 and unknown codes give no reason.
STOP_REASONS = {
    1: EndReason.HOUR_LIMIT,
    2: EndReason.CAPABILITY_LIMIT,
    3: EndReason.ENGINE_FAILED,
    4: EndReason.PAGE_LOAD_TIMEOUT,
    5: EndReason.PAGE_UNREACHABLE,
    6: EndReason.RECORDER_ERROR,
}
# Agora's answer if it does not accept a customer ID or secret.
UNAUTHORIZED = "unauthorized"
# Attentions that end as soon as Agora answers a call.
UNANSWERED = ("agora_unavailable", "agora_credentials_refused", "call_not_made")
NEVER_FOUND = "Agora finds no task by the values of its adoption; if they are mistaken, adopt it again"
# A recorder with this much time before its stop would have recorded if its page had been ready.
READY_SECONDS = 10


def reason_of_failure(code: str) -> EndReason:
    """Return the end reason for a failure that delayed a start."""
    if code == "capacity":
        return EndReason.CAPACITY
    if code == "limited":
        return EndReason.LIMITED
    return EndReason.MISSED if code in OUR_FAILURES else EndReason.AGORA_UNAVAILABLE


def give_up_reason(recording: Recording) -> EndReason:
    """Return why the recording did not start in time. `missed` means that Agora was never called."""
    if recording.last_failure is not None:
        return reason_of_failure(recording.last_failure)
    attempt = recording.attempt
    asked = attempt is not None and attempt.may_be_alive
    return EndReason.AGORA_UNAVAILABLE if asked else EndReason.MISSED


def waited_for(recording: Recording) -> EndReason:
    """Return the cause of the wait if `stop_at` came and nothing was recorded: the start or the page, whichever took
    longer. Return `stop_at` if no time was left to record."""
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
    """Return whether the recording was adopted with values for which Agora has never shown a task."""
    attempt = recording.attempt
    if recording.page != ADOPTED or attempt is None or attempt.seen_at is not None or attempt.recording_at is not None:
        return False
    return attempt.missing_since_at is not None or attempt.ended_proof == "404"
