"""Explanations of attentions, by code: the sentence and the advice. Pure."""

from collections.abc import Sequence

from service.explain.words import Certainty, Explanation, Line, Proof, lines
from service.recording import AWAITED, Attention, Blame, Recording, State
from service.wording import clock

# The advice if Agora does not accept the customer ID or its secret, for any attention.
CREDENTIALS = (
    "Act now: Agora refuses the customer ID or its secret, and nothing can be started or stopped. "
    "See docs/operations.md#agora-refuses-the-credentials."
)

# The braces are replaced by the attention's detail if it is more specific than the code.
WAITS: dict[str, tuple[str, str]] = {
    "agora_unavailable": (
        "a call to Agora failed or got no answer ({})",
        "Nothing at first: Pagereel retries. If it persists, see docs/operations.md#agora-does-not-answer.",
    ),
    "agora_credentials_refused": ("Agora refuses the customer ID or its secret ({})", CREDENTIALS),
    "call_not_made": (
        "Pagereel could not make a call to Agora ({})",
        "Pagereel retries. See docs/operations.md#a-recording-was-missed for the code.",
    ),
    "ending_unconfirmed": (
        "{}",
        "Nothing: within minutes Pagereel knows whether the task has ended.",
    ),
    "sid_unknown": (
        "the task runs, but Agora has not returned its sid; Pagereel is looking for it",
        "Nothing at first. If it persists, give Agora's support the cname, uid and resource_id of the attempt.",
    ),
    "task_lost": (
        "the database was restored, and the bucket holds files of a task that started after the backup",
        "Find the log line `acquired` of that time, and give its values to `pagereel adopt`, which can also stop the "
        "task. Without them only Agora ends it, at its hour limit.",
    ),
    "page_not_readable": (
        "no sealing key of the settings opens the URL of its page, so it cannot start",
        "Put the key that sealed it back as the second one of `database.sealing_keys`, or its file beside the "
        "database, before the start: docs/operations.md#the-url-of-a-page-cannot-be-read.",
    ),
    "stalled": (
        "it should be recording, but {}",
        "Check the page, and the storage keys that Agora uses.",
    ),
    "stop_refused": (
        "Agora refuses to stop the task, which continues and is billed",
        "Act now: docs/operations.md#a-recording-does-not-stop.",
    ),
    "limited": (
        "a limit in the settings is reached ({})",
        "Nothing: it starts as soon as the limit allows. To start it sooner, raise the limit.",
    ),
    "recorder_alive": (
        "a recorder that seemed to have ended is still running; Pagereel stops it before it starts anything else",
        "Nothing at first. If it persists, see docs/operations.md#a-recording-does-not-stop.",
    ),
    "refused": (
        "Agora refused to start it ({})",
        "Read Agora's refusal. It concerns a parameter, the app or the account.",
    ),
    "credentials_not_refreshed": (
        "Pagereel could not send new temporary storage keys to Agora ({})",
        "Check the credentials file, and whether Agora answers, before the old keys expire.",
    ),
    "storage_refused": (
        "Agora reported that it cannot upload",
        "Check the write keys and the bucket of the storage profile: `pagereel check-config --probe`.",
    ),
    "sound_silent": (
        "{}",
        "Check now, during the recording, that the page plays sound without a click. A page that makes no sound is "
        "recorded with `sound` false (`pagereel record --no-sound`).",
    ),
    "picture_blank": ("{}", "Open the page now, during the recording."),
    "verification_incomplete": (
        "Pagereel could not read everything that the wanted level requires ({})",
        "Nothing at first: Pagereel retries. docs/verification.md explains the finding and what to do.",
    ),
    "picture_error_page": ("{}", "Open the page's URL in a browser now, during the recording."),
    "storage_unreachable": (
        "Pagereel cannot list or read the bucket ({})",
        "Pagereel retries. Meanwhile, see docs/operations.md#a-bucket-cannot-be-looked-at.",
    ),
}


# The reasons why a call to Agora was not made, and the advice.
NOT_MADE: dict[str, tuple[str, str]] = {
    "page_not_readable": (
        "no sealing key of the settings opens the URL of its page",
        "Put the key that sealed it back into `database.sealing_keys`, or its file beside the database. "
        "Recordings that have not started yet need it too.",
    ),
    "app_not_configured": ("the settings no longer have its app", "Put the app back into the settings."),
    "storage_not_configured": (
        "the settings no longer have its storage profile",
        "Put the storage profile back into the settings.",
    ),
    "budget": (
        "the requests that Agora allows were used up",
        "Spread the starts, or ask Agora for a higher limit: docs/operations.md#the-request-budget-is-short.",
    ),
    "database_unavailable": (
        "the database was not available",
        "See docs/operations.md#the-database-cannot-be-used.",
    ),
    "unexpected_error": (
        "of an internal error in Pagereel",
        "Report it with the log line `step_failed`: docs/operations.md#a-step-fails-unexpectedly.",
    ),
}


_UNAUTHORIZED = "unauthorized"
_NO_CALL = ("agora_credentials_refused", "agora_unavailable", "call_not_made")
_OURS = ("agora_credentials_refused", "call_not_made", "page_not_readable")


def explain_wait(recording: Recording, attention: Attention, history: Sequence[Line]) -> Explanation:
    """Explain a recording that waits for an outside system or for a person."""
    why, advice = WAITS.get(attention.code, ("{}", "See docs/states.md: it says what to do for each attention."))
    if unauthorized(attention):
        advice = CREDENTIALS
    own = NOT_MADE.get(attention.detail.rpartition(": ")[2]) if attention.code == "call_not_made" else None
    if own is not None:
        why, advice = f"{why}, because {own[0]}", own[1]
    return Explanation(
        f"It is {recording.state.value} and needs attention: {why.format(attention.detail or attention.code)}."
        f"{_overdue(recording, attention)}{_next_try(recording, attention)}",
        attention.code,
        Certainty.CERTAIN,
        Blame.US if attention.code in _OURS else None,
        (Proof(attention.since_at, "worker", f"attention: {attention.code}"), *lines(history, ("call_failed",))),
        advice,
    )


def unauthorized(attention: Attention) -> bool:
    """Return whether Agora refused the customer ID or its secret."""
    return _UNAUTHORIZED in attention.detail.split(": ")


def _overdue(recording: Recording, attention: Attention) -> str:
    """Return the time since which a stop that Agora has not accepted has been due. The task may still run and be
    billed."""
    attempt = recording.attempt
    unheard = recording.state is State.STOPPING and attempt is not None and attempt.stop_accepted_at is None
    if attention.code not in _NO_CALL or not unheard:
        return ""
    wished = (recording.stop_wished_at, recording.stop_at, recording.state_since_at)
    due_at = min(at for at in wished if at is not None)
    return (
        f" Its stop is due since {clock(due_at)}, and Agora has not accepted it: "
        "the recorder may still run, and Agora bills that time."
    )


def _next_try(recording: Recording, attention: Attention) -> str:
    """Return when Pagereel retries, if known. For files, also return until when."""
    if attention.next_try_at is None:
        under_way = attention.code == "storage_unreachable" and recording.state in AWAITED
        return " The verification is under way and goes on asking." if under_way else ""
    gives_up_at = recording.give_up_at if recording.state in AWAITED else None
    until = "" if gives_up_at is None else f", and gives up at {clock(gives_up_at)}"
    return f" Pagereel tries again at {clock(attention.next_try_at)}{until}."
