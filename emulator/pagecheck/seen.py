"""The measurements of a page. Pure data, and the arithmetic of its traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from emulator.pagecheck.picture import Drawn

_BUSIEST_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Overlay:
    """An element that covers the whole page. `waits` is true if it contains something to click or fill in."""

    what: str
    waits: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A request for consent, and the share of the window that it covers."""

    what: str
    share: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The window and its content, in pixels. `cut` is true if the page hides content that does not fit."""

    width: int
    height: int
    content_width: int
    content_height: int
    cut: bool
    text: int
    title: str
    overlay: Overlay | None = None
    consent: Bar | None = None

    @property
    def overflow(self) -> int:
        """Return by how many pixels the content exceeds the window."""
        return max(self.content_width - self.width, self.content_height - self.height, 0)


@dataclass(frozen=True, slots=True)
class Media:
    """A media element with a source."""

    tag: str
    width: int
    height: int
    autoplay: bool
    played: bool


@dataclass
class Loaded:
    """One load of the page. If no answer arrived, `status` is None and `problem` is set. `unfinished` is true if an
    answer arrived but loading did not finish in time."""

    status: int | None = None
    problem: str = ""
    unfinished: bool = False
    chain: list[str] = field(default_factory=list)
    layout: Layout | None = None
    login: bool = False
    ready_seconds: float | None = None
    dialogs: list[str] = field(default_factory=list)

    @property
    def moved(self) -> bool:
        """Return True if the page was redirected."""
        return len(self.chain) > 1

    @property
    def foreign_host(self) -> str | None:
        """Return the host of another domain to which the page redirected, or None."""
        hosts = [urlsplit(url).hostname or "" for url in self.chain]
        return next((host for host in hosts[1:] if not _related(hosts[0], host)), None)


@dataclass
class Traffic:
    """Bytes for each second since the page was loaded."""

    down: dict[int, float] = field(default_factory=dict)
    up: dict[int, float] = field(default_factory=dict)

    def add(self, way: dict[int, float], at: float, count: float) -> None:
        """Add bytes of one direction."""
        second = max(0, int(at))
        way[second] = way.get(second, 0) + count

    @staticmethod
    def busiest(way: dict[int, float], seconds: float) -> float:
        """Return the Mbit/s of the busiest 5 seconds, or of the whole time if it was shorter."""
        window = max(1, min(_BUSIEST_SECONDS, int(seconds)))
        starts = range(max(way, default=0) + 1)
        most = max(sum(way.get(start + offset, 0) for offset in range(window)) for start in starts)
        return most * 8 / window / 1e6


@dataclass
class Seen:
    """All measurements of a page.

    `cpu` is in cores. `busy` is the share of time in which the main thread had a task, and `starved` the share in which
    it waited for a core. All three refer to the observed seconds. If `memory_bytes` is 0, it is unknown. `secure` is
    true if at least one answer came over TLS. `drawn` is the content at the end.
    """

    seconds: float
    first: Loaded = field(default_factory=Loaded)
    second: Loaded | None = None
    media: dict[str, Media] = field(default_factory=dict)
    scrolls_inside: int = 0
    webgl: list[str] = field(default_factory=list)
    opens: list[str] = field(default_factory=list)
    publishes: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    cpu: float = 0.0
    busy: float = 0.0
    starved: float = 0.0
    memory_bytes: int = 0
    failed_requests: list[str] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)
    secure: bool = False
    drawn: Drawn | None = None
    script_errors: list[str] = field(default_factory=list)


def show_url(url: str) -> str:
    """Return a URL without user, query and fragment, which may be secrets."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss"):
        return f"{parts.scheme}:…"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}{'?…' if parts.query else ''}"


def unique(texts: Sequence[str]) -> list[str]:
    """Return each text once, in order."""
    return list(dict.fromkeys(texts))


def _related(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
