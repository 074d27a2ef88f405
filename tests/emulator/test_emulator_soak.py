"""A hundred synthetic recordings at once, wave after wave: nothing is left behind and memory stays flat."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from emulator_rig import Client, Notices, Session, emulating, until

from emulator.s3_server import S3Server

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
AT_ONCE = max(20, round(100 * SCALE))
WAVES = max(3, round(20 * SCALE))
# What the allocator keeps is no leak; a leak of one task's files would be tens of MiB a wave.
FLAT_MEBIBYTES = 24


def _resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _leftovers() -> dict[str, int]:
    """What a wave must give back."""
    gc.collect()
    opened = [os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir()]
    # Other processes may have emulators of their own: our home is the one whose lock we hold.
    (home,) = (Path(path).parent for path in opened if "/pagereel-emulator-" in path and path.endswith("/lock"))
    return {
        "descriptors": len(opened),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "files": len([*home.rglob("*.mp4"), *home.rglob("*.ts")]),
    }


async def _wave(agora: Client, number: int) -> None:
    sessions = await asyncio.gather(
        *(agora.start(f"wave{number}", str(uid), av=["hls", "mp4"]) for uid in range(1, AT_ONCE + 1))
    )
    await until(lambda: _all(agora, number, "slices_uploaded"), 300)
    assert sum(task["running"] for task in await _tasks(agora, number)) == AT_ONCE
    await asyncio.gather(*(_stop(agora, session) for session in sessions))
    await until(lambda: _all(agora, number, "gone_at"), 300)
    # A storage that is too slow for a busy machine is away to the emulator; what it kept meanwhile is brought.
    await until(lambda: _brought(agora, number), 300)
    for task in await _tasks(agora, number):
        assert {one["event"] for one in task["notices"]} >= {30, 70, 4, 71, 31, 11}


async def _stop(agora: Client, session: Session) -> None:
    assert (await agora.call(session, "stop", {"async_stop": True}))[0] == 200


async def _tasks(agora: Client, number: int) -> list[dict[str, Any]]:
    _, answer = await agora.send("GET", f"/emulator/tasks?cname=wave{number}")
    return list(answer["tasks"])


async def _brought(agora: Client, number: int) -> bool:
    await asyncio.sleep(0.3)
    return all(set(task["files"].values()) <= {"stored", "forwarded"} for task in await _tasks(agora, number))


async def _all(agora: Client, number: int, fact: str) -> bool:
    await asyncio.sleep(0.3)  # a listing of a hundred tasks is no small thing
    return all(task[fact] for task in await _tasks(agora, number))


@pytest.mark.proof
async def test_a_hundred_recordings_at_once_leak_nothing(s3: S3Server, notices: Notices) -> None:
    notices.keeps = False
    sizes: list[float] = []
    async with emulating(s3, notices, kept_tasks=AT_ONCE, compression=3, max_tasks=AT_ONCE) as agora:
        for number in range(WAVES):
            await _wave(agora, number)
            await until(lambda: not _notices_under_way(), 30)
            left = _leftovers()
            sizes.append(_resident())
            if number == 0:
                first = left
            assert left["files"] == 0
            assert left["threads"] <= first["threads"] + 8, "the pools of threads grow to their size"
            assert left["descriptors"] <= first["descriptors"] + 20, "connections that are kept alive vary"
            assert left["tasks"] <= first["tasks"] + 20
    print(f"resident MiB by wave: {[round(size) for size in sizes]}")
    assert max(sizes[1:]) - sizes[1] < FLAT_MEBIBYTES, sizes


def _notices_under_way() -> bool:
    return any(task.get_name().startswith("notice-") for task in asyncio.all_tasks())
