"""What every command prints in the same way: JSON, and one clear line for a user's mistake. Imports nothing large."""

import json
import select
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON.")


def show_json(value: Any) -> None:
    """Machine-readable output: one JSON document, or one line of a stream. Where the output has no UTF-8, all of it is
    ASCII: the escapes of other text (`\\xe9`) are none of JSON."""
    click.echo(json.dumps(value, ensure_ascii=not _takes_utf8()))


def _takes_utf8() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def printable(text: str, keep: str = "") -> str:
    """`text` with an escape (`\\x1b`) in place of each character that would steer the terminal or stay invisible.

    Text from outside, such as keys, labels and error texts, passes here before a person sees it. `keep` is left as it
    is."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def say(text: str, *, err: bool = False) -> None:
    """Print `text`, which may hold text from outside."""
    click.echo(printable(text, keep="\n"), err=err)


def reader_gone() -> bool:
    """Whether nobody reads standard output any more. (A broken pipe may be a connection's as well.)"""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))
    except (OSError, ValueError):
        return False


def make_folder(folder: Path) -> None:
    """Make the directory for downloads, with its parents. End with status 2 if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"{folder} cannot be written ({error.strerror})")


def fail(text: str) -> NoReturn:
    """End with status 2 and this text on stderr."""
    say(f"pagereel: {text}", err=True)
    sys.exit(2)
