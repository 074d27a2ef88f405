"""Names and keys of recorded files (reference 9.1). Pure.

For: predicting what a recorder writes. It must not know where the files go, nor do any I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import choice

_REPLACED = str.maketrans(dict.fromkeys("!@#$%^&*()+_.=[]{}~|,;:?<>", "-"))
_URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
RESOURCE_ID_LENGTH = 300


def sanitise_cname(cname: str) -> str:
    """The channel name as it appears in file names."""
    return cname.translate(_REPLACED)


def format_utc17(instant: float) -> str:
    """`yyyyMMddHHmmssSSS` in UTC of Unix seconds, rounded to the millisecond."""
    milliseconds = round(instant * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y%m%d%H%M%S}{milliseconds % 1000:03d}"


def format_instant(instant: float | None) -> str | None:
    """RFC 3339 with milliseconds in UTC, or None."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FileNames:
    """Names of one file set: `bak<n>_` sets appear after failovers (reference 9.7)."""

    def __init__(self, sid: str, cname: str, failovers: int, folders: tuple[str, ...]) -> None:
        backup = f"bak{failovers - 1}_" if failovers else ""
        self._stem = f"{backup}{sid}_{sanitise_cname(cname)}"
        self._folder = "".join(f"{folder}/" for folder in folders)

    @property
    def playlist(self) -> str:
        """File name of the playlist."""
        return f"{self._stem}.m3u8"

    def slice(self, began: float) -> str:
        """File name of the slice that began at Unix seconds `began`."""
        return f"{self._stem}_{format_utc17(began)}.ts"

    def mp4(self, index: int) -> str:
        """File name of the MP4 file `index`, from 0."""
        return f"{self._stem}_{index}.mp4"

    def key(self, name: str) -> str:
        """Object key of a file name."""
        return self._folder + name


def make_resource_id() -> str:
    """A fresh resource id: URL-safe and as long as Agora's (reference 2)."""
    return "".join(choice(_URL_SAFE) for _ in range(RESOURCE_ID_LENGTH))
