"""Maps Agora's error answers, with every status and code of agora-reference §1.5 and §1.6, to one of the three outside
errors. Pure. An error text contains only plain words of Agora's, never a value that was sent."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from metrics.agora import Operation
from service.errors import OutsideError, Refused, Unavailable, UnknownOutcome

A, S, Q, U, E = Operation.ACQUIRE, Operation.START, Operation.QUERY, Operation.UPDATE, Operation.STOP


class TaskMissing(OutsideError):
    """Agora has no such running task (404 `failed to find worker`). During its failover this can be wrong for up to 90
    s (§6, §10.3), so it is neither a refusal nor an end by itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error body of any of the three shapes. `text` may contain secrets."""

    code: int | None
    text: str


_CODE_OF_TEXT: Final = {
    "already started": 7,
    "invalid operation": 49,
    "task conflict": 53,
    "request timeout": 62,
    "request not completed": 65,
    "failed to find worker": 404,
    "no recorded data": 435,
    "vendor_over_load": 406,
    "invalid_appid": 400,
    "invalid_channel_name": 401,
    "no_active_status": 405,
    "no_worker_manager_available": 501,
    "allocate_timeout": 504,
    "failed to allocate worker": 502,
}

_ANY: Final[dict[int, tuple[type[OutsideError], str]]] = {
    2: (Refused, "bad_parameter"),
    8: (Refused, "bad_request"),
    109: (Refused, "bad_token"),
    110: (Refused, "bad_token"),
    432: (Refused, "resource_mismatch"),
    433: (Refused, "resource_expired"),
    1001: (Refused, "resource_expired"),
    1003: (Refused, "resource_mismatch"),
    1013: (Refused, "invalid_cname"),
    1028: (Refused, "bad_parameter"),
}
_BY_OPERATION: Final[dict[tuple[Operation, int], tuple[type[OutsideError], str]]] = {
    (A, 400): (Refused, "invalid_app"),
    (A, 401): (Refused, "invalid_cname"),
    (A, 405): (Refused, "account_inactive"),
    (A, 406): (Unavailable, "capacity"),
    (A, 500): (Unavailable, "internal_error"),
    (A, 501): (Unavailable, "capacity"),
    (A, 504): (Unavailable, "allocate_timeout"),
    (A, 62): (Unavailable, "request_timeout"),
    (A, 65): (Unavailable, "not_completed"),
    (S, 53): (Refused, "task_conflict"),
    (S, 62): (UnknownOutcome, "request_timeout"),
    (S, 65): (UnknownOutcome, "not_completed"),
    (S, 406): (Unavailable, "capacity"),
    (S, 502): (Unavailable, "capacity"),
    (Q, 62): (Unavailable, "request_timeout"),
    (Q, 65): (Unavailable, "not_completed"),
    (Q, 404): (TaskMissing, "no_task"),
    (Q, 501): (Unavailable, "exiting"),
    (U, 49): (Refused, "invalid_operation"),
    (U, 62): (UnknownOutcome, "request_timeout"),
    (U, 65): (UnknownOutcome, "not_completed"),
    (U, 404): (TaskMissing, "no_task"),
    (U, 501): (Unavailable, "exiting"),
    (E, 62): (UnknownOutcome, "request_timeout"),
    (E, 65): (UnknownOutcome, "not_completed"),
    (E, 404): (TaskMissing, "no_task"),
    (E, 501): (Unavailable, "exiting"),
}


def parse_fault(body: dict[str, Any]) -> Fault:
    """Return code and text of an error body: `{message}`, `{code, reason}` or the long form. A missing code is derived
    from a known text."""
    said = body.get("serverResponse")
    payload = said.get("payload") if isinstance(said, dict) else None
    texts = (body.get("reason"), body.get("message"), payload.get("message") if isinstance(payload, dict) else None)
    text = next((each for each in texts if isinstance(each, str) and each), "")
    code = body.get("code")
    if isinstance(code, str) and re.fullmatch(r"[0-9]{1,6}", code):
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        code = next((known for words, known in _CODE_OF_TEXT.items() if words in text.lower()), None)
    return Fault(code, text)


def refusal(
    operation: Operation,
    status: int,
    fault: Fault | None,
    *,
    retry_after_seconds: float | None = None,
    secrets: Iterable[str] = (),
) -> OutsideError:
    """Return the error for an unsuccessful answer. `fault` None: the body was not a JSON object.

    A 4xx with an error body that no table contains is refused; anything else may have been carried out unless it was a
    query.
    """
    kind, code = _classify(operation, status, fault)
    said = f", code {fault.code}" if fault is not None and fault.code is not None else ""
    text = plain_words(fault.text, secrets) if fault is not None else ""
    detail = f"HTTP {status}{said}" + (f": {text}" if text else "")
    return kind(code, detail, retry_after_seconds=retry_after_seconds)


def unclear(operation: Operation) -> type[OutsideError]:
    """Return the error class of a missing or unintelligible answer: a query had no effect, any other call may have had
    one."""
    return Unavailable if operation in (Q, Operation.NCS_IPS) else UnknownOutcome


def plain_words(text: str, secrets: Iterable[str] = ()) -> str:
    """Return Agora's text reduced to words of letters and short numbers, without possible sent values."""
    if any(secret in text for secret in secrets):
        return ""
    words = [word if re.fullmatch(r"[A-Za-z_]{1,32}[:!,.;]?|[0-9]{1,5}", word) else "…" for word in text[:300].split()]
    return " ".join(words)


def _classify(operation: Operation, status: int, fault: Fault | None) -> tuple[type[OutsideError], str]:
    if status == 401:
        return Refused, "unauthorized"
    if status == 429:
        return Unavailable, "rate_limited"
    if fault is None:
        return unclear(operation), "garbled"
    if 400 <= status < 500:
        if "no route matched" in fault.text.lower():
            return Refused, "no_route"
        if "appid is invalid" in fault.text.lower():
            return Refused, "invalid_app"
    code = fault.code
    if code is not None and (operation, code) in _BY_OPERATION:
        return _special(operation, status, code)
    if code is not None and code in _ANY and status < 500:
        return _ANY[code]
    if status == 206:
        return unclear(operation), "not_completed"
    if status == 403:
        return Refused, "forbidden"
    if 400 <= status < 500 and (code is not None or fault.text):
        return Refused, "refused"
    return unclear(operation), "server_error" if status >= 500 else "garbled"


def _special(operation: Operation, status: int, code: int) -> tuple[type[OutsideError], str]:
    if operation is A and code == 62 and status < 500:
        return Refused, "not_enabled"  # §1.6, older table: Cloud Recording is not enabled for the App ID
    return _BY_OPERATION[operation, code]
