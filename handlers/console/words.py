"""Facts as people read them: instants, lengths, sizes, states. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

import orjson
from markupsafe import Markup, escape

from handlers.instants import format_instant
from service.lifecycle.from_notices import EVENTS
from service.operations import HistoryEntry

# How a state looks: what is well, what is under way, what needs a person.
TONES: Final = {
    "verified": "good",
    "warned": "warned",
    "recording": "live",
    "starting": "live",
    "requested": "live",
    "stopping": "live",
    "uploading": "live",
    "verifying": "live",
    "incomplete": "warn",
    "unproven": "warn",
    "cancelled": "calm",
    "defective": "bad",
    "failed": "bad",
    "error": "bad",
    "warning": "warn",
    "note": "calm",
    "parked": "bad",
    "broken": "warn",
    "unmatched": "bad",
    "foreign": "warn",
    "new": "live",
    "applied": "good",
    "test": "calm",
}


def instant(at: float | None) -> Markup | str:
    """A moment, in UTC."""
    if at is None:
        return "–"
    return Markup('<time datetime="{}">{}</time>').format(format_instant(at), _clock(at))


def ago(at: float | None, now: float) -> Markup | str:
    """How long ago, or in how long; the exact moment shows when it is pointed at."""
    if at is None:
        return "–"
    seconds = max(1.0, round(abs(now - at)))
    length = f"{seconds // 60:.0f} min" if 60 <= seconds < 3600 else span(seconds)
    shown = f"in {length}" if at > now else f"{length} ago"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(format_instant(at), _clock(at), shown)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str:
    """A length: the two largest units that it has, the second only where it is not zero."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for name, size in units:
        count, whole = divmod(whole, size)
        if count or parts:
            parts.append(f"{count} {name}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ")) or "0 s"


def size(count: int | None) -> str:
    """A size in bytes."""
    if count is None:
        return "–"
    amount, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def percent(share: float) -> str:
    """A share; never 100 % for less than all."""
    return f"{int(share * 1000) / 10:g} %"


def words(code: str) -> str:
    """A code as words."""
    return code.replace("_", " ")


def tail(key: str) -> str:
    """The end of an object's name, which is what tells one from another."""
    name = key.rpartition("/")[2]
    return name if len(name) <= 32 else f"…{name[-28:]}"


def prose(text: str) -> Markup:
    """A sentence in which `commands` look like commands."""
    said = text.split("`")
    parts = [Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(said)]
    return Markup("").join(parts)


@dataclass(frozen=True, slots=True)
class Event:
    """Lines of the history that say the same, as one: the first at `first_at`, the last at `at`."""

    first_at: float
    at: float
    source: str
    what: str
    details: str
    count: int


def events(history: Iterable[HistoryEntry]) -> Iterator[Event]:
    """The history for people. Lines that follow each other and differ only in their number are one."""
    for _, run in groupby(history, lambda entry: (entry.kind, entry.source, _told(entry, folded=True))):
        lines = list(run)
        last = lines[-1]
        count = sum(line.count for line in lines)
        details = facts(_told(last, folded=len(lines) > 1))
        yield Event(lines[0].at, last.at, last.source, happened(last), details, count)


def happened(entry: HistoryEntry) -> str:
    """What a line of the history is about."""
    if entry.kind == "state":
        return f"state: {words(str(entry.detail.get('state', 'unknown')))}"
    if entry.kind in ("attention", "warning"):
        return f"{entry.kind}: {words(str(entry.detail.get('code', 'unknown')))}"
    return words(entry.kind).replace("notice ", "Agora: ", 1) if entry.kind.startswith("notice_") else words(entry.kind)


# What `happened` says already, or what tells a person nothing.
_LEFT_OUT: Final = {"state": {"state"}, "attention": {"code"}, "warning": {"code"}}


def _told(entry: HistoryEntry, *, folded: bool = False) -> dict[str, object]:
    left_out = _LEFT_OUT.get(entry.kind, set()) | {"event_type"} | ({"report"} if folded else set())
    return {name: value for name, value in entry.detail.items() if name not in left_out}


def line(entry: HistoryEntry) -> str:
    """A line of the history as a sentence."""
    details = facts(_told(entry))
    return happened(entry) + (f" ×{entry.count}" if entry.count > 1 else "") + (f": {details}" if details else "")


_LARGEST: Final = 1e15
_MILLISECONDS: Final = range(10**12, 10**14)
_SECONDS: Final = range(10**9, 10**11)


def facts(detail: dict[str, object]) -> str:
    """The details of a line of the timeline: instants as clock times, Agora's shares as percent."""
    return ", ".join(f"{_name(name)} {_value(name, value)}" for name, value in detail.items() if value is not None)


def _name(name: str) -> str:
    return words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()


def _value(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        return str(value)
    if name == "progress":  # agora-reference §8.3: of 10,000
        return percent(value / 10_000)
    if name.endswith(("_at", "Time")) and int(value) in _MILLISECONDS:
        return f"{_clock(value / 1000)} UTC"
    if name.endswith(("_at", "Time")) and int(value) in _SECONDS:
        return f"{_clock(value)} UTC"
    return str(value)


def event_name(number: int | None) -> str:
    """Agora's event with its name."""
    return "–" if number is None else f"{number} {words(EVENTS.get(number, 'unknown'))}"


def pretty(document: dict[str, Any]) -> str:
    """JSON to be read."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


FILTERS: Final = {
    "instant": instant,
    "ago": ago,
    "span": span,
    "size": size,
    "percent": percent,
    "words": words,
    "tail": tail,
    "prose": prose,
    "events": events,
    "event_name": event_name,
    "pretty": pretty,
    "tone": lambda code: TONES.get(str(code), "calm"),
}
