"""What Pagereel did later than it was due, so that a task ran, and was billed, longer than somebody wanted. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from service.explain.words import Explanation, Line, Proof
from service.wording import length

# By the code of the warning; in braces: how late.
_SENTENCES = {
    "stop_late": "Pagereel took its stop {} late",
    "length_late": "Pagereel asked Agora {} late whether it records, and its length counts from the answer",
}
_BECAUSE = {
    "not_running": ", because the service was not running when the stop was due",
    "not_taken": ", because no worker took the stop when it was due",
}


def add_lateness(explained: Explanation, history: Sequence[Line]) -> Explanation:
    """The explanation with what the warnings in the history say was late, and by how much."""
    for line in history:
        code, seconds = line.detail.get("code"), line.detail.get("late_seconds")
        if line.kind != "warning" or code not in _SENTENCES or not isinstance(seconds, int | float):
            continue
        late = _SENTENCES[code].format(length(seconds)) + _BECAUSE.get(str(line.detail.get("because")), "")
        summary = f"{explained.summary} {late}. Agora bills that time if its task ran."
        proof = (*explained.proof, Proof(line.at, line.source, f"warning: {code}, {seconds} s"))
        explained = replace(explained, summary=summary, proof=proof)
    return explained
