"""Bringing one file set into the bucket: slices as they come, the playlist after each, MP4 files when they are full.

For: the order of uploads and what the playlist says (agora-reference §9.4, §9.5). It makes no media, picks no bucket.
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
    """One file set on its way. `on_slice` is called after each slice that arrived, the playlist included.

    A lost slice stays in the playlist, as nothing is known of Agora taking it out. The first UploadError is kept
    in `error`; once the configuration was refused nothing further is tried.
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
        """Queue a slice or an MP4 file that is full."""
        self._queue.put_nowait(made)

    def end(self) -> None:
        """Say that no more slices come; `run` ends after those queued."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Upload what is queued until `end`."""
        while (made := await self._queue.get()) is not None:
            if isinstance(made, Mp4File):
                await self._bring_mp4(made)
                continue
            name = made.entry.name
            # A slice that a fault loses looks brought from inside.
            if self._loses(name) or await self._try(Parcel(name, self._names.key(name), made.data, _SLICE_TYPE)):
                self._entries.append(made.entry)
                if await self._put_playlist(ended=False):
                    self._on_slice()

    async def finish(self, files: Sequence[Mp4File], *, ended: bool) -> None:
        """After `run`: the last MP4 files, then the playlist, with its end mark if that is wanted."""
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
        """Bring one file; False when it is lost to an error."""
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
