"""Looks into the bucket and says what is there: reads through `buckets`, judges through `media`.

A bucket that cannot be looked at makes a report that says so and nothing else; it never makes a missing object. What
takes more than some milliseconds of computing is done beside the loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from metrics import verification as meter
from service.buckets import Usage
from service.buckets.s3 import S3Bucket
from service.errors import OutsideError, Refused
from service.media.expectation import Expectation, expectation
from service.media.names import NameReader, basename, sid_from_names
from service.media.playlist import says_ended
from service.media.runs import SortedListing, limits_of, most_objects, sort_listing
from service.media.verdict import PlaylistRead, judge_blind, judge_listing
from service.recording import Attempt, Recording
from service.report import (
    FileKind,
    JudgedFile,
    Level,
    ListedObject,
    Report,
)

_SID_LENGTH = 32
_BESIDE_THE_LOOP = 200

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Look:
    """What is new below the newest attempt's prefix. Counts and sizes are of the new slices alone; `last_slice_at` is
    when the newest of them began, `after_key` where the next look goes on. `sids`: attempt number to the sid that its
    objects carry."""

    after_key: str
    slices: int = 0
    size_bytes: int = 0
    last_slice_at: float | None = None
    sids: dict[int, str] = field(default_factory=dict)
    files: tuple[JudgedFile, ...] = ()


class _TooMany(Exception):
    """There are more objects than the recording can have made."""


class Verifier:
    """Verification of level "listing". Holds nothing between looks; `open_bucket` gives the bucket that a recording is
    pinned to, or raises `OutsideError`."""

    def __init__(self, open_bucket: Callable[[Recording], S3Bucket]) -> None:
        self._open_bucket = open_bucket

    async def verify(self, recording: Recording, now_fn: Callable[[], float]) -> Report:
        """Look at everything below the recording's prefix and judge it. Never raises for what the bucket answers:
        a bucket that cannot be looked at gives the verdict `unreachable`. Takes `two_reads_apart_seconds` longer where
        the last playlist does not say that it is the final one."""
        usage = Usage()
        started = asyncio.get_running_loop().time()
        try:
            report = await self._judge(recording, self._open_bucket(recording), now_fn, usage)
        except OutsideError as error:
            code = "storage_refused" if isinstance(error, Refused) else "storage_unreachable"
            text = f"The bucket {recording.location.bucket} could not be looked at: {error}."
            evidence = {"code": error.code, "retry_after_seconds": error.retry_after_seconds}
            report = judge_blind(code, text, now_fn(), evidence)
        except _TooMany:
            text = (
                f"Below {recording.key_prefix!r} lie more objects than this recording can have made: none was judged."
            )
            report = judge_blind("too_many_objects", text, now_fn(), {"objects": usage.objects})
        report = replace(report, requests=usage.requests, bytes_read=usage.bytes_read)
        _count(report, usage, asyncio.get_running_loop().time() - started)
        return report

    async def look(self, recording: Recording) -> Look:
        """List what is new since the recording's last look. Raises `Refused` or `Unavailable`."""
        attempt, after = recording.attempt, recording.watch.after_key
        if attempt is None:
            return Look(after)
        if not after.startswith(attempt.prefix):
            after = ""
        bucket, usage = self._open_bucket(recording), Usage()
        listed: list[ListedObject] = []
        try:
            for prefix, start in _new_below(attempt, after):
                listed += await _list_all(bucket, prefix, start, most_objects(expectation(recording)), usage)
        except _TooMany:
            raise Refused("too_many_objects", "more objects than the recording can have made") from None
        finally:
            meter.bucket_used(usage.objects, usage.requests, usage.bytes_read)
        return await _beside(len(listed), _read_names, attempt, after, listed)

    async def _judge(self, recording: Recording, bucket: S3Bucket, now_fn: Callable[[], float], usage: Usage) -> Report:
        expected = expectation(recording)
        for last_try in (False, True):
            listed = await _list_all(bucket, expected.key_prefix, "", most_objects(expected), usage)
            listing = await _beside(len(listed), sort_listing, expected, listed)
            reads, overwritten = await _read_playlists(expected, listing, bucket, usage)
            # A playlist written after the LIST may name slices that the LIST could not show yet.
            if last_try or not overwritten:
                break
        return await _beside(len(listed) + _weight(reads), judge_listing, expected, listed, reads, now_fn())


