"""The manifest of a report: every file that a source names, and the sources that name it."""

from collections.abc import Iterator, Mapping, Sequence

from service.media.expectation import Expectation
from service.media.listing.names import basename
from service.media.listing.runs import Run
from service.media.playlists.playlist import Playlist
from service.report import FileKind, JudgedFile, ListedObject


def list_files(expected: Expectation, runs: Sequence[Run], playlists: Mapping[int, Playlist]) -> tuple[JudgedFile, ...]:
    """Return all files of `runs` in their order. `playlists` is keyed by the index of the run. There are at most as
    many files as the listing contains and the playlists name."""
    spoken = {(one.prefix, basename(name)) for one in expected.attempts for name in one.announced}
    files: list[JudgedFile] = []
    for index, run in enumerate(runs):
        announced = {name for prefix, name in spoken if prefix == run.attempt.prefix}
        files += _playlists(run, announced)
        files += _slices(run, playlists.get(index), announced)
        for part in sorted(run.mp4s):
            one = run.mp4s[part]
            files.append(_file(one, FileKind.MP4, announced=basename(one.key) in announced))
    return (*files, *_unseen(files, runs, spoken))


def _playlists(run: Run, announced: set[str]) -> Iterator[JudgedFile]:
    for _, one in run.playlists:
        yield _file(one, FileKind.PLAYLIST, announced=basename(one.key) in announced)


def _slices(run: Run, playlist: Playlist | None, announced: set[str]) -> Iterator[JudgedFile]:
    named = {entry.name: entry for entry in playlist.entries} if playlist else {}
    for name, (one, starts_at) in run.slices.items():
        entry = named.get(name)
        yield JudgedFile(
            key=one.key,
            kind=FileKind.SLICE,
            size_bytes=one.size_bytes,
            etag=one.etag,
            modified_at=one.modified_at,
            starts_at=starts_at,
            duration_seconds=None if entry is None else entry.seconds,
            announced=name in announced,
            listed=True,
            in_playlist=entry is not None,
        )
    for name, entry in named.items():
        if name not in run.slices:
            yield JudgedFile(
                key=run.attempt.prefix + name,
                kind=FileKind.SLICE,
                starts_at=entry.read.starts_at,
                duration_seconds=entry.seconds,
                announced=name in announced,
                in_playlist=True,
                missing=True,
            )


def _unseen(files: list[JudgedFile], runs: Sequence[Run], spoken: set[tuple[str, str]]) -> Iterator[JudgedFile]:
    seen = {file.key for file in files}
    readers = {run.attempt.prefix: run.names for run in runs}
    for prefix, name in sorted(spoken):
        read = readers[prefix].read(name) if prefix in readers else None
        if read is not None and prefix + name not in seen:
            yield JudgedFile(prefix + name, read.kind, starts_at=read.starts_at, announced=True, missing=True)


def _file(one: ListedObject, kind: FileKind, *, announced: bool) -> JudgedFile:
    return JudgedFile(one.key, kind, one.size_bytes, one.etag, one.modified_at, announced=announced, listed=True)
