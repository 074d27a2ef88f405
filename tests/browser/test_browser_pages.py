"""What becomes of pages that do not load, are never ready, break, fall silent, or do what is not allowed."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from browser_rig import BUNDLED, Site, browsers

from emulator.s3_server import S3Server
from tests.emulator.emulator_rig import BUCKET, Client, Notices, emulating, receiving, until

READY_LATER = "<script>setTimeout(() => navigator.notifyReady(), 700)</script>"
TRIANGLE = """<canvas></canvas><script>
const gl = document.querySelector("canvas").getContext("webgl");
gl.drawArrays(gl.TRIANGLES, 0, 3);
</script>"""
ASKS_ONLY = "<canvas></canvas><script>document.querySelector('canvas').getContext('webgl')</script>"
BIG_VIDEO = """<canvas width=2000 height=1100></canvas><video autoplay muted></video><script>
const canvas = document.querySelector("canvas"), video = document.querySelector("video");
canvas.getContext("2d").fillRect(0, 0, 10, 10);
video.srcObject = canvas.captureStream(5);
setInterval(() => canvas.getContext("2d").fillRect(0, 0, 20, 20), 100);
</script>"""
ONE_BEEP = """<script>
const sound = new AudioContext(), tone = sound.createOscillator();
tone.connect(sound.destination);
tone.start();
tone.stop(sound.currentTime + 1);
</script>"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    async with receiving() as receiver:
        yield receiver


def recording(s3: S3Server, notices: Notices, **browser: Any) -> AbstractAsyncContextManager[Client]:
    """An emulator that opens pages at once, with slices of 2 s."""
    settings = {"engine": "browser", "browser": browser, "times": {"start": 0, "slice": 2, "exit": 0.5}}
    return emulating(s3, notices, compression=1, **settings)


def told(notices: Notices, event: int) -> list[dict[str, Any]]:
    return [body["payload"]["details"] for body in notices.events(event)]


async def ended(notices: Notices) -> int:
    """The code of event 71, once it came."""
    await until(lambda: told(notices, 71), 60)
    return int(told(notices, 71)[0]["code"])


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("missing", "status 404"),
        pytest.param("broken", "status 503", marks=pytest.mark.proof),
        ("refused", "ERR_CONNECTION_REFUSED"),
    ],
)
async def test_a_page_that_cannot_be_opened_ends_with_code_5_and_the_task_says_why(
    s3: S3Server, notices: Notices, site: Site, page: str, why: str
) -> None:
    site.add("/broken", "out of order", status=503)
    url = "http://127.0.0.1:4/" if page == "refused" else f"{site.url}/{page}"
    async with recording(s3, notices) as agora:
        session = await agora.start(url=url)
        assert await ended(notices) == 5
        await agora.reach(session, 404)
        task = await agora.task(session)
        # A machine under load adds a note that sound and picture could not be calibrated.
        notes = [note for note in task["recorder"]["notes"] if "opened" in note]
        assert (task["media"], notes) == ([], [f"the page could not be opened: {why}"])
        assert told(notices, 70) == []


async def test_a_page_that_asks_for_a_log_in_is_recorded_and_the_task_warns(
    s3: S3Server, notices: Notices, site: Site
) -> None:
    url = site.add("/locked", "<h1>Who are you?</h1>", status=401)
    async with recording(s3, notices) as agora:
        session = await agora.start(url=url)
        await agora.slices(session, 1, 60)
        notes = (await agora.task(session))["recorder"]["notes"]
        await agora.call(session, "stop")
    assert "the page answers status 401, and what it shows with that is recorded" in notes
    assert await ended(notices) == 0


async def test_a_page_that_is_never_ready_is_loaded_twice_and_ends_with_code_4(
    s3: S3Server, notices: Notices, site: Site
) -> None:
    url = site.add("/silent", "<body>never says a word")
    async with recording(s3, notices) as agora:
        await agora.start(url=url, readyTimeout=1)
        assert await ended(notices) == 4
    assert [details["reason"] for details in told(notices, 73)] == ["page_load_timeout"]
    assert site.asked.count("/silent") == 2
    assert told(notices, 70) == []


