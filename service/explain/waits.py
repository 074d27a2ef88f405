"""What a recording waits for, by the code of its attention: the sentence, and what to do. Pure."""

from collections.abc import Sequence

from service.explain.words import Certainty, Explanation, Line, Proof, lines
from service.recording import Attention, State

# In braces: the attention's detail, where it says more than the code.
WAITS: dict[str, tuple[str, str]] = {
    "agora_unavailable": (
        "a call to Agora failed or was not answered ({})",
        "Nothing for a while, it is tried again; then docs/operations.md#agora-does-not-answer.",
    ),
    "ending_unconfirmed": (
        "Agora does not find the task, and during a failover that is not true",
        "Nothing; within minutes it is known whether it has ended.",
    ),
    "sid_unknown": (
        "the task runs, and Agora has not said under which sid; it is looked for",
        "Nothing; if it stays, give Agora's support cname, uid and resource_id of the attempt.",
    ),
    "task_lost": (
        "the database was restored, and the bucket holds files of a task that was started after the backup",
        "The log line `acquired` of that time has its resource_id: give it to Agora's support, who can stop it.",
    ),
    "stalled": (
        "it should be recording, and no new slice has come",
        "Look at the page, and at the storage keys that Agora has.",
    ),
    "stop_refused": (
        "Agora refuses to stop the task, which goes on and is billed",
        "Act now: docs/operations.md#a-recording-does-not-stop.",
    ),
    "limited": (
        "a limit of the settings is reached ({})",
        "Nothing: it begins as soon as there is room. Or raise the limit.",
    ),
    "recorder_alive": (
        "a recorder that was believed over is alive; it is being stopped, and nothing is started meanwhile",
        "Nothing; if it stays: docs/operations.md#a-recording-does-not-stop.",
    ),
    "refused": ("Agora refused to start it ({})", "Read the refusal: a parameter, the app or the account."),
    "credentials_not_refreshed": (
        "fresh temporary storage keys could not be handed to Agora ({})",
        "Before the old ones expire: look at the credentials file, and whether Agora answers.",
    ),
    "storage_refused": (
        "Agora said that it cannot upload",
        "Check the write keys and the bucket of the storage profile: `pagereel check-config --probe`.",
    ),
    "sound_silent": ("{}", "Check that the page plays sound without a click, while it is being recorded."),
    "picture_blank": ("{}", "Look at the page now, while it is being recorded."),
    "verification_incomplete": (
        "not everything that the wanted level promises to open could be opened ({})",
        "It is tried again. docs/verification.md says what the finding means and what to do.",
    ),
    "picture_error_page": ("{}", "Open the page's URL in a browser now, while it is being recorded."),
    "storage_unreachable": (
        "the bucket cannot be listed or read from here ({})",
        "It is tried again. Meanwhile: docs/operations.md#a-bucket-cannot-be-looked-at.",
    ),
}


def explain_wait(state: State, attention: Attention, history: Sequence[Line]) -> Explanation:
    """Something waits for the outside world or for a person."""
    why, advice = WAITS.get(attention.code, ("{}", "docs/states.md says for each attention what to do."))
    return Explanation(
        f"It is {state.value} and waits: {why.format(attention.detail or attention.code)}.",
        attention.code,
        Certainty.CERTAIN,
        None,
        (Proof(attention.since_at, "worker", f"{attention.code} since then"), *lines(history, ("call_failed",))),
        advice,
    )
