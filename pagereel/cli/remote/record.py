"""The command `pagereel record`, which has an option for every field of the API's start request."""

import re
from collections.abc import Callable
from typing import Any, Final, get_args

import click

from pagereel.cli.remote.durations import Duration
from pagereel.cli.remote.following import follow
from pagereel.cli.remote.session import CallError, Service, remote
from pagereel.cli.remote.shown import end_of
from pagereel.cli.terminal.options import argument, option
from pagereel.cli.terminal.output import json_option, say, show_json
from pagereel.cli.terminal.parameters import Instant, Size, rfc3339
from service.recording import RestartRule
from service.report import Level
from service.wording import emulated, label_pair

_LABEL_KEY: Final = re.compile(r"[a-z0-9_.-]{1,32}")
# Fields of the request whose options have other names.
_OPTIONS: Final = {
    "url": "PAGE",
    "record_for_seconds": "--for",
    "video_width": "--size (width)",
    "video_height": "--size (height)",
    "av_file_type": "--mp4",
    "labels": "--label",
}


def _start_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each field of a start request. The options are named as in the API, except for the size and the
    files."""
    options = [
        option("--for", "length", type=Duration(), metavar="LENGTH", help="How long to record: 90s, 10m, 1h30m."),
        option("--stop-at", type=Instant(), help="Stop at this time: 2026-11-22T09:45:00Z."),
        option("--start-at", type=Instant(), help="Start at this time."),
        option("--start-within-seconds", type=float, help="Give up if it does not record within this time."),
        option("--max-recording-hour", type=int, help="Agora ends it after this many hours, 1 to 719."),
        option("--app", help="Agora app in the settings."),
        option("--storage", help="Storage profile in the settings."),
        option("--preset", help="Preset in the settings, which supplies the options that you omit."),
        option("--size", type=Size(), metavar="WIDTHxHEIGHT", help="Size of the picture: 1280x720."),
        option("--video-fps", type=int, help="Frames per second, 5 to 60."),
        option("--video-bitrate", type=int, help="Video bit rate in kbit/s, 50 to 8000."),
        option("--audio-profile", type=int, help="0: mono, 48 kbit/s; 1: mono, 128; 2: stereo, 192."),
        option("--mobile/--no-mobile", default=None, help="Render the page as on a phone."),
        option("--ready-timeout", type=int, help="Seconds that the page may take to load, 0 to 60; 0: no check."),
        option(
            "--sound/--no-sound", "sound", default=None, help="Whether the page makes sound; if not, silence is fine."
        ),
        option("--onhold/--no-onhold", default=None, help="Open the page, but record only after `resume`."),
        option("--mp4/--no-mp4", default=None, help="Whether to create an MP4 in addition to the HLS slices."),
        option("--max-video-duration", type=int, help="Split the MP4 after this many minutes, 30 to 240."),
        option("--rtmp-url", help="Also push the recording to this RTMP URL."),
        option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label (repeatable)."),
        option("--notify", multiple=True, help="Endpoint that receives messages about it (repeatable)."),
        option("--level", type=click.Choice([level.value for level in Level]), help="How deeply to verify it."),
        option("--max-missing-seconds", type=float, help="Missing time to accept, in seconds."),
        option(
            "--restart", type=click.Choice(get_args(RestartRule)), help="Whether to repeat a failed attempt."
        ),
        option(
            "--max-restarts", type=int, help="Maximum number of further attempts, 0 to 20. Needs --restart on_failure."
        ),
        option("--idempotency-key", metavar="KEY", help="Repeating it with the same options starts nothing new."),
    ]  # fmt: skip
    for each in reversed(options):
        command = each(command)
    return command


@click.command("record")
@argument("page")
@_start_options
@option("--wait", is_flag=True, help="Follow it to its verdict. The exit status is 0 only for `verified`.")
@option("--strict", is_flag=True, help="With --wait: the exit status is 1 also for warnings.")
@option(
    "--wait-for",
    "wait_seconds",
    type=Duration(),
    metavar="LENGTH",
    help="With --wait: how long to follow it, the recording included. Default: to its verdict.",
)
@json_option
@remote
async def record_command(
    service: Service,
    page: str,
    idempotency_key: str | None,
    wait: bool,
    strict: bool,
    wait_seconds: float | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Record PAGE, a URL. Without --for, it records, and Agora bills it, until you stop it or until its hour limit.

    The service counts --for from the start of the recording, after the page has loaded, and then stops it, whether or
    not this command still runs. If nothing records within the start deadline, the recording fails.

    Try the page first: `pagereel-emulator check-page PAGE` opens it as the recorder does and reports problems, such as
    a log-in form or a video that waits for a click."""
    if strict and not wait:
        raise click.UsageError("--strict needs --wait")
    if wait_seconds is not None and not wait:
        raise click.UsageError("--wait-for needs --wait")
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    try:
        recording = await service.call("POST", "/v1/recordings", body=_body(page, **given), headers=headers)
    except CallError as error:
        raise _in_options(error, given) from None
    if not as_json:
        click.echo(recording["id"])
        say(end_of(recording), err=True)
        if recording.get("emulated"):
            say(emulated(recording["app"]), err=True)
    if wait:
        return await follow(service, recording["id"], as_json, recording, strict=strict, wait_seconds=wait_seconds)
    if as_json:
        show_json(recording)
    return 0


