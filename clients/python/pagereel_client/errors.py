"""What can go wrong with a call. Nothing here shows the token or what was sent.

Three kinds, told apart because the caller has to do different things: the service refused (`Problem`), nobody was
reached so nothing happened (`Unreachable`), or it was sent and nobody knows (`UnknownOutcome`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pagereel_client.decoding import decode
from pagereel_client.models import Recording
from pagereel_client.words import State

SERVER_ERRORS: Final = 500


class PagereelError(Exception):
    """Whatever this package raises."""


class ConfigurationError(PagereelError, ValueError):
    """The client cannot be made: its URL or its token is missing, or cannot be one. The text says where it is from."""


class Unreachable(PagereelError):
    """Nobody was reached: nothing happened there."""


class UnknownOutcome(PagereelError):
    """It was sent, and no answer came: it may or may not have been done."""


class BadAnswer(PagereelError):
    """What answered is not Pagereel, or one that this version cannot read."""


class BadSignature(PagereelError):
    """A webhook is not from Pagereel, or too old, or was changed on its way."""


class WaitedTooLong(PagereelError, TimeoutError):
    """The recording is not there yet. `recording` is as it was last seen; it goes on."""

    def __init__(self, recording: Recording, seconds: float) -> None:
        super().__init__(f"{recording.id} is still {recording.state} after {seconds:g} s")
        self.recording = recording


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One wrong value. `pointer`: a JSON pointer into the body, `?name` for a query parameter, or a header's name."""

    pointer: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDocument:
    """The body of a refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    reason: str | None = None
    state: State | None = None
    errors: tuple[FieldProblem, ...] | None = None


class Problem(PagereelError):
    """The service said no. `reason` narrows `code`; `errors` names each wrong field; `request_id` is in its log too."""

    code: ClassVar[str] = ""

    def __init__(self, document: ProblemDocument, retry_after_seconds: float | None = None) -> None:
        # The detail names the first wrong fields; only those that it leaves out are added.
        told = document.detail
        left_out = [each for each in document.errors or () if each.pointer not in told or each.message not in told]
        told = "; ".join((told, *(f"{each.pointer or 'the request'}: {each.message}" for each in left_out)))
        super().__init__(f"{document.status} {document.code}: {told} ({document.request_id})")
        self.document = document
        self.retry_after_seconds = retry_after_seconds

    @property
    def status(self) -> int:
        return self.document.status

    @property
    def detail(self) -> str:
        return self.document.detail

    @property
    def reason(self) -> str | None:
        return self.document.reason

    @property
    def state(self) -> State | None:
        """With `Conflict`: where the recording is."""
        return self.document.state

    @property
    def errors(self) -> tuple[FieldProblem, ...]:
        return self.document.errors or ()

    @property
    def request_id(self) -> str:
        return self.document.request_id


class Invalid(Problem):
    """The request is wrong (400, 422); `errors` says where. Nothing changed."""

    code = "invalid"


class Unauthorized(Problem):
    """The token is missing, wrong or revoked (401)."""

    code = "unauthorized"


class Forbidden(Problem):
    """The token lacks the scope, app or storage (403)."""

    code = "forbidden"


class NotFound(Problem):
    """There is no such thing, or it is another owner's (404)."""

    code = "not_found"


class MethodNotAllowed(Problem):
    """The service is of another version (405)."""

    code = "method_not_allowed"


class BodyTooSlow(Problem):
    """The body did not arrive in time (408). Nothing changed."""

    code = "timeout"


class Conflict(Problem):
    """Not possible where the recording is (409); `state` says where that is. Nothing changed."""

    code = "conflict"


class TooLarge(Problem):
    """The body is too large (413)."""

    code = "too_large"


class UnsupportedMediaType(Problem):
    """The body is no JSON (415)."""

    code = "unsupported_media_type"


class Limited(Problem):
    """A limit is reached (429); `reason` says which. Nothing changed."""

    code = "limited"


class InternalProblem(Problem):
    """The service's fault (500). What it did is unknown."""

    code = "internal"


class Unavailable(Problem):
    """Not now (503). Nothing changed."""

    code = "unavailable"


PROBLEMS: dict[str, type[Problem]] = {kind.code: kind for kind in Problem.__subclasses__()}
"""Exception by `code`."""


def problem_of(status: int, body: Any, retry_after_seconds: float | None, place: str) -> PagereelError:
    """The exception for an answer of 400 and above. `place`: who answered, for an answer that is not of the service."""
    try:
        document = decode(ProblemDocument, body)
    except ValueError:
        # A 502 or 504 is said by something in between, which cannot know what became of the request.
        kind = UnknownOutcome if status >= SERVER_ERRORS else BadAnswer
        return kind(f"{place} answered with HTTP {status}, and the answer is not one of Pagereel")
    return PROBLEMS.get(document.code, Problem)(document, retry_after_seconds)
