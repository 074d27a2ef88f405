"""The errors that cross a room's door.

Callers of the API see a `ServiceError`. Clients of the outside world (Agora, buckets) turn whatever their library
raises into one of three `OutsideError`s with the original chained; nothing above a client knows the library's errors.
No error text may hold a secret: no URL with its query, no key, no body.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What kind of refusal a caller gets; `handlers.middleware` maps each to one HTTP status."""

    INVALID = "invalid"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong value: where (a JSON pointer such as `/video_width`, or `?limit` for a query) and why."""

    pointer: str
    message: str


class ServiceError(Exception):
    """An answer other than success. `detail` is a narrower, stable word such as `idempotency_mismatch`."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        errors: tuple[FieldError, ...] = (),
        detail: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = errors
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


def invalid(pointer: str, message: str) -> ServiceError:
    """The `invalid` error for one field."""
    return ServiceError(Code.INVALID, f"{pointer}: {message}", errors=(FieldError(pointer, message),))


class OutsideError(Exception):
    """A call to the outside world did not succeed. `code` is short and stable, `detail` safe to show."""

    def __init__(self, code: str, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class Refused(OutsideError):
    """It was answered, and asking again will not help."""


class Unavailable(OutsideError):
    """It surely had no effect, and may work later (perhaps after `retry_after_seconds`)."""


class UnknownOutcome(OutsideError):
    """It was sent and not answered: it may have taken effect. Never to be treated as refused."""
