"""Recordings one after another: no process, handle or file is left behind, and memory stays flat."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from browser_rig import BUNDLED, Site, parent_of

from emulator.process.workdir import MARK
from emulator.s3_server import S3Server
from tests.emulator.emulator_rig import BUCKET, Client, emulating, receiving, until

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
SECONDS = 600 * SCALE
# Until then modules are loaded, pools filled and caches made.
WARM_UP = max(2, round(10 * SCALE))
# One encoded slice kept of each recording would be 10 MiB at full size.
FLAT_MIB, FLAT_BLOCKS = 2, 10_000


def marked() -> int:
    """The children of this process that carry the mark of an emulator."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            count += parent_of(entry) == os.getpid() and MARK.encode() + b"=" in (entry / "environ").read_bytes()
    return count


class Mallinfo(ctypes.Structure):
    """What glibc's `mallinfo2` gives, in bytes, of all arenas."""

    _fields_: ClassVar = [
        *((name, ctypes.c_size_t) for name in ("arena", "free_chunks", "fast_chunks", "mappings", "mapped")),
        *((name, ctypes.c_size_t) for name in ("unused", "fast_free", "used", "free", "trimmable")),
    ]


def allocated() -> tuple[float, int]:
    """MiB in use by malloc, blocks in use by Python: what is held, whatever the allocators keep besides."""
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    found = mallinfo()
    return (found.used + found.mapped) / 2**20, sys.getallocatedblocks()


def resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def recorders() -> list[str]:
    """Threads of recordings; those of pools stay."""
    own = ("emulator-film", "emulator-ear", "emulator-push")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(own)]


def stale_displays() -> set[str]:
    """Sockets that X servers which are gone have left."""
    found = set()
    for path in Path("/tmp/.X11-unix").glob("X*"):
        with socket.socket(socket.AF_UNIX) as display, suppress(FileNotFoundError):
            try:
                display.connect(str(path))
            except ConnectionRefusedError:
                found.add(path.name)
    return found


async def one(agora: Client, url: str, number: int) -> None:
    """A recording of two slices, with a pause."""
    session = await agora.start(f"soak-{number}", "1", url=url, av=["hls", "mp4"])
    await agora.slices(session, 1, 60)
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": True}})
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": False}})
    await agora.slices(session, 2, 60)
    status, _ = await agora.call(session, "stop")
    assert status == 200
    await agora.reach(session, 404)
    assert (await agora.task(session))["end_code"] == 0


@pytest.mark.proof
async def test_recordings_one_after_another_leave_nothing_and_grow_nothing(site: Site) -> None:
    url = site.add_file("/page", BUNDLED)
    before = stale_displays()
    with S3Server() as s3:
        s3.make_bucket(BUCKET)
        settings = {"engine": "browser", "times": {"start": 0, "slice": 2, "exit": 0.5}, "kept_tasks": 5}
        async with receiving() as notices, emulating(s3, notices, compression=1, **settings) as agora:
            for number in range(WARM_UP):
                await one(agora, url, number)
            await until(lambda: marked() == 0)
            files, kept, (memory, blocks) = handles(), resident(), allocated()
            deadline, number = time.monotonic() + SECONDS, WARM_UP
            while time.monotonic() < deadline:
                await one(agora, url, number)
                number += 1
                notices.bodies.clear()
                notices.raw.clear()
                print(number, round(resident(), 1), *allocated(), handles(), flush=True)
            await until(lambda: marked() == 0)
            await until(lambda: recorders() == [])
            # A pool of connections may have grown by some.
            await until(lambda: handles() <= files + 4)
            held = allocated()
            print(f"{number} recordings, resident {kept:.0f} then {resident():.0f} MiB")
            print(f"held {memory:.1f} MiB and {blocks} blocks, then {held[0]:.1f} and {held[1]}")
            assert held[0] < memory + FLAT_MIB
            assert held[1] < blocks + FLAT_BLOCKS
            # Each recording has threads of its own, and glibc gives them its arenas by turns: until all have met the
            # most that a thread ever needs, some forty recordings, what is free and kept for later grows.
            assert resident() < kept * 1.1 + 5
    assert stale_displays() <= before
