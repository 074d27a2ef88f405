"""The command `pagereel files`, which lists or downloads the files of a recording."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from pagereel.cli.remote.durations import in_words, size_in_words
from pagereel.cli.remote.ids import remote_recording
from pagereel.cli.remote.session import CallError, Service
from pagereel.cli.remote.shown import OVER, name_of
from pagereel.cli.terminal.options import option
from pagereel.cli.terminal.output import json_option, make_folder, printable, say, show_json
from pagereel.cli.terminal.tables import console, print_table
from pagereel.interrupts import UNWRITABLE, no_room
from service.http.connections import connection_reason

AT_ONCE = 4
SILENT_SECONDS = 60


class _Unwritable(Exception):
    """The directory does not accept a file. If `full` is true, it accepts no other file either."""

    def __init__(self, text: str, *, full: bool) -> None:
        super().__init__(text)
        self.full = full


_Failure = tuple[str, Exception, str]
"""A failed download: the file's name, the error, and the reason for a person."""


@click.command("files")
@option(
    "--download",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Download the files into this directory.",
)
@option("--kind", type=click.Choice(["slice", "playlist", "mp4"]), help="Only files of this kind.")
@json_option
@remote_recording
async def files_command(service: Service, recording: str, folder: Path | None, kind: str | None, as_json: bool) -> int:
    """List the files of a recording and where each was seen, or download them.

    A file that is already there with the right size is not downloaded again. The exit status is 1 if a download failed
    or there is nothing to download, and 2 if the directory cannot be written.
    """
    params = {"links": "true"} if folder is not None else {}
    found = [
        item
        async for item in service.items(f"/v1/recordings/{recording}/files", params)
        if kind is None or item["kind"] == kind
    ]
    failed = [] if folder is None else await _fetch_all(found, folder, quiet=as_json)
    if as_json:
        show_json([{name: value for name, value in item.items() if name != "link"} for item in found])
    elif not found:
        say(await _no_files(service, recording, kind), err=True)
    elif folder is None:
        print_table(("name", "kind", "size", "length", "seen in"), map(_row, found))
    else:
        say(f"{len(found) - len(failed)} files are in {folder}")
    for line in _failures(failed):
        say(f"pagereel: {line}", err=True)
    if any(isinstance(error, _Unwritable) for _, error, _ in failed):
        return UNWRITABLE
    return 1 if failed or (folder is not None and not found) else 0


async def _no_files(service: Service, recording: str, kind: str | None) -> str:
    """Return a text that no file is known, and whether one can still arrive."""
    state = (await service.call("GET", f"/v1/recordings/{recording}"))["state"]
    what = "file" if kind is None else f"{kind} file"
    if state in OVER:
        return f"No {what} is known: the recording is {state}."
    return f"No {what} has been seen in the bucket yet: the recording is {state}."


def _failures(failed: list[_Failure]) -> Iterator[str]:
    """Yield a line for each reason and not for each file, because an unavailable store has the same reason for all
    files."""
    names: dict[str, list[str]] = {}
    for name, _, reason in failed:
        names.setdefault(reason, []).append(name)
    for reason, of in names.items():
        yield f"{of[0]}: {reason}" if len(of) == 1 else f"{len(of)} files were not downloaded: {reason}"


def _row(file: dict[str, Any]) -> tuple[object, ...]:
    seen = [word for word in ("announced", "listed", "in_playlist") if file[word]]
    told = "MISSING" if file["missing"] else ", ".join(seen)
    return (
        name_of(file["key"]),
        file["kind"],
        size_in_words(file["size_bytes"]),
        in_words(file["duration_seconds"]),
        told,
    )


def _name(file: dict[str, Any]) -> str:
    return PurePosixPath(file["key"]).name


