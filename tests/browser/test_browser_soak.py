"""Recordings one after another: no process, handle or file is left behind, and memory stays flat."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from browser_rig import BUNDLED, Site, parent_of

from emulator.home import MARK
from emulator.s3_server import S3Server
from tests.emulator.emulator_rig import BUCKET, Client, emulating, receiving, until

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
SECONDS = 600 * SCALE
# Until then modules are loaded, pools filled and caches made.
WARM_UP = max(2, round(10 * SCALE))
# One picture kept of each recording would be 10 MB at full size, one encoder hundreds.
FLAT_MB = 5


def marked() -> int:
    """The children of this process that carry the mark of an emulator."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            count += parent_of(entry) == os.getpid() and MARK.encode() + b"=" in (entry / "environ").read_bytes()
    return count


def used_mb() -> float:
    """Memory in use. Each recording has threads of its own, and glibc gives them sixteen arenas by turns: until all
    have met the most that a thread ever needs, some forty recordings, what is free and kept grows by 12 MB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_mb()


def resident_mb() -> float:
    found = re.search(r"^VmRSS:\s+(\d+)", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) / 1024


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def recorders() -> list[str]:
    """Threads of recordings; those of pools stay."""
    own = ("emulator-film", "emulator-ear", "emulator-push")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(own)]


def stale_displays() -> set[str]:
    """Lock files of X servers that are gone."""
    found = set()
    for lock in Path(tempfile.gettempdir()).glob(".X*-lock"):
        with suppress(OSError):
            if not Path("/proc", lock.read_text().strip()).exists():
                found.add(lock.name)
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
            files, memory = handles(), used_mb()
            deadline, number = time.monotonic() + SECONDS, WARM_UP
            while time.monotonic() < deadline:
                await one(agora, url, number)
                number += 1
                print(number, round(resident_mb(), 1), handles(), flush=True)
                notices.bodies.clear()
                notices.raw.clear()
            await until(lambda: marked() == 0)
            await until(lambda: recorders() == [])
            # A pool of connections may have grown by some.
            await until(lambda: handles() <= files + 4)
            kept, after = resident_mb(), used_mb()
            print(f"{number} recordings, {memory:.1f} MB in use then {after:.1f} ({kept:.1f} kept), {files} handles")
            assert after < memory + FLAT_MB
    assert stale_displays() <= before
