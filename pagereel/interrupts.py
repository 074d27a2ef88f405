"""The causes outside a command that end it: Ctrl-C, even during its start; a reader of its output that exits early, as
in `pagereel list | head -1`; and a full disk. Imports nothing large."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as in shells."""

BROKEN_PIPE: Final = 141
"""The exit status if the reader of the output has exited, as in shells. It is not 1, because 1 is a verdict."""


UNWRITABLE: Final = 2
"""The exit status if something cannot be written, as on a full disk. It is not 1, because 1 is a verdict."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def no_room(error: BaseException) -> bool:
    """Return True if the error means that no more bytes can be written."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def end_without_room(error: OSError) -> NoReturn:
    """End the process with one line."""
    place = f" to {error.filename}" if error.filename else ""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # pending output cannot be written either
        os.write(2, f"Error: nothing can be written{place}: {error.strerror}\n".encode())
    sys.exit(UNWRITABLE)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """End the process at Ctrl-C. This is used for imports, because nothing is open yet, and a module could mistake
    KeyboardInterrupt for a failure of its own. If the parent process disabled Ctrl-C, it stays disabled."""
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
    """Flush the output. If that fails, discard it, because Python would otherwise print an error at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if no_room(error):
                end_without_room(error)
