"""The texts that refuse wrong values. Pure. The texts never contain the value, which may be a secret."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import ErrorDetails

_TYPES: Final = {
    **dict.fromkeys(("dict_type", "typed_dict_type", "model_type", "mapping_type"), "must be an object"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "list_type": "must be a list",
    "string_type": "must be a text",
    "finite_number": "must be a finite number",
}
# Texts for patterns. Any other pattern is shown itself.
_PATTERNS: Final = {
    r"^[A-Za-z0-9_.-]{1,64}$": "must be a name of 1 to 64 letters, digits, _ . or -",
    r"^[a-z0-9_.-]{1,32}$": "is no key: keys have 1 to 32 of a to z, 0 to 9, _ . and -",
    r"^[^\x00-\x1f\x7f]*$": "must not have control characters",
    r"^[^\x00-\x20\x7f]+$": "must be a URL without blanks or control characters",
    r"^rtmps?://[^\x00-\x20\x7f]+$": "must begin with rtmp:// or rtmps:// and have no blanks",
    r"^msg_[A-Za-z0-9_]{1,64}$": "must be the id of a message, msg_…",
    r"^[A-Za-z0-9_=.-]{1,512}$": "must be a cursor, as `next` gave it",
    r"^20[0-9]{2}-(0[1-9]|1[0-2])$": 'must be a month, such as "2026-11"',
}
_NAMED: Final = {
    "notify": "must name an endpoint of the settings; a URL cannot be given here",
    "app": "must name an app of the settings",
    "storage": "must name a storage profile of the settings",
    "preset": "must name a preset of the settings",
}
# Names that callers of other services use.
_MEANT: Final = {
    **{"webhook_url": "notify", "callback_url": "notify", "webhook": "notify", "callback": "notify"},
    **{"width": "video_width", "height": "video_height", "fps": "video_fps", "bitrate": "video_bitrate"},
    **{"status": "state", "after": "from", "since": "from", "before": "to", "until": "to", "page": "cursor"},
    **{"per_page": "limit", "metadata": "labels", "tags": "labels", "duration": "record_for_seconds"},
    **dict.fromkeys(("audio", "has_sound", "no_sound", "mute", "muted", "silent"), "sound"),
}

_REMOVED: Final = {"stop_at": "an end can be moved, not removed", "labels": "{} removes all labels"}
# If a field is unknown, the fields of the call are listed if there are at most this many.
_FEW: Final = 8


def suggest(name: str, known: Collection[str]) -> str:
    """Return the field that was probably meant, as the end of a sentence. If there is none, return an empty string."""
    meant = _MEANT.get(name.lower())
    near = [meant] if meant in known else get_close_matches(name.lower()[:64], known, n=1, cutoff=0.75)
    return f" (did you mean {near[0]}?)" if near else ""


def refuse_unknown(name: str, known: Collection[str], fixed: Collection[str]) -> str:
    """Return why a field that the call does not take is refused. `known` are the fields that it takes, and `fixed`
    those that it cannot change. A short list of fields is included."""
    few = ", ".join(known) if len(known) <= _FEW else None
    if name in fixed:
        return f"cannot be changed afterwards; what can be changed: {few}"
    if near := suggest(name, known):
        return "is unknown" + near
    return f"is unknown; this call takes {few}" if few else "is unknown"


def refuse_null(name: str, message: str, *, required: bool, changing: bool) -> str:
    """Return the refusal of a null value. The caller may have meant to omit the field or, if `changing` is true, to
    remove its current value."""
    if required:
        return f"{message}, not null"
    return f"{message}, not null; {_REMOVED[name] if changing else 'leave the field out to say nothing about it'}"


def words_of(detail: ErrorDetails) -> str:
    """Return what is wrong with a value, in the API's words."""
    kind, context = detail["type"], detail.get("ctx", {})
    match kind:
        case "greater_than_equal":
            return f"must be at least {_number(context['ge'])}"
        case "less_than_equal":
            return f"must be at most {_number(context['le'])}"
        case "string_too_long":
            return f"must not be longer than {context['max_length']} characters"
        case "too_long":
            return f"must have at most {context['max_length']} entries"
        case "too_short":
            return f"must have at least {context['min_length']} entries"
        case "literal_error" | "enum":
            return f"must be {context['expected']}"
        case "string_pattern_mismatch":
            return _pattern_words(str(context["pattern"]), detail["loc"])
    return _TYPES.get(kind, detail["msg"])


def _number(bound: float) -> str:
    return f"{bound:.15g}"


def _pattern_words(pattern: str, place: tuple[Any, ...]) -> str:
    named = _NAMED.get(str(place[0])) if place else None
    return named or _PATTERNS.get(pattern, f"must match {pattern}")


def summary(errors: Collection[tuple[str, str]]) -> str:
    """Return one sentence with the first reasons, because many clients log only this."""
    told = [f"{pointer or 'the body'} {message}" for pointer, message in list(errors)[:3]]
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return f"Not valid: {'; '.join(told)}{more}."
