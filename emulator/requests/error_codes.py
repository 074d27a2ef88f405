"""Agora's codes by call, with HTTP status and reason (agora-reference §1.6). Pure.

It does not decide when a code applies.
"""

from __future__ import annotations

from dataclasses import dataclass


class Failure(Exception):
    """An unsuccessful answer: HTTP status, Agora's code and reason."""

    def __init__(self, status: int, code: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason = status, code, reason


@dataclass(frozen=True, slots=True)
class Code:
    """The HTTP status and reason of a code on one call."""

    status: int
    reason: str


_BAD = Code(400, "invalid parameter")
_NOT_COMPLETED, _NOT_FOUND = Code(206, "request not completed"), Code(404, "failed to find worker")
_AWAY = Code(504, "request timeout")
# Codes that only older documents name; their HTTP status is not documented (agora-reference §1.6).
_OLD = {
    **{8: Code(400, "invalid request"), 432: Code(400, "app id, cname or uid do not match the resourceId")},
    **{433: Code(400, "resourceId expired"), 1001: Code(400, "resourceId cannot be decoded")},
    **{1003: Code(400, "app id or sid does not belong to the resourceId")},
}
_TABLE: dict[str, dict[int, Code]] = {
    "acquire": {
        **{2: _BAD, 400: Code(400, "invalid_appid"), 401: Code(400, "invalid_channel_name")},
        **{405: Code(400, "no_active_status"), 406: Code(400, "vendor_over_load"), 500: Code(500, "internal_error")},
        **{501: Code(500, "no_worker_manager_available"), 504: Code(500, "allocate_timeout")},
        **{8: _OLD[8], 62: Code(400, "cloud recording is not enabled"), 1013: Code(400, "invalid channel name")},
    },
    "start": {
        **{2: _BAD, 7: Code(201, "already started"), 53: Code(400, "task conflict"), 62: Code(500, "request timeout")},
        **{65: _NOT_COMPLETED, 502: Code(500, "Failed to allocate worker"), 15: Code(500, ""), **_OLD},
    },
    "query": {2: _BAD, 62: _AWAY, 65: _NOT_COMPLETED, 404: _NOT_FOUND, 501: Code(400, "service is exiting"), **_OLD},
    "update": {2: _BAD, 62: _AWAY, 65: _NOT_COMPLETED, 404: _NOT_FOUND, **_OLD},
    "stop": {
        **{2: _BAD, 49: Code(400, "invalid operation"), 62: _AWAY, 65: _NOT_COMPLETED, 404: _NOT_FOUND},
        **{50: Code(206, "upload timeout"), 435: Code(206, "no recorded data"), **_OLD},
    },
}
CODES: dict[tuple[str | None, int], Code] = {
    (endpoint, code): known for endpoint, table in _TABLE.items() for code, known in table.items()
}


def failure(endpoint: str, code: int, *, status: int | None = None, reason: str | None = None) -> Failure:
    """Return the failure of a call with one of its codes. Status and reason default to the table's."""
    known = CODES[(endpoint, code)]
    return Failure(status or known.status, code, known.reason if reason is None else reason)
