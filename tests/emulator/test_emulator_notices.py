"""Notices: signatures, envelope, order, resends, and the console's health check."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
from typing import Any

import pytest
from click.testing import CliRunner
from emulator_rig import NCS_SECRET, Client, Notices, emulating, until

from emulator.cli import main
from emulator.notifications.health_check import CNAME, EVENTS, UID, check
from emulator.notifications.wire import Receiver, sign
from emulator.s3_server import S3Server

VECTORS = [
    (
        "secret",
        '{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f",'
        '"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}',
        "033c62f40f687675f17f0f41f91a40c71c0f134c",
        "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99",
    ),
    (
        "demo-ncs-secret",
        '{"noticeId":"5f1c7c36-4b7e-4a57-9d5b-0f6f0f2b6a11","productId":3,"eventType":70,"notifyMs":1735689612345,'
        '"sid":"0123456789abcdef0123456789abcdef","payload":{"cname":"lesson-42","uid":"527841",'
        '"sid":"0123456789abcdef0123456789abcdef","sequence":2,"sendts":1735689612001,"serviceType":6,'
        '"details":{"msgName":"web_recorder_started","recorderStartTime":1735689611873}}}',
        "ee8c4cd0e971846a09b8f9777155b982e8a6a19d",
        "705dab0a8a1e2376fb071c719fc15a313af96f4be11241966c6c7a1186df36ca",
    ),
    (
        "demo-ncs-secret",
        '{"noticeId":"n-1","productId":3,"eventType":71,"notifyMs":1735689999000,'
        '"payload":{"cname":"café","details":{"msgName":"web_recorder_stopped","code":0}}}',
        "dbc818ad506b03f8c9c19878194b31222db4c244",
        "7faacad56676ed5bd94468cc9c00c0e367a9d3f82179805bab4a5e2759acb79b",
    ),
    (
        "demo-ncs-secret",
        "{}",
        "623275dc00e691a8a92ab4d84eb9144cce493626",
        "f6fc0e5b73afb54f83f95578226eb7a3b66fe7716dfc8c3abe01c6024691fecf",
    ),
]


@pytest.mark.parametrize(("secret", "body", "sha1", "sha256"), VECTORS, ids="ABCD")
def test_signatures_equal_the_vectors_of_the_reference(secret: str, body: str, sha1: str, sha256: str) -> None:
    assert sign(body.encode(), secret) == {"Agora-Signature": sha1, "Agora-Signature-V2": sha256}


async def finish(agora: Client, **changes: Any) -> None:
    """One short recording, until its task is gone."""
    session = await agora.start(**changes)
    await agora.slices(session, 1)
    await agora.call(session, "stop")
    await agora.reach(session, 404)


async def test_a_recording_tells_its_story_in_order_and_signed(agora: Client, notices: Notices) -> None:
    await finish(agora)
    await until(lambda: notices.events(11))
    types = [event for event in notices.types() if event != 33]
    assert types == [30, 70, 4, 71, 31, 11]
    assert notices.types()[-3:] == [33, 31, 11]
    assert [body["payload"]["sequence"] for body in notices.bodies] == list(range(len(notices.bodies)))
    for headers, raw in notices.raw:
        expected = hmac.new(NCS_SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert headers["Agora-Signature-V2"] == expected
        assert headers["Agora-Signature"] == hmac.new(NCS_SECRET.encode(), raw, hashlib.sha1).hexdigest()


async def test_the_envelope_has_every_documented_field(agora: Client, notices: Notices) -> None:
    await finish(agora)
    await until(lambda: notices.events(11))
    body = notices.events(71)[0]
    payload = body["payload"]
    assert set(body) == {"noticeId", "productId", "eventType", "notifyMs", "sid", "payload"}
    assert (body["productId"], payload["serviceType"], payload["serviceScene"]) == (3, 6, "web_record")
    assert (payload["cname"], payload["uid"], payload["sid"]) == ("lesson42", "1", body["sid"])
    assert re.fullmatch(r"[0-9a-f]{32}", body["noticeId"])
    assert len(str(payload["sendts"])) == len(str(body["notifyMs"])) == 13
    assert payload["details"]["fileList"][0]["filename"] == f"{body['sid']}_lesson42.m3u8"
    services = {body["eventType"]: body["payload"]["serviceType"] for body in notices.bodies}
    assert services == {30: 2, 70: 6, 4: 0, 33: 2, 71: 6, 31: 2, 11: 0} | ({33: 2} if 33 in services else {})


async def test_undocumented_fields_can_be_left_out(s3: S3Server, notices: Notices) -> None:
    async with emulating(s3, notices, quirks={"notice_sid": False, "service_scene": False}) as agora:
        await finish(agora)
        await until(lambda: notices.events(11))
    assert "sid" not in notices.bodies[0]
    assert "serviceScene" not in notices.bodies[0]["payload"]


async def test_progress_comes_each_period(s3: S3Server, notices: Notices) -> None:
    async with emulating(s3, notices, times={"progress": 48.0}) as agora:
        session = await agora.start()
        await until(lambda: len(notices.events(33)) >= 3)
        await agora.call(session, "stop")
    times = [body["payload"]["sendts"] / 1000 for body in notices.events(33)]
    for before, after in itertools.pairwise(times[:3]):
        assert abs(after - before - 0.8) < 0.4


async def test_a_refused_notice_comes_again_with_the_same_id_and_a_new_time(s3: S3Server, notices: Notices) -> None:
    notices.statuses = [500, 204, 500]
    async with emulating(s3, notices, events=[30]) as agora:
        await agora.start()
        await until(lambda: len(notices.events(30)) == 4)
    times = [body["notifyMs"] for body in notices.events(30)]
    assert len({body["noticeId"] for body in notices.events(30)}) == 1
    assert len({body["payload"]["sequence"] for body in notices.events(30)}) == 1
    assert times == sorted(times)
    assert times[3] - times[2] > (times[2] - times[1]) > 25


@pytest.mark.proof
async def test_a_receiver_has_ten_seconds_for_its_answer(s3: S3Server, notices: Notices) -> None:
    notices.unanswered = 1
    async with emulating(s3, notices, events=[30]) as agora:
        await agora.start()
        await until(lambda: len(notices.bodies) == 2)
    first, again = notices.bodies
    assert first["noticeId"] == again["noticeId"]
    assert 9.5 < (again["notifyMs"] - first["notifyMs"]) / 1000 < 15


async def test_notices_come_over_one_connection_that_is_kept_open(agora: Client, notices: Notices) -> None:
    await finish(agora)
    await until(lambda: notices.events(11))
    assert len(notices.peers) >= 6
    assert len(set(notices.peers)) == 1


async def test_a_notice_is_given_up_after_three_resends(s3: S3Server, notices: Notices) -> None:
    notices.statuses = [500] * 1000
    async with emulating(s3, notices, times={"retries": (0, 1, 1)}) as agora:
        await finish(agora)
        await until(lambda: len(notices.events(11)) == 4)
    for event in (30, 70, 71, 31, 11):
        assert len(notices.events(event)) == 4


async def test_a_push_is_told_of_and_shown(agora: Client, notices: Notices) -> None:
    session = await agora.start(rtmp="rtmp://live.example.org/app/key1")
    await agora.reach(session, 4, 5)
    update = {"rtmpPublishConfig": {"outputs": [{"rtmpUrl": "rtmp://live.example.org/app/key2"}]}}
    assert (await agora.call(session, "update", update))[0] == 200
    await until(lambda: len(notices.events(100)) == 4)
    _, answer = await agora.call(session, "query")
    assert answer["serverResponse"]["extensionServiceState"][1]["payload"]["outputs"] == [
        {"rtmpUrl": "rtmp://live.example.org/app/key2", "status": "publishing"}
    ]
    told = [body["payload"]["details"] for body in notices.events(100)]
    assert [(one["rtmpUrl"][-4:], one["status"]) for one in told] == [
        *(("key1", "connecting"), ("key1", "publishing")),
        *(("key2", "connecting"), ("key2", "publishing")),
    ]


async def test_the_health_check_sends_every_type_signed(notices: Notices) -> None:
    results = [result async for result in check(Receiver(notices.url, NCS_SECRET))]
    assert all(result.passed for result in results)
    assert notices.types() == [1, 2, 3, 4, 11, 12, 30, 31, 32, 33, 70, 71, 72, 73, 100] == list(EVENTS)
    for (headers, raw), body in zip(notices.raw, notices.bodies, strict=True):
        assert (body["payload"]["cname"], body["payload"]["uid"]) == (CNAME, UID) == ("test_webhook", "12121212")
        assert headers["Agora-Signature-V2"] == sign(raw, NCS_SECRET)["Agora-Signature-V2"]


async def test_the_health_check_fails_on_anything_but_200(notices: Notices) -> None:
    notices.statuses = [200, 202, 500]
    results = [result async for result in check(Receiver(notices.url, None))]
    assert [result.passed for result in results[:4]] == [True, False, False, True]
    assert "Agora-Signature-V2" not in notices.raw[0][0]


def test_the_check_command_says_what_did_not_answer() -> None:
    result = CliRunner().invoke(main, ["check", "http://127.0.0.1:9/x", "--unsigned"])
    assert result.exit_code == 1
    assert "no answer" in result.output
    assert CliRunner().invoke(main, ["check", "http://127.0.0.1:9/x"]).exit_code == 2
