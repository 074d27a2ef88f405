"""The command `pagereel-emulator check-page`: options, output and exit status."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from emulator.browser.cdp import CdpError
from emulator.browser.chromium import BrowserError, Look, launch
from emulator.pagecheck.rules import Judged, Limits, judge
from emulator.pagecheck.seen import show_url
from emulator.pagecheck.visit import Plan, Tell, visit
from emulator.process.workdir import make_home

_VERDICTS = {"fit": "can be recorded", "risky": "can be recorded, with risks", "unfit": "cannot be recorded"}
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
# The kinds of results in the order of the output, each with its label and colour.
_KINDS = {
    "failed": ("FAIL", "red"),
    "warned": ("warn", "yellow"),
    "not measured": ("not measured", "cyan"),
    "ok": ("ok", "green"),
}


class Size(click.ParamType[tuple[int, int]]):
    """A size WIDTHxHEIGHT within the sizes that Agora records (agora-reference §3.3)."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return width and height."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,9})[x×](\d{1,9})", str(value), re.ASCII | re.IGNORECASE)
        if found is None:
            self.fail("must look like 1280x720", param, ctx)
        width, height = int(found[1]), int(found[2])
        if not (240 <= width <= 1920 and 240 <= height <= 1920 and width * height <= 1920 * 1080):
            self.fail("must be 240 to 1920 each way, and at most 1920 × 1080 in all", param, ctx)
        return width, height


@click.command(name="check-page")
@click.argument("url")
@click.option("--seconds", type=click.FloatRange(1, 600), default=15.0, show_default=True, help="How long to watch.")
@click.option("--size", type=Size(), default=(1280, 720), help="Size of the recording. Default: 1280x720.")
@click.option("--ready-timeout", type=click.IntRange(1, 60), help="The readyTimeout of the recording, in seconds.")
@click.option(
    "--screenshot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a screenshot of the page to this PNG file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def check_page_command(
    url: str,
    seconds: float,
    size: tuple[int, int],
    ready_timeout: int | None,
    screenshot: Path | None,
    as_json: bool,
) -> None:
    """Open URL in Chromium and report whether Agora's recorder can record it.

    The exit status is 0 if it can be recorded (also with warnings), 1 if it breaks a rule, and 2 without a browser.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise click.UsageError(
            "URL must begin with http:// or https:// and contain a host, for example https://class.example.org/room/42"
        )
    if screenshot is not None and not os.access(screenshot.absolute().parent, os.W_OK):
        raise click.UsageError(f"--screenshot: cannot write to the folder {screenshot.absolute().parent}")
    if screenshot is not None and screenshot.is_file():
        screenshot.unlink()  # a screenshot of an earlier check must not be mistaken for this check's
    plan = Plan(*size, seconds=seconds, ready_seconds=ready_timeout, screenshot=screenshot)
    limits = Limits(ready_seconds=ready_timeout)
    try:
        with progress(quiet=as_json) as tell:
            results = asyncio.run(check_page(url, plan, limits, tell))
    except (BrowserError, CdpError) as error:
        click.echo(f"{show_url(url)}: {error}", err=True)
        sys.exit(2)
    if screenshot is not None and not screenshot.exists():
        click.echo(f"no screenshot was taken: {screenshot} does not exist", err=True)
    verdict = verdict_of(results)
    if as_json:
        checks = [asdict(result) for result in results]
        shown = {
            "url": show_url(url),
            "verdict": verdict,
            "public": is_public(url),
            "seconds": seconds,
            "size": list(size),
            "rules": checks,
        }
        utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
        click.echo(json.dumps(shown, indent=2, ensure_ascii=not utf8))  # other encodings cannot print every character
    else:
        print_all(results)
        click.echo(f"{_VERDICTS[verdict]}: {show_url(url)}")
        if verdict != "unfit" and not is_public(url):
            click.echo(f"Only the emulator can record it: Agora's recorder cannot reach {urlsplit(url).hostname}.")
    sys.exit(1 if verdict == "unfit" else 0)


async def check_page(url: str, plan: Plan, limits: Limits, tell: Tell) -> list[Judged]:
    """Evaluate every rule in a new browser. Raise BrowserError or CdpError if the browser fails."""
    tell("starting the browser")
    with make_home() as home:
        async with launch(home, Look(plan.width, plan.height)) as browser:
            return judge(await visit(browser, url, plan, tell), limits)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Tell]:
    """Show the current step in one line of the terminal. The line is cleared at the end. If there is no terminal, show
    nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield lambda text: click.echo(f"\r\x1b[2K{text} …", nl=False, err=True)
    finally:
        click.echo("\r\x1b[2K", nl=False, err=True)


def verdict_of(results: list[Judged]) -> str:
    """Return `unfit` for an error, `risky` for a warning, and otherwise `fit`."""
    severities = {result.severity for result in results}
    return "unfit" if "error" in severities else "risky" if "warning" in severities else "fit"


def is_public(url: str) -> bool:
    """Return True if Agora's recorder may reach the host from the Internet, which requires no private address and no
    name of a local network. Nothing is resolved."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_LOCAL_NAMES)


def print_all(results: list[Judged]) -> None:
    """Print the rules, broken ones first, and the number of each kind."""
    for kind in _KINDS:
        chosen = [result for result in results if kind_of(result) == kind]
        if kind == "not measured":
            print_unmeasured(chosen)
        else:
            for result in chosen:
                print_judged(result)
    counts = Counter(map(kind_of, results))
    click.echo("\n" + ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS if counts[kind]))


def kind_of(result: Judged) -> str:
    """Return the kind of a result."""
    if not result.measured:
        return "not measured"
    return {"error": "failed", "warning": "warned", None: "ok"}[result.severity]


def print_judged(result: Judged) -> None:
    """Print one line. If the rule is broken, print a second line with the advice."""
    print_line(kind_of(result), result.code, f"{result.rule}: {result.value}")
    if result.advice:
        click.echo(f"{'':32}→ {result.advice}")


def print_unmeasured(results: list[Judged]) -> None:
    """Print the rules that were not measured. Rules with the same reason share one line."""
    by_reason: dict[str, list[Judged]] = {}
    for result in results:
        by_reason.setdefault(result.value, []).append(result)
    for reason, rules in by_reason.items():
        if len(rules) == 1:
            print_judged(rules[0])
        else:
            print_line("not measured", f"{len(rules)} rules", f"{reason} ({', '.join(rule.code for rule in rules)})")


def print_line(kind: str, code: str, text: str) -> None:
    """Print the label of the kind in its colour, followed by the code and the text."""
    word, colour = _KINDS[kind]
    click.echo(f"{click.style(f'{word:<12}', fg=colour)}  {code:<14}  {text}")
