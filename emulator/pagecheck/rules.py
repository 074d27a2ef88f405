"""The rules for pages, each with what was measured (agora-reference §11, §8.6). Pure.

For: judging. `error` breaks a rule of Agora's; `warning` is a risk that a person should look at. Agora names no limits
for CPU and memory: ours are stated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emulator.pagecheck.seen import Loaded, Seen, Traffic, show_url, unique

_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """Where it is too much. The longer and the shorter side of a video; Mbit/s; cores; a share; bytes."""

    video_long: int = 1920
    video_short: int = 1080
    down: float = 10.0
    up: float = 2.0
    cpu: float = 2.0
    busy: float = 0.75
    memory_bytes: int = 2 * 1024**3
    ready_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule: what was measured, and `error` or `warning` where that breaks it."""

    code: str
    rule: str
    value: str
    severity: str | None = None
    advice: str = ""


def judge(seen: Seen, limits: Limits) -> list[Judged]:
    """Every rule that could be judged; of a page that did not come, only why."""
    address = list(_address(seen))
    if seen.first.status is None:
        return address
    parts = (_first_look(seen), _content(seen, limits), _load(seen, limits), _second_look(seen, limits), _faults(seen))
    return address + [judged for part in parts for judged in part]


def _judged(code: str, rule: str, value: str, broken: bool, advice: str, severity: str = "error") -> Judged:
    return Judged(code, rule, value, severity if broken else None, advice if broken else "")


def _address(seen: Seen) -> Iterator[Judged]:
    first = seen.first
    yield _judged(
        "certificate",
        "its certificates are valid",
        _some(seen.certificates) or "valid",
        bool(seen.certificates),
        "Use a certificate that browsers trust, for the page and for everything it loads.",
    )
    if first.problem and seen.certificates:
        return
    good = first.status is not None and first.status < 400
    yield _judged(
        "opens",
        "the page opens",
        first.problem or str(first.status),
        not good,
        "Make the page answer 200 without a log-in: 404 and 5xx end the recording at once.",
    )


def _first_look(seen: Seen) -> Iterator[Judged]:
    first = seen.first
    yield _redirects("redirect", first)
    yield _judged(
        "login",
        "it needs no log-in",
        "password field found" if first.login else "none found",
        first.login,
        "Log in through the URL, for example with a token in it: nobody types in the recorder.",
    )
    yield _judged(
        "dialog",
        "no dialog waits for a person",
        _some(first.dialogs) or "none",
        bool(first.dialogs),
        "Show no alert, confirm or prompt to the recorder: nobody answers it.",
    )
    yield _judged(
        "windows",
        "it opens no window, print sheet or other program",
        _some(unique(seen.windows)) or "none opened",
        bool(seen.windows),
        "Open no other window for the recorder: it may cover the recording until its end.",
    )
    if first.layout is not None:
        layout = first.layout
        overlay = layout.overlay
        yield _judged(
            "overlay",
            "nothing covers the whole page",
            "no overlay" if overlay is None else overlay.what + (" waits for a click" if overlay.waits else ""),
            overlay is not None,
            "Show the recorder no cookie wall, tour or overlay (recognise it by a URL parameter): nobody closes it.",
            "error" if overlay is not None and overlay.waits else "warning",
        )
        yield _judged(
            "layout",
            "everything is on one screen",
            f"content {layout.content_width} × {layout.content_height} in {layout.width} × {layout.height}"
            + (", cut off" if layout.overflow and layout.cut else ""),
            layout.overflow > 1,
            "Lay out the page for exactly the recorded size (100vw × 100vh): nobody scrolls.",
            "warning" if layout.cut else "error",
        )
    yield _judged(
        "scrolls_inside",
        "no part of it scrolls by itself",
        f"{seen.scrolls_inside} part(s)",
        seen.scrolls_inside > 0,
        "Keep the newest entries of a list in view: entries that are scrolled away are not recorded.",
        "warning",
    )


def _redirects(code: str, loaded: Loaded) -> Judged:
    hops = " → ".join(map(show_url, loaded.chain[1:]))
    if loaded.foreign_host is not None:
        advice = "Give the recorder the final address: a redirect to another domain leads to no recording."
        return Judged(code, "it does not redirect", hops, "error", advice)
    advice = "Give the recorder the final address: a redirect can fail at the next reload."
    return _judged(code, "it does not redirect", hops or "no redirect", loaded.moved, advice, "warning")


