"""The beginning of `pagereel-emulator`, and of `python -m emulator`."""

import os
import signal
import sys
from importlib import import_module


def run() -> None:
    """Run the command that was typed. Imports come last: a Ctrl-C meanwhile is one line and the status 130."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    command = import_module("emulator.cli")
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command.main(prog_name="pagereel-emulator")
    finally:
        _flush_quietly()


def _flush_quietly() -> None:
    """Write out what is still to be printed, or drop it where its reader has gone: Python would complain at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _end(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    run()
