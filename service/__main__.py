"""The beginning of `pagereel`, and of `python -m service`."""

from importlib import import_module

from service.interrupts import end_without_room, ending_at_once, flush_quietly, no_room


def run() -> None:
    """Run the command that was typed. Imports come last, and a Ctrl-C meanwhile leaves no traceback; neither does a
    reader of its output that goes before the end, nor a full disk."""
    with ending_at_once():
        command = import_module("service.cli")
    try:
        command.main(prog_name="pagereel")
    except OSError as error:
        if not no_room(error):
            raise
        end_without_room(error)
    finally:
        flush_quietly()


if __name__ == "__main__":
    run()
