"""How a command is ended from outside: by Ctrl-C, also before it has begun, by a reader of its output that goes, as in
`pagereel list | head -1`, and by a disk that is full. Imports nothing large."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as shells have it."""

BROKEN_PIPE: Final = 141
"""The exit status where the reader of the output has gone before its end, as shells have it: 1 is a verdict."""


UNWRITABLE: Final = 2
"""The exit status where something cannot be written, as on a full disk: 1 is a verdict."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def no_room(error: BaseException) -> bool:
    """Whether the error is that of a place that takes no more bytes."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def end_without_room(error: OSError) -> NoReturn:
    """End the process with one line."""
    place = f" to {error.filename}" if error.filename else ""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be printed has no room either
        os.write(2, f"Error: nothing can be written{place}: {error.strerror}\n".encode())
    sys.exit(UNWRITABLE)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End the process at Ctrl-C. For imports: nothing is open yet, and a module may take the exception that Python
    raises for a failure of its own. Whoever started this process may have it ignore Ctrl-C; that stays so."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def flush_quietly() -> None:
    """Write out what is still to be printed, or drop it where its reader has gone or the disk is full: Python would
    complain at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if no_room(error):
                end_without_room(error)
