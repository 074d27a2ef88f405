"""Pagereel records real pages through the emulator: whatever becomes of the page, the recording ends as it should."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from browser_rig import BUNDLED, Site, browsers
from rtmp_server import RtmpServer

from emulator.s3_server import S3Server
from tests.e2e.house import BUCKET, House, Store, eventually, living

pytestmark = pytest.mark.proof

ALLOWANCE_SECONDS = 15
# Slices of a second each: when there are so many, some of the recording counts.
BEYOND_ALLOWANCE = ALLOWANCE_SECONDS + 1

Opening = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with S3Server() as server:
        server.make_bucket(BUCKET)
        opened = Store(server)
        yield opened
        opened.close()


@pytest.fixture
def opening(tmp_path: Path, store: Store) -> Opening:
    """`async with opening(crash="end") as house`: the house, with real pages; a browser needs seconds to start."""

    def opened(
        times: dict[str, Any] | None = None, level: str = "structure", **browser: Any
    ) -> AbstractAsyncContextManager[House]:
        emulator = {"engine": "browser", "browser": browser, "times": {"start": 0, **(times or {})}}
        settings = {
            "storage": {"archive": {"level": level}},
            "timing": {"start_allowance_seconds": ALLOWANCE_SECONDS},
            "urls": {"allow_http_hosts": ["127.0.0.1"], "allow_private_hosts": ["127.0.0.1"]},
        }
        return living(tmp_path, store, emulator=emulator, settings=settings)

    return opened


@pytest.fixture
def page(site: Site) -> str:
    return site.add_file("/page", BUNDLED)


async def started(house: House, **body: Any) -> str:
    """A recording that records; on a busy machine a browser takes its time to start."""
    recording = await house.ask(**body)
    await house.until(recording, "recording", deadline=60)
    return recording


async def over(house: House, recording: str) -> dict[str, Any]:
    return await house.until(recording, "verified", "defective", "unproven", "failed", "cancelled", deadline=60)


async def recorded(house: House, recording: str, slices: int) -> None:
    async def enough() -> bool:
        return bool((await house.shown(recording))["files"]["slices"] >= slices)

    await eventually(enough, 60)


@pytest.mark.parametrize(
    ("path", "more", "reason"),
    [("/missing", {}, "page_unreachable"), ("/silent", {"ready_timeout": 1}, "page_load_timeout")],
)
async def test_a_page_that_does_not_open_is_the_page_s_fault(
    opening: Opening, site: Site, path: str, more: dict[str, Any], reason: str
) -> None:
    site.add("/silent", "<body>never ready")
    async with opening() as house:
        shown = await over(house, await house.ask(url=site.url + path, **more))
    assert (shown["state"], shown["end_reason"], shown["blame"]) == ("failed", reason, "page")


async def test_pause_resume_and_stop_are_verified(opening: Opening, page: str) -> None:
    async with opening() as house:
        recording = await started(house, url=page)
        await recorded(house, recording, BEYOND_ALLOWANCE)
        await house.do(recording, "pause")
        await eventually(partial(_holds, house, True), 10)
        await house.do(recording, "resume")
        await eventually(partial(_holds, house, False), 10)
        await recorded(house, recording, BEYOND_ALLOWANCE + 2)
        await house.do(recording, "stop")
        shown = await over(house, recording)
    assert (shown["state"], shown["end_reason"], shown["blame"]) == ("verified", "stopped", "caller")
    assert shown["coverage"]["expected_seconds"] > 0, "some of it was wanted"


async def test_a_page_that_shows_nothing_is_warned_of_while_it_is_recorded(opening: Opening, site: Site) -> None:
    site.add("/white", "<body style='background: white'>")
    async with opening(level="content") as house:
        recording = await started(house, url=f"{site.url}/white")
        await recorded(house, recording, 2)

        async def warned() -> bool:
            return "picture_blank" in (await house.shown(recording))["warnings"]

        await eventually(warned, 60)
        await recorded(house, recording, BEYOND_ALLOWANCE)
        await house.do(recording, "stop")
        shown = await over(house, recording)
    assert shown["latest_report"]["level"] == "content"
    assert "picture_white" in [finding["code"] for finding in shown["latest_report"]["findings"]]


async def test_a_killed_browser_is_a_failover_and_verified(opening: Opening, page: str) -> None:
    async with opening(failover_seconds=0.5) as house:
        recording = await started(house, url=page)
        await recorded(house, recording, BEYOND_ALLOWANCE)
        os.kill(browsers()[0], signal.SIGKILL)
        await recorded(house, recording, BEYOND_ALLOWANCE + 2)
        await house.do(recording, "stop")
        shown = await over(house, recording)
    assert (shown["state"], shown["end_reason"]) == ("verified", "stopped")
    assert shown["coverage"]["expected_seconds"] > 0, "some of it was wanted"
    assert "failover" in shown["warnings"]
    assert "failover" in [finding["code"] for finding in shown["latest_report"]["findings"]]


async def test_a_browser_that_is_not_replaced_ends_the_recording(opening: Opening, page: str) -> None:
    async with opening(crash="end") as house:
        recording = await started(house, url=page)
        await recorded(house, recording, 1)
        os.kill(browsers()[0], signal.SIGKILL)
        shown = await over(house, recording)
    assert (shown["end_reason"], shown["blame"]) == ("recorder_error", "agora")


async def test_the_hour_limit_ends_the_recording(opening: Opening, page: str) -> None:
    """Agora's hour is six seconds here, Pagereel's is an hour: it takes the recording for cut short."""
    async with opening(times={"hour": 90}) as house:
        shown = await over(house, await house.ask(url=page, max_recording_hour=1))
    assert (shown["end_reason"], shown["blame"]) == ("hour_limit", "caller")


async def test_a_stop_while_the_browser_starts_cancels(opening: Opening, page: str) -> None:
    async with opening() as house:
        recording = await house.ask(url=page)
        await house.until(recording, "starting", "recording")
        await eventually(browsers, 30)
        await house.do(recording, "stop")
        shown = await over(house, recording)
    assert (shown["state"], shown["end_reason"]) == ("cancelled", "stopped")
    assert browsers() == []


async def test_a_push_target_that_vanishes_does_not_hurt_the_recording(opening: Opening, page: str) -> None:
    async with opening() as house:
        with RtmpServer() as rtmp:
            recording = await started(house, url=page, rtmp_url=rtmp.url("key"))
            await eventually(partial(_push_is, house, "publishing"), 60)
            rtmp.stop()
            await eventually(partial(_push_is, house, "disconnected"), 60)
        await recorded(house, recording, 3)
        await house.do(recording, "stop")
        shown = await over(house, recording)
    assert (shown["state"], shown["end_reason"]) == ("verified", "stopped")


async def _tasks(house: House) -> list[dict[str, Any]]:
    async with house.http.get(f"{house.emulator}/emulator/tasks") as response:
        tasks: list[dict[str, Any]] = (await response.json())["tasks"]
        return tasks


async def _push_is(house: House, status: str) -> bool:
    return bool((await _tasks(house))[0]["rtmp_status"] == status)


async def _holds(house: House, held: bool) -> bool:
    holds = (await _tasks(house))[0]["holds"]
    return bool(holds) and (holds[-1]["to_at"] is None) is held
