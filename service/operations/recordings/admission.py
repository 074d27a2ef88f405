"""The admission of a request as a recording: defaults from the preset, names checked against the settings, URLs against
the rules. Pure.

All errors are reported at once, each with the field's pointer, before anything is stored.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar

from service.errors import Code, FieldError, ServiceError, invalid
from service.lifecycle.deadlines import SHORTEST_SECONDS
from service.operations.types import Caller, Wish
from service.recording import Parameters, Recording
from service.settings import Settings, location
from service.settings.presets import MAX_RECORDING_HOUR, Preset
from service.urls.rules import parse_page_url, parse_rtmp_url, redact_rtmp, redact_url

T = TypeVar("T")

SECONDS_OF_DAY = 86400
SECONDS_OF_HOUR = 3600
# Agora counts its hours from the start of the task, which is earlier than the recording of the page.
START_SECONDS = 600
# The maximum number of names that an error lists.
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Choices:
    """The names that a caller's start request may use. `emulated` names the apps that use an emulator of Agora."""

    apps: tuple[str, ...]
    emulated: tuple[str, ...]
    storages: tuple[str, ...]
    presets: tuple[str, ...]
    endpoints: tuple[str, ...]


def choices_of(settings: Settings, caller: Caller) -> Choices:
    """Return the names in the settings that the token may use."""
    storages = [name for name, one in settings.storage.items() if not one.read_only]
    endpoints = [name for name, one in settings.endpoints.items() if one.owners is None or caller.owner in one.owners]
    apps = _usable(settings.apps, caller.apps)
    return Choices(
        apps=apps,
        emulated=tuple(name for name in apps if settings.apps[name].emulated),
        storages=_usable(storages, caller.storages),
        presets=tuple(settings.presets),
        endpoints=tuple(endpoints),
    )


def _usable(names: Iterable[str], allowed: frozenset[str] | None) -> tuple[str, ...]:
    return tuple(name for name in names if allowed is None or name in allowed)


def admit(settings: Settings, caller: Caller, wish: Wish, *, ulid: str, now: float) -> Recording:
    """Return the requested recording. Raise `ServiceError` (invalid) that names every invalid field."""
    preset, choices = settings.presets.get(wish.preset or "default"), choices_of(settings, caller)
    wrong: list[FieldError] = []
    rtmp_url, max_bytes = wish.rtmp_url, settings.limits.url_max_bytes
    if preset is None:
        wrong.append(FieldError("/preset", f"is unknown; {there_is(choices.presets)}"))
    known, required = preset or Preset(), preset is not None
    app = _named("/app", wish.app or known.app, choices.apps, wrong, required=required)
    storage = _named("/storage", wish.storage or known.storage, choices.storages, wrong, required=required)
    page = _collected(wrong, lambda: parse_page_url(wish.url, settings.urls, max_bytes=max_bytes))
    rtmp = _collected(wrong, lambda: parse_rtmp_url(rtmp_url, settings.urls, max_bytes=max_bytes)) if rtmp_url else None
    notify = known.notify if wish.notify is None else wish.notify
    _check_endpoints(notify, choices.endpoints, wrong)
    _check_instants(wish, now, settings.limits.max_ahead_days * SECONDS_OF_DAY, wrong)
    if preset is None:  # fields that depend on the preset cannot be checked
        raise _all_wrong(wrong)
    if wish.max_restarts and (wish.restart or preset.restart) == "never":
        wrong.append(FieldError("/max_restarts", 'has no effect while restart is "never"; set restart to "on_failure"'))
    parameters = _collected(wrong, lambda: preset.parameters(wish.parameters))
    if parameters is not None:
        parameters = _with_hours(wish, parameters, now, wrong)
    if wrong or page is None or parameters is None:
        raise _all_wrong(wrong)
    policy = settings.policy(
        preset,
        max_missing_seconds=wish.max_missing_seconds,
        restart=wish.restart,
        max_restarts=wish.max_restarts,
        start_within_seconds=wish.start_within_seconds,
        level=wish.level or settings.storage[storage].level,
    )
    return Recording(
        id=f"rec_{ulid}",
        owner=caller.owner,
        app=app,
        storage=storage,
        location=location(settings.storage[storage], ulid),
        parameters=parameters,
        policy=policy,
        page=redact_url(page.text),
        rtmp=redact_rtmp(rtmp.text) if rtmp else None,
        requested_at=now,
        cname=f"{settings.deployment}-{ulid.lower()}",
        labels=wish.labels,
        notify=tuple(dict.fromkeys(notify)),
        start_at=wish.start_at,
        stop_at=wish.stop_at,
        record_for_seconds=wish.record_for_seconds,
        sound=preset.sound if wish.sound is None else wish.sound,
        emulated=settings.apps[app].emulated,
        start_deadline_at=(wish.start_at or now) + policy.start_within_seconds,
        state_since_at=now,
        window_from_at=None if parameters.onhold else (wish.start_at or now),
        pause_wished=parameters.onhold,
        pause_wished_at=(wish.start_at or now) if parameters.onhold else None,
    )


