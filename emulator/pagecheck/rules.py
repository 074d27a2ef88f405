"""The rules for pages, each with its measurement (agora-reference §11, §8.6). Pure.

An `error` breaks one of Agora's rules. A `warning` is a risk that a person should check. Agora states no limits for CPU
and memory, so our own limits are stated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emulator.pagecheck.advice import advice_on_certificates, advice_on_error, advice_on_slowness, advice_on_status
from emulator.pagecheck.seen import Layout, Loaded, Seen, Traffic, show_url, unique

_MOST_SHOWN = 3
# Below this share, a picture that was scaled down and encoded cannot be distinguished from one colour.
_LEAST_DRAWN = 0.01
_NO_REDIRECT = "it does not redirect"
_NOT_OPEN = "the page did not open"
_TOLD_NOTHING = "the page told nothing: no script runs in it"
# Rules that depend on `watch.js` inside the page.
_TOLD_BY_PAGE = frozenset(
    ("login", "windows", "scrolls_inside", "video_size", "autoplay", "webgl", "capture", "publishes")
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits: the longer and the shorter side of a video in pixels, Mbit/s, cores, a share, bytes and seconds."""

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
    """The result of one rule: the measurement, and `error` or `warning` if it breaks the rule. If `measured` is False,
    nothing was measured, and `value` is the reason."""

    code: str
    rule: str
    value: str
    severity: str | None = None
    advice: str = ""
    measured: bool = True


def judge(seen: Seen, limits: Limits) -> list[Judged]:
    """Evaluate every rule. If the page did not open, evaluate only its address, because an error page does not
    represent it."""
    parts = (_first_look(seen), _content(seen, limits), _load(seen, limits), _second_look(seen, limits), _faults(seen))
    others = [judged for part in parts for judged in part]
    if seen.first.status is None or seen.first.status >= 400:
        others = [_unmeasured(one.code, one.rule, _NOT_OPEN) for one in others]
    elif seen.first.layout is None:
        others = [
            _unmeasured(one.code, one.rule, _TOLD_NOTHING) if one.code in _TOLD_BY_PAGE and not one.severity else one
            for one in others
        ]
    return [*_address(seen), *others]


def _unmeasured(code: str, rule: str, reason: str) -> Judged:
    return Judged(code, rule, reason, measured=False)


def _judged(code: str, rule: str, value: str, broken: bool, advice: str, severity: str = "error") -> Judged:
    return Judged(code, rule, value, severity if broken else None, advice if broken else "")


def _address(seen: Seen) -> Iterator[Judged]:
    first = seen.first
    rule = "its certificates are valid"
    if seen.certificates or seen.secure:
        advice = advice_on_certificates(seen.certificates)
        yield _judged("certificate", rule, _some(seen.certificates) or "valid", bool(seen.certificates), advice)
    else:
        yield _unmeasured("certificate", rule, _NOT_OPEN if first.status is None else "nothing came over TLS")
    yield _opens(first, refused=bool(first.problem and seen.certificates))
    if first.moved or first.status is not None:
        yield _redirects("redirect", first)
    else:
        yield _unmeasured("redirect", _NO_REDIRECT, _NOT_OPEN)


def _opens(first: Loaded, *, refused: bool) -> Judged:
    code, rule = "opens", "the page opens"
    if refused:
        return _unmeasured(code, rule, "its certificate is refused")
    if first.status is None:
        return Judged(code, rule, first.problem.removeprefix("net::"), "error", advice_on_error(first.problem))
    if first.status >= 400:
        return Judged(code, rule, str(first.status), "error", advice_on_status(first.status))
    value = f"{first.status}, but it had not loaded when that was given up" if first.unfinished else str(first.status)
    return _judged(code, rule, value, first.unfinished, advice_on_slowness(), "warning")


def _first_look(seen: Seen) -> Iterator[Judged]:
    first = seen.first
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
    yield _empty(seen)
    yield from _layout(first.layout)
    yield _judged(
        "scrolls_inside",
        "no part of it scrolls by itself",
        f"{seen.scrolls_inside} part(s)",
        seen.scrolls_inside > 0,
        "Keep the newest entries of a list in view: entries that are scrolled away are not recorded.",
        "warning",
    )


def _empty(seen: Seen) -> Judged:
    code, rule, drawn = "empty", "it shows something", seen.drawn
    if drawn is None:
        return _unmeasured(code, rule, "there is no screenshot")
    if not drawn.empty:
        return _judged(
            code,
            rule,
            f"{drawn.share:.1%} of it is not {drawn.colour}",
            drawn.share < _LEAST_DRAWN,
            "Let it show more, or its recording may be called blank. If that is only until something begins, check it "
            "again then.",
            "warning",
        )
    return _judged(
        code,
        rule,
        f"all of it is {drawn.colour}",
        True,
        "See what the page waits for: a script error, a click, a log-in, a participant. If it is empty only until "
        "something begins, check it again then. A recording of it shows nothing.",
    )


def _layout(layout: Layout | None) -> Iterator[Judged]:
    rules = {
        "overlay": "nothing covers the whole page",
        "consent": "no question for consent covers a part of it",
        "layout": "everything is on one screen",
    }
    if layout is None:
        yield from (_unmeasured(code, rule, _TOLD_NOTHING) for code, rule in rules.items())
        return
    overlay, bar = layout.overlay, layout.consent
    yield _judged(
        "overlay",
        rules["overlay"],
        "no overlay" if overlay is None else overlay.what + (" waits for a click" if overlay.waits else ""),
        overlay is not None,
        "Show the recorder no cookie wall, tour or overlay (recognise it by a URL parameter): nobody closes it.",
        "error" if overlay is not None and overlay.waits else "warning",
    )
    yield _judged(
        "consent",
        rules["consent"],
        "none found" if bar is None else f"{bar.what} covers {bar.share:.0%} of the window",
        bar is not None,
        "Show the recorder no cookie bar (recognise it by a URL parameter): nobody answers it, so it stays to the end.",
        "warning",
    )
    yield _judged(
        "layout",
        rules["layout"],
        f"content {layout.content_width} × {layout.content_height} in {layout.width} × {layout.height}"
        + (", cut off" if layout.overflow and layout.cut else ""),
        layout.overflow > 1,
        "Lay out the page for exactly the recorded size (100vw × 100vh): nobody scrolls.",
        "warning" if layout.cut else "error",
    )


