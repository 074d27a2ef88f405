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
    """An answer other than success. `detail` is a narrower, stable word such as `idempotency_mismatch`; `state` is the
    state of a recording that does not allow what was asked for."""

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
    """The `invalid` error for one field; the body as a whole has the empty pointer."""
    sentence = f"{pointer}: {message}" if pointer else f"The body {message}."
    return ServiceError(Code.INVALID, sentence, errors=(FieldError(pointer, message),))


class OutsideError(Exception):
    """A call to the outside world did not succeed. `code` is short and stable, `detail` safe to show."""

    def __init__(self, code: str, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def locate(self, place: str) -> None:
        """Name the host that it happened at, unless the detail names it."""
        if place and place not in self.detail:
            self.detail = f"{place}: {self.detail}" if self.detail else place
            self.args = (f"{self.code}: {self.detail}",)


class Refused(OutsideError):
    """It was answered, and asking again will not help."""


class Unavailable(OutsideError):
    """It surely had no effect, and may work later (perhaps after `retry_after_seconds`)."""


class UnknownOutcome(OutsideError):
    """It was sent and not answered: it may have taken effect. Never to be treated as refused."""
