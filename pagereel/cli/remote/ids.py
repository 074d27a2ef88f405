"""Ids as people type them: `last`, the whole id, its beginning, or its end."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final

from pagereel.cli.remote.session import CallError, Service, remote
from pagereel.cli.terminal.options import argument
from pagereel.cli.terminal.parameters import rfc3339
from service.ulids import LENGTH, read_part, span_of

LAST: Final = "last"
_SHORTEST_END: Final = 6
_MOST_ENDS: Final = 1000
_LATEST: Final = 253_402_300_000.0  # the last timestamps that RFC 3339 can represent
_NOT_FOUND: Final = 404
_FORM: Final = (
    "ids look like rec_01M8JHGHNXHVJ5HX7G9SV1VHBC; a unique beginning, the last 6 characters or `last` also work"
)


async def recording_of(service: Service, text: str) -> str:
    """Return the id of the recording that `text` refers to. Raise `CallError` if it refers to none or to several."""
    if text.lower() == LAST:
        newest = await _first(service, {}, 1, lambda _: True)
        if not newest:
            raise CallError("there are no recordings yet")
        return newest[0]
    part = read_part(text)
    if part is None:
        raise CallError(f"{text}: no such recording ({_FORM})")
    if len(part) == LENGTH:
        return f"rec_{part}"
    found = await _beginning(service, part) or await _ending(service, part)
    if len(found) > 1:
        shown = ", ".join(found)
        raise CallError(f"{text} matches several recordings, the newest are {shown}: give more characters")
    if not found:
        raise CallError(f"{text}: no such recording ({_FORM})")
    return found[0]


async def _beginning(service: Service, part: str) -> list[str]:
    """Return at most two recordings whose ids begin with `part`. An id begins with the time of its request."""
    from_at, to_at = span_of(part)
    if from_at >= _LATEST:
        return []
    span = {"from": rfc3339(max(from_at - 1, 0)), "to": rfc3339(min(to_at + 1, _LATEST))}
    return await _first(service, span, None, lambda name: name.startswith(f"rec_{part}"))


async def _ending(service: Service, part: str) -> list[str]:
    """Return at most two of the newest 1,000 recordings whose ids end with `part`."""
    if len(part) < _SHORTEST_END:
        return []
    return await _first(service, {}, _MOST_ENDS, lambda name: name.endswith(part))


async def _first(service: Service, where: dict[str, str], limit: int | None, fits: Callable[[str], bool]) -> list[str]:
    found: list[str] = []
    async for item in service.items("/v1/recordings", where, limit):
        if fits(item["id"]):
            found.append(item["id"])
        if len(found) == 2:
            break
    return found


async def message_of(service: Service, text: str) -> str:
    """Return the id of the dead message that begins with `text`, or `text` itself if it is complete or matches none."""
    if text.count("_") > 1:
        return text
    dead = {item["message_id"] async for item in service.items("/v1/messages", {"state": "dead"})}
    found = sorted(name for name in dead if name.startswith(text))
    if len(found) > 1:
        raise CallError(
            f"{text} matches several dead messages, such as {found[0]} and {found[1]}: give more characters"
        )
    return found[0] if found else text


def remote_recording(
    run: Callable[..., Coroutine[Any, Any, int | None]],
) -> Callable[..., None]:
    """Turn a function into a command about one recording. The function gets a `Service` and the recording's whole id
    first."""

    @wraps(run)
    async def resolved(service: Service, recording: str, **given: Any) -> int | None:
        found = await recording_of(service, recording)
        try:
            return await run(service, found, **given)
        except CallError as error:
            if error.status != _NOT_FOUND or error.wrong:
                raise
            raise CallError(f"{found}: {error}", error.status) from None

    return argument("recording", metavar="ID")(remote(resolved))
