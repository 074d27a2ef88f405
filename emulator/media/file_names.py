"""Names and keys of recorded files (agora-reference §9.1), and redacted URLs. Pure.

It does not choose the destination of the files and does no I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import choice
from urllib.parse import urlsplit

_REPLACED = str.maketrans(dict.fromkeys("!@#$%^&*()+_.=[]{}~|,;:?<>", "-"))
_URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
RESOURCE_ID_LENGTH = 300


def sanitise_cname(cname: str, *, dash_spaces: bool = False) -> str:
    """Return the channel name as it appears in file names. How Agora writes a space is not documented."""
    plain = cname.translate(_REPLACED)
    return plain.replace(" ", "-") if dash_spaces else plain


def format_utc17(instant: float) -> str:
    """Format Unix seconds as `yyyyMMddHHmmssSSS` in UTC, rounded to the millisecond."""
    milliseconds = round(instant * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y%m%d%H%M%S}{milliseconds % 1000:03d}"


def format_instant(instant: float | None) -> str | None:
    """Format Unix seconds as RFC 3339 in UTC with milliseconds. Return None for None."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FileNames:
    """Names of one file set. `bak<n>_` sets appear after failovers (agora-reference §9.7)."""

    def __init__(
        self, sid: str, cname: str, failovers: int, folders: tuple[str, ...], *, dash_spaces: bool = False
    ) -> None:
        backup = f"bak{failovers - 1}_" if failovers else ""
        self._stem = f"{backup}{sid}_{sanitise_cname(cname, dash_spaces=dash_spaces)}"
        self._folder = "".join(f"{folder}/" for folder in folders)

    @property
    def playlist(self) -> str:
        """Return the file name of the playlist."""
        return f"{self._stem}.m3u8"

    def forwarded(self, tick: int, index: int) -> str:
        """Return the file name of a playlist from the backup store, which must not replace a newer one."""
        return f"{self._stem}_{tick}_{index}.m3u8"

    def slice(self, began: float) -> str:
        """Return the file name of the slice that began at Unix seconds `began`."""
        return f"{self._stem}_{format_utc17(began)}.ts"

    def mp4(self, index: int) -> str:
        """Return the file name of the MP4 file `index`, counted from 0."""
        return f"{self._stem}_{index}.mp4"

    def key(self, name: str) -> str:
        """Return the object key of a file name."""
        return self._folder + name


def redact_page(url: str) -> str:
    """Return scheme, host and path of a URL, with `?…` in place of a query or fragment."""
    parts = urlsplit(url)
    rest = "?…" if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{_host(parts.netloc)}{parts.path}{rest}"


def redact_rtmp(url: str) -> str:
    """Return scheme and host of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host(parts.netloc)}"


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def make_resource_id() -> str:
    """Return a new resource id, which is URL-safe and as long as Agora's (agora-reference §2)."""
    return "".join(choice(_URL_SAFE) for _ in range(RESOURCE_ID_LENGTH))
