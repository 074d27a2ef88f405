"""Sorts the objects of a listing into runs, one for each recorder of each task."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.media.expectation import Expectation, ExpectedAttempt
from service.media.listing.names import NameReader, ObjectName, basename, sids_from_names
from service.media.playlists.playlist import Limits
from service.report import FileKind, ListedObject


@dataclass(slots=True)
class Run:
    """The listed files of one recorder. `number` is 0 for the first recorder, and n + 1 for the recorder that wrote
    `bak<n>_` after a failover."""

    attempt: ExpectedAttempt
    sid: str
    number: int
    names: NameReader
    slices: dict[str, tuple[ListedObject, float]] = field(default_factory=dict)
    mp4s: dict[int, ListedObject] = field(default_factory=dict)
    playlists: list[tuple[ObjectName, ListedObject]] = field(default_factory=list)

    @property
    def playlist(self) -> ListedObject | None:
        """Return the playlist to use: the larger of the newest copy from Agora's backup cloud and the one with the
        plain name (agora-reference §9.6)."""
        plain = next((one for name, one in self.playlists if name.copy is None), None)
        copies = [(name.copy, one) for name, one in self.playlists if name.copy is not None]
        if not copies:
            return plain
        newest = max(copies, key=lambda pair: pair[0])[1]
        return newest if plain is None or newest.size_bytes > plain.size_bytes else plain


@dataclass(frozen=True, slots=True)
class SortedListing:
    """`runs` in the order in which they were written. `unknown` contains the objects below the prefix that no recorder
    writes."""

    runs: tuple[Run, ...]
    unknown: tuple[ListedObject, ...]

    @property
    def count(self) -> int:
        """Return the number of listed objects."""
        return len(self.unknown) + sum(len(run.slices) + len(run.mp4s) + len(run.playlists) for run in self.runs)

    @property
    def playlists(self) -> tuple[tuple[ListedObject, Run], ...]:
        """Return the playlists to read, at most one per run."""
        return tuple((run.playlist, run) for run in self.runs if run.playlist is not None)


def limits_of(expected: Expectation, run: Run) -> Limits:
    """Return the size limits of the playlist of `run`."""
    return Limits.of(expected.hours, run.attempt.cname)


def most_objects(expected: Expectation) -> int:
    """Return the largest number of objects that is listed: twice the slices of all attempts, plus a reserve."""
    return 2 * expected.hours * 360 * max(1, len(expected.attempts)) + 10_000


def sort_listing(expected: Expectation, listed: Iterable[ListedObject]) -> SortedListing:
    """Sort `listed` into runs. If the sid of an attempt is unknown, the attempt takes the sid of its files. An attempt
    of several tasks takes all sids of its files."""
    attempts = {one.prefix: one for one in expected.attempts}
    found: dict[str, list[ListedObject]] = {prefix: [] for prefix in attempts}
    unknown: list[ListedObject] = []
    for one in listed:
        folder = one.key[: one.key.rfind("/") + 1]
        found.get(folder, unknown).append(one)
    runs: list[Run] = []
    for prefix, attempt in attempts.items():
        runs += _sort_attempt(attempt, found[prefix], unknown)
    return SortedListing(tuple(runs), tuple(unknown))


def _sort_attempt(attempt: ExpectedAttempt, listed: list[ListedObject], unknown: list[ListedObject]) -> list[Run]:
    runs: list[Run] = []
    for sid in _sids(attempt, listed):
        of_task, listed = _sort_task(attempt, sid, listed)
        runs += of_task
    unknown += listed
    return runs


def _sids(attempt: ExpectedAttempt, listed: list[ListedObject]) -> list[str]:
    if attempt.sid is not None and not attempt.several:
        return [attempt.sid]
    found = sids_from_names((one.key for one in listed), attempt.cname)
    return found if attempt.several or len(found) == 1 else []


def _sort_task(attempt: ExpectedAttempt, sid: str, listed: list[ListedObject]) -> tuple[list[Run], list[ListedObject]]:
    """Return the runs of one task, and the objects of other tasks."""
    names = NameReader(sid, attempt.cname)
    runs: dict[int, Run] = {}
    left: list[ListedObject] = []
    for one in listed:
        name = basename(one.key)
        read = names.read(name)
        if read is None:
            left.append(one)
            continue
        run = runs.setdefault(read.run, Run(attempt, sid, read.run, names))
        if read.kind is FileKind.SLICE and read.starts_at is not None:
            run.slices[name] = (one, read.starts_at)
        elif read.kind is FileKind.MP4 and read.index is not None:
            run.mp4s[read.index] = one
        else:
            run.playlists.append((read, one))
    return [runs[number] for number in sorted(runs)], left
