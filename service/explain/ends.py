"""Explanations of ends, by end reason: the sentence, its certainty, and the advice. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from service.explain.waits import CREDENTIALS, NOT_MADE, unauthorized
from service.explain.words import UNKNOWN, Certainty, Explanation, Line, Proof, end_lines, lines, nobody_knows, seen
from service.recording import Blame, EndReason, Recording, State
from service.wording import length, ran_its_length

# The meaning of each end reason in a sentence, and the advice.
SENTENCES: dict[EndReason, tuple[str, str]] = {
    EndReason.STOPPED: ("a caller stopped it", "Nothing."),
    EndReason.STOP_AT: ("it reached its stop time (`stop_at`)", "Nothing."),
    EndReason.HOUR_LIMIT: ("it reached its hour limit", "Request more hours with `max_recording_hour`."),
    EndReason.PAUSED_TOO_LONG: ("it was on hold for too long, and Agora bills a pause", "Resume or stop it sooner."),
    EndReason.CAPABILITY_LIMIT: (
        "the page exceeded the capacity of Agora's recorder",
        "Make the page lighter: no WebGL, videos of at most 1080p, low bandwidth; "
        "`pagereel-emulator check-page` measures it.",
    ),
    EndReason.PAGE_LOAD_TIMEOUT: (
        "the page was not ready in time",
        "Make the page load faster or call notifyReady() earlier, or allow more time with a larger `ready_timeout` or "
        "a later `stop_at`.",
    ),
    EndReason.PAGE_UNREACHABLE: (
        "Agora could not open the page",
        "Open the page from outside your network. Check that it is public and that a log-in in its URL is still valid. "
        "Agora gives no cause; `pagereel-emulator check-page URL` shows the error and what to do about it.",
    ),
    EndReason.ENGINE_FAILED: (
        "Agora's browser engine failed",
        'Start it again. A preset with `restart = "on_failure"` restarts it automatically.',
    ),
    EndReason.RECORDER_ERROR: (
        "Agora's recorder failed",
        "Read Agora's error in the timeline (event 71 or 1). If it happens again, contact Agora with the sid.",
    ),
    EndReason.ENDED_BY_ITSELF: (
        "Agora's task ended without a known reason",
        "Contact Agora with the sid. If notifications do not arrive, see docs/operations.md.",
    ),
    EndReason.STORAGE_REFUSED: (
        "the bucket refused Agora's upload",
        "Check the write keys, the bucket and the region of the storage profile: `pagereel check-config --probe`.",
    ),
    EndReason.CREDENTIALS_EXPIRING: (
        "the temporary storage keys would have expired too soon",
        "Renew the credentials file earlier: Agora requires keys that stay valid for four hours.",
    ),
    EndReason.REFUSED: (
        "Agora refused to start it",
        "Read Agora's refusal. It concerns a parameter, the app or the account.",
    ),
    EndReason.CAPACITY: ("Agora had no free recorder in time", "Spread the starts, or ask Agora for a higher limit."),
    EndReason.AGORA_UNAVAILABLE: ("Agora did not answer in time", "Start it again, and check Agora's status page."),
    EndReason.LIMITED: ("a limit in the settings was reached", "Raise the limit, or record less at the same time."),
    EndReason.MISSED: (
        "no Pagereel worker started it in time",
        "Make sure that `pagereel serve` or `pagereel work` is running.",
    ),
    EndReason.RESTORED: (
        "its task ended after the backup that the database was restored from, and what ended it was not in that backup",
        "Read the log of that time: it has a line `request` for each stop.",
    ),
}


def asked_length(recording: Recording) -> float | None:
    """Return the requested length if the recording ended because it was reached, otherwise None."""
    begin, stop = recording.recorded_from_at, recording.stop_at
    recorded = None if begin is None or stop is None else stop - begin
    ended_by_it = recording.end_reason is EndReason.STOP_AT and ran_its_length(recording.record_for_seconds, recorded)
    return recording.record_for_seconds if ended_by_it else None


def why_ended(recording: Recording, reason: EndReason) -> str:
    """Return the sentence of an end reason. A recording that ran for the requested length has its own sentence."""
    asked = asked_length(recording)
    return SENTENCES[reason][0] if asked is None else f"it has run for the length that you asked for ({length(asked)})"


# The actions of Pagereel and of callers are certain. Those of Agora are certain only if Agora reported them.
_KNOWN = frozenset(
    {
        EndReason.STOPPED,
        EndReason.STOP_AT,
        EndReason.PAUSED_TOO_LONG,
        EndReason.LIMITED,
        EndReason.MISSED,
        EndReason.RESTORED,
        EndReason.REFUSED,
        EndReason.CAPACITY,
        EndReason.AGORA_UNAVAILABLE,
        EndReason.CREDENTIALS_EXPIRING,
    }
)


def explain_end(recording: Recording, history: Sequence[Line]) -> Explanation:
    """Explain a recording without media by its end reason."""
    reason = recording.end_reason
    if recording.state is State.CANCELLED and reason is EndReason.STOP_AT:
        return Explanation(
            "Nothing was recorded because it was on hold until its stop time (`stop_at`).",
            EndReason.STOP_AT,
            Certainty.CERTAIN,
            Blame.CALLER,
            end_lines(history),
            "Resume a recording that starts on hold.",
        )
    if recording.state is State.FAILED and reason is EndReason.STOP_AT:
        return Explanation(
            "Nothing was recorded before its stop time (`stop_at`).",
            EndReason.STOP_AT,
            Certainty.CERTAIN,
            Blame.CALLER,
            end_lines(history),
            "Allow more time: a recorder needs 5 to 10 s to start.",
        )
    if recording.state is State.CANCELLED:
        return Explanation(
            "It was stopped before anything was recorded.",
            EndReason.STOPPED,
            Certainty.CERTAIN,
            Blame.CALLER,
            lines(history, ("stop_requested",)),
            "Nothing.",
        )
    if reason is None:
        return nobody_knows(recording, end_lines(history))
    refused = recording.attention if recording.attention and recording.attention.code == "refused" else None
    detail = f": {refused.detail}" if refused else ""
    ended = by_reason(f"Nothing was recorded because {{}}{detail}.", recording, reason, history, end_lines(history))
    return replace(ended, advice=CREDENTIALS) if refused and unauthorized(refused) else ended


def by_reason(
    sentence: str, recording: Recording, reason: EndReason, history: Sequence[Line], proof: tuple[Proof, ...]
) -> Explanation:
    """Return the explanation for an end reason. `sentence` has a placeholder for the meaning of the reason."""
    text, advice = why_ended(recording, reason), SENTENCES[reason][1]
    if reason is EndReason.MISSED and recording.last_failure in NOT_MADE:
        lacking, advice = NOT_MADE[recording.last_failure]
        text = f"Pagereel could not start it in time, because {lacking}"
    certainty = _certainty(reason, history)
    cause, blame = (UNKNOWN, None) if certainty is Certainty.UNKNOWN else (reason.value, recording.blame)
    return Explanation(sentence.format(text), cause, certainty, blame, proof, advice)


def _certainty(reason: EndReason, history: Sequence[Line]) -> Certainty:
    if reason is EndReason.ENDED_BY_ITSELF:
        return Certainty.UNKNOWN
    coded = any(line.kind == "notice_web_recorder_stopped" and line.detail.get("code") for line in history)
    said = coded or (reason is EndReason.STORAGE_REFUSED and seen(history, "notice_error"))
    return Certainty.CERTAIN if said or reason in _KNOWN else Certainty.LIKELY
