"""Readable forms of values, shared by the command line and the console. Pure, and imports nothing large."""

import re
from datetime import UTC, datetime
from typing import Final

# The allowed difference between the exact beginning and the one that is shown.
_LATE_SECONDS: Final = 5
_LARGEST: Final = 1e15
_MILLISECONDS: Final = range(10**12, 10**14)
_SECONDS: Final = range(10**9, 10**11)
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def length(seconds: float) -> str:
    """Return a duration in its two largest units, without the second unit if it is zero. Below ten seconds, return
    tenths."""
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    parts: list[str] = []
    for name, unit in _UNITS:
        count, whole = divmod(whole, unit)
        if count or parts:
            parts.append(f"{count} {name}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def size(count: float) -> str:
    """Return a number of bytes in the largest decimal unit in which it is at least one."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def percent(share: float | None) -> str:
    """Return a share in tenths of a percent, truncated so that less than all is never 100 %. `share` is None if nothing
    is expected."""
    return "none wanted" if share is None else f"{int(share * 1000) / 10:g} %"


def nothing_wanted(paused_seconds: float) -> str:
    """Return why no share of the expected time exists. `paused_seconds` is how much of the window was on hold."""
    if paused_seconds:
        return f"no time was wanted: it was on hold for the whole wanted window ({length(paused_seconds)})"
    return "no time was wanted: the wanted window is empty"


def emulated(app: str) -> str:
    """Return the note on a recording made by an emulator. The service cannot know whether the emulator has a
    browser."""
    return (
        f"In place of Agora, the app {app} uses an emulator on the service's machine, which draws a synthetic picture "
        "and does not open the page unless it runs with a browser (BROWSER=1)."
    )


def labels(given: dict[str, str]) -> str:
    """Return labels in the form in which they are typed, `key=value`, separated by commas."""
    return ", ".join(f"{name}={value}" for name, value in given.items())


def label_pair(text: str) -> tuple[str, str] | None:
    """Return key and value of `key=value` or `key:value`, or None for other texts. A key contains neither sign."""
    parts = re.split("[=:]", text, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else None


def end_reason(reason: str, blame: str | None, record_for: float | None, recorded: float | None) -> str:
    """Return the end reason, with the blame unless the end was requested. `record_for` is the requested length, and
    `recorded` the seconds from the beginning to the stop time."""
    if reason == "stop_at" and ran_its_length(record_for, recorded):
        return f"stop_at: it stopped after the length that was asked for ({length(record_for or 0)})"
    if reason in ("stopped", "stop_at") or blame is None:
        return reason
    return f"{reason} (blame: {blame})"


def ran_its_length(record_for: float | None, recorded: float | None) -> bool:
    """Return whether the stop time follows from the requested length. A caller may have changed it since."""
    return record_for is not None and recorded is not None and abs(recorded - record_for) < _LATE_SECONDS


def detail_value(name: str, value: object) -> str:
    """Return a value of a history line. Timestamps become clock times, and Agora's shares percentages."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        return str(value)
    if name == "progress":  # agora-reference §8.3: of 10,000
        return percent(value / 10_000)
    if name.endswith(("_at", "Time")) and int(value) in _MILLISECONDS:
        return clock(value / 1000)
    if name.endswith(("_at", "Time")) and int(value) in _SECONDS:
        return clock(value)
    return str(value)


def clock(at: float) -> str:
    """Return a timestamp in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
