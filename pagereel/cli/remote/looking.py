"""The command `pagereel look`, which verifies a recording again and shows the result."""

import asyncio
import time
from typing import Any, Final

import click

from pagereel.cli.remote.durations import Duration, in_words
from pagereel.cli.remote.ids import remote_recording
from pagereel.cli.remote.session import Service
from pagereel.cli.remote.shown import state_of
from pagereel.cli.terminal.options import option
from pagereel.cli.terminal.output import json_option, say, show_json
from service.report import Level

POLL_SECONDS: Final = 1.0
_VERIFIED, _NOT_VERIFIED, _NOT_READ = range(3)
_STATUS: Final = {"verified": _VERIFIED, "unreachable": _NOT_READ}


@click.command("look")
@option(
    "--wait-for", "wait_seconds", default="10m", show_default=True, type=Duration(), help="How long to wait for it."
)
@option(
    "--level", type=click.Choice([level.value for level in Level]), help="How deeply. Default: the recording's level."
)
@json_option
@remote_recording
async def look_command(service: Service, recording: str, wait_seconds: float, level: str | None, as_json: bool) -> int:
    """Verify a recording again now, and wait for the result. Ctrl-C does not stop the verification.

    The exit status is 0 if the result is `verified`, 1 if it is not, and 2 if the bucket could not be read or there is
    no result yet."""
    query = {} if level is None else {"level": level}
    before = await service.call("POST", f"/v1/recordings/{recording}/verify", params=query)
    until = time.monotonic() + wait_seconds
    shown, said = before, ""
    try:
        while _number(shown) <= _number(before) and time.monotonic() < until:
            await asyncio.sleep(min(POLL_SECONDS, max(until - time.monotonic(), 0)))
            shown = await service.call("GET", f"/v1/recordings/{recording}")
            if (now := _unread(shown)) != said:
                said = now
                if said:
                    say(f"pagereel: {recording}: {said}; still waiting", err=True)
    except asyncio.CancelledError:
        say(f"the verification of {recording} goes on; its result: pagereel show {recording}", err=True)
        raise
    is_new = _number(shown) > _number(before)
    if as_json:
        show_json(shown)
    else:
        say(result_of(before, shown) if is_new else _no_result(shown, wait_seconds), err=not is_new)
    return _STATUS.get(shown["latest_report"]["verdict"], _NOT_VERIFIED) if is_new else _NOT_READ


def _number(recording: dict[str, Any]) -> int:
    """Return the number of the recording's newest report, or 0 if it has none."""
    report = recording["latest_report"]
    return 0 if report is None else int(report["number"])


def _unread(recording: dict[str, Any]) -> str:
    """Return why the bucket cannot be read, or an empty text if no problem is known."""
    attention = recording["attention"]
    if attention is None or attention["code"] != "storage_unreachable":
        return ""
    return f"the bucket cannot be read ({attention['detail'] or attention['code']})"


def _no_result(shown: dict[str, Any], wait_seconds: float) -> str:
    """Return a text that no result is available yet, with the last known reason."""
    name, report, attention = shown["id"], shown["latest_report"], shown["attention"]
    why = ""
    if unread := _unread(shown):
        why = f", since {unread}"
    elif attention is not None:
        why = f" ({attention['code']}: {attention['detail']})"
    elif report is not None and report["verdict"] == "unreachable":
        why = f". The look before, of {report['judged_at']}, could not read the bucket: {_error(report)}"
    return (
        f"pagereel: {name}: no result after {in_words(wait_seconds)}{why}; the verification goes on. "
        f"Its result will be in: pagereel show {name}"
    )


def _error(report: dict[str, Any]) -> str:
    """Return the most severe finding of a report, without its full stop."""
    errors = [each["text"].removesuffix(".") for each in report["findings"] if each["severity"] == "error"]
    return errors[0] if errors else "the bucket cannot be read"


def result_of(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the result of the newest report of `after`. If the bucket could not be read, include the previous verdict
    and its time."""
    report, name = after["latest_report"], after["id"]
    if report["verdict"] == "unreachable":
        known = before["latest_report"]
        last = "" if known is None else f" The verdict before that, of {known['judged_at']}: {known['verdict']}."
        return f"{name}: could not look: {_error(report)}. It stays {after['state']}.{last}"
    codes = dict.fromkeys(each["code"] for each in report["findings"] if each["severity"] != "note")
    found = f" · {', '.join(codes)}" if codes else ""
    stays = "" if report["verdict"] == after["state"] else f" · the recording is {state_of(after)}"
    return f"{name}: {report['verdict']} at level {report['level']}, looked at {report['judged_at']}{found}{stays}"