def _content(seen: Seen, limits: Limits) -> Iterator[Judged]:
    videos = [one for one in seen.media.values() if one.width]
    largest = max(videos, key=lambda one: one.width * one.height, default=None)
    yield _judged(
        "video_size",
        f"videos in it are at most {limits.video_long} × {limits.video_short}",
        f"{largest.width} × {largest.height}" if largest else "no video",
        any(
            max(one.width, one.height) > limits.video_long or min(one.width, one.height) > limits.video_short
            for one in videos
        ),
        "Give the recorder a smaller rendition: a larger source ends the recording (event 72, resolution).",
    )
    silent = [one for one in seen.media.values() if not one.played]
    yield _judged(
        "autoplay",
        "media play by themselves",
        f"{len(silent)} of {len(seen.media)} never played" if seen.media else "no media",
        bool(silent),
        "Set autoplay, or call play(), on every video and audio element: nobody presses play.",
    )
    yield _judged(
        "webgl",
        "no WebGL",
        _some(unique(seen.webgl)) or "not used",
        bool(seen.webgl),
        "Draw with 2D canvas or DOM for the recorder: WebGL ends the recording (event 72, WebGL).",
    )
    yield _judged(
        "capture",
        "it opens no camera, microphone or screen",
        _some(unique(seen.opens)) or "none opened",
        bool(seen.opens),
        "Skip devices for the recorder (recognise it by a URL parameter): it has none.",
        "warning",
    )
    yield _judged(
        "publishes",
        "it publishes no stream",
        _some(unique(seen.publishes)) or "none published",
        bool(seen.publishes),
        "Join as audience: otherwise others see the recorder as an empty participant.",
        "warning",
    )


def _load(seen: Seen, limits: Limits) -> Iterator[Judged]:
    down = Traffic.busiest(seen.traffic.down, seen.seconds)
    up = Traffic.busiest(seen.traffic.up, seen.seconds)
    narrower = "Give the recorder a rendition with a lower bit rate, or fewer streams."
    yield _judged(
        "downlink", f"at most {limits.down:g} Mbit/s down", f"{down:.2f} Mbit/s", down > limits.down, narrower
    )
    yield _judged("uplink", f"at most {limits.up:g} Mbit/s up", f"{up:.2f} Mbit/s", up > limits.up, narrower)
    yield _judged(
        "cpu",
        f"CPU: main thread below {limits.busy:.0%}, at most {limits.cpu:g} cores (our limits)",
        f"main thread {seen.busy:.0%}, {seen.cpu:.2f} cores",
        seen.busy > limits.busy or seen.cpu > limits.cpu,
        "Find what keeps the page busy (Performance panel of the developer tools): the recorder drops frames.",
    )
    yield _judged(
        "memory",
        f"at most {limits.memory_bytes / 1024**2:.0f} MiB of memory (our limit)",
        f"{seen.memory_bytes / 1024**2:.0f} MiB",
        seen.memory_bytes > limits.memory_bytes,
        "Free memory that the page no longer needs: a page that grows for hours is killed.",
    )


def _second_look(seen: Seen, limits: Limits) -> Iterator[Judged]:
    lost = "" if seen.second is None else "; ".join(_lost(seen.first, seen.second))
    yield _judged(
        "reload",
        "it survives a reload",
        lost or ("not tried" if seen.second is None else "the same page"),
        bool(lost),
        "Keep state on the server, and let the token in the URL work twice: Agora may reload the page (event 73).",
    )
    asked = limits.ready_seconds
    first = _ready(seen.first, asked)
    again = None if seen.second is None else _ready(seen.second, asked)
    late = asked is not None and not (first and again is not False)
    called = seen.first.ready_seconds
    yield _judged(
        "ready",
        "notifyReady() is called" + (f" within {asked:g} s" if asked is not None else " (not required)"),
        ("never" if called is None else f"after {called:.1f} s")
        + (", but not after the reload" if first and again is False else ""),
        late,
        "Call window.navigator.notifyReady() at every load when the page is ready: otherwise Agora gives it up.",
    )


def _ready(loaded: Loaded, within: float | None) -> bool:
    return loaded.ready_seconds is not None and (within is None or loaded.ready_seconds <= within)


def _lost(first: Loaded, second: Loaded) -> Iterator[str]:
    """What is worse after the reload."""
    if second.status is None or second.status >= 400:
        yield second.problem or f"it answers {second.status}"
        return
    if second.login and not first.login:
        yield "it asks for a log-in"
    if first.chain and second.chain and second.chain[-1] != first.chain[-1]:
        yield f"it redirects to {show_url(second.chain[-1])}"
    if first.layout and second.layout and second.layout.text < first.layout.text / 2:
        yield f"{second.layout.text} characters of text instead of {first.layout.text}"
    if set(second.dialogs) - set(first.dialogs):
        yield "a dialog opens"


def _faults(seen: Seen) -> Iterator[Judged]:
    yield _judged(
        "requests",
        "all its requests succeed",
        _some(unique(seen.failed_requests)) or "all succeeded",
        bool(seen.failed_requests),
        "Check each one in the network panel: what is missing here is missing in the recording.",
        "warning",
    )
    yield _judged(
        "scripts",
        "its scripts report no error",
        _some(unique(seen.script_errors)) or "none",
        bool(seen.script_errors),
        "Check each one in the console: the recorder's browser reports it too.",
        "warning",
    )


def _some(texts: list[str]) -> str:
    """The first few of them."""
    more = f" and {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(texts[:_MOST_SHOWN]) + more
