"""What every command prints in the same way: JSON, and one clear line for a user's mistake. Imports nothing large."""

import json
import sys
from typing import Any, Final, NoReturn

import click

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C, as shells have it."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print only JSON.")


def show_json(value: Any) -> None:
    """Machine-readable output: one JSON document, or one line of a stream."""
    click.echo(json.dumps(value, ensure_ascii=False))


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


def fail(text: str) -> NoReturn:
    """End with status 2 and this text on stderr."""
    say(f"pagereel: {text}", err=True)
    sys.exit(2)
