"""Merges all parts of a recording into one playlist: attempts, failovers and holes (agora-reference §9.3).

If two recorders cover the same stretch, the later one is used, as in Agora's own merger.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from service.media.listing.names import basename
from service.report import FileKind, JudgedFile

_BAK = re.compile(r"bak([0-9]{1,4})_", re.ASCII)
_JOINED_SECONDS = 0.25
_DOUBLED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One slice. `breaks` is true if the media before it comes from another recorder or was not recorded."""

    key: str
    starts_at: float
    seconds: float
    breaks: bool


def merge_slices(files: Iterable[JudgedFile]) -> list[Entry]:
    """Return the slices that are in the bucket and have a duration by a playlist, in playing order."""
    found = [
        (file.starts_at, file.duration_seconds, file.key)
        for file in files
        if file.kind is FileKind.SLICE and file.listed and not file.missing and file.starts_at is not None
        if file.duration_seconds is not None
    ]
    begins: dict[tuple[str, int], float] = {}
    for starts_at, _, key in found:
        begins[_part(key)] = min(begins.get(_part(key), starts_at), starts_at)
    entries: list[Entry] = []
    for starts_at, seconds, key in sorted(found):
        part = _part(key)
        if any(
            begins[part] < begin <= starts_at - _DOUBLED_SECONDS for other, begin in begins.items() if other != part
        ):
            continue  # a later recorder covers this stretch
        last = entries[-1] if entries else None
        joined = last is not None and _part(last.key) == part
        joined = joined and last is not None and starts_at - (last.starts_at + last.seconds) <= _JOINED_SECONDS
        entries.append(Entry(key, starts_at, seconds, breaks=not joined))
    return entries


def write_playlist(entries: Iterable[Entry], link: Callable[[str], str]) -> str:
    """Return the text of the playlist (RFC 8216); `link` returns the URI of a key."""
    entries = list(entries)
    target = max((round(one.seconds) for one in entries), default=1)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{max(target, 1)}", "#EXT-X-PLAYLIST-TYPE:VOD"]
    for number, one in enumerate(entries):
        if one.breaks:
            lines += ["#EXT-X-DISCONTINUITY"] * (number > 0)
            at = datetime.fromtimestamp(one.starts_at, UTC).isoformat(timespec="milliseconds")
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.replace('+00:00', 'Z')}")
        lines += [f"#EXTINF:{one.seconds:.6f},", link(one.key)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _part(key: str) -> tuple[str, int]:
    """Return the recorder that wrote a slice, as the folder of its attempt and the number of its failover."""
    name = basename(key)
    found = _BAK.match(name)
    return key[: len(key) - len(name)], int(found[1]) + 1 if found else 0
