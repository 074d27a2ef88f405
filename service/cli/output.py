"""What every command says in the same way: JSON, and one clear line for a user's mistake. Imports nothing large."""

import json
import sys
from typing import Any, NoReturn

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def show_json(value: Any) -> None:
    """Machine-readable output: one JSON document, or one line of a stream."""
    click.echo(json.dumps(value, ensure_ascii=False))


def fail(text: str) -> NoReturn:
    """End with status 2 and this text on stderr."""
    click.echo(f"pagereel: {text}", err=True)
    sys.exit(2)
