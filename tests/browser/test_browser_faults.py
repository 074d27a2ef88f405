"""Faults act on real pages, their recorders and their pushes as they do on drawn ones."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import av
import pytest
from browser_rig import BUNDLED, Site, browsers
from rtmp_server import RtmpServer

from emulator.s3_server import S3Server
from tests.emulator.emulator_rig import BUCKET, Client, Notices, Session, emulating, receiving, until

pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def agora(s3: S3Server, notices: Notices) -> AsyncIterator[Client]:
    times = {"start": 0, "slice": 2, "exit": 0.5}
    async with emulating(s3, notices, compression=1, engine="browser", times=times) as client:
        yield client


def told(notices: Notices, event: int, session: Session) -> list[dict[str, Any]]:
    return [body["payload"]["details"] for body in notices.events(event) if body["sid"] == session.sid]


async def test_a_page_is_blank_silent_loaded_anew_and_dies_when_faults_say_so(
    agora: Client, notices: Notices, site: Site
) -> None:
    url = site.add_file("/page", BUNDLED)
    for fault in ({"kind": "page_blank", "colour": "grey"}, {"kind": "page_silent"}, {"kind": "reload", "seconds": 1}):
        await agora.fault(cname="seen", **fault)
    session = await agora.start("seen", url=url)
    await until(lambda: site.asked.count("/page") == 2, 60)
    await agora.slices(session, 2, 60)
    await agora.fault(kind="page_dies", seconds=0, cname="seen")
    await until(lambda: told(notices, 71, session), 60)
    assert [one["reason"] for one in told(notices, 73, session)] == ["audio_silence"]
    assert told(notices, 71, session)[0]["code"] == 6
    recorder = (await agora.task(session))["recorder"]
    assert (recorder["engine"], recorder["brightness"], recorder["silent"]) == ("browser", 128, True)
    for content in agora.objects(containing=session.sid, ending=".ts").values():
        assert seen_and_heard(content) == (True, True)


async def test_a_page_that_is_said_to_be_unreachable_is_never_asked_for(
    agora: Client, notices: Notices, site: Site
) -> None:
    await agora.fault(kind="page_unreachable")
    session = await agora.start(url=site.add("/page", "<body>here"))
    await until(lambda: told(notices, 71, session), 60)
    assert (told(notices, 71, session)[0]["code"], site.asked, browsers()) == (5, [], [])


async def test_a_push_changes_its_target_breaks_and_another_browser_takes_over_when_faults_say_so(
    agora: Client, notices: Notices, site: Site
) -> None:
    def pushed() -> list[str]:
        return [one["status"] for one in told(notices, 100, session)]

    async def push_to(key: str) -> None:
        update = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": rtmp.url(key)}]}}
        assert (await agora.call(session, "update", update))[0] == 200

    with RtmpServer() as rtmp:
        session = await agora.start(url=site.add_file("/page", BUNDLED), rtmp=rtmp.url("first"))
        await until(lambda: pushed() == ["connecting", "publishing"], 60)
        await agora.fault(kind="push_breaks", seconds=1)
        await push_to("second")
        await until(lambda: pushed()[2:] == ["connecting", "publishing", "disconnected"], 60)
        await agora.fault(kind="push_fails")
        await push_to("third")
        await until(lambda: pushed()[5:] == ["connecting", "disconnected"], 60)
        assert [rtmp.recorded(key) is not None for key in ("first", "second", "third")] == [True, True, False]
        (before,) = browsers()
        await agora.fault(kind="failover", seconds=0, window=0.5, times=1)
        await until(lambda: notices.events(12), 60)
        await until(lambda: agora.objects(containing=f"bak0_{session.sid}", ending=".ts"), 60)
        (after,) = browsers()
        assert after != before
    assert (await agora.call(session, "stop"))[0] == 200


def seen_and_heard(content: bytes) -> tuple[bool, bool]:
    """True where all pictures are of one colour, and where nothing can be heard."""
    with av.open(io.BytesIO(content), format="mpegts") as container:
        planes = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(io.BytesIO(content), format="mpegts") as container:
        loudest = max(abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    return all(plane.max() - plane.min() <= 2 for plane in planes), bool(loudest < 1e-3)
