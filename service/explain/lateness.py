"""Late steps of Pagereel that caused a task to begin later, or to run and be billed for longer, than requested.
Pure."""

from collections.abc import Sequence
from dataclasses import replace

from service.explain.words import Explanation, Line, Proof
from service.wording import length

_BILLED = "Agora bills that time if its task ran."
# Keyed by the code of the warning, or by code and reason. Each value is the sentence, with the delay in braces, and the
# consequence.
_SENTENCES = {
    "stop_late": ("Pagereel took its stop {} late", _BILLED),
    "stop_late: not_accepted": ("Agora accepted its stop {} late, after it had been sent before", _BILLED),
    "start_late": ("Pagereel took its start {} late", "Nothing was recorded before."),
    "length_late": (
        "Pagereel asked Agora {} late whether it records, and its length counts from the answer",
        _BILLED,
    ),
    "length_late: seen_late": (
        "Agora did not show until late that it records, so it ran {} past the length that you asked for",
        _BILLED,
    ),
}
_BECAUSE = {
    "not_running": ", because the service was not running when the {} was due",
    "not_taken": ", because no worker took the {} when it was due",
}


def add_lateness(explained: Explanation, history: Sequence[Line]) -> Explanation:
    """Add the delays that the warnings in the history report."""
    for line in history:
        code, seconds = line.detail.get("code"), line.detail.get("late_seconds")
        if line.kind != "warning" or code not in _SENTENCES or not isinstance(seconds, int | float):
            continue
        proof = (*explained.proof, Proof(line.at, line.source, f"warning: {code}, {seconds} s"))
        sentence, consequence = _SENTENCES.get(f"{code}: {line.detail.get('because')}") or _SENTENCES[code]
        late = f"{sentence.format(length(seconds))}{_because(line)}."
        explained = replace(explained, summary=f"{explained.summary} {late} {consequence}", proof=proof)
    return explained


def _because(line: Line) -> str:
    what = str(line.detail.get("code")).removesuffix("_late")
    return _BECAUSE.get(str(line.detail.get("because")), "").format(what)


def start_was_late(history: Sequence[Line]) -> bool:
    """Return whether the history contains the warning that Pagereel started the recording late."""
    return any(line.kind == "warning" and line.detail.get("code") == "start_late" for line in history)
