"""Output that commands share: JSON, and one clear line for a user's mistake. Imports nothing large."""

import json
import select
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON.")


def show_json(value: Any) -> None:
    """Print one JSON document, or one line of a stream. Without UTF-8 the output is ASCII, because the escapes of other
    encodings (`\\xe9`) are not valid JSON."""
    click.echo(json.dumps(value, ensure_ascii=not _takes_utf8()))


def _takes_utf8() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def printable(text: str, keep: str = "") -> str:
    """Return `text` with an escape (`\\x1b`) for each character that would control the terminal or be invisible.

    External text, such as keys, labels and error texts, must pass through this before it is shown. Characters of `keep`
    are not changed.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def say(text: str, *, err: bool = False) -> None:
    """Print `text`, which may contain external text."""
    click.echo(printable(text, keep="\n"), err=err)


def reader_gone() -> bool:
    """Return True if the reader of standard output has exited. A broken pipe alone could be that of a connection."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))
    except (OSError, ValueError):
        return False


def make_folder(folder: Path) -> None:
    """Create the directory for downloads, with its parents. Exit with status 2 on failure."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"{folder} cannot be written ({error.strerror})")


def fail(text: str) -> NoReturn:
    """Exit with status 2 and print this text on stderr."""
    say(f"pagereel: {text}", err=True)
    sys.exit(2)
