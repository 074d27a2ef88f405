"""Checks a listing and its playlists: names, sizes, order, presence, and which slices can be opened.

Unconfirmed assumptions about Agora never make a recording defective. Files that may still arrive make it `incomplete`.
`defective` is reserved for faults that no later upload can fix.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.media.expectation import Expectation
from service.media.findings import Effect, Findings
from service.media.listing.names import basename
from service.media.listing.runs import Run, SortedListing, limits_of
from service.media.pieces import Piece, hole
from service.media.playlists.playlist import Playlist, parse_playlist
from service.media.timeline import JOINED_SECONDS, NOTABLE_SECONDS
from service.report import FileKind, ListedObject, Severity

_TS_PACKET = 188
_MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class PlaylistRead:
    """A playlist as fetched. `stood_seconds` is the age in seconds of an earlier read with the same bytes, or None if
    there is no such read."""

    content: bytes
    stood_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The facts of a listing and its playlists. `pieces` contains the slices that can be opened, in playing order.
    `final` states by run index whether the run's files can no longer change. `unnamed` contains the start times of
    slices that no playlist names. `timed` is False if a playlist could not be read, so that its time is unknown."""

    expected: Expectation
    listing: SortedListing
    pieces: tuple[Piece, ...]
    final: Mapping[int, bool]
    playlists: Mapping[int, Playlist]
    unnamed: tuple[float, ...]
    timed: bool
    findings: Findings = field(compare=False)

    @property
    def awaited(self) -> bool:
        """Return whether files may still arrive, so that a deeper verification would have to be repeated."""
        return Effect.AWAITS in self.findings.effects


def judge_listing(expected: Expectation, listing: SortedListing, playlists: Mapping[str, PlaylistRead]) -> Listed:
    """Check a listing and the playlists (by key). The running time is linear in the number of objects. Never raise on
    input."""
    return _Judge(expected, listing, playlists).judge()


