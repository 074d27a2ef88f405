"""Parses the names of recorded files. All of a name except the channel is parsed strictly, because a listing contains
only recorded files.

Agora documents that special characters of a channel name become `-` in file names, but not how a space appears.
Therefore a special character may appear as `-` or as itself, and a space may also appear in its common encodings.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from service.report import FileKind

_REPLACED = "!@#$%^&*()+_.=[]{}~|,;:?<>"
_SPACE = "(?: |-|_|\\+|%20)"
_ENDING = (
    r"(?:_(?P<utc>[0-9]{17})\.ts|_(?P<mp4>[0-9]{1,6})\.mp4"
    r"|(?:_(?P<tick>[0-9]{1,20})_(?P<index>[0-9]{1,6}))?\.m3u8)"
)
_SID = re.compile(r"(?:bak[0-9]{1,4}_)?([0-9a-f]{32})_(.+)", re.ASCII)
_ANY = re.compile(rf"(?:bak[0-9]{{1,4}}_)?([0-9a-f]{{32}})_([^/\x00-\x1f\x7f]+?){_ENDING}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectName:
    """The parsed name of a file. `run` is 0 for the first recorder, and n + 1 for the recorder that wrote `bak<n>_`
    after a failover. `index` counts MP4 parts. `copy` is (index, tick) of a playlist from Agora's backup cloud."""

    kind: FileKind
    run: int
    starts_at: float | None = None
    index: int | None = None
    copy: tuple[int, int] | None = None


class NameReader:
    """Parses the file names of one Agora task and rejects all others."""

    def __init__(self, sid: str, cname: str) -> None:
        self._pattern = re.compile(
            rf"(?:bak(?P<bak>[0-9]{{1,4}})_)?{re.escape(sid)}_{_cname_pattern(cname)}{_ENDING}", re.ASCII
        )

    def read(self, name: str) -> ObjectName | None:
        """Return the parsed `name` (without folders), or None if it is not a file of this task."""
        found = self._pattern.fullmatch(name)
        if found is None:
            return None
        bak, utc, mp4, tick, index = found.group("bak", "utc", "mp4", "tick", "index")
        run = 0 if bak is None else int(bak) + 1
        if utc is not None:
            starts_at = parse_utc17(utc)
            return None if starts_at is None else ObjectName(FileKind.SLICE, run, starts_at=starts_at)
        if mp4 is not None:
            return ObjectName(FileKind.MP4, run, index=int(mp4))
        return ObjectName(FileKind.PLAYLIST, run, copy=None if tick is None else (int(index), int(tick)))


def _cname_pattern(cname: str) -> str:
    """Return a pattern of the forms that a channel name can have in a file name."""
    found = []
    for letter in cname:
        own = re.escape(letter)
        found.append(_SPACE if letter == " " else f"(?:-|{own})" if letter in _REPLACED else own)
    return "".join(found)


def tasks_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield the (sid, channel name) pairs that the file `name` (without folders) can belong to, the most likely first.

    Only a playlist `…_12_3.m3u8` is ambiguous. It may be a copy from Agora's backup cloud, or have a channel name with
    this ending.
    """
    found = _ANY.fullmatch(name)
    if found is None:
        return
    sid, cname = found[1], found[2]
    yield sid, cname
    if found["tick"] is not None:
        yield sid, f"{cname}_{found['tick']}_{found['index']}"


def basename(path: str) -> str:
    """Return the last component of a key or URI."""
    return path.rpartition("/")[2]


def parse_utc17(text: str) -> float | None:
    """Return the Unix seconds of `yyyyMMddHHmmssSSS` in UTC, or None if the digits are not a valid time."""
    midnight = _midnight(text[:8])
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:14])
    if midnight is None or hour > 23 or minute > 59 or second > 59:
        return None
    return midnight + hour * 3600 + minute * 60 + second + int(text[14:17]) / 1000


def sids_from_names(keys: Iterable[str], cname: str) -> list[str]:
    """Return the sids in the files of an attempt. The sid of the task that wrote the newest slice is last.

    Only names that match `cname` completely count, so a foreign object cannot contribute a sid.
    """
    newest: dict[str, float] = {}
    for key in keys:
        name = basename(key)
        found = _SID.fullmatch(name)
        read = None if found is None else _reader(found[1], cname).read(name)
        if found is not None and read is not None:
            newest[found[1]] = max(newest.get(found[1], 0.0), read.starts_at or 0.0)
    return sorted(newest, key=lambda sid: newest[sid])


@lru_cache(maxsize=64)
def _reader(sid: str, cname: str) -> NameReader:
    return NameReader(sid, cname)


@lru_cache(maxsize=64)
def _midnight(day: str) -> int | None:
    try:
        return int(datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp())
    except ValueError:
        return None
