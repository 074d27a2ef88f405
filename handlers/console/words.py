"""Facts as people read them: instants, lengths, sizes, states. Pure."""

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

from handlers.instants import format_instant

# How a state looks: what is well, what is under way, what needs a person.
TONES: Final = {
    "verified": "good",
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
    shown = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}">{}</time>').format(format_instant(at), shown)


def ago(at: float | None, now: float) -> str:
    """How long ago, roughly."""
    return "–" if at is None else f"{span(max(0, now - at))} ago"


def span(seconds: float | None) -> str:
    """A length: the two largest units that it has."""
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
    return " ".join(parts[:2])


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


def facts(detail: dict[str, object]) -> str:
    """The details of a line of the timeline."""
    return ", ".join(f"{words(name)} {value}" for name, value in detail.items() if value is not None)


FILTERS: Final = {
    "instant": instant,
    "ago": ago,
    "span": span,
    "size": size,
    "percent": percent,
    "words": words,
    "tail": tail,
    "prose": prose,
    "facts": facts,
    "tone": lambda code: TONES.get(str(code), "calm"),
}
