"""The beginning of `pagereel`, and of `python -m pagereel`."""

import io
import sys
from importlib import import_module

from pagereel.interrupts import end_without_room, ending_at_once, flush_quietly, no_room


def run() -> None:
    """Run the command that was typed. Imports come last, and a Ctrl-C meanwhile leaves no traceback; neither does a
    reader of its output that goes before the end, nor a full disk."""
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
    """Print `\\u2026` in place of "…" where the encoding of the output has none, as ASCII. It would be a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # standard error does so already
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    run()
