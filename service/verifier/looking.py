"""Lists the new objects of a running recording after the last known key, and parses their names."""

from dataclasses import dataclass, field, replace

from service.buckets import Bucket, Usage
from service.errors import Refused
from service.media.expectation import expectation
from service.media.listing.names import NameReader, basename, sids_from_names
from service.media.listing.runs import most_objects
from service.media.playlists.playlist import says_ended
from service.recording import Attempt, Recording
from service.report import FileKind, JudgedFile, ListedObject
from service.verifier.reading import TooManyObjects, beside, list_all, read_recording

_SID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Look:
    """The new objects below the newest attempt's prefix. Counts and sizes are those of the new slices alone.
    `last_slice_at` is the arrival time of the newest slice, and `after_key` is the start of the next listing. `sids`
    maps an attempt number to the sid of its objects. `picture` and `silent` are the picture of the newest slice and
    whether it is silent, or None if not decoded. `ended` is true if the last playlist is complete; it is only read if
    the task is lost."""

    after_key: str
    slices: int = 0
    size_bytes: int = 0
    last_slice_at: float | None = None
    sids: dict[int, str] = field(default_factory=dict)
    files: tuple[JudgedFile, ...] = ()
    picture: str | None = None
    silent: bool | None = None
    ended: bool = False


async def look(bucket: Bucket, recording: Recording, usage: Usage) -> Look:
    """List the objects added since the recording's last listing. For a lost task, also check whether its playlist is
    complete. Raise `Refused` or `Unavailable`."""
    attempt, after = recording.attempt, recording.watch.after_key
    if attempt is None:
        return Look(after)
    if not after.startswith(attempt.prefix):
        after = ""
    listed: list[ListedObject] = []
    try:
        for prefix, start in _new_below(attempt, after):
            listed += await list_all(bucket, prefix, start, most_objects(expectation(recording)), usage)
        ended = attempt.lost and await _is_complete(bucket, recording, attempt, usage)
    except TooManyObjects:
        raise Refused("too_many_objects", "more objects than the recording can have made") from None
    seen = await beside(len(listed), _read_names, attempt, after, listed)
    return replace(seen, ended=True) if ended else seen


async def _is_complete(bucket: Bucket, recording: Recording, attempt: Attempt, usage: Usage) -> bool:
    """Return whether the playlist of the attempt's last recorder contains ENDLIST."""
    listing, reads = await read_recording(bucket, expectation(recording), usage)
    last = listing.runs[-1] if listing.runs else None
    own = [one.key for one, run in listing.playlists if run is last and one.key.startswith(attempt.prefix)]
    return any(key in reads and says_ended(reads[key].content) for key in own)


async def find_tasks(bucket: Bucket, recording: Recording, usage: Usage) -> dict[int, str]:
    """Return attempt number to sid of the objects below the prefixes of the newest attempt and the next one, even if
    the row does not contain them. Raise `Refused` or `Unavailable`."""
    found: dict[int, str] = {}
    known = len(recording.attempts)
    for number in range(max(known, 1), known + 2):
        async for page in bucket.list_objects(f"{recording.key_prefix}a{number}/", "", usage=usage):
            if sids := sids_from_names((one.key for one in page), recording.cname):
                found[number] = sids[-1]
            break  # every object of an attempt contains its sid
    return found


async def find_sid(bucket: Bucket, recording: Recording, usage: Usage) -> str | None:
    """Return the sid of the newest attempt's objects if they have only one sid. Raise `Refused` or `Unavailable`."""
    attempt = recording.attempt
    assert attempt is not None
    async for page in bucket.list_objects(attempt.prefix, "", usage=usage):
        return _living(attempt, sids_from_names((one.key for one in page), recording.cname))
    return None


def _new_below(attempt: Attempt, after: str) -> list[tuple[str, str]]:
    """Return the prefixes to list, each with the key to continue after.

    `bak<n>_` names may sort before the sid, so one cursor cannot cover both. Until the first failover the cursor covers
    the base files, and `bak` is listed separately. Afterwards no recorder writes base files any more.
    """
    name = basename(after)
    if not after:
        return [(attempt.prefix, "")]
    if name.startswith("bak"):
        return [(f"{attempt.prefix}bak", after)]
    return [(attempt.prefix + name[:_SID_LENGTH], after), (f"{attempt.prefix}bak", "")]


def _living(attempt: Attempt, sids: list[str]) -> str | None:
    """Return the sid of the task that can be running, which is the last task of an attempt with several tasks. If only
    one task is possible, two sids are ambiguous, so return None."""
    found = [sid for sid in sids if sid not in attempt.past_sids]
    return found[-1] if found and (attempt.several or len(found) == 1) else None


def _read_names(attempt: Attempt, after: str, listed: list[ListedObject]) -> Look:
    sid = attempt.sid or _living(attempt, sids_from_names((one.key for one in listed), attempt.cname))
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
    key, at = after, None
    if newest is not None:
        key, at = newest.key, newest.starts_at if newest.modified_at is None else newest.modified_at
    return Look(key, slices, size_bytes, at, {attempt.number: sid}, tuple(files))
