"""Queries about a recording: timeline, files, pictures, reports, explanation.

The queries change nothing and call nothing outside the database, except to read the bytes of a slice for a viewer.
Links are signed without a call.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import sqlalchemy as sa

from service.database import evidence
from service.database.engine.database import Database
from service.errors import Code, OutsideError, ServiceError
from service.explain import Explanation, explain
from service.media.playlists.merged import write_playlist
from service.operations.evidence.playback import Fetch, Playback
from service.operations.evidence.proofs import merged_slices, not_there, signed_manifest, whole_report
from service.operations.owned import load_owned
from service.operations.pagination import cut_page, decode_cursor
from service.operations.types import Caller, FileEntry, HistoryEntry, Page
from service.recording import Recording
from service.report import JudgedFile, Pictures, Report

# This limit exceeds any history that a person can read.
EXPLAINED_LINES = 2000

Links = Callable[[Recording, list[str]], Awaitable[dict[str, str]]]
"""Returns a short-lived link to each of the objects."""


Stamp = Callable[[bytes], Awaitable[bytes | None]]
"""Returns a time stamp on these bytes, or None if none is currently available."""


class Evidence:
    """Reads the evidence of recordings. Methods raise `ServiceError`. Another owner's recording is reported as
    `not_found`."""

    def __init__(
        self,
        database: Database,
        deployment: str,
        *,
        links: Links,
        fetch: Fetch,
        signing_key: Callable[[], str | None],
        stamp: Stamp | None = None,
    ) -> None:
        self._database = database
        self._deployment = deployment
        self._links = links
        self._playback = Playback(fetch)
        self._signing_key = signing_key
        self._stamp = stamp

    async def timeline(self, caller: Caller, recording_id: str, cursor: str | None, limit: int) -> Page[HistoryEntry]:
        """Return the history, oldest line first."""
        after = (decode_cursor(cursor, (int,)) or (0,))[0]

        def transaction(connection: sa.Connection) -> Sequence[evidence.HistoryRow]:
            load_owned(connection, caller, recording_id)
            return evidence.load_history(connection, recording_id, after=after, limit=limit + 1)

        found = [HistoryEntry(**asdict(row)) for row in await self._database.run(transaction)]
        return cut_page(found, limit, lambda last: (last.number,))

    async def link(self, caller: Caller, recording_id: str, key: str) -> str:
        """Return a short-lived link to one file in the bucket. The link is a secret."""
        recording, file = await self._load_with_file(caller, recording_id, key)
        if file is None or not file.listed:
            raise ServiceError(Code.NOT_FOUND, "no such file")
        return (await self._links(recording, [key]))[key]

    async def origin(self, caller: Caller, recording_id: str) -> str | None:
        """Return the scheme and host of the links to the recording's files, or None if no link can be made."""
        recording = await self._read(caller, recording_id)
        key = f"{recording.key_prefix}origin"
        try:
            link = urlsplit((await self._links(recording, [key]))[key])
        except OutsideError:
            return None
        return f"{link.scheme}://{link.netloc}"

    async def _load_with_file(self, caller: Caller, recording_id: str, key: str) -> tuple[Recording, JudgedFile | None]:
        def transaction(connection: sa.Connection) -> tuple[Recording, JudgedFile | None]:
            return load_owned(connection, caller, recording_id), evidence.load_file(connection, recording_id, key)

        return await self._database.run(transaction)

    async def explanation(self, caller: Caller, recording_id: str) -> Explanation:
        """Return the explanation of the recording's state."""

        def transaction(connection: sa.Connection) -> tuple[Recording, Sequence[evidence.HistoryRow]]:
            recording = load_owned(connection, caller, recording_id)
            return recording, evidence.load_history(connection, recording_id, limit=EXPLAINED_LINES)

        return explain(*await self._database.run(transaction))

    async def files(
        self, caller: Caller, recording_id: str, cursor: str | None, limit: int, *, links: bool
    ) -> Page[FileEntry]:
        """Return the manifest in the order of the keys. If `links` is true, add a short-lived link to each listed
        file."""
        after = (decode_cursor(cursor, (str,)) or ("",))[0]

        def transaction(connection: sa.Connection) -> tuple[Recording, Sequence[evidence.FileRow]]:
            recording = load_owned(connection, caller, recording_id)
            return recording, evidence.load_files(connection, recording_id, after=after, limit=limit + 1)

        recording, found = await self._database.run(transaction)
        wanted = [row.file.key for row in found[:limit] if row.file.listed] if links else []
        signed = await self._links(recording, wanted) if wanted else {}
        entries = [FileEntry(*row, link=signed.get(row.file.key)) for row in found]
        return cut_page(entries, limit, lambda last: (last.file.key,))

    async def read_slice(self, caller: Caller, recording_id: str, key: str) -> bytes:
        """Return the bytes of one slice for a player that may not read the bucket; see `playback`."""
        recording, file = await self._load_with_file(caller, recording_id, key)
        return await self._playback.read_slice(recording, file)

    async def report(self, caller: Caller, recording_id: str, number: int | None) -> tuple[int, Report]:
        """Return a report; see `whole_report`."""
        return await whole_report(self._database, await self._read(caller, recording_id), number)

    async def pictured(self, caller: Caller, recording_id: str) -> bool:
        """Return whether a poster and a contact sheet exist."""

        def transaction(connection: sa.Connection) -> bool:
            load_owned(connection, caller, recording_id)
            return evidence.has_pictures(connection, recording_id)

        return await self._database.run(transaction)

    async def pictured_among(self, caller: Caller, recording_ids: Sequence[str]) -> frozenset[str]:
        """Return the ids of the owner's recordings that have a poster and a contact sheet."""
        return await self._database.run(
            lambda connection: evidence.find_pictured(connection, caller.owner, recording_ids)
        )

    async def pictures(self, caller: Caller, recording_id: str) -> Pictures:
        """Return the poster and contact sheet of the newest verification that made them. Raise `not_found` if none
        did."""

        def transaction(connection: sa.Connection) -> tuple[Recording, Pictures | None]:
            recording = load_owned(connection, caller, recording_id)
            return recording, evidence.load_pictures(connection, recording_id)

        recording, found = await self._database.run(transaction)
        if found is None:
            raise not_there(Code.NOT_FOUND, recording, "has no pictures", "no_pictures")
        return found

    async def manifest(self, caller: Caller, recording_id: str, *, timestamp: bool = False) -> bytes:
        """Return the envelope of the signed manifest; see `signed_manifest`. If `timestamp` is true, its signature is
        stamped if the authority answers. Raise `conflict` if a stamp is requested and no authority is configured."""
        recording = await self._read(caller, recording_id)
        if timestamp and self._stamp is None:
            raise ServiceError(Code.CONFLICT, "no stamping authority is configured", detail="timestamp_not_configured")
        envelope = await signed_manifest(self._database, recording, self._deployment, self._signing_key)
        if not timestamp or self._stamp is None:
            return envelope.encode()
        stamp = await self._stamp(envelope.signature)
        return envelope.encode([] if stamp is None else [stamp])

    async def playlist(
        self,
        caller: Caller,
        recording_id: str,
        from_at: float | None = None,
        to_at: float | None = None,
        *,
        address: Callable[[str], str] | None = None,
    ) -> str:
        """Return one playlist over all parts. It contains short-lived links to the slices, or the `address` of each
        key. Raise `not_found` if no slice exists, or `invalid` if there are too many for one answer."""
        recording = await self._read(caller, recording_id)
        entries = await merged_slices(self._database, recording_id, from_at, to_at)
        if not entries:
            text = "has no slices" if from_at is None and to_at is None else "has no slices of that time"
            raise not_there(Code.NOT_FOUND, recording, text, "no_slices")
        if address is None:
            address = (await self._links(recording, [one.key for one in entries])).__getitem__
        return write_playlist(entries, address)

    async def _read(self, caller: Caller, recording_id: str) -> Recording:
        return await self._database.run(lambda connection: load_owned(connection, caller, recording_id))
