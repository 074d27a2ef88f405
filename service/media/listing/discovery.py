"""Finds recordings in a listing by object names alone, for buckets without a database.

Values that the caller does not state are not checked. For example, without a window the first slice is its start and
the end of the last slice is its end.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from service.media.expectation import Expectation, ExpectedAttempt
from service.media.listing.names import NameReader, ObjectName, basename, tasks_of
from service.policy import Policy
from service.report import FileKind, Interval, ListedObject

_STILL_SECONDS = 900.0  # Agora ends a slice after 5.5 minutes at the latest, so no recorder writes after this time
_SLICES_AN_HOUR = 240


@dataclass(frozen=True, slots=True)
class Wanted:
    """The caller's expectation of the recordings. If a value is None, it is unknown, so the files decide.

    If `sound` is False, silence is acceptable. `size` is (width, height) in pixels. `from_at` and `to_at` are Unix
    seconds.
    """

    from_at: float | None = None
    to_at: float | None = None
    mp4: bool | None = None
    size: tuple[int, int] | None = None
    sound: bool | None = None
    pauses: tuple[Interval, ...] = ()
    max_missing_seconds: float | None = None


@dataclass(slots=True)
class FoundRecording:
    """The files of one Agora task in one folder. `cname` is the channel name as the file names contain it."""

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

    def add(self, listed: ListedObject, read: ObjectName) -> None:
        """Add a file whose parsed name is `read`."""
        self.objects.append(listed)
        self.mp4s += read.kind is FileKind.MP4
        if read.starts_at is not None:
            self.slices += 1
            self.first_at = read.starts_at if self.first_at is None else min(self.first_at, read.starts_at)
            self.last_at = read.starts_at if self.last_at is None else max(self.last_at, read.starts_at)

    def expectation(self, now: float, wanted: Wanted = Wanted()) -> Expectation:
        """Return the expected contents for these files."""
        begin = wanted.from_at if wanted.from_at is not None else self.first_at or 0.0
        end = wanted.to_at if wanted.to_at is not None else self.last_at or begin
        hours = max(math.ceil(self.slices / _SLICES_AN_HOUR), math.ceil((end - begin) / 3600), 1)
        # If the listing has no modification times, the name gives the start of the last slice.
        written = (one.modified_at for one in self.objects if one.modified_at is not None)
        newest = max(written, default=self.last_at or 0.0)
        return Expectation(
            key_prefix=self.folder,
            attempts=(ExpectedAttempt(1, self.folder, self.cname, self.sid, ()),),
            wanted=Interval(begin, max(begin, end)),
            pauses=wanted.pauses,
            mp4=self.mp4s > 0 if wanted.mp4 is None else wanted.mp4,
            hours=hours,
            ended_by_itself=False,
            end_proven=now - newest > _STILL_SECONDS,
            policy=replace(Policy(), max_missing_seconds=wanted.max_missing_seconds),
            size=wanted.size,
            sound=wanted.sound,
            open_ended=wanted.to_at is None,
        )


class _Finder:
    def __init__(self) -> None:
        self.found: dict[tuple[str, str, str], FoundRecording] = {}
        self._readers: dict[tuple[str, str], NameReader] = {}

    def add(self, listed: ListedObject, tasks: list[tuple[str, str]]) -> bool:
        """Add `listed` to the first of `tasks` whose names it matches. Return False if it matches none of them."""
        name = basename(listed.key)
        folder = listed.key[: len(listed.key) - len(name)]
        for task in tasks:
            reader = self._readers.get(task) or self._readers.setdefault(task, NameReader(*task))
            read = reader.read(name)
            if read is not None:
                recording = self.found.get((folder, *task))
                if recording is None:
                    recording = self.found[folder, *task] = FoundRecording(folder, *task)
                recording.add(listed, read)
                return True
        return False

    def has_slices(self, folder: str, task: tuple[str, str]) -> bool:
        recording = self.found.get((folder, *task))
        return recording is not None and recording.slices > 0


def find_recordings(listed: Iterable[ListedObject]) -> tuple[list[FoundRecording], int]:
    """Return the recordings in `listed`, ordered by first key, and the number of objects that belong to none."""
    finder = _Finder()
    unclear: list[tuple[ListedObject, list[tuple[str, str]]]] = []
    foreign = 0
    for one in listed:
        tasks = list(tasks_of(basename(one.key)))
        if len(tasks) > 1:
            unclear.append((one, tasks))
        else:
            foreign += not finder.add(one, tasks)
    for one, tasks in unclear:
        folder = one.key[: one.key.rfind("/") + 1]
        # A channel with slices in the folder is the right one.
        foreign += not finder.add(one, sorted(tasks, key=lambda task: not finder.has_slices(folder, task)))
    kept, strangers = _without_strangers(list(finder.found.values()))
    return sorted(kept, key=lambda one: one.objects[0].key), foreign + strangers


def _without_strangers(found: list[FoundRecording]) -> tuple[list[FoundRecording], int]:
    """Remove files of a channel name without slices (`…_room copy.m3u8`) if the task has slices under another name,
    since a task records one channel. Return the rest and the number of removed objects."""
    recorded = {(one.folder, one.sid) for one in found if one.slices}
    kept = [one for one in found if one.slices or (one.folder, one.sid) not in recorded]
    return kept, sum(len(one.objects) for one in found) - sum(len(one.objects) for one in kept)