async def _list_all(bucket: S3Bucket, prefix: str, after: str, most: int, usage: Usage) -> list[ListedObject]:
    listed: list[ListedObject] = []
    async for page in bucket.list_objects(prefix, after, usage=usage):
        listed += page
        if len(listed) > most:
            raise _TooMany
    return listed


async def _read_playlists(
    expected: Expectation, listing: SortedListing, bucket: S3Bucket, usage: Usage
) -> tuple[dict[str, PlaylistRead], bool]:
    """The playlists by key, and whether one of them is newer than its listing."""
    reads: dict[str, PlaylistRead] = {}
    overwritten = False
    for one, run in listing.playlists:
        most = limits_of(expected, run).size_bytes + 1
        fetched = await bucket.fetch(one.key, most, usage=usage)
        if fetched is None:
            continue
        overwritten = overwritten or fetched.etag != one.etag
        reads[one.key] = PlaylistRead(fetched.content)
        if run is listing.runs[-1] and expected.end_proven and not says_ended(fetched.content):
            await asyncio.sleep(expected.policy.two_reads_apart_seconds)
            again = await bucket.fetch(one.key, most, usage=usage)
            if again is not None:
                stood = expected.policy.two_reads_apart_seconds if again.content == fetched.content else None
                reads[one.key] = PlaylistRead(again.content, stood)
    return reads, overwritten


def _new_below(attempt: Attempt, after: str) -> list[tuple[str, str]]:
    """Prefixes to list, each with the key to go on after.

    `bak<n>_` names may sort before the sid, so one cursor cannot cover both: until the first failover the cursor walks
    the base files and `bak` is listed beside it; from then on nobody writes base files any more.
    """
    name = basename(after)
    if not after:
        return [(attempt.prefix, "")]
    if name.startswith("bak"):
        return [(f"{attempt.prefix}bak", after)]
    return [(attempt.prefix + name[:_SID_LENGTH], after), (f"{attempt.prefix}bak", "")]


def _read_names(attempt: Attempt, after: str, listed: list[ListedObject]) -> Look:
    sid = attempt.sid or sid_from_names((one.key for one in listed), attempt.cname)
    if sid is None:
        return Look(after)
    names = NameReader(sid, attempt.cname)
    files: list[JudgedFile] = []
    newest: JudgedFile | None = None
    slices = size_bytes = 0
    for one in listed:
        read = names.read(basename(one.key))
        if read is None:
            continue
        file = JudgedFile(
            one.key, read.kind, one.size_bytes, one.etag, one.modified_at, starts_at=read.starts_at, listed=True
        )
        files.append(file)
        if read.kind is FileKind.SLICE:
            slices += 1
            size_bytes += one.size_bytes
            if newest is None or (file.starts_at or 0) >= (newest.starts_at or 0):
                newest = file
    key, at = (after, None) if newest is None else (newest.key, newest.starts_at)
    return Look(key, slices, size_bytes, at, {attempt.number: sid}, tuple(files))


async def _beside(size: int, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call `function` where it cannot hold the loop: beside it where `size` (objects, about) says there is much."""
    if size > _BESIDE_THE_LOOP:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


def _weight(reads: dict[str, PlaylistRead]) -> int:
    return sum(len(read.content) for read in reads.values()) // 200


def _count(report: Report, usage: Usage, seconds: float) -> None:
    level = Level(report.level)
    meter.report_made(report.verdict.value, level.value, (one.severity.value for one in report.findings), seconds)
    meter.files_judged((file.kind.value, file.missing) for file in report.files)
    meter.bucket_used(usage.objects, usage.requests, usage.bytes_read)
    if report.coverage is not None:
        missing = ((one.kind.value, one.seconds) for one in report.missing)
        meter.time_judged(report.coverage.expected_seconds, report.coverage.covered_seconds, missing)
