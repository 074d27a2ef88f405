"""Keeps one item's error from ending everything else.

A loop serves many: recordings, notifications, endpoints. Where one of them raises what nobody expected, the loop logs
it with its traceback, counts it and goes on. Only what is wrong with our own start ends the process.
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
    """The result, or `otherwise` where the database is away or the work raises what nobody expected: the next round of
    the loop tries again. `loop` is one of `metrics.worker.LOOPS`."""
    try:
        return await working
    except Exception as error:
        note_error(loop, error)
        return otherwise


def note_error(loop: str, error: Exception, *, recording_id: str | None = None, message_id: str | None = None) -> None:
    """Log and count an error that a loop goes on after. A database that is away is waited for, and is no mistake."""
    if isinstance(error, ServiceError) and error.code is Code.UNAVAILABLE:
        if (held_back := _away.due()) is not None:
            _log.warning("database_away", error=error.message, held_back=held_back)
        return
    meter.loop_failed(loop)
    _log.error("loop_error", loop=loop, recording_id=recording_id, message_id=message_id, exc_info=error)
