"""The errors that cross the boundaries of packages.

Callers of the API receive a `ServiceError`. Clients of outside systems (Agora, buckets) convert their library's errors
into one of three `OutsideError`s, with the original error chained, so no code above a client depends on the library.
Error texts must not contain secrets: no URL with its query, no key, no body.
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """The kind of error that a caller receives; `handlers.middleware` maps each to one HTTP status."""

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
    """One invalid value: its location (a JSON pointer such as `/video_width`, or `?limit` for a query) and the
    reason."""

    pointer: str
    message: str


class ServiceError(Exception):
    """An answer other than success. `detail` is a more specific, stable code such as `idempotency_mismatch`. `state` is
    the state of a recording that does not allow the request."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        errors: tuple[FieldError, ...] = (),
        detail: str | None = None,
        state: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = errors
        self.detail = detail
        self.state = state
        self.retry_after_seconds = retry_after_seconds


def invalid(pointer: str, message: str) -> ServiceError:
    """Return the `invalid` error for one field. An empty pointer means the whole body."""
    sentence = f"{pointer}: {message}" if pointer else f"The body {message}."
    return ServiceError(Code.INVALID, sentence, errors=(FieldError(pointer, message),))


class OutsideError(Exception):
    """A call to an outside system failed. `code` is short and stable, and `detail` is safe to show."""

    def __init__(self, code: str, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def locate(self, place: str) -> None:
        """Add the host to the detail, unless the detail already contains it."""
        if place and place not in self.detail:
            self.detail = f"{place}: {self.detail}" if self.detail else place
            self.args = (f"{self.code}: {self.detail}",)


class Refused(OutsideError):
    """The call was answered with a refusal. Repeating it does not help."""


class Unavailable(OutsideError):
    """The call certainly had no effect and may succeed later (perhaps after `retry_after_seconds`)."""


class UnknownOutcome(OutsideError):
    """The call was sent but not answered, so it may have taken effect. Never treat it as refused."""