@pytest.mark.proof
async def test_recording_begins_when_the_page_says_that_it_is_ready(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add("/later", READY_LATER)
    async with recording(s3, notices) as agora:
        session = await agora.start(url=url, readyTimeout=10)
        await until(lambda: told(notices, 70), 60)
        assert told(notices, 73) == []
        status, _ = await agora.call(session, "stop")
        assert status in (200, 206)


async def test_a_killed_browser_is_replaced(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add_file("/page", BUNDLED)
    async with recording(s3, notices, failover_seconds=1) as agora:
        session = await agora.start(url=url)
        await agora.slices(session, 1, 60)
        (browser,) = browsers()
        os.kill(browser, signal.SIGKILL)
        await until(lambda: notices.events(12), 60)
        await until(lambda: agora.objects(containing="bak0_", ending=".ts"), 60)
        status, _ = await agora.call(session, "stop")
        assert status == 200
        assert (await agora.task(session))["failovers"] == 1
    assert await ended(notices) == 0
    assert browsers() == []


@pytest.mark.proof
async def test_a_killed_browser_may_end_the_recording_with_code_6(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add_file("/page", BUNDLED)
    async with recording(s3, notices, crash="end") as agora:
        session = await agora.start(url=url)
        await agora.slices(session, 1, 60)
        os.kill(browsers()[0], signal.SIGKILL)
        assert await ended(notices) == 6
        assert (await agora.task(session))["slices_uploaded"] >= 1


@pytest.mark.proof
async def test_drawing_with_webgl_ends_with_event_72_and_code_2(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add("/webgl", TRIANGLE)
    async with recording(s3, notices) as agora:
        await agora.start(url=url)
        assert await ended(notices) == 2
    assert [details["limitType"] for details in told(notices, 72)] == ["WebGL"]


@pytest.mark.proof
async def test_asking_for_webgl_is_allowed(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add("/asks", ASKS_ONLY)
    async with recording(s3, notices) as agora:
        session = await agora.start(url=url)
        await agora.slices(session, 2, 60)
    assert told(notices, 72) == []


@pytest.mark.proof
async def test_a_page_that_loads_too_fast_ends_with_event_72(s3: S3Server, notices: Notices, site: Site) -> None:
    site.add("/big", "x" * 2_000_000)
    url = site.add("/fast", "<script>fetch('/big')</script>")
    async with recording(s3, notices, limits={"down_mbps": 1}) as agora:
        await agora.start(url=url)
        assert await ended(notices) == 2
    assert [details["limitType"] for details in told(notices, 72)] == ["bandwidth"]


@pytest.mark.proof
async def test_a_video_above_1080p_ends_with_event_72(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add("/video", BIG_VIDEO)
    async with recording(s3, notices) as agora:
        await agora.start(url=url)
        assert await ended(notices) == 2
    assert [details["limitType"] for details in told(notices, 72)] == ["resolution"]


@pytest.mark.proof
async def test_a_page_that_loses_its_sound_is_loaded_anew_once(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add("/beep", ONE_BEEP)
    async with recording(s3, notices, silence_seconds=1) as agora:
        session = await agora.start(url=url)
        await until(lambda: told(notices, 73), 60)
        assert [details["reason"] for details in told(notices, 73)] == ["audio_silence"]
        await until(lambda: site.asked.count("/beep") == 2, 60)
        assert (await agora.task(session))["running"]


@pytest.mark.proof
async def test_a_page_on_hold_is_open_but_writes_nothing(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add_file("/page", BUNDLED)
    async with recording(s3, notices) as agora:
        session = await agora.start(url=url, onhold=True)
        await until(lambda: told(notices, 70), 60)
        assert site.asked.count("/page") == 1
        await agora.call(session, "update", {"webRecordingConfig": {"onhold": False}})
        await agora.slices(session, 1, 60)
        task = await agora.task(session)
        began, resumed = (datetime.fromisoformat(at) for at in (task["media"][0]["from_at"], task["holds"][0]["to_at"]))
        # Recording begins with the frame that is being shown.
        assert began - resumed >= timedelta(seconds=-1 / 15)


async def test_one_page_too_many_is_refused(s3: S3Server, notices: Notices, site: Site) -> None:
    url = site.add("/page", "<body>one")
    async with recording(s3, notices, recordings=1) as agora:
        second = await agora.acquire("second", "2")
        first = await agora.start(url=url)
        body = {"cname": "third", "uid": "3", "clientRequest": {"scene": 1}}
        status, answer = await agora.send("POST", "/v1/apps/app1/cloud_recording/acquire", body)
        assert (status, answer["code"], answer["reason"]) == (400, 406, "vendor_over_load")
        status, answer = await agora.try_start(second, "second", "2", url=url)
        assert (status, answer["code"]) == (500, 502)
        # Stopped while its browser still starts.
        await agora.call(first, "stop", {"async_stop": True})
        await agora.reach(first, 404)
        assert await agora.acquire("third", "3")
    assert browsers() == []


@pytest.mark.proof
async def test_without_a_display_the_page_is_recorded_by_screencast(
    s3: S3Server, notices: Notices, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PATH on which neither Xvfb nor PulseAudio is."""
    for program in ("chromium", "bash", "sh"):
        found = next(Path(folder) / program for folder in os.get_exec_path() if (Path(folder) / program).exists())
        (tmp_path / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    url = site.add_file("/page", BUNDLED)
    async with recording(s3, notices) as agora:
        session = await agora.start(url=url)
        await agora.slices(session, 1, 60)
        recorder = (await agora.task(session))["recorder"]
        assert recorder["sound"] is False
        assert recorder["notes"] == ["no sound: PulseAudio is missing", "picture by screencast: Xvfb is missing"]
