"""The upload of one file set: slices as they are finished, the playlist after each slice, and MP4 files when they are
full.

Defines the order of uploads and the content of the playlist (agora-reference §9.4, §9.5). It makes no media and chooses
no bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from emulator.media.file_names import FileNames
from emulator.media.playlist import Dialect, Entry, render
from emulator.recorders.backup_store import Parcel
from emulator.recorders.segmenter import Mp4File, Slice
from emulator.uploads.s3 import CONFIGURATION_WRONG, UploadError

_PLAYLIST_TYPE, _SLICE_TYPE, _MP4_TYPE = "application/vnd.apple.mpegurl", "video/mp2t", "video/mp4"


class Shipment:
    """The uploads of one file set. `on_slice` is called after each slice and its playlist arrived.

    A lost slice stays in the playlist, because Agora is not known to remove it. The first UploadError is kept in
    `error`. After a refused configuration nothing more is uploaded.
    """

    def __init__(
        self,
        names: FileNames,
        dialect: Dialect,
        *,
        bring: Callable[[Parcel], Awaitable[None]],
        loses: Callable[[str], bool],
        on_slice: Callable[[], None],
        on_error: Callable[[UploadError], None],
    ) -> None:
        self.error: UploadError | None = None
        self._names, self._dialect = names, dialect
        self._bring, self._loses, self._on_slice, self._on_error = bring, loses, on_slice, on_error
        self._entries: list[Entry] = []
        self._queue: asyncio.Queue[Slice | Mp4File | None] = asyncio.Queue()

    def add(self, made: Slice | Mp4File) -> None:
        """Queue a slice or a full MP4 file."""
        self._queue.put_nowait(made)

    def end(self) -> None:
        """Accept no more slices. `run` ends after the queued slices."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Upload the queued files until `end`."""
        while (made := await self._queue.get()) is not None:
            if isinstance(made, Mp4File):
                await self._bring_mp4(made)
                continue
            name = made.entry.name
            # A slice that a fault loses counts as uploaded inside the emulator.
            if self._loses(name) or await self._try(Parcel(name, self._names.key(name), made.data, _SLICE_TYPE)):
                self._entries.append(made.entry)
                if await self._put_playlist(ended=False):
                    self._on_slice()

    async def finish(self, files: Sequence[Mp4File], *, ended: bool) -> None:
        """Upload the last MP4 files and then the playlist, with its end mark if `ended` is true. Call this after
        `run`."""
        for file in files:
            await self._bring_mp4(file)
        if self._entries:
            await self._put_playlist(ended=ended)

    async def _bring_mp4(self, file: Mp4File) -> None:
        await self._try(Parcel(file.name, self._names.key(file.name), file.path, _MP4_TYPE))
        file.path.unlink(missing_ok=True)

    async def _put_playlist(self, *, ended: bool) -> bool:
        text, name = render(self._entries, self._dialect, ended=ended), self._names.playlist
        return await self._try(Parcel(name, self._names.key(name), text.encode(), _PLAYLIST_TYPE, self._forwarded))

    def _forwarded(self, tick: int, index: int) -> str:
        return self._names.key(self._names.forwarded(tick, index))

    async def _try(self, parcel: Parcel) -> bool:
        """Upload one file. Return False if it is lost to an error."""
        if self.error is not None and self.error.code == CONFIGURATION_WRONG:
            return False
        try:
            await self._bring(parcel)
        except UploadError as error:
            if self.error is None:
                self.error = error
                self._on_error(error)
            return False
        return True
