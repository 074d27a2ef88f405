"""Bringing one file set into the bucket: slices as they come, the playlist after each, MP4 files at the end.

For: the order of uploads and what the playlist says (reference 9.4, 9.5). It must not make media nor choose a bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from emulator.names import FileNames
from emulator.playlist import Dialect, Entry, render
from emulator.recorder import Mp4File, Slice
from emulator.upload import CONFIGURATION_WRONG, UploadError

Put = Callable[[str, bytes | Path, str], Awaitable[None]]
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
        put: Put,
        loses: Callable[[], bool],
        on_slice: Callable[[], None],
        on_error: Callable[[UploadError], None],
    ) -> None:
        self.error: UploadError | None = None
        self._names, self._dialect = names, dialect
        self._put, self._loses, self._on_slice, self._on_error = put, loses, on_slice, on_error
        self._entries: list[Entry] = []
        self._queue: asyncio.Queue[Slice | None] = asyncio.Queue()

    def add(self, made: Slice) -> None:
        """Queue a slice."""
        self._queue.put_nowait(made)

    def end(self) -> None:
        """Say that no more slices come; `run` ends after those queued."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Upload what is queued until `end`."""
        while (made := await self._queue.get()) is not None:
            if await self._try(self._names.slice(made.entry.began), made.data, _SLICE_TYPE, lost=self._loses()):
                self._entries.append(made.entry)
                if await self._put_playlist(ended=False):
                    self._on_slice()

    async def finish(self, files: Sequence[Mp4File]) -> None:
        """After `run`: the MP4 files, then the playlist with its end mark."""
        for file in files:
            await self._try(file.name, file.path, _MP4_TYPE)
        if self._entries:
            await self._put_playlist(ended=True)

    async def _put_playlist(self, *, ended: bool) -> bool:
        text = render(self._entries, self._dialect, ended=ended)
        return await self._try(self._names.playlist, text.encode(), _PLAYLIST_TYPE)

    async def _try(self, name: str, body: bytes | Path, content_type: str, *, lost: bool = False) -> bool:
        """Upload one file; False when it is lost to an error. A fault's loss looks like success from inside."""
        if lost:
            return True
        if self.error is not None and self.error.code == CONFIGURATION_WRONG:
            return False
        try:
            await self._put(self._names.key(name), body, content_type)
        except UploadError as error:
            if self.error is None:
                self.error = error
                self._on_error(error)
            return False
        return True
