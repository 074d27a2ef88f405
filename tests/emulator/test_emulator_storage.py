"""Where files go when the bucket is away, refuses them or is slow (agora-reference §8.2, §8.3, §9.6)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from emulator_rig import Client, Notices, Session, decode, emulating, until

from emulator.app import close
from emulator.s3_server import S3Server

FORWARDED = re.compile(r"(.*_lesson42)_(\d+)_(\d+)\.m3u8")


def warnings(notices: Notices) -> list[int]:
    return [body["payload"]["details"]["warnCode"] for body in notices.events(2)]


async def fates(agora: Client, session: Session) -> dict[str, str]:
    return dict((await agora.task(session))["files"])


def upload_status(answer: Any) -> str:
    return str(answer["serverResponse"]["extensionServiceState"][0]["payload"]["uploadingStatus"])


async def test_what_cannot_be_brought_waits_in_the_backup_store_and_is_forwarded(
    s3: S3Server, notices: Notices, tmp_path: Path
) -> None:
    faults = [{"kind": "storage_away", "seconds": 2.5}]
    backup = {"backup_folder": tmp_path / "backup", "upload_seconds": 0.6, "times": {"forward": 6}}
    async with emulating(s3, notices, faults=faults, **backup) as agora:
        session = await agora.start(av=["hls", "mp4"])
        await agora.slices(session, 2)
        status, answer = await agora.call(session, "stop")
        assert (status, upload_status(answer)) == (200, "backuped")
        assert set((await fates(agora, session)).values()) == {"backed_up"}
        assert {path.name for path in (tmp_path / "backup" / session.sid).iterdir()} == set(await fates(agora, session))
        assert agora.objects(containing=session.sid) == {}
        await until(lambda: notices.events(32))
        assert notices.events(31) == notices.events(4) == notices.events(1) == []
        said = warnings(notices)
        assert said[:2] == [31, 32], "one more try of the first file, then each is kept"
        assert said.count(31) == 1
        await until(lambda: _all(agora, session, "forwarded"))
        files = agora.objects(containing=session.sid)
        assert len(notices.events(32)) == 1
    playlist = next(name for name in files if name.endswith(".m3u8"))
    found = FORWARDED.fullmatch(playlist)
    assert found is not None
    assert (found.group(1), found.group(3)) == (f"{session.sid}_lesson42", "0")
    listed = [line for line in files[playlist].decode().splitlines() if line.endswith(".ts")]
    assert listed == sorted(name for name in files if name.endswith(".ts"))
    assert decode(files[f"{session.sid}_lesson42_0.mp4"]).frames > 0
    assert not (tmp_path / "backup" / session.sid).exists()


async def _all(agora: Client, session: Session, fate: str) -> bool:
    return set((await fates(agora, session)).values()) == {fate}


async def test_a_storage_that_comes_back_takes_the_later_files_directly(s3: S3Server, notices: Notices) -> None:
    faults = [{"kind": "storage_away", "seconds": 1.0}]
    async with emulating(s3, notices, faults=faults, upload_seconds=0.1, times={"forward": 12}) as agora:
        session = await agora.start()
        await agora.reach(session, 5)
        await until(lambda: _none(agora, session, "backed_up"))
        status, answer = await agora.call(session, "stop")
        files = agora.objects(containing=session.sid)
    assert (status, upload_status(answer)) == (200, "uploaded")
    text = files[f"{session.sid}_lesson42.m3u8"].decode()
    assert all(line in files for line in text.splitlines() if line.endswith(".ts"))


async def _none(agora: Client, session: Session, fate: str) -> bool:
    return fate not in (await fates(agora, session)).values()


async def test_what_nobody_takes_is_given_up_in_the_end(s3: S3Server, notices: Notices) -> None:
    times = {"forward": 3, "forward_for": 60}
    storage = {"extensionParams": {"endpoint": "http://127.0.0.1:9"}}
    async with emulating(s3, notices, upload_seconds=0.1, times=times) as agora:
        session = await agora.start(storage=storage)
        await agora.slices(session, 1)
        assert await agora.status(session) == 4, "no file was uploaded"
        await agora.call(session, "stop", {"async_stop": True})
        await until(lambda: _all(agora, session, "lost"))
    assert notices.events(1) == []


@asynccontextmanager
async def refusing(status: int, code: str) -> AsyncIterator[str]:
    """A storage that refuses everything with one S3 error; its endpoint."""

    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        return web.Response(status=status, text=body, content_type="application/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await close(runner)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect"), (403, "AccessDenied")]
)
async def test_a_wrong_region_and_keys_that_may_not_write_are_told_and_never_backed_up(
    s3: S3Server, notices: Notices, status: int, code: str, tmp_path: Path
) -> None:
    async with refusing(status, code) as endpoint, emulating(s3, notices, backup_folder=tmp_path) as agora:
        session = await agora.start(storage={"extensionParams": {"endpoint": endpoint}})
        await agora.reach(session, 404)
        assert (await agora.task(session))["end_code"] == 6
    (error,) = [body["payload"]["details"] for body in notices.events(1)]
    assert (error["module"], error["errorCode"], error["errorMsg"]) == (1, 32, "storage configuration rejected")
    assert notices.events(2) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("code", "level"), [(47, 4), (51, 4), (32, 5)])
async def test_each_code_of_a_failed_upload_is_told(s3: S3Server, notices: Notices, code: int, level: int) -> None:
    async with emulating(s3, notices, faults=[{"kind": "upload_fails", "code": code}]) as agora:
        await agora.start()
        await until(lambda: notices.events(1))
    details = notices.events(1)[0]["payload"]["details"]
    assert (details["errorCode"], details["errorLevel"], details["stat"]) == (code, level, 1)


async def test_a_stop_that_waits_too_long_for_uploads_has_code_50_and_the_files_still_come(
    s3: S3Server, notices: Notices
) -> None:
    faults = [{"kind": "upload_slow", "seconds": 0.5}]
    async with emulating(s3, notices, faults=faults, sync_stop_seconds=0.3) as agora:
        session = await agora.start()
        await agora.slices(session, 1)
        assert await agora.call(session, "stop") == (206, {"code": 50, "reason": "upload timeout"})
        await until(lambda: notices.events(31))
        assert set((await fates(agora, session)).values()) == {"stored"}
    (error,) = [body["payload"]["details"] for body in notices.events(1)]
    assert (error["module"], error["errorCode"]) == (2, 50)
