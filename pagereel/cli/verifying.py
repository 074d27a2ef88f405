"""The command `pagereel verify`, which verifies the recordings in a bucket without a database."""

import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import orjson

from pagereel.cli.judged import exit_status, lines_of_findings, lines_of_sum, plain, table_of
from pagereel.cli.running import profile_of, run, settings_of
from pagereel.cli.terminal.options import configured, option
from pagereel.cli.terminal.output import fail, say
from pagereel.cli.terminal.parameters import Instant, Seconds, Size, Span, Whole
from pagereel.cli.terminal.progress import progress_of
from pagereel.cli.terminal.tables import console
from pagereel.interrupts import INTERRUPTED
from service.buckets import Bucket, Usage
from service.buckets.open import open_buckets, read_keys
from service.media.listing.discovery import FoundRecording, Wanted
from service.report import Interval, Level
from service.settings import Settings, location
from service.verifier import foreign
from service.verifier.foreign import Judged
from service.verifier.pace import Pace
from service.verifier.reading import TooManyObjects

_AT_ONCE = max(8, 2 * (os.cpu_count() or 1))
_LEVELS = [level.value for level in Level]


@dataclass(frozen=True, slots=True)
class _Request:
    storage: str
    prefix: str
    sid: str | None
    cname: str | None
    level: Level
    at_once: int
    wanted: Wanted


@dataclass(slots=True)
class _Result:
    """The recordings found and verified so far. They are available even after an interruption."""

    found: int = 0
    judged: list[Judged] = field(default_factory=list)
    interrupted: bool = False


