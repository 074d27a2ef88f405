"""Faults on demand: each kind does what the table in docs/emulator.md says, and the command serves."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
from emulator_rig import APP, BASE, CUSTOMER, SECRET, Client, Notices, Session, emulating, until
from pydantic import ValidationError

from emulator.faults.model import FIELDS, Fault
from emulator.faults.registry import FaultBook, Subject
from emulator.s3_server import S3Server


def subject(**changes: Any) -> Subject:
    return Subject(**{"cname": "c", "uid": "1", "began": 100.0, "use": "u", **changes})


@pytest.mark.parametrize("kind", [kind for kind, (needed, _) in FIELDS.items() if needed])
def test_a_fault_without_what_it_needs_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match="needs"):
        Fault.model_validate({"kind": kind})


def test_a_fault_is_used_as_often_as_it_says_and_only_where_it_matches() -> None:
    book = FaultBook()
    book.add([Fault(kind="page_unreachable", cname="les*", times=1)], 0.0)
    assert book.use("page_unreachable", subject(cname="other")) is None
    assert book.use("page_unreachable", subject(cname="lesson", use="a")) is not None
    assert book.use("page_unreachable", subject(cname="lesson", use="a")) is not None
    assert book.use("page_unreachable", subject(cname="lesson", use="b")) is None
    assert book.standing() == [{"kind": "page_unreachable", "cname": "les*", "times": 1, "used": 1}]
    assert book.clear() == 1


def test_a_share_of_notices_is_lost_the_same_way_for_the_same_seed() -> None:
    def lost(seed: int) -> list[bool]:
        book = FaultBook(seed)
        book.add([Fault(kind="notices_drop", share=0.5)], 0.0)
        return [book.copies(subject(use=str(number)), 70) == [] for number in range(200)]

    assert lost(1) == lost(1) != lost(2)
    assert 60 < lost(1).count(True) < 140


async def test_an_answer_is_replaced_so_many_times(agora: Client) -> None:
    body = {"code": 62, "reason": "request timeout"}
    await agora.fault(kind="answer", endpoint="start", status=500, body=body, times=2)
    rid = await agora.acquire()
    answers = [await agora.try_start(rid) for _ in range(3)]
    assert answers[:2] == [(500, body), (500, body)]
    assert answers[2][0] == 200


async def test_a_dropped_answer_leaves_a_running_task(agora: Client) -> None:
    await agora.fault(kind="drop_answer", endpoint="start", times=1)
    rid = await agora.acquire()
    with pytest.raises(aiohttp.ClientConnectionError):
        await agora.try_start(rid)
    _, listed = await agora.send("GET", "/emulator/tasks")
    assert [task["running"] for task in listed["tasks"]] == [True]
    assert (await agora.try_start(rid))[0] == 201


async def test_an_answer_can_be_late(agora: Client) -> None:
    await agora.fault(kind="delay_answer", endpoint="acquire", seconds=1.5, times=1)
    began = time.monotonic()
    await agora.acquire()
    assert time.monotonic() - began >= 1.5
    began = time.monotonic()
    await agora.acquire()
    assert time.monotonic() - began < 1.5


async def test_a_recorder_can_begin_late(agora: Client) -> None:
    await agora.fault(kind="late_start", seconds=1.0)
    session = await agora.start()
    started = time.monotonic()
    await agora.reach(session, 4)
    assert time.monotonic() - started >= 1.0


async def test_an_unreachable_page_starts_well_and_leaves_nothing(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="page_unreachable", cname="lesson*")
    session = await agora.start()
    await agora.reach(session, 404)
    await until(lambda: notices.events(11))
    assert notices.types() == [71, 11]
    details = notices.events(71)[0]["payload"]["details"]
    assert (details["code"], details["message"], details["fileList"]) == (5, "access_url_failed", [])
    assert notices.events(11)[0]["payload"]["details"]["exitStatus"] == 1
    assert agora.objects(containing=session.sid) == {}


async def test_a_page_dies_by_itself_and_its_files_stay(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="page_dies", seconds=1.0)
    session = await agora.start()
    await agora.reach(session, 404)
    task = await agora.task(session)
    assert task["end_code"] == 6
    assert abs(task["billed_seconds"] - 1.0) < 0.3
    await until(lambda: notices.events(11))
    assert notices.events(71)[0]["payload"]["details"]["message"] == "recorder_error"
    assert len(agora.objects(containing=session.sid, ending=".ts")) >= 2


async def test_a_running_page_can_be_killed_now(agora: Client) -> None:
    session = await agora.start()
    await agora.reach(session, 5)
    await agora.fault(kind="page_dies", seconds=0, code=2, cname=session.cname)
    await agora.reach(session, 404)
    assert (await agora.task(session))["end_code"] == 2


async def test_a_404_window_hides_a_task_that_lives_on(agora: Client) -> None:
    session = await agora.start()
    await agora.reach(session, 4, 5)
    await agora.fault(kind="not_found", seconds=0.5)
    assert await agora.call(session, "query") == (404, {"code": 404, "reason": "failed to find worker"})
    assert (await agora.call(session, "stop"))[0] == 404
    assert (await agora.task(session))["running"]
    await agora.reach(session, 4, 5)
    assert (await agora.call(session, "stop"))[0] in (200, 206)


async def test_failovers_leave_sets_with_a_hole_and_a_new_uid(s3: S3Server, notices: Notices) -> None:
    faults = [
        {"kind": "failover", "seconds": 1.0, "window": 0.7},
        {"kind": "failover", "seconds": 3.2, "window": 0.2},
    ]
    async with emulating(s3, notices, faults=faults) as agora:
        session = await agora.start()
        await agora.reach(session, 404)
        assert (await agora.task(session))["running"]
        await agora.reach(session, 4, 5)
        await until(lambda: len(notices.events(12)) == 2)
        made = (await agora.task(session))["slices_made"]
        await agora.slices(session, made + 1)
        await agora.reach(session, 5)
        status, answer = await agora.call(session, "stop")
        assert status == 200
        files = agora.objects(containing=session.sid)
    stem = f"{session.sid}_lesson42"
    playlists = {name: data.decode() for name, data in files.items() if name.endswith(".m3u8")}
    assert set(playlists) == {f"{stem}.m3u8", f"bak0_{stem}.m3u8", f"bak1_{stem}.m3u8"}
    assert ["ENDLIST" in playlists[f"{prefix}{stem}.m3u8"] for prefix in ("", "bak0_", "bak1_")] == [False, False, True]
    assert all(line in files for text in playlists.values() for line in text.splitlines() if line.endswith(".ts"))
    new_uids = [str(body["payload"]["details"]["newUid"]) for body in notices.events(12)]
    assert notices.events(12)[0]["payload"]["uid"] == "1"
    await until(lambda: notices.events(71))
    assert notices.events(71)[0]["payload"]["uid"] == new_uids[-1]
    listed = answer["serverResponse"]["extensionServiceState"][1]["payload"]["fileList"]
    assert [file["filename"] for file in listed] == [f"{stem}.m3u8", f"bak0_{stem}.m3u8", f"bak1_{stem}.m3u8"]


async def test_a_lost_slice_is_listed_and_missing(agora: Client) -> None:
    await agora.fault(kind="lose_slice", index=1)
    session = await agora.start()
    await agora.slices(session, 3)
    await agora.call(session, "stop")
    files = agora.objects(containing=session.sid)
    listed = [line for line in files[f"{session.sid}_lesson42.m3u8"].decode().splitlines() if line.endswith(".ts")]
    assert [name for name in listed if name not in files] == [listed[1]]
    fates = (await agora.task(session))["files"]
    assert [name for name in listed if fates[name] == "lost"] == [listed[1]]


async def test_a_page_can_show_one_colour_and_make_no_sound(agora: Client) -> None:
    await agora.fault(kind="page_blank", colour="grey")
    await agora.fault(kind="page_silent")
    session = await agora.start()
    await agora.slices(session, 1)
    await agora.call(session, "stop")
    slices = agora.objects(containing=session.sid)
    content = next(content for name, content in sorted(slices.items()) if name.endswith(".ts"))
    with av.open(io.BytesIO(content), format="mpegts") as container:
        luma = next(container.decode(video=0)).to_ndarray(format="gray")
    with av.open(io.BytesIO(content), format="mpegts") as container:
        loudest = max(abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    assert (luma.max() - luma.min() <= 2, loudest < 1e-3) == (True, True)
    assert (await agora.task(session))["recorder"] == {"engine": "loop", "brightness": 128, "silent": True}


async def whole_life(agora: Client) -> Session:
    session = await agora.start()
    await agora.slices(session, 1)
    await agora.call(session, "stop")
    await agora.reach(session, 404)
    return session


async def test_all_notices_can_be_lost(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="notices_drop")
    session = await whole_life(agora)
    assert len((await agora.task(session))["notices"]) >= 6
    assert notices.bodies == []


async def test_only_some_types_can_be_lost(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="notices_drop", events=[70, 31])
    await whole_life(agora)
    await until(lambda: notices.events(11))
    assert set(notices.types()) == {30, 4, 33, 71, 11}


async def test_notices_can_come_twice_with_one_id(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="notices_duplicate", copies=1)
    await whole_life(agora)
    await until(lambda: len(notices.events(11)) == 2)
    assert [len(notices.events(event)) for event in (30, 70, 71, 31)] == [2, 2, 2, 2]
    assert len({body["noticeId"] for body in notices.events(71)}) == 1


async def test_notices_can_come_late_and_in_disorder(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="notices_shuffle", seconds=1.0, seed=3)
    await agora.fault(kind="notices_late", seconds=0.5)
    session = await whole_life(agora)
    sent = len((await agora.task(session))["notices"])
    await until(lambda: len(notices.bodies) == sent)
    order = [body["payload"]["sequence"] for body in notices.bodies]
    assert sorted(order) == list(range(sent))
    assert all(body["notifyMs"] - body["payload"]["sendts"] >= 490 for body in notices.bodies)


async def test_cleared_faults_are_gone(agora: Client) -> None:
    await agora.fault(kind="answer", endpoint="acquire", status=500, body={})
    assert (await agora.send("DELETE", "/emulator/faults"))[1] == {"cleared": 1}
    await agora.acquire()
    assert (await agora.send("GET", "/emulator/faults"))[1]["faults"] == []


async def test_a_malformed_fault_is_refused_with_a_reason(agora: Client) -> None:
    for body in ({"kind": "explode"}, {"kind": "answer"}, {"kind": "failover", "seconds": -1, "window": 1}, "x"):
        status, answer = await agora.send("POST", "/emulator/faults", body)
        assert status == 400
        assert answer["message"]


async def test_nothing_is_left_behind_when_it_ends_in_the_middle(s3: S3Server, notices: Notices) -> None:
    before = asyncio.all_tasks()
    async with emulating(s3, notices, engine="live") as agora:
        for uid in ("1", "2", "3"):
            await agora.start(uid=uid, av=["hls", "mp4"])
        session = await agora.start(uid="4")
        await agora.reach(session, 4, 5)
    await until(lambda: asyncio.all_tasks() <= before)


async def test_the_command_serves_says_where_and_ends_on_sigterm(tmp_path: Path) -> None:
    config = tmp_path / "emulator.toml"
    config.write_text(
        f'compression = 10\n[[apps]]\napp_id = "{APP}"\ncustomer_id = "{CUSTOMER}"\ncustomer_secret = "{SECRET}"\n'
    )
    arguments = ("-m", "emulator", "serve", "--config", str(config), "--port", "0", "--compression", "60")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        assert line.startswith("listening on http://127.0.0.1:")
        async with aiohttp.ClientSession() as http, http.post(line.split()[-1] + f"{BASE}/acquire") as response:
            assert response.status == 401
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_wrong_configuration_is_named_without_its_secrets(tmp_path: Path) -> None:
    config = tmp_path / "emulator.toml"
    config.write_text(f'[[apps]]\napp_id = "{APP}"\ncustomer_secret = "{SECRET}"\ncolour = "red"\n')
    arguments = ("-m", "emulator", "serve", "--config", str(config))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    _, stderr = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"customer_id" in stderr
    assert b"colour" in stderr
    assert SECRET.encode() not in stderr