def _redirects(code: str, loaded: Loaded) -> Judged:
    hops = " → ".join(map(show_url, loaded.chain[1:]))
    if loaded.foreign_host is not None:
        advice = "Give the recorder the final address: a redirect to another domain leads to no recording."
        return Judged(code, _NO_REDIRECT, hops, "error", advice)
    advice = "Give the recorder the final address: a redirect can fail at the next reload."
    return _judged(code, _NO_REDIRECT, hops or "no redirect", loaded.moved, advice, "warning")


def _content(seen: Seen, limits: Limits) -> Iterator[Judged]:
    yield _video_size(seen, limits)
    yield _unmeasured("sound", "it makes sound", "check-page does not listen")
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


def _video_size(seen: Seen, limits: Limits) -> Judged:
    code, rule = "video_size", f"videos in it are at most {limits.video_long} × {limits.video_short}"
    videos = [one for one in seen.media.values() if one.tag == "video"]
    known = [one for one in videos if one.width]
    largest = max(known, key=lambda one: one.width * one.height, default=None)
    if videos and largest is None:
        return _unmeasured(code, rule, f"{len(videos)} of {len(videos)} never loaded")
    return _judged(
        code,
        rule,
        f"{largest.width} × {largest.height}" if largest else "no video",
        any(
            max(one.width, one.height) > limits.video_long or min(one.width, one.height) > limits.video_short
            for one in known
        ),
        "Give the recorder a smaller rendition: a larger source ends the recording (event 72, resolution).",
    )


def _load(seen: Seen, limits: Limits) -> Iterator[Judged]:
    down = Traffic.busiest(seen.traffic.down, seen.seconds)
    up = Traffic.busiest(seen.traffic.up, seen.seconds)
    narrower = "Give the recorder a rendition with a lower bit rate, or fewer streams."
    yield _judged(
        "downlink", f"at most {limits.down:g} Mbit/s down", f"{down:.2f} Mbit/s", down > limits.down, narrower
    )
    yield _judged("uplink", f"at most {limits.up:g} Mbit/s up", f"{up:.2f} Mbit/s", up > limits.up, narrower)
    yield _cpu(seen, limits)
    rule = f"at most {limits.memory_bytes / 1024**2:.0f} MiB of memory (our limit)"
    if not seen.memory_bytes:
        yield _unmeasured("memory", rule, "the system does not tell")
        return
    yield _judged(
        "memory",
        rule,
        f"{seen.memory_bytes / 1024**2:.0f} MiB",
        seen.memory_bytes > limits.memory_bytes,
        "Free memory that the page no longer needs: a page that grows for hours is killed.",
    )


def _cpu(seen: Seen, limits: Limits) -> Judged:
    rule = f"CPU: main thread below {limits.busy:.0%}, at most {limits.cpu:g} cores (our limits)"
    # The duration of a task includes the time in which it waits for a core, which depends on this machine and not on
    # the page. Therefore only the busy share of the time with a core counts.
    own = max(0.0, seen.busy - seen.starved) / max(0.01, 1.0 - seen.starved)
    if seen.cpu <= limits.cpu and seen.busy > limits.busy >= own:
        return _unmeasured("cpu", rule, f"this machine had no core free for {seen.starved:.0%} of the time")
    return _judged(
        "cpu",
        rule,
        f"main thread {seen.busy:.0%}, {seen.cpu:.2f} cores",
        seen.busy > limits.busy or seen.cpu > limits.cpu,
        "Find what keeps the page busy (Performance panel of the developer tools): the recorder drops frames.",
    )


def _second_look(seen: Seen, limits: Limits) -> Iterator[Judged]:
    rule = "it survives a reload"
    if seen.second is None:
        yield _unmeasured("reload", rule, "not tried")
    else:
        lost = "; ".join(_lost(seen.first, seen.second))
        yield _judged(
            "reload",
            rule,
            lost or "the same page",
            bool(lost),
            "Keep state on the server, and let the token in the URL work twice: Agora may reload the page (event 73).",
        )
    called, asked = seen.first.ready_seconds, limits.ready_seconds
    value = "never" if called is None else f"after {called:.1f} s"
    if asked is None:
        reason = f"it is not required without --ready-timeout ({value})"
        yield _unmeasured("ready", "notifyReady() is called", reason)
        return
    first = _ready(seen.first, asked)
    again = None if seen.second is None else _ready(seen.second, asked)
    yield _judged(
        "ready",
        f"notifyReady() is called within {asked:g} s",
        value + (", but not after the reload" if first and again is False else ""),
        not (first and again is not False),
        "Call window.navigator.notifyReady() at every load when the page is ready: otherwise Agora gives it up.",
    )


def _ready(loaded: Loaded, within: float) -> bool:
    return loaded.ready_seconds is not None and loaded.ready_seconds <= within


def _lost(first: Loaded, second: Loaded) -> Iterator[str]:
    """Yield the differences that make the page worse after the reload."""
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
    """Return the first few texts, and the number of the remaining texts."""
    more = f" and {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(texts[:_MOST_SHOWN]) + more
