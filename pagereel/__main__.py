"""The entry point of `pagereel` and of `python -m pagereel`."""

import io
import sys
from importlib import import_module

from pagereel.interrupts import end_without_room, ending_at_once, flush_quietly, no_room


def run() -> None:
    """Run the command. The command is imported late, so that Ctrl-C during the import leaves no traceback. No traceback
    is left either if a reader closes the output early or the disk is full."""
    _escape_what_is_not_encodable()
    with ending_at_once():
        command = import_module("pagereel.cli")
    try:
        command.main(prog_name="pagereel")
    except OSError as error:
        if not no_room(error):
            raise
        end_without_room(error)
    finally:
        flush_quietly()


def _escape_what_is_not_encodable() -> None:
    """Print `\\u2026` for "…" if the output's encoding lacks it, instead of raising UnicodeEncodeError."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # standard error does this by default
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    run()