async def _fetch_all(found: list[dict[str, Any]], folder: Path, *, quiet: bool) -> list[_Failure]:
    """Download all files with a link. Return the failures with their reasons."""
    await asyncio.to_thread(make_folder, folder)
    absent = CallError("is not in the bucket")
    failed: list[_Failure] = [(_name(file), absent, str(absent)) for file in found if file["link"] is None]
    wanted = [file for file in found if file["link"] is not None]
    turns = asyncio.Semaphore(AT_ONCE)
    screen = console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        console=screen, disable=quiet or not screen.is_terminal,
    ) as progress:  # fmt: skip
        bar = progress.add_task(printable(str(folder)), total=sum(file["size_bytes"] or 0 for file in wanted))
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=SILENT_SECONDS)
        # The links are presigned by the bucket, so the API token must not be sent there.
        async with aiohttp.ClientSession(timeout=timeout) as http:
            away: list[tuple[Exception, str]] = []

            async def fetch(file: dict[str, Any]) -> None:
                async with turns:
                    if away:  # the store or the directory is unavailable for all files
                        failed.append((_name(file), *away[0]))
                        return
                    try:
                        await _fetch(http, file, folder / _name(file), lambda size: progress.advance(bar, size))
                    except (CallError, _Unwritable, aiohttp.ClientError, OSError, TimeoutError) as error:
                        reason = _reason(error, file["link"])
                        failed.append((_name(file), error, reason))
                        if _concerns_all(error):
                            away.append((error, reason))

            await asyncio.gather(*map(fetch, wanted))
    return failed


def _concerns_all(error: Exception) -> bool:
    """Return True if the error affects all other files too."""
    if isinstance(error, _Unwritable):
        return error.full
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _reason(error: Exception, link: str) -> str:
    """Return why a file could not be downloaded, with the store's host. The link is a secret, so an error that contains
    it is not shown."""
    host = _host(link)
    if isinstance(error, CallError | _Unwritable):
        return str(error)
    reason = connection_reason(error) or ("no answer in time" if isinstance(error, TimeoutError) else "")
    reason = reason or f"the connection broke ({type(error).__name__})"
    return reason if host in reason else f"{host}: {reason}"


def _host(link: str) -> str:
    try:
        return urlsplit(link).netloc.rpartition("@")[2]
    except ValueError:
        return "the store"


async def _fetch(http: aiohttp.ClientSession, file: dict[str, Any], target: Path, progressed: Any) -> None:
    """Download one object. It gets its final name when it is complete. A partial file is removed."""
    size = file["size_bytes"]
    if size is not None and await asyncio.to_thread(_size, target) == size:
        progressed(size)
        return
    partial = target.with_name(f"{target.name}.part")
    try:
        await _fetch_into(http, file, partial, progressed)
        with _writing(target.parent):
            await asyncio.to_thread(os.replace, partial, target)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


async def _fetch_into(http: aiohttp.ClientSession, file: dict[str, Any], partial: Path, progressed: Any) -> None:
    size = file["size_bytes"]
    async with http.get(file["link"]) as response:
        if response.status != 200:
            raise CallError(f"{_host(file['link'])} answered HTTP {response.status}")
        written = 0
        with _writing(partial.parent):
            opened = await asyncio.to_thread(partial.open, "wb")
        try:
            async for piece in response.content.iter_chunked(1 << 18):
                with _writing(partial.parent):
                    await asyncio.to_thread(opened.write, piece)
                written += len(piece)
                progressed(len(piece))
        finally:
            with _writing(partial.parent):
                await asyncio.to_thread(opened.close)
    # A playlist grows during the recording, so it may be longer than listed.
    grown = file["kind"] == "playlist" and size is not None and written > size
    if size is not None and written != size and not grown:
        raise CallError(f"received only {size_in_words(written)} of {size_in_words(size)}")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raise `_Unwritable` for errors of the directory, to distinguish them from errors of the connection."""
    try:
        yield
    except OSError as error:
        raise _Unwritable(f"{folder} cannot be written ({error.strerror})", full=no_room(error)) from error


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None
