"""Finds the recordings among the objects of a listing by their names alone: for buckets that nobody kept a book of.

What nobody wrote down cannot be demanded: the wanted window is the caller's, or else reaches from the first slice to
the beginning of the last one, so that time before and after the files is not judged.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from service.media.expectation import Expectation, ExpectedAttempt
from service.media.names import NameReader, basename
from service.recording import Policy
from service.report import FileKind, Interval, ListedObject

_NAME = re.compile(r"(?:bak[0-9]{1,4}_)?([0-9a-f]{32})_([A-Za-z0-9 -]{1,64})(?:_[0-9]+(?:_[0-9]+)?)?\.(?:ts|mp4|m3u8)")
_STILL_SECONDS = 900.0  # a slice is forced after 5.5 minutes (agora-reference §9.2): later nobody writes any more
_SLICES_AN_HOUR = 240


@dataclass(slots=True)
class FoundRecording:
    """The files of one Agora task below one folder. `cname` as it stands in the names."""

    folder: str
    sid: str
    cname: str
    objects: list[ListedObject] = field(default_factory=list)
    slices: int = 0
    mp4s: int = 0
    first_at: float | None = None
    last_at: float | None = None

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.objects)

    def expectation(self, now: float, from_at: float | None = None, to_at: float | None = None) -> Expectation:
        """What may be demanded of these files."""
        begin = from_at if from_at is not None else self.first_at or 0.0
        end = to_at if to_at is not None else self.last_at or begin
        hours = max(math.ceil(self.slices / _SLICES_AN_HOUR), math.ceil((end - begin) / 3600), 1)
        newest = max((one.modified_at for one in self.objects), default=0.0)
        return Expectation(
            key_prefix=self.folder,
            attempts=(ExpectedAttempt(1, self.folder, self.cname, self.sid, ()),),
            wanted=Interval(begin, max(begin, end)),
            pauses=(),
            mp4=self.mp4s > 0,
            hours=hours,
            ended_by_itself=False,
            end_proven=now - newest > _STILL_SECONDS,
            policy=Policy(),
        )


def find_recordings(listed: Iterable[ListedObject]) -> tuple[list[FoundRecording], int]:
    """The recordings among `listed` in the order of their first keys, and how many objects belong to none."""
    found: dict[tuple[str, str, str], FoundRecording] = {}
    readers: dict[tuple[str, str], NameReader] = {}
    foreign = 0
    for one in listed:
        name = basename(one.key)
        match = _NAME.fullmatch(name)
        if match is None:
            foreign += 1
            continue
        sid, cname = match.groups()
        read = readers.setdefault((sid, cname), NameReader(sid, cname)).read(name)
        if read is None:
            foreign += 1
            continue
        folder = one.key[: len(one.key) - len(name)]
        recording = found.setdefault((folder, sid, cname), FoundRecording(folder, sid, cname))
        recording.objects.append(one)
        recording.mp4s += read.kind is FileKind.MP4
        if read.starts_at is not None:
            recording.slices += 1
            recording.first_at = min(recording.first_at or read.starts_at, read.starts_at)
            recording.last_at = max(recording.last_at or read.starts_at, read.starts_at)
    return list(found.values()), foreign