def _wanted_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe the expected recording."""
    options = [
        option("--from", "from_at", type=Instant(), help="Planned start. Default: the first slice."),
        option("--to", "to_at", type=Instant(), help="Planned end. Default: the end of the last slice."),
        option(
            "--pause", "pauses", type=Span(), multiple=True, metavar="FROM/TO", help="A planned pause (repeatable)."
        ),
        option("--mp4/--no-mp4", "mp4", default=None, help="Whether an MP4 is expected. Default: if one exists."),
        option("--size", type=Size(), metavar="WIDTHxHEIGHT", help="Expected size of the picture: 1280x720."),
        option(
            "--sound/--no-sound", "sound", default=None, help="Whether the page makes sound; if not, silence is fine."
        ),
        option(
            "--max-missing", "max_missing_seconds", type=Seconds(), metavar="SECONDS",
            help="Missing time to accept. Default: 5 s or 0.1 % of the wanted time, whichever is more.",
        ),
    ]  # fmt: skip
    for each in reversed(options):
        command = each(command)
    return command


@click.command("verify")
@option("--storage", required=True, help="Storage profile in the settings; only its `read` keys are used.")
@option("--prefix", cls=click.Option, help="Prefix of the object keys; empty: the whole bucket.  [required]")
@option("--sid", help="Only this Agora task.")
@option("--cname", help="Only this channel name, as in the file names.")
@option("--level", type=click.Choice(_LEVELS), default=Level.CONTENT.value, show_default=True)
@_wanted_options
@option("--strict", is_flag=True, help="The exit status is 1 also for warnings.")
@option("--at-once", type=Whole(1, 256), default=_AT_ONCE, help="Number of recordings to verify at the same time.")
@option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
@option("--json-lines", is_flag=True, help="Print one JSON object for each recording as soon as it is verified.")
@configured
def verify_command(
    config: Path | None,
    /,
    storage: str,
    prefix: str | None,
    sid: str | None,
    cname: str | None,
    level: str,
    strict: bool,
    at_once: int,
    as_json: bool,
    json_lines: bool,
    **given: Any,
) -> None:
    """Verify the recordings in a bucket, whoever made them. This needs no service and no database.

    The exit status is 0 if all recordings are verified, 1 if one is defective or incomplete or if there is none, 2 if
    one could not be read at the level of --level, and 3 after an internal error. Ctrl-C prints the results so far; the
    exit status is then 130.
    """
    if as_json and json_lines:
        raise click.UsageError("--json and --json-lines exclude each other")
    settings = settings_of(config)
    profile_of(settings, storage)
    if prefix is None:  # not `required`, so that errors of settings and storage are reported first
        raise click.UsageError("Missing option '--prefix'.")
    request = _Request(storage, prefix, sid, cname, Level(level), at_once, _wanted(given))
    result = _Result()
    show: Callable[[Judged], None] = _print_line if json_lines else lambda _: None
    try:
        run(_verify(settings, request, result, show, quiet=as_json or json_lines))
    except KeyboardInterrupt:
        result.interrupted = True
    _print(request, result, as_json=as_json, json_lines=json_lines)
    sys.exit(INTERRUPTED if result.interrupted else exit_status(result.judged, request.level, strict=strict))


def _wanted(given: dict[str, Any]) -> Wanted:
    """Return the expected recording from the options. Exit if --to is not later than --from."""
    wanted = Wanted(**{**given, "pauses": _joined(given["pauses"])})
    if wanted.from_at is not None and wanted.to_at is not None and wanted.from_at >= wanted.to_at:
        raise click.BadParameter("must be later than --from", param_hint="'--to'")
    return wanted


def _joined(pauses: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """Return the pauses in order. Touching pauses are merged."""
    joined: list[Interval] = []
    for pause in sorted(pauses, key=lambda one: one.from_at):
        before = joined[-1] if joined else None
        if before is not None and before.to_at is not None and pause.from_at <= before.to_at:
            joined[-1] = Interval(before.from_at, max(before.to_at, pause.to_at or before.to_at))
        else:
            joined.append(pause)
    return tuple(joined)


async def _verify(
    settings: Settings, request: _Request, result: _Result, show: Callable[[Judged], None], *, quiet: bool
) -> None:
    """Find the recordings and add their reports to `result`. `show` is called with each recording as soon as it is
    verified."""
    profile = profile_of(settings, request.storage)
    async with open_buckets(settings) as buckets:
        bucket = buckets.bucket(location(profile, ""), read_keys(profile), profile)
        found = await _found(bucket, request)
        result.found = len(found)
        with progress_of(found, quiet=quiet) as advance:

            def take(judged: Judged) -> None:
                result.judged.append(_slim(judged))
                show(judged)
                advance(judged.recording)

            pace = Pace(profile.read_bytes_per_second)
            await foreign.judge_found(
                bucket, found, request.level, request.wanted, take, at_once=request.at_once, pace=pace, now_fn=time.time
            )


def _slim(judged: Judged) -> Judged:
    """Return the result without pictures and file lists, because those of thousands of recordings exceed the memory."""
    report = judged.report
    return replace(judged, report=None if report is None else replace(report, pictures=None, files=()))


async def _found(bucket: Bucket, request: _Request) -> list[FoundRecording]:
    try:
        found, _ = await foreign.discover(bucket, request.prefix, Usage())
    except TooManyObjects:
        fail(f"the prefix {request.prefix!r} has more than {foreign.MOST_OBJECTS} objects: use a longer prefix")
    return [one for one in found if request.sid in (None, one.sid) and request.cname in (None, one.cname)]


def _print_line(judged: Judged) -> None:
    click.echo(orjson.dumps(plain(judged)))


def _print(request: _Request, result: _Result, *, as_json: bool, json_lines: bool) -> None:
    judged = sorted(
        result.judged, key=lambda one: (one.recording.folder, one.recording.first_at or 0, one.recording.sid)
    )
    for one in judged:
        if one.error is not None:
            say("".join(traceback.format_exception(one.error)), err=True)
    if as_json:
        click.echo(
            orjson.dumps(
                {
                    "storage": request.storage,
                    "prefix": request.prefix,
                    "found": result.found,
                    "interrupted": result.interrupted,
                    "recordings": [plain(one) for one in judged],
                }
            )
        )
    elif judged and not json_lines:
        console().print(table_of(judged))
        for line in lines_of_findings(judged):
            say(line)
        say(lines_of_sum(judged))
    elif not result.found and not result.interrupted:
        told = {"prefix": request.prefix, "sid": request.sid, "cname": request.cname}
        named = ", ".join(f"the {name} {value!r}" for name, value in told.items() if value is not None)
        say(f"no recording was found with {named}", err=True)
    if result.interrupted:
        say(f"pagereel: interrupted; {result.found - len(judged)} of {result.found} are not verified", err=True)
