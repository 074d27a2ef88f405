"""Values as texts for people: timestamps, durations, sizes, states. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from markupsafe import Markup, escape

from handlers.requests.instants import format_instant
from handlers.resources.recordings import RecordingView
from service.lifecycle.rules.notifications import event_name
from service.operations import HistoryEntry
from service.repeats import runs
from service.wording import detail_value, emulated, length, nothing_wanted, percent, ran_its_length
from service.wording import size as size_of

# The style of each state: good, in progress, or in need of a person.
TONES: Final = {
    "verified": "good",
    "warned": "warned",
    "recording": "live",
    "starting": "live",
    "requested": "live",
    "planned": "calm",
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


# End reasons whose code alone is not clear.
REASONS: Final = {
    "stopped": "stopped by a caller",
    "stop_at": "stop time reached",
    "hour_limit": "hour limit reached",
    "capability_limit": "page too heavy",
    "engine_failed": "Agora's browser failed",
    "recorder_error": "Agora's recorder failed",
    "ended_by_itself": "ended for an unknown reason",
    "storage_refused": "bucket refused the upload",
    "credentials_expiring": "storage keys expire too soon",
    "refused": "refused by Agora",
    "capacity": "no free recorder at Agora",
    "agora_unavailable": "no answer from Agora",
    "limited": "limit in the settings reached",
    "missed": "not started in time",
    "restored": "ended after the backup that was restored",
}
PARTIES: Final = {
    "caller": "the caller",
    "page": "the page",
    "storage": "the storage",
    "agora": "Agora",
    "us": "Pagereel",
}
# The sources of history lines, with the names that the lanes of the timeline use.
SOURCES: Final = {
    "caller": "caller",
    "notice": "notification",
    "agora": "answer",
    "bucket": "bucket",
    "worker": "Pagereel",
}
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC)", re.ASCII)
_KINDS: Final = {"judged": "verification"}


def reason(code: str) -> str:
    """Return why a recording ended."""
    return REASONS.get(str(code), words(code))


def instant(at: float | None) -> Markup | str:
    """Return a timestamp in UTC."""
    if at is None:
        return "–"
    return Markup('<time datetime="{}">{}</time>').format(format_instant(at), _clock(at))


def ago(at: float | None, now: float) -> Markup | str:
    """Return how long ago or ahead a timestamp is, with the exact timestamp as a tooltip."""
    if at is None:
        return "–"
    seconds = max(1.0, round(abs(now - at)))
    length = f"{seconds // 60:.0f} min" if 60 <= seconds < 3600 else span(seconds)
    shown = f"in {length}" if at > now else f"{length} ago"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(format_instant(at), _clock(at), shown)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def time_of_day(at: float) -> str:
    """Return the time of day of a timestamp in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def span(seconds: float | None) -> str:
    """Return a duration as text."""
    return "–" if seconds is None else length(seconds)


def size(count: int | None) -> str:
    """Return a size in bytes as text."""
    return "–" if count is None else size_of(count)


def words(code: str) -> str:
    """Return a code as words."""
    return code.replace("_", " ")


def tail(key: str) -> str:
    """Return the end of an object's name, which distinguishes it from others."""
    name = key.rpartition("/")[2]
    return name if len(name) <= 32 else f"…{name[-28:]}"


def prose(text: str) -> Markup:
    """Return a sentence with `commands` as code and without line breaks inside timestamps."""
    said = text.split("`")
    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else _unbroken(part) for number, part in enumerate(said)
    ]
    return Markup("").join(parts)


def _unbroken(text: str) -> Markup:
    whole = Markup('<span class="one">{}</span>')
    parts = enumerate(_INSTANT.split(text))
    return Markup("").join(whole.format(part) if number % 2 else escape(part) for number, part in parts)


@dataclass(frozen=True, slots=True)
class Event:
    """Equal lines of the history as one event. The first line is at `first_at`, and the last at `at`."""

    first_at: float
    at: float
    source: str
    what: str
    details: str
    count: int


def events(history: Iterable[HistoryEntry]) -> Iterator[Event]:
    """Yield the history for people, with equal lines merged (`runs`)."""
    for lines in folded(history):
        last = lines[-1]
        count = sum(line.count for line in lines)
        details = facts(_told(last, folded=len(lines) > 1))
        yield Event(lines[0].at, last.at, last.source, happened(last), details, count)


def folded(history: Iterable[HistoryEntry]) -> Iterator[list[HistoryEntry]]:
    """Yield the lines of each event of `events`."""
    return runs(history, lambda entry: entry.kind, lambda entry: (entry.kind, entry.source, _told(entry, folded=True)))


def happened(entry: HistoryEntry) -> str:
    """Return the subject of a history line."""
    if entry.kind == "state":
        return f"state: {words(str(entry.detail.get('state', 'unknown')))}"
    if entry.kind in ("attention", "warning"):
        return f"{entry.kind}: {words(str(entry.detail.get('code', 'unknown')))}"
    if entry.kind.startswith("notice_"):
        return words(entry.kind).replace("notice ", "Agora: ", 1)
    return _KINDS.get(entry.kind, words(entry.kind))


# Details that `happened` already contains, or that do not help a person.
_LEFT_OUT: Final = {"state": {"state"}, "attention": {"code"}, "warning": {"code"}}


def _told(entry: HistoryEntry, *, folded: bool = False) -> dict[str, object]:
    left_out = _LEFT_OUT.get(entry.kind, set()) | {"event_type"} | ({"report"} if folded else set())
    return {name: value for name, value in entry.detail.items() if name not in left_out}


def line(entry: HistoryEntry) -> str:
    """Return a history line as a sentence."""
    details = facts(_told(entry))
    return happened(entry) + (f" ×{entry.count}" if entry.count > 1 else "") + (f": {details}" if details else "")


def facts(detail: dict[str, object]) -> str:
    """Return the details of a history line as text. Timestamps become clock times, and Agora's shares percentages."""
    return ", ".join(
        f"{_name(name)} {detail_value(name, value)}" for name, value in detail.items() if value is not None
    )


def _name(name: str) -> str:
    return "by token" if name == "by" else words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()


def named_event(number: int | None) -> str:
    """Return Agora's event number with its name."""
    return "–" if number is None else event_name(number)


def pretty(document: dict[str, Any]) -> str:
    """Return indented JSON."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def none_of(query: Mapping[str, object], what: str) -> str:
    """Return the text for an empty list. It depends on whether the query has conditions."""
    asked = any(value for name, value in query.items() if name != "limit")
    return f"No matching {what}." if asked else f"No {what} yet."


def ending(one: RecordingView) -> str:
    """Return why a recording ended, with its length if that was reached."""
    began, stop = one.instants.recording_at, one.instants.stop_at
    recorded = None if began is None or stop is None else stop - began
    if one.end_reason == "stop_at" and ran_its_length(one.record_for_seconds, recorded):
        return f"length that was asked for reached ({length(one.record_for_seconds or 0)})"
    return reason(one.end_reason or "")


FILTERS: Final = {
    "instant": instant,
    "ago": ago,
    "span": span,
    "size": size,
    "percent": percent,
    "nothing_wanted": nothing_wanted,
    "ending": ending,
    "emulated": emulated,
    "none_of": none_of,
    "words": words,
    "reason": reason,
    "party": lambda blame: PARTIES.get(str(blame), str(blame)),
    "source": lambda source: SOURCES.get(str(source), str(source)),
    "tail": tail,
    "prose": prose,
    "events": events,
    "event_name": named_event,
    "pretty": pretty,
    "tone": lambda code: TONES.get(str(code), "calm"),
}
