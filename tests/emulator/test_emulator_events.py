"""What happens to pages, recorders and pushes, and the events it is told by (agora-reference §8)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from emulator_rig import Client, Notices, Session, emulating, until
from test_emulator_life import files_of, moment, playlist_of

from emulator.s3_server import S3Server

RTMP = "rtmp://live.example.org/app/key1"


def details(notices: Notices, event: int) -> list[dict[str, Any]]:
    return [body["payload"]["details"] for body in notices.events(event)]


async def over(agora: Client, session: Session, notices: Notices) -> dict[str, Any]:
    """The task once it is gone and event 11 was told."""
    await until(lambda: notices.events(11))
    return await agora.task(session)


# What is done to a page, and the code of event 71; for hours see the hour limit, for 0 any stop.
ENDS = [
    ({"kind": "capability_limit", "seconds": 0.3}, {}, 2, "capability_limit", 1),
    ({"kind": "engine_fails"}, {}, 3, "start_engine_failed", 0),
    ({"kind": "page_not_ready"}, {"readyTimeout": 6}, 4, "page_load_timeout", 0),
    ({"kind": "page_unreachable"}, {}, 5, "access_url_failed", 0),
    ({"kind": "page_dies", "seconds": 0.3}, {}, 6, "recorder_error", 1),
]


@pytest.mark.parametrize(("fault", "page", "code", "message", "files"), ENDS, ids=lambda value: str(value)[:30])
async def test_each_abnormal_end_has_its_code_and_message(
    agora: Client, notices: Notices, fault: dict[str, Any], page: dict[str, Any], code: int, message: str, files: int
) -> None:
    await agora.fault(**fault)
    session = await agora.start(**page)
    truth = await over(agora, session, notices)
    (stopped,) = details(notices, 71)
    assert (truth["end_code"], stopped["code"], stopped["message"]) == (code, code, message)
    assert len(stopped["fileList"]) <= files
    assert details(notices, 11) == [{"msgName": "session_exit", "exitStatus": 1}]
    assert (await agora.status(session)) == 404
    assert bool(truth["media"]) == bool(files)


async def test_an_abnormal_end_shows_as_status_20_before_the_404(s3: S3Server, notices: Notices) -> None:
    async with emulating(s3, notices, times={"exit": 60}) as agora:
        await agora.fault(kind="page_dies", seconds=0.1)
        session = await agora.start()
        await agora.reach(session, 20)
        await agora.reach(session, 404)


async def test_statuses_run_from_0_to_8_in_their_order(s3: S3Server) -> None:
    async with emulating(s3, compression=10, times={"start": 6, "slice": 5, "exit": 6}) as agora:
        await agora.fault(kind="upload_slow", seconds=0.15)
        session, seen = await agora.start(), [0]

        async def at(last: int) -> bool:
            status = await agora.status(session)
            if status != seen[-1]:
                seen.append(status)
            return status == last

        await until(lambda: at(5))
        await agora.call(session, "stop", {"async_stop": True})
        await until(lambda: at(404))
    assert seen[-1] == 404
    assert set(seen) >= {0, 1, 2, 3, 4, 5, 7, 8}
    assert all(after > before for before, after in pairwise(seen))


async def test_a_page_that_is_ready_at_its_second_load_is_recorded_from_then_on(
    agora: Client, notices: Notices
) -> None:
    await agora.fault(kind="page_not_ready", loads=1)
    session = await agora.start(readyTimeout=30)
    await agora.slices(session, 1)
    truth = await agora.task(session)
    assert details(notices, 73) == [{"msgName": "web_recorder_reload", "reason": "page_load_timeout"}]
    assert [body["eventType"] for body in notices.bodies[:3]] == [73, 30, 70]
    assert truth["running"]


async def test_without_a_ready_timeout_nobody_waits_for_the_page(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="page_not_ready")
    session = await agora.start()
    await agora.slices(session, 1)
    assert details(notices, 73) == []


async def test_a_page_that_lost_its_sound_is_reloaded_and_leaves_a_gap(agora: Client, notices: Notices) -> None:
    session = await agora.start()
    await agora.slices(session, 1)
    await agora.fault(kind="reload", seconds=0, window=0.6)
    await until(lambda: notices.events(73))
    made = (await agora.task(session))["slices_made"]
    await agora.slices(session, made + 1)
    await agora.call(session, "stop")
    segments = playlist_of(files_of(agora, session)).segments
    assert details(notices, 73)[0]["reason"] == "audio_silence"
    (gap,) = [
        moment(after.uri) - moment(before.uri) - before.duration
        for before, after in pairwise(segments)
        if after.discontinuity
    ]
    assert 0.4 < gap < 1.5


@pytest.mark.parametrize("limit", ["resolution", "WebGL", "bandwidth"])
async def test_an_unsupported_feature_is_named_before_the_end(agora: Client, notices: Notices, limit: str) -> None:
    await agora.fault(kind="capability_limit", seconds=0.1, limit=limit)
    session = await agora.start()
    await over(agora, session, notices)
    assert details(notices, 72) == [{"msgName": "web_recorder_capability_limit", "limitType": limit}]
    order = notices.types()
    assert order.index(72) < order.index(71)


async def test_an_engine_that_does_not_start_is_an_error_of_the_service(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="engine_fails")
    await over(agora, await agora.start(), notices)
    (error,) = details(notices, 1)
    assert (error["module"], error["errorCode"], error["errorMsg"]) == (2, 52, "start timeout")


async def test_a_call_that_does_not_fit_the_state_is_told_as_event_3(agora: Client, notices: Notices) -> None:
    session = await agora.start()
    await agora.try_start(session.rid)
    await agora.reach(session, 5)
    await agora.call(session, "stop", {"async_stop": True})
    await agora.call(session, "stop")
    await until(lambda: len(notices.events(3)) == 2)
    assert [one["msgName"] for one in details(notices, 3)] == ["cloud_recording_status_update"] * 2
    assert details(notices, 3)[0]["status"] < 4
    assert details(notices, 3)[1]["fileList"] == f"{session.sid}_lesson42.m3u8"


def pushed(notices: Notices) -> list[str]:
    return [one["status"] for one in details(notices, 100)]


async def test_a_push_that_fails_leaves_the_recording_alone_and_another_target_heals_it(
    agora: Client, notices: Notices
) -> None:
    await agora.fault(kind="push_fails", times=1)
    session = await agora.start(rtmp=RTMP)
    await until(lambda: pushed(notices) == ["connecting", "disconnected"])
    await agora.slices(session, 1)
    await agora.send("DELETE", "/emulator/faults")
    target = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": RTMP + "2"}]}}
    assert (await agora.call(session, "update", target))[0] == 200
    await until(lambda: pushed(notices)[2:] == ["connecting", "publishing"])
    assert (await agora.task(session))["running"]


async def test_a_push_that_may_not_fail_takes_the_recording_with_it(agora: Client, notices: Notices) -> None:
    await agora.fault(kind="push_breaks", seconds=0.4)
    session = await agora.start(rtmp=RTMP, push_policy="error_abort")
    truth = await over(agora, session, notices)
    assert truth["end_code"] == 6
    assert pushed(notices) == ["connecting", "publishing", "disconnected"]


async def test_a_pause_puts_the_push_on_hold(agora: Client, notices: Notices) -> None:
    session = await agora.start(rtmp=RTMP)
    await until(lambda: pushed(notices)[-1:] == ["publishing"])
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": True}})
    await until(lambda: pushed(notices)[-1] == "onhold")
    _, answer = await agora.call(session, "query")
    states = {one["serviceName"]: one["payload"] for one in answer["serverResponse"]["extensionServiceState"]}
    assert states["rtmp_publish_service"]["outputs"][0]["status"] == "onhold"
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": False}})
    await until(lambda: pushed(notices)[-1] == "publishing")


async def test_file_sets_may_overlap_after_a_failover(agora: Client, notices: Notices) -> None:
    session = await agora.start()
    await agora.slices(session, 1)
    await agora.fault(kind="failover", seconds=0, window=0.3, overlap=0.8)
    await until(lambda: notices.events(12))
    made = (await agora.task(session))["slices_made"]
    await agora.slices(session, made + 6)
    await agora.call(session, "stop")
    old, new = (await agora.task(session))["media"]
    assert (old["file_set"], new["file_set"]) == (0, 1)
    assert new["from_at"] < old["to_at"] < new["to_at"]
    files = files_of(agora, session)
    assert {name for name in files if name.endswith("m3u8")} == {
        f"{session.sid}_lesson42.m3u8",
        f"bak0_{session.sid}_lesson42.m3u8",
    }


async def test_the_second_route_brings_everything_again(s3: S3Server, notices: Notices) -> None:
    async with emulating(s3, notices, redundant=True) as agora:
        session = await agora.start()
        await agora.slices(session, 1)
        await agora.call(session, "stop")
        await until(lambda: len(notices.events(11)) == 2)
    counts = {event: len(notices.events(event)) for event in (30, 70, 4, 71, 31, 11)}
    assert set(counts.values()) == {2}
    agents = {headers["User-Agent"] for headers, _ in notices.raw}
    assert len(agents) == 2


async def test_the_truth_says_what_became_of_each_notice(agora: Client, notices: Notices) -> None:
    notices.statuses = [500]
    await agora.fault(kind="notices_drop", events=[4])
    await agora.fault(kind="notices_forge", events=[70])
    session = await agora.start()
    await agora.slices(session, 1)

    async def told() -> dict[int, Any] | None:
        truth = await agora.task(session)
        told = {one["event"]: one["deliveries"] for one in truth["notices"]}
        return (
            told if 4 in told and all(one["fate"] != "pending" for event in (30, 70) for one in told[event]) else None
        )

    fates = await until(told)
    assert [one["fate"] for one in fates[30]] == ["delivered"]
    assert [one["status"] for one in fates[30][0]["tries"]] == [500, 200]
    assert [one["way"] for one in fates[70]] == ["notice", "forged"]
    assert fates[4] == []
    forged = [headers for headers, raw in notices.raw if b'"eventType":70' in raw]
    assert len({headers["Agora-Signature-V2"] for headers in forged}) == 2
