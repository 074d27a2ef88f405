"""Isolation of errors, so that the error of one item does not end a loop.

A loop serves many recordings, notifications or endpoints. If one of them causes an unexpected error, the error is
logged with its traceback and counted, and the loop continues. Only errors at startup end the process.
"""

from collections.abc import Awaitable
from typing import TypeVar

import structlog

from metrics import worker as meter
from service.errors import Code, ServiceError
from service.seldom import Seldom

T = TypeVar("T")

_log = structlog.get_logger(__name__)
_away = Seldom()


async def isolate(loop: str, working: Awaitable[T], otherwise: T) -> T:
    """Return the result. If the database is unavailable or the work raises an unexpected error, return `otherwise`; the
    next round of the loop retries. `loop` is one of `metrics.worker.LOOPS`."""
    try:
        return await working
    except Exception as error:
        note_error(loop, error)
        return otherwise


def note_error(loop: str, error: Exception, *, recording_id: str | None = None, message_id: str | None = None) -> None:
    """Log and count an error after which a loop continues. An unavailable database is only logged."""
    if isinstance(error, ServiceError) and error.code is Code.UNAVAILABLE:
        if (held_back := _away.due()) is not None:
            _log.warning("database_away", error=error.message, held_back=held_back)
        return
    meter.loop_failed(loop)
    _log.error("loop_error", loop=loop, recording_id=recording_id, message_id=message_id, exc_info=error)
