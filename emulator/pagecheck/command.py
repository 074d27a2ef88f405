"""`pagereel-emulator check-page`. For: options, output, exit status; nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from emulator.browser.cdp import CdpError
from emulator.browser.chromium import BrowserError, Look, launch
from emulator.home import make_home
from emulator.pagecheck.rules import Judged, Limits, judge
from emulator.pagecheck.seen import show_url
from emulator.pagecheck.visit import Plan, visit

_VERDICTS = {"fit": "can be recorded", "risky": "can be recorded, with risks", "unfit": "cannot be recorded"}


class Size(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT within what Agora records (agora-reference §3.3)."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{3,4})[x×](\d{3,4})", str(value))
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
        raise click.UsageError("URL must begin with http:// or https:// and contain a host")
    if screenshot is not None and not os.access(screenshot.absolute().parent, os.W_OK):
        raise click.UsageError(f"--screenshot: cannot write to the folder {screenshot.absolute().parent}")
    plan = Plan(*size, seconds=seconds, ready_seconds=ready_timeout, screenshot=screenshot)
    try:
        results = asyncio.run(check_page(url, plan, Limits(ready_seconds=ready_timeout)))
    except (BrowserError, CdpError) as error:
        click.echo(f"{show_url(url)}: {error}", err=True)
        sys.exit(2)
    verdict = verdict_of(results)
    if as_json:
        checks = [asdict(result) for result in results]
        shown = {"url": show_url(url), "verdict": verdict, "seconds": seconds, "size": list(size), "rules": checks}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        for result in results:
            print_judged(result)
        click.echo(f"\n{_VERDICTS[verdict]}: {show_url(url)}")
    sys.exit(1 if verdict == "unfit" else 0)


async def check_page(url: str, plan: Plan, limits: Limits) -> list[Judged]:
    """Every rule, judged in a browser of its own. Raises BrowserError, CdpError."""
    with make_home() as home:
        async with launch(home, Look(plan.width, plan.height)) as browser:
            return judge(await visit(browser, url, plan), limits)


def verdict_of(results: list[Judged]) -> str:
    """`unfit` with an error, `risky` with a warning, otherwise `fit`."""
    severities = {result.severity for result in results}
    return "unfit" if "error" in severities else "risky" if "warning" in severities else "fit"


def print_judged(result: Judged) -> None:
    """One line, and one more with the advice where the rule is broken."""
    marks = {None: ("ok  ", "green"), "warning": ("warn", "yellow"), "error": ("FAIL", "red")}
    word, colour = marks[result.severity]
    click.echo(f"{click.style(word, fg=colour)}  {result.code:<14}  {result.rule}: {result.value}")
    if result.advice:
        click.echo(f"      {'':<14}  → {result.advice}")