def _body(
    page: str,
    *,
    length: float | None,
    start_at: float | None,
    stop_at: float | None,
    size: tuple[int, int] | None,
    mp4: bool | None,
    labels: tuple[str, ...],
    notify: tuple[str, ...],
    **named: Any,
) -> dict[str, Any]:
    """Return the body of the request, which contains only the given options."""
    if length is not None and stop_at is not None:
        raise click.UsageError("--for and --stop-at exclude each other")
    instants = {
        "start_at": None if start_at is None else rfc3339(start_at),
        "stop_at": None if stop_at is None else rfc3339(stop_at),
        "record_for_seconds": length,
    }
    width, height = size or (None, None)
    files = None if mp4 is None else ["hls", "mp4"] if mp4 else ["hls"]
    body = {"url": page, **named, **instants, "video_width": width, "video_height": height, "av_file_type": files}
    lists = {"labels": dict(map(pair, labels)), "notify": list(notify)}
    return {name: value for name, value in body.items() if value is not None} | {
        name: value for name, value in lists.items() if value
    }


def pair(label: str) -> tuple[str, str]:
    """Return key and value of a label. Raise `CallError` if it is invalid."""
    found = label_pair(label)
    if found is None:
        raise CallError(f"--label {label}: write KEY=VALUE or KEY:VALUE")
    name, value = found
    if not _LABEL_KEY.fullmatch(name):
        odd = sorted({letter for letter in name if not _LABEL_KEY.fullmatch(letter)})
        why = (
            f"has {' '.join('a blank' if letter.isspace() else letter for letter in odd)}"
            if odd
            else "is empty or too long"
        )
        raise CallError(f"--label {label}: a key has 1 to 32 characters of a to z, 0 to 9, _ . and -; {name!r} {why}")
    return name, value


def _in_options(error: CallError, given: dict[str, Any]) -> CallError:
    """Return the error with the typed options in place of the API's fields."""
    if not error.wrong:
        return error
    lines = [f"{_typed(pointer, given)}: {message}" for pointer, message in error.wrong]
    return CallError("\n  ".join(["the request is not valid", *lines]) if len(lines) > 1 else lines[0], error.status)


def _typed(pointer: str, given: dict[str, Any]) -> str:
    """Return the option for a pointer of the API. Include its typed value unless that may be a secret."""
    field, _, place = pointer.removeprefix("/").partition("/")
    option = _OPTIONS.get(field, f"--{field.replace('_', '-')}")
    value = given.get(field)
    if isinstance(value, tuple):
        value = value[int(place)] if place.isdigit() and int(place) < len(value) else place
    return option if value in (None, "") or field in ("rtmp_url", "start_at", "stop_at") else f"{option} {value}"
