"""Time stamps from the authority in the settings. A stamp is optional, so its failure never fails an answer.

The address comes only from the operator's settings, redirects are not followed, and answers are limited in time and
size. After a failure the authority is not called for half a minute, so that it delays only one request.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

import structlog
from rfc3161_client import TimeStampRequest

from service.http.headers import parse_media_type
from service.http.sender import NoAnswerError, NotSentError, Request, Send
from service.settings import Signing
from service.timestamps import ANSWER_TYPE, QUERY_TYPE, TimestampError, check_answer, make_request, verify_answer

REST_SECONDS: Final = 30.0
MOST_KEPT: Final = 1000
"""The number of stamps that are kept. A repeated request has the same signature, and its earlier stamp proves more."""
_AT_ONCE: Final = 4

_log = structlog.get_logger(__name__)


class Stamper:
    """Requests stamps and keeps the newest ones, by the SHA-256 of the stamped message."""

    def __init__(self, signing: Signing, send: Send, clock: Callable[[], float]) -> None:
        self._signing = signing
        self._send = send
        self._clock = clock
        self._kept: dict[bytes, bytes] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._asked_again_at = 0.0

    @property
    def configured(self) -> bool:
        """Return whether the settings name an authority."""
        return self._signing.timestamp_url is not None

    async def stamp(self, message: bytes) -> bytes | None:
        """Return a verified answer of the authority about `message`, within `signing.timestamp_seconds`. Return None if
        no answer is currently available."""
        digest = hashlib.sha256(message).digest()
        if digest not in self._kept and self._clock() >= self._asked_again_at:
            try:
                async with asyncio.timeout(self._signing.timestamp_seconds), self._turns:
                    answer = await self._ask(message)
            except Exception as error:  # for invalid data, the library may raise errors other than its own
                self._asked_again_at = self._clock() + REST_SECONDS
                known = isinstance(error, TimestampError | NotSentError | NoAnswerError | ValueError) and str(error)
                _log.warning("timestamp_failed", reason=known or type(error).__name__)
                return None
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[digest] = answer
        return self._kept.get(digest)

    async def _ask(self, message: bytes) -> bytes:
        request = make_request(message)
        answer = await self._send(self._posted(request))
        if answer.status != 200:
            raise TimestampError(f"the authority answered HTTP {answer.status}")
        if parse_media_type(answer.headers.get("content-type")) != ANSWER_TYPE:
            raise TimestampError("the authority's answer is not a time stamp")
        check_answer(answer.body, request, message)
        if trusted := self._signing.trusted_certificates():  # ValueError if their file has become invalid
            verify_answer(answer.body, message, trusted)
        return answer.body

    def _posted(self, request: TimeStampRequest) -> Request:
        headers = {"Content-Type": QUERY_TYPE, "Accept": ANSWER_TYPE, "User-Agent": "Pagereel"}
        url, seconds = self._signing.timestamp_url or "", self._signing.timestamp_seconds
        return Request("POST", url, headers, request.as_bytes(), timeout_seconds=seconds)
