"""The command `pagereel watch`, which follows a recording to its verdict."""

import asyncio
import math
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pagereel.cli.remote.durations import Duration, in_words
from pagereel.cli.remote.ids import remote_recording
from pagereel.cli.remote.session import CallError, Service
from pagereel.cli.remote.shown import OVER, end_of, line_of, print_recording, waits_of
from pagereel.cli.terminal.options import option
from pagereel.cli.terminal.output import json_option, printable, say, show_json
from pagereel.cli.terminal.tables import console

POLL_SECONDS: Final = 1.0
# Without a terminal, a line is printed when something other than the slices has changed, or after this time.
LINE_SECONDS: Final = 60.0
_COST_SECONDS: Final = 5.0
_NOTHING_RUNS: Final = OVER | {"uploading", "verifying", "incomplete"}
_FULL_HD_FROM_PIXELS: Final = 1280 * 720 + 1
_VERIFIED, _NOT_VERIFIED, _NO_VERDICT = range(3)


@click.command("watch")
@option("--strict", is_flag=True, help="The exit status is 1 also for warnings.")
@option(
    "--wait-for", "wait_seconds", type=Duration(), metavar="LENGTH", help="How long to follow it. Default: to its end."
)
@json_option
@remote_recording
async def watch_command(
    service: Service, recording: str, strict: bool, wait_seconds: float | None, as_json: bool
) -> int:
    """Follow a recording to its verdict. The exit status is 0 only for `verified`, and 2 if there is no verdict within
    --wait-for. Neither that nor Ctrl-C stops the recording."""
    return await follow(service, recording, as_json, strict=strict, wait_seconds=wait_seconds)


async def follow(
    service: Service,
    recording: str,
    as_json: bool,
    shown: dict[str, Any] | None = None,
    *,
    strict: bool = False,
    wait_seconds: float | None = None,
) -> int:
    """Show the progress of a recording until it has ended, and return the exit status. On Ctrl-C, print what continues.

    `shown` is the recording as the caller has it, whose id is already printed. If `strict` is true, warnings count as
    not verified. `wait_seconds` limits the waiting time; None means no limit.
    """
    named, until = shown is not None, time.monotonic() + (math.inf if wait_seconds is None else wait_seconds)
    screen = console(stderr=True)
    log = Log(recording)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(),
        console=screen, disable=as_json or not screen.is_terminal,
    ) as progress:  # fmt: skip
        bar = progress.add_task(printable(recording), total=None)
        try:
            shown = shown or await service.call("GET", f"/v1/recordings/{recording}")
            while shown["state"] not in OVER and time.monotonic() < until:
                done, total = _progress(shown)
                line = printable(f"{recording}  {line_of(shown)}")
                progress.update(bar, description=line, completed=done, total=total)
                if not as_json and not screen.is_terminal and (news := log.line(shown, time.time())):
                    say(news, err=True)
                await asyncio.sleep(min(POLL_SECONDS, max(until - time.monotonic(), 0)))
                shown = await service.call("GET", f"/v1/recordings/{recording}")
        except asyncio.CancelledError:
            progress.stop()
            await _say_what_goes_on(service, recording, shown)
            raise
    is_over = shown["state"] in OVER
    if as_json:
        show_json(shown)
    elif is_over:
        print_recording(shown, named=named)
    else:
        say(_no_verdict(shown, wait_seconds), err=True)
    if not is_over:
        return _NO_VERDICT
    return _VERIFIED if shown["state"] == "verified" and not (strict and shown["warned"]) else _NOT_VERIFIED


def _no_verdict(shown: dict[str, Any], wait_seconds: float | None) -> str:
    return (
        f"pagereel: {shown['id']}: no verdict after {in_words(wait_seconds)}: {waits_of(shown)}. "
        f"It continues without this command; follow it again with: pagereel watch {shown['id']}"
    )


class Log:
    """The log lines of a recording, with time, id and activity. There is a line for each change, and at least one a
    minute."""

    def __init__(self, recording: str) -> None:
        self._recording = recording
        self._said: tuple[str, ...] = ()
        self._at = 0.0

    def line(self, shown: dict[str, Any], at: float) -> str | None:
        """Return the line at the time `at` (Unix seconds), or None if nothing has changed."""
        line = line_of(shown)
        # The count of slices is ignored, because it changes with each slice.
        what = tuple(part for part in line.split(" · ") if " slice" not in part)
        if what == self._said and at - self._at < LINE_SECONDS:
            return None
        self._said, self._at = what, at
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}  {self._recording}  {line}"


def _progress(shown: dict[str, Any]) -> tuple[float, float | None]:
    """Return the elapsed and the total seconds of the requested time. Without a planned end, the total is None."""
    began, until = shown["instants"]["recording_at"], shown["instants"]["stop_at"]
    if began is None or until is None:
        return 0, None
    start, end = datetime.fromisoformat(began), datetime.fromisoformat(until)
    total = max((end - start).total_seconds(), 1)
    return min((datetime.now(UTC) - start).total_seconds(), total), total


async def _say_what_goes_on(service: Service, recording: str, shown: dict[str, Any] | None) -> None:
    """Print that the recording continues, and what it costs."""
    if shown is None:
        say(f"{recording} continues without this command", err=True)
    elif shown["state"] in _NOTHING_RUNS:
        say(f"{recording} is {shown['state']}: no recorder runs, and it continues without this command", err=True)
    else:
        cost = ""
        with suppress(CallError, TimeoutError):
            cost = await asyncio.wait_for(_cost(service, shown), _COST_SECONDS)
        say(f"{end_of(shown)}; it continues without this command", err=True)
        say(f"  billed so far: {in_words(shown['billed_seconds'])}{cost}", err=True)
        say(f"  stop it now:   pagereel stop {recording}", err=True)
    say(f"  follow it:     pagereel watch {recording}", err=True)


async def _cost(service: Service, shown: dict[str, Any]) -> str:
    """Return the cost of the billed time at the price in the month's usage, as text. If the usage contains no price,
    return an empty text."""
    used = await service.call("GET", "/v1/usage")
    pixels = shown["parameters"]["video_width"] * shown["parameters"]["video_height"]
    resolution = "full_hd" if pixels >= _FULL_HD_FROM_PIXELS else "hd"
    for item in used["items"]:
        if (item["app"], item["resolution"]) == (shown["app"], resolution) and item["seconds"]:
            price = item["cost"] / item["seconds"] * 60
            return f", {used['currency']} {shown['billed_seconds'] / 60 * price:.2f} at {price:.4f} a minute"
    return ""
