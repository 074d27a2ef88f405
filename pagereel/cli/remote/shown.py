"""Recordings and lists as text for a terminal. Pure except for printing to the console."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.table import Table

from pagereel.cli.remote.durations import in_words, size_in_words
from pagereel.cli.terminal.output import printable
from pagereel.cli.terminal.tables import WARNED, console, table
from service.explain.warned import advice_of
from service.wording import emulated, end_reason, labels, nothing_wanted, percent

OVER = frozenset({"verified", "defective", "unproven", "failed", "cancelled"})
# The maximum delay with which a recording's start is detected.
_KNOWN_SECONDS: Final = 6
_NAME_END: Final = 28
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def when(instant: str | None) -> str:
    """Return a timestamp unchanged or, on a terminal, relative to now: `42s`, `12m`, `3h` or `9d` ago, or `in 3h`."""
    if instant is None:
        return "-"
    if not console().is_terminal:
        return instant
    seconds = (datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds()
    name, size = next((name, size) for name, size in _UNITS if abs(seconds) >= size or size == 1)
    return f"{'in ' if seconds < 0 else ''}{abs(seconds) / size:.0f}{name}"


def state_of(recording: dict[str, Any]) -> str:
    """Return the state. A recording that was verified with warnings has a different word."""
    return WARNED if recording["state"] == "verified" and recording["warned"] else str(recording["state"])


def start_of(recording: dict[str, Any]) -> str:
    """Return the planned start, or the time of the request."""
    planned = recording["state"] == "requested" and recording["instants"]["start_at"]
    return when(planned or recording["instants"]["requested_at"])


def length_of(recording: dict[str, Any]) -> str:
    """Return the recorded length, or the planned length before the start."""
    schedule = recording["schedule"]
    if schedule["elapsed_seconds"] is None and recording["state"] in ("requested", "starting"):
        return in_words(schedule["planned_seconds"])
    return _elapsed(recording)


def _elapsed(recording: dict[str, Any]) -> str:
    """Return the recorded length. It is approximate if the end was not reported."""
    elapsed = in_words(recording["schedule"]["elapsed_seconds"])
    return f"about {elapsed}" if elapsed != "-" and _inferred(recording) else elapsed


def _inferred(recording: dict[str, Any]) -> bool:
    return bool(recording["instants"].get("end_inferred"))  # services of earlier versions lack the field


def page_of(recording: dict[str, Any]) -> str:
    """Return the page. On a terminal, where the page may be cut, omit the common prefix `https://`."""
    page = str(recording["page"])
    return page.removeprefix("https://") if console().is_terminal else page


def name_of(key: str) -> str:
    """Return the name of an object. On a terminal, a long name is reduced to its end, which distinguishes it."""
    name = key.rpartition("/")[2]
    return f"…{name[-_NAME_END:]}" if console().is_terminal and len(name) > _NAME_END + 4 else name


def line_of(recording: dict[str, Any]) -> str:
    """Return the current activity of a recording in one line."""
    files = recording["files"]
    parts = [state_of(recording)]
    if recording["state"] == "recording" or files["slices"]:
        parts.append(_slices(files))
    if recording["paused"]["confirmed"]:
        parts.append("paused")
    if recording["attention"]:
        parts.append(f"attention: {recording['attention']['code']}")
    report = recording["latest_report"]
    if recording["state"] == "incomplete" and report:
        missing = dict.fromkeys(each["code"] for each in report["findings"] if each["severity"] == "error")
        parts.append(f"missing so far: {', '.join(missing)}")
    return " · ".join(parts)


def end_of(recording: dict[str, Any]) -> str:
    """Return when a recording starts, if it has not started yet, and when it ends: the requested time, or the event
    that ends it otherwise."""
    now, instants, name = datetime.now(UTC), recording["instants"], recording["id"]
    begin = now if instants["start_at"] is None else max(datetime.fromisoformat(instants["start_at"]), now)
    told = f"{name} starts {_on_the_clock(begin, now)}, and" if begin > now else name
    if instants["stop_at"] is not None:
        return f"{told} stops {_on_the_clock(datetime.fromisoformat(instants['stop_at']), now)}"
    length = recording.get("record_for_seconds")
    if length is not None:
        about = (begin + timedelta(seconds=length)).astimezone()
        return f"{told} stops {in_words(length)} after it begins to record, at about {about:%Y-%m-%d %H:%M:%S %Z}"
    hours = recording["parameters"]["max_recording_hour"]
    return f"{told} records, and is billed, until `pagereel stop {name}`, for at most {hours} h"


def _on_the_clock(instant: datetime, now: datetime) -> str:
    left = max((instant - now).total_seconds(), 0)
    return f"at {instant.astimezone():%Y-%m-%d %H:%M:%S %Z}, in {in_words(left)}"


def _window(recording: dict[str, Any]) -> str:
    """Return the window of the coverage, and why it begins at that time."""
    window = recording["coverage"]["window"]
    why, began_at = "without the allowance for the start", recording["instants"]["recording_at"]
    if began_at is not None:
        late = datetime.fromisoformat(window["from_at"]) - datetime.fromisoformat(began_at)
        if recording.get("record_for_seconds") is not None or abs(late.total_seconds()) < _KNOWN_SECONDS:
            why = "from the start of the recording"
    return f"{window['from_at']} to {window['to_at']} ({why})"


def _coverage(coverage: dict[str, Any]) -> str:
    """Return the covered share of the expected time, if any time was expected."""
    if coverage["share"] is None:
        return nothing_wanted(coverage["paused_seconds"])
    return (
        f"{percent(coverage['share'])} of {in_words(coverage['expected_seconds'])}"
        f" ({in_words(coverage['missing_seconds'])} missing, {in_words(coverage['paused_seconds'])} paused)"
    )


def _sound(expected: bool | None) -> str | None:
    """Return whether audio is expected, or None if unknown."""
    return None if expected is None else "expected" if expected else "not expected: silence is accepted"


def facts_of(recording: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the facts of a recording for a person, in order of importance."""
    instants, report, coverage = recording["instants"], recording["latest_report"], recording["coverage"]
    attention = recording["attention"]
    if recording["state"] in ("failed", "cancelled") and instants["recording_at"] is None:
        coverage = None  # the recording never began, so no time is missing
    facts = [
        ("state", state_of(recording) + (" (on hold)" if recording["paused"]["confirmed"] else "")),
        ("warnings", ", ".join(recording["warned"])),
        ("what to do", recording["state"] == "verified" and recording["warned"] and advice_of(recording["warned"])),
        ("page", recording["page"]),
        ("end reason", recording["end_reason"] and _end_reason(recording)),
        ("attention", attention and _attention(attention)),
        (
            "verdict",
            report and recording["verdict"] and f"{report['verdict']}, {level_of(report)}, at {report['judged_at']}",
        ),
        (
            "coverage",
            coverage and _coverage(coverage),
        ),
        ("wanted", coverage and _window(recording)),
        ("sound", _sound(recording.get("sound"))),
        ("emulator", recording.get("emulated") and emulated(recording["app"])),
        ("files", _files(recording)),
        ("requested", instants["requested_at"]),
        *_schedule(recording),
        ("recording since", instants["recording_at"]),
        ("ended", instants["ended_at"] and _ended(recording)),
        ("bucket", f"{recording['location']['bucket']}/{recording['location']['prefix']}"),
        ("attempts", ", ".join(f"{each['sid'] or 'no sid'} ({each['state']})" for each in recording["attempts"])),
        ("labels", labels(recording["labels"])),
        ("live warnings", ", ".join(recording["warnings"])),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _ended(recording: dict[str, Any]) -> str:
    ended_at = recording["instants"]["ended_at"]
    inferred = "about {}: its end was not reported, and this is the last sign of its task"
    return inferred.format(ended_at) if _inferred(recording) else str(ended_at)


def _attention(attention: dict[str, Any]) -> str:
    """Return the condition that the recording waits for, since when, and when Pagereel retries."""
    again = f", next try at {attention['next_try_at']}" if attention.get("next_try_at") else ""
    return f"{attention['code']}: {attention['detail']}, since {attention['since_at']}{again}"


def _end_reason(recording: dict[str, Any]) -> str:
    if recording["state"] == "stopping":
        return f"{recording['end_reason']} (Agora has not confirmed the stop yet)"
    began, stop = recording["instants"]["recording_at"], recording["instants"]["stop_at"]
    known = began is not None and stop is not None
    recorded = (datetime.fromisoformat(stop) - datetime.fromisoformat(began)).total_seconds() if known else None
    return end_reason(recording["end_reason"], recording["blame"], recording.get("record_for_seconds"), recorded)


def _schedule(recording: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return when the recording starts, ends and is verified next, and its length."""
    schedule, state = recording["schedule"], recording["state"]
    start, stop, limit = schedule["planned_start_at"], schedule["planned_stop_at"], schedule["hour_limit_at"]
    elapsed = _elapsed(recording)
    next_at, until = schedule["next_verification_at"], schedule["give_up_at"]
    if state in ("requested", "starting", "recording"):
        began = [] if state == "recording" else [("starts", start)]
        return [
            *began,
            ("runs", f"{elapsed} of {in_words(schedule['planned_seconds'])}" if elapsed != "-" else None),
            ("stops", stop if stop == limit else f"{stop} (hour limit: {limit})"),
        ]
    return [
        ("recorded", elapsed if elapsed != "-" else None),
        ("next verification", next_at and f"{next_at}, until {until}"),
    ]


def waits_of(recording: dict[str, Any]) -> str:
    """Return in one line the current activity of an unfinished recording and the condition that it waits for."""
    attention = recording["attention"]
    why = [("reason", attention["detail"])] if attention else []
    return " · ".join(
        [line_of(recording), *(f"{name}: {value}" for name, value in [*why, *_schedule(recording)] if value)]
    )


def level_of(report: dict[str, Any]) -> str:
    """Return the level that a report reached, and the requested level if it differs."""
    wanted = report.get("wanted_level")
    below = f" (wanted: {wanted})" if wanted not in (None, report["level"]) else ""
    return f"level {report['level']}{below}"


def findings_of(recording: dict[str, Any]) -> Table | None:
    """Return the findings of the newest report, or None without any."""
    report = recording["latest_report"]
    if not report or not report["findings"]:
        return None
    rows = ((each["severity"], each["code"], each["text"], each["object"] or "") for each in report["findings"])
    return table(("severity", "finding", "text", "object"), rows, coloured=0)


def print_recording(recording: dict[str, Any], *, named: bool = False) -> None:
    """Print the facts of a recording and the findings of its newest report. `named` is true if its id is already
    printed."""
    screen = console()
    if not named:
        screen.print(printable(recording["id"]), style="bold")
    screen.print(table(("", ""), facts_of(recording)))
    findings = findings_of(recording)
    if findings is not None:
        screen.print()
        screen.print(findings)


def _files(recording: dict[str, Any]) -> str:
    """Return the files in the bucket at its last listing, and the time of that listing."""
    files = recording["files"]
    seen, listed_at = f"{_slices(files)} in all", files.get("listed_at")
    if listed_at is not None:
        return f"{seen}, listed at {listed_at}"
    return seen if recording["state"] in OVER else "none known: the bucket has not been listed yet"


def _slices(files: dict[str, Any]) -> str:
    return f"{files['slices']} slice{'' if files['slices'] == 1 else 's'}, {size_in_words(files['bytes'])}"
