"""A full disk under a SQLite database: nothing new is started, what runs is stopped, and all heals with the room."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import Forge, House, Store, eventually, killable, notice

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB: the reserve of 16, as much to spare, and a database."""
    place = tmp_path / "disk"
    place.mkdir()
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*root, "mount", "-t", "tmpfs", "-o", f"size=48m,uid={os.geteuid()}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root, or sudo without a password, to mount a small disk")
    try:
        yield place
    finally:
        subprocess.run([*root, "umount", "-l", str(place)], check=True)


def _fill(place: Path) -> Path:
    """Whatever else lies on the disk grows until nothing fits any more."""
    stuff = place / "stuff"
    with stuff.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return stuff


async def _refused_for_room(house: House) -> bool:
    answer = await house.call("POST", "/v1/recordings", json={"url": "https://a.example.org/"})
    assert answer.status in (202, 503)
    return answer.status == 503 and answer.body["reason"] == "disk_full"


@pytest.mark.proof
async def test_proof_on_a_full_disk_nothing_starts_and_what_runs_is_stopped(
    forge: Forge, tmp_path: Path, store: Store, small_disk: Path
) -> None:
    async with killable(forge, tmp_path, store, f"sqlite:///{small_disk}/pagereel.db") as (house, _):
        recordings = [await house.start(max_missing_seconds=60) for _ in range(3)]
        await asyncio.gather(*(house.slices(each, 1) for each in recordings))
        answered: list[str] = []
        statuses: set[int] = set()
        assert (await house.metrics())["pagereel_disk_reserve_held"] == 1
        stuff = await asyncio.to_thread(_fill, small_disk)

        async def given_up() -> bool:
            """Load goes on; the first commit that finds no room makes some."""
            for number in range(20):
                name = f"{len(statuses)}-{len(answered)}-{number}"
                status = await house.notify(notice(name))
                statuses.add(status)
                if status == 200:
                    answered.append(f"notice-{name}")
            return (await house.metrics())["pagereel_disk_reserve_held"] == 0

        await eventually(given_up, 40, "the reserve is given up")
        await eventually(lambda: _refused_for_room(house), 10, "nothing new is taken")
        assert statuses <= {200, 503}
        for each in recordings:
            await house.do(each, "stop")

        async def none_runs() -> bool:
            return not any(task["running"] for task in await house.tasks())

        await eventually(none_runs, 40, "what runs is stopped")
        stuff.unlink()

        async def room_again() -> bool:
            return (await house.metrics())["pagereel_disk_reserve_held"] == 1

        await eventually(room_again, 20, "there is room again")
        await asyncio.gather(*(house.until(each, "verified", deadline=60) for each in recordings))
        later = await house.start()
        await house.do(later, "stop")
        await house.until(later, "verified")
        kept = {row[0] for row in await house.rows("SELECT notice_id FROM notifications")}
        assert set(answered) <= kept