class _Judge:
    def __init__(self, expected: Expectation, listing: SortedListing, playlists: Mapping[str, PlaylistRead]) -> None:
        self.expected = expected
        self.listing = listing
        self.findings = Findings()
        self.pieces: list[Piece] = []
        self.final: dict[int, bool] = {}
        self._unnamed: list[float] = []
        self._reads = playlists
        self._parsed: dict[int, Playlist] = {}
        self._unread = False

    def judge(self) -> Listed:
        runs = self.listing.runs
        if not any(run.slices or run.mp4s or run.playlists for run in runs):
            self.findings.add(
                "no_objects",
                f"The bucket has no object of this recording with the prefix {self.expected.key_prefix!r}.",
            )
        for index, run in enumerate(runs):
            self._judge_run(index, run, last=index == len(runs) - 1)
        self._judge_overlaps()
        self._judge_mp4()
        self._judge_announced()
        self._judge_unknown()
        return Listed(
            self.expected,
            self.listing,
            tuple(self.pieces),
            self.final,
            self._parsed,
            tuple(self._unnamed),
            not self._unread,
            self.findings,
        )

    def _judge_run(self, index: int, run: Run, *, last: bool) -> None:
        chosen = run.playlist
        read = None if chosen is None else self._reads.get(chosen.key)
        if chosen is None or read is None:
            files = sorted(one.key for one in self._objects(run))
            text = f"No playlist names {len(files)} files in the bucket, such as {files[0]}."
            self.findings.add("playlist_absent", text, key=files[0])
            self.final[index] = False
            self._judge_sizes(run, final=False)
            return
        if any(name.copy is not None and one is chosen for name, one in run.playlists):
            text = f"Pagereel uses the playlist {chosen.key} from Agora's backup cloud."
            self.findings.add("playlist_copy_used", text, key=chosen.key)
        playlist = parse_playlist(read.content, chosen.key, run.names, limits_of(self.expected, run))
        self._parsed[index] = playlist
        self._unread = self._unread or not playlist.readable
        whole = self._judge_presence(index, run, playlist) if playlist.readable else True
        # Only the last recorder writes an end; earlier recorders have stopped, so their playlists are final.
        final = self._judge_finality(chosen.key, playlist, read, whole=whole) if last else self.expected.end_proven
        self.final[index] = final
        self.findings.extend(playlist.findings, final=final)
        self._judge_order(chosen.key, playlist, final=final)
        self._judge_sizes(run, final=final)

    @staticmethod
    def _objects(run: Run) -> list[ListedObject]:
        return [*(one for one, _ in run.slices.values()), *run.mp4s.values(), *(one for _, one in run.playlists)]

    def _judge_presence(self, index: int, run: Run, playlist: Playlist) -> bool:
        """Compare the playlist with the listing. Return True if the playlist names every listed slice."""
        names = set()
        for entry in playlist.entries:
            names.add(entry.name)
            listed = run.slices.get(entry.name)
            if listed is None:
                key = run.attempt.prefix + entry.name
                self.findings.add(
                    "slice_missing", f"The playlist names {key}, but the bucket does not hold it.", key=key
                )
                continue
            one, begin = listed
            self.pieces.append(
                Piece(
                    one.key, one.size_bytes, one.etag, begin, entry.seconds, entry.marked,
                    index, run.sid, run.number, entry.stated,
                )
            )  # fmt: skip
        unlisted = [name for name in run.slices if name not in names]
        for name in unlisted:
            key = run.slices[name][0].key
            self._unnamed.append(run.slices[name][1])
            text = f"The slice {key} is in the bucket, but its playlist does not name it, so its media does not count."
            self.findings.add("slice_unlisted", text, key=key)
        return not unlisted

    def _judge_finality(self, key: str, playlist: Playlist, read: PlaylistRead, *, whole: bool) -> bool:
        """Return whether the playlist is the final version of the last recorder."""
        proven = self.expected.end_proven
        if playlist.ended:
            return proven
        policy = self.expected.policy
        stood = proven and read.stood_seconds is not None and read.stood_seconds >= policy.two_reads_apart_seconds
        if stood and not playlist.readable:
            return True
        if stood and whole and not policy.endlist_expected:
            text = f"The playlist {key} has no ENDLIST, but it names every slice and no longer changes."
            self.findings.add("endlist_absent", text, key=key)
            return True
        text = f"The playlist {key} has no ENDLIST, and Pagereel cannot yet tell whether it is final."
        self.findings.add("playlist_not_final", text, key=key)
        return False

    def _judge_order(self, key: str, playlist: Playlist, *, final: bool) -> None:
        latest = float("-inf")
        for entry in playlist.entries:
            starts_at = entry.read.starts_at or 0.0
            if starts_at < latest - NOTABLE_SECONDS or starts_at == latest:
                text = f"The playlist {key} names {entry.name} out of order or twice."
                self.findings.add("slices_out_of_order", text, key=key, final=final)
            latest = max(latest, starts_at)

    def _judge_overlaps(self) -> None:
        """Report slices that overlap the next slice. A recorder writes slices one after the other, so the stated
        duration is too long."""
        for one, other in zip(self.pieces, self.pieces[1:], strict=False):
            beyond = -hole(one, other)
            if one.run == other.run and not other.marked and JOINED_SECONDS < beyond < one.seconds:
                text = f"The playlist says {one.seconds:.3f} s for {one.key}, {beyond:.3f} s beyond the next slice."
                self.findings.add(
                    "duration_wrong",
                    text,
                    key=one.key,
                    severity=Severity.WARNING,
                    evidence={"beyond_seconds": round(beyond, 3)},
                )

    def _judge_sizes(self, run: Run, *, final: bool) -> None:
        for one, _ in run.slices.values():
            if one.size_bytes == 0:
                self.findings.add("slice_empty", f"The slice {one.key} is empty.", key=one.key, final=final)
            elif one.size_bytes % _TS_PACKET:
                text = (
                    f"The slice {one.key} has {one.size_bytes} bytes, which is not a whole number of MPEG-TS packets."
                )
                self.findings.add(
                    "slice_truncated", text, key=one.key, final=final, evidence={"size_bytes": one.size_bytes}
                )
        for one in run.mp4s.values():
            if one.size_bytes == 0:
                self.findings.add("mp4_empty", f"The MP4 file {one.key} is empty.", key=one.key, final=final)

    def _judge_mp4(self) -> None:
        runs = [run for run in self.listing.runs if run.slices or run.mp4s]
        if self.expected.mp4 and runs and not any(run.mp4s for run in runs):
            text = f"An MP4 was requested, but there is no MP4 file with the prefix {self.expected.key_prefix!r}."
            self.findings.add("mp4_missing", text)
            return
        for run in runs:
            if self.expected.mp4 and not run.mp4s:
                text = f"Recorder {run.number + 1} of attempt {run.attempt.number} left slices but no MP4 file."
                self.findings.add("mp4_absent_in_run", text)
            for index in range(min(max(run.mp4s, default=-1), _MOST_PARTS)):
                if index not in run.mp4s:
                    text = f"MP4 part {index} of attempt {run.attempt.number} is missing, although a later part exists."
                    self.findings.add("mp4_missing", text, evidence={"index": index})

    def _judge_announced(self) -> None:
        for attempt in self.expected.attempts:
            own = (run for run in self.listing.runs if run.attempt is attempt and attempt.sid in (None, run.sid))
            runs = {run.number: run for run in own}
            if not attempt.announced or not runs:
                continue
            names = next(iter(runs.values())).names
            spoken = {basename(name) for name in attempt.announced}
            for name in sorted(spoken):
                read = names.read(name)
                key = attempt.prefix + name[:200]
                if read is None:
                    text = f"Agora announced {name[:200]!r}, which is not a file name of this task."
                    self.findings.add("announced_unreadable", text)
                elif not _has(runs.get(read.run), name, read.kind, read.index):
                    text = f"Agora announced {key}, but the bucket does not hold it."
                    self.findings.add("announced_missing", text, key=key)
            for run in runs.values():
                for _, one in run.playlists:
                    if basename(one.key) not in spoken:
                        text = f"Agora never announced the playlist {one.key}."
                        self.findings.add("unreported_file", text, key=one.key)

    def _judge_unknown(self) -> None:
        for one in self.listing.unknown:
            text = f"The object {one.key} has the recording's prefix but is not one of its files."
            self.findings.add("unknown_object", text, key=one.key)


def _has(run: Run | None, name: str, kind: FileKind, index: int | None) -> bool:
    if run is None:
        return False
    if kind is FileKind.PLAYLIST:
        # A playlist that was uploaded through the backup cloud has another name.
        return bool(run.playlists)
    return name in run.slices if kind is FileKind.SLICE else index in run.mp4s
