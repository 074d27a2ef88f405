"""The command `pagereel-emulator check-receiver`: options, output and exit status."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import click

from emulator.conformance.run import Result, UnreachableError, check_receiver


@click.command(name="check-receiver")
@click.argument("url")
@click.option("--secret", help="Notification secret of the app. --secret-file hides it from other users.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the notification secret of the app.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def check_receiver_command(url: str, secret: str | None, secret_file: Path | None, as_json: bool) -> None:
    """Test the notification receiver at URL with valid, forged, unusual and repeated notifications, and score it.

    The exit status is 0 for the full score, 1 for a lower score, and 2 if the receiver does not answer.
    """
    if (secret is None) == (secret_file is None):
        raise click.UsageError("give either --secret or --secret-file")
    key = secret if secret_file is None else secret_file.read_text().strip()
    if not key:
        raise click.UsageError("the secret is empty")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(
            "URL must begin with http:// or https:// and contain a host, for example https://hooks.example.org/agora"
        )
    shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    try:
        results = asyncio.run(check_receiver(url, key or "", say=(lambda _: None) if as_json else print_result))
    except UnreachableError as error:
        click.echo(f"{shown}: {error}", err=True)
        sys.exit(2)
    score = sum(result.passed for result in results)
    if as_json:
        checks = [asdict(result) for result in results]
        click.echo(json.dumps({"url": shown, "score": score, "of": len(results), "checks": checks}, indent=2))
    else:
        click.echo(f"\n{score} of {len(results)}  {shown}")
    sys.exit(0 if score == len(results) else 1)


def print_result(result: Result) -> None:
    """Print one line for the result. If it failed, print a second line with the advice."""
    mark = click.style("ok  ", fg="green") if result.passed else click.style("FAIL", fg="red", bold=True)
    click.echo(f"{mark}  {result.name:<18}  {result.title} ({result.detail})")
    if not result.passed:
        click.echo(f"      {'':<18}  → {result.advice}")
