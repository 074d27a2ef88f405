"""The entry point of `pagereel-emulator` and of `python -m emulator`."""

import errno
import io
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Final, NoReturn

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def run() -> None:
    """Run the command. The command is imported late, so that Ctrl-C during the import prints one line and exits with
    status 130."""
    _escape_what_is_not_encodable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    command = import_module("emulator.cli")
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command.main(prog_name="pagereel-emulator")
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _end_without_room(error)
    finally:
        _flush_quietly()


def _escape_what_is_not_encodable() -> None:
    """Print `\\u2026` for "…" if the output's encoding lacks it, instead of raising UnicodeEncodeError."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # standard error does this by default
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush_quietly() -> None:
    """Flush the output. If that fails, discard it, because Python would otherwise print an error at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if error.errno in _NO_ROOM:
                _end_without_room(error)


def _end_without_room(error: OSError) -> NoReturn:
    """End the process with one line and status 2, because status 1 is a verdict."""
    place = f" to {error.filename}" if error.filename else ""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # pending output cannot be written either
        os.write(2, f"Error: nothing can be written{place}: {error.strerror}\n".encode())
    sys.exit(2)


def _end(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    run()
