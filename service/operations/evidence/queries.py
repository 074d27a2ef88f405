"""What is known of a recording, for those who ask: its timeline, files, pictures and reports, and why it is as it is.

Nothing is changed here, and nothing outside the database is called, but for the bytes of a slice that somebody watches;
links are signed without a call.
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

# More history than any recording has that people still understand.
EXPLAINED_LINES = 2000

Links = Callable[[Recording, list[str]], Awaitable[dict[str, str]]]
"""A short-lived link to each of the objects."""


Stamp = Callable[[bytes], Awaitable[bytes | None]]
"""A time stamp on these bytes, or None where none is to be had now."""


class Evidence:
    """Methods raise `ServiceError`; another owner's recording is `not_found`."""

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
        """Everything that happened, oldest first."""
        after = (decode_cursor(cursor, (int,)) or (0,))[0]

        def transaction(connection: sa.Connection) -> Sequence[evidence.HistoryRow]:
            load_owned(connection, caller, recording_id)
            return evidence.load_history(connection, recording_id, after=after, limit=limit + 1)

        found = [HistoryEntry(**asdict(row)) for row in await self._database.run(transaction)]
        return cut_page(found, limit, lambda last: (last.number,))

    async def link(self, caller: Caller, recording_id: str, key: str) -> str:
        """A short-lived link to one file that the bucket holds. It is a secret."""
        recording, file = await self._load_with_file(caller, recording_id, key)
        if file is None or not file.listed:
            raise ServiceError(Code.NOT_FOUND, "no such file")
        return (await self._links(recording, [key]))[key]

    async def origin(self, caller: Caller, recording_id: str) -> str | None:
        """Scheme and host that links to its files lead to; None where no link can be made."""
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
        """Why the recording is as it is."""

        def transaction(connection: sa.Connection) -> tuple[Recording, Sequence[evidence.HistoryRow]]:
            recording = load_owned(connection, caller, recording_id)
            return recording, evidence.load_history(connection, recording_id, limit=EXPLAINED_LINES)

        return explain(*await self._database.run(transaction))

    async def files(
        self, caller: Caller, recording_id: str, cursor: str | None, limit: int, *, links: bool
    ) -> Page[FileEntry]:
        """The manifest, in the order of the keys; `links`: each listed file with a short-lived link."""
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
        """The bytes of one slice, for a player that may not ask the bucket; see `playback`."""
        recording, file = await self._load_with_file(caller, recording_id, key)
        return await self._playback.read_slice(recording, file)

    async def report(self, caller: Caller, recording_id: str, number: int | None) -> tuple[int, Report]:
        """See `whole_report`."""
        return await whole_report(self._database, await self._read(caller, recording_id), number)

    async def pictured(self, caller: Caller, recording_id: str) -> bool:
        """Whether there is a poster and a contact sheet."""

        def transaction(connection: sa.Connection) -> bool:
            load_owned(connection, caller, recording_id)
            return evidence.has_pictures(connection, recording_id)

        return await self._database.run(transaction)

    async def pictured_among(self, caller: Caller, recording_ids: Sequence[str]) -> frozenset[str]:
        """Which of the owner's recordings have a poster and a contact sheet."""
        return await self._database.run(
            lambda connection: evidence.find_pictured(connection, caller.owner, recording_ids)
        )

    async def pictures(self, caller: Caller, recording_id: str) -> Pictures:
        """Poster and contact sheet of the newest look that saw any; `not_found` where none did."""

        def transaction(connection: sa.Connection) -> tuple[Recording, Pictures | None]:
            recording = load_owned(connection, caller, recording_id)
            return recording, evidence.load_pictures(connection, recording_id)

        recording, found = await self._database.run(transaction)
        if found is None:
            raise not_there(Code.NOT_FOUND, recording, "has no pictures", "no_pictures")
        return found

    async def manifest(self, caller: Caller, recording_id: str, *, timestamp: bool = False) -> bytes:
        """The envelope of the signed manifest; see `signed_manifest`. With `timestamp` its signature is stamped, as far
        as the authority answers. Raises `conflict` where a stamp is asked for and no authority is configured."""
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
        """One playlist over all parts, its slices by short-lived links or at the `address` of each key. `not_found`
        where there is no slice; `invalid` where there are too many for one answer."""
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