def _named(pointer: str, name: str | None, usable: tuple[str, ...], wrong: list[FieldError], *, required: bool) -> str:
    """Return the name if it exists and the token may use it. A name that the token may not use is reported as
    nonexistent. `required` is false if the preset is unknown, because the preset may contain the name."""
    if name is None and len(usable) == 1:
        return usable[0]
    if name is None:
        if required:
            wrong.append(FieldError(pointer, f"is required; {there_is(usable)}"))
    elif name not in usable:
        wrong.append(FieldError(pointer, f"is unknown; {there_is(usable)}"))
    return name or ""


def _check_endpoints(names: tuple[str, ...], usable: tuple[str, ...], wrong: list[FieldError]) -> None:
    """Check that every endpoint is available to the owner."""
    for number, name in enumerate(names):
        if name not in usable:
            wrong.append(FieldError(f"/notify/{number}", f"is unknown; {there_is(usable)}"))


def refuse_unknown(pointer: str, known: Iterable[str]) -> NoReturn:
    """Raise the `invalid` error for a name that neither the settings nor the owner's data contain."""
    raise invalid(pointer, f"is unknown; {there_is(known)}")


def there_is(names: Iterable[str]) -> str:
    """Return the available names in words."""
    known = sorted(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"available: {', '.join(known[:_MOST_NAMES])}{more}" if known else "none is available"


def _collected(wrong: list[FieldError], parse: Callable[[], T]) -> T | None:
    """Return the result of `parse`. Add its errors to `wrong`."""
    try:
        return parse()
    except ServiceError as error:
        wrong.extend(error.errors)
        return None


def _check_instants(wish: Wish, now: float, ahead_seconds: float, wrong: list[FieldError]) -> None:
    if wish.start_at is not None and wish.start_at < now:
        wrong.append(FieldError("/start_at", "is in the past"))
    if wish.start_at is not None and wish.start_at > now + ahead_seconds:
        wrong.append(FieldError("/start_at", f"is more than {ahead_seconds / SECONDS_OF_DAY:g} days ahead"))
    if wish.stop_at is not None and wish.stop_at < (wish.start_at or now) + SHORTEST_SECONDS:
        wrong.append(FieldError("/stop_at", "is not after the start" if wish.stop_at > now else "is in the past"))
    if wish.stop_at is not None and wish.record_for_seconds is not None:
        wrong.append(FieldError("/record_for_seconds", "cannot be combined with stop_at"))


def _with_hours(wish: Wish, parameters: Parameters, now: float, wrong: list[FieldError]) -> Parameters:
    """Return the parameters with enough hours for the requested length, so that Agora's hour limit does not end the
    recording early. If the caller sets the hours, keep them, but refuse them if they are too few."""
    pointer, length = "/record_for_seconds", wish.record_for_seconds
    if wish.stop_at is not None:
        pointer, length = "/stop_at", wish.stop_at - (wish.start_at or now)
    if length is None:
        return parameters
    named = "max_recording_hour" in wish.parameters
    most = parameters.max_recording_hour if named else MAX_RECORDING_HOUR
    if length > most * SECONDS_OF_HOUR:
        wrong.append(FieldError(pointer, f"asks for more than max_recording_hour, which is {most} h"))
    if named:
        return parameters
    hours = min(MAX_RECORDING_HOUR, math.ceil((length + START_SECONDS) / SECONDS_OF_HOUR))
    return replace(parameters, max_recording_hour=max(hours, parameters.max_recording_hour))


def _all_wrong(wrong: list[FieldError]) -> ServiceError:
    text = "; ".join(f"{each.pointer}: {each.message}" for each in wrong)
    return ServiceError(Code.INVALID, text, errors=tuple(wrong))
