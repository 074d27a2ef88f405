"""The door for Agora: which notifications are let in, and that each is kept."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
from house import Forge, House, Living, Store, eventually, killable, notice, signed

# agora-reference §7.3: body, secret, HMAC-SHA1, HMAC-SHA256.
VECTORS = {
    "A": (
        b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f",'
        b'"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}',
        "secret",
        "033c62f40f687675f17f0f41f91a40c71c0f134c",
        "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99",
    ),
    "B": (
        b'{"noticeId":"5f1c7c36-4b7e-4a57-9d5b-0f6f0f2b6a11","productId":3,"eventType":70,"notifyMs":1735689612345,'
        b'"sid":"0123456789abcdef0123456789abcdef","payload":{"cname":"lesson-42","uid":"527841",'
        b'"sid":"0123456789abcdef0123456789abcdef","sequence":2,"sendts":1735689612001,"serviceType":6,'
        b'"details":{"msgName":"web_recorder_started","recorderStartTime":1735689611873}}}',
        "demo-ncs-secret",
        "ee8c4cd0e971846a09b8f9777155b982e8a6a19d",
        "705dab0a8a1e2376fb071c719fc15a313af96f4be11241966c6c7a1186df36ca",
    ),
    "C": (
        '{"noticeId":"n-1","productId":3,"eventType":71,"notifyMs":1735689999000,"payload":{"cname":"café",'
        '"details":{"msgName":"web_recorder_stopped","code":0}}}'.encode(),
        "demo-ncs-secret",
        "dbc818ad506b03f8c9c19878194b31222db4c244",
        "7faacad56676ed5bd94468cc9c00c0e367a9d3f82179805bab4a5e2759acb79b",
    ),
    "D": (
        b"{}",
        "demo-ncs-secret",
        "623275dc00e691a8a92ab4d84eb9144cce493626",
        "f6fc0e5b73afb54f83f95578226eb7a3b66fe7716dfc8c3abe01c6024691fecf",
    ),
}
COUNT = "SELECT count(*) FROM notifications"


def _v2(value: str) -> dict[str, str]:
    return {"Agora-Signature-V2": value}


def _v1(value: str) -> dict[str, str]:
    return {"Agora-Signature": value}


def _flipped(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


@pytest.mark.parametrize("vector", VECTORS)
async def test_golden_vectors_are_let_in_by_the_signature_each_app_accepts_and_no_changed_byte_is(
    build: Living, vector: str
) -> None:
    body, secret, sha1, sha256 = VECTORS[vector]
    old = {"ncs_secrets": [secret], "accept_sha1": True}
    async with build(
        apps=("main", "old"), settings={"apps": {"main": {"ncs_secrets": ["another", secret]}, "old": old}}
    ) as house:
        for at in range(len(body)):
            changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            assert await house.notify(changed, _v2(sha256)) == 401, at
        for at in range(0, 64, 9):
            assert await house.notify(body, _v2(_flipped(sha256, at))) == 401, at
        assert await house.notify(body, {}) == 401
        assert await house.notify(body, _v1(sha1)) == 401, "SHA-1 counts only with accept_sha1"
        assert await house.notify(body, _v1(_flipped(sha1, 3)), app="old") == 401
        assert await house.notify(body, _v1(sha1) | _v2("0" * 64), app="old") == 401
        assert await house.rows(COUNT) == [(0,)]

        assert await house.notify(body, _v2(sha256)) == 200
        assert await house.notify(body, _v1(sha1), app="old") == 200
        assert await house.rows("SELECT app FROM notifications ORDER BY app") == [("main",), ("old",)]


async def test_what_is_signed_well_is_kept_whatever_it_says(house: House) -> None:
    bodies = {
        "unknown event": (notice("event", event=4711), "foreign"),
        "unknown sid": (notice("sid"), "foreign"),
        "broken JSON": (b'{"noticeId": "cut o', "broken"),
        "no object": (b"[1, 2]", "broken"),
        "not UTF-8": (b"\xff\xfe\x00", "broken"),
        "the console's check": (notice("check", event=70, cname="test_webhook", uid="12121212"), "test"),
    }
    for name, (body, _) in bodies.items():
        assert await house.notify(body) == 200, name
    assert await house.rows(COUNT) == [(len(bodies),)]

    async def looked_at() -> bool:
        return await house.rows(f"{COUNT} WHERE outcome = 'new'") == [(0,)]

    await eventually(looked_at, 10, "all are understood")
    kept = (await house.call("GET", "/v1/notifications", expect=200)).body["items"]
    assert sorted(item["outcome"] for item in kept) == sorted(outcome for _, outcome in bodies.values())
    assert 4711 in [item["event_type"] for item in kept]
    assert (await house.call("GET", "/v1/recordings", expect=200)).body["items"] == []
    assert await house.tasks() == [], "a check starts nothing"


async def test_an_unknown_app_is_404_and_one_in_setup_lets_in_the_consoles_check_alone(build: Living) -> None:
    setup = {"app_id": "id-setup", "customer_id": "c", "customer_secret": "s", "setup": True}
    async with build(settings={"apps": {"setup": setup}}) as house:
        check = notice("check", event=70, cname="test_webhook", uid="12121212")
        other = notice("other", event=70)
        assert await house.notify(check, app="nobody") == 404
        assert await house.notify(check, {}) == 401, "an app with secrets is not in setup"
        refused = [other, b"{}", b"broken", json.dumps({"payload": {"cname": "test_webhook2"}}).encode()]
        for body in refused:
            assert await house.notify(body, {}, app="setup") == 401, body
            assert await house.notify(body, signed(body, ""), app="setup") == 401, body
        assert await house.rows(COUNT) == [(0,)]
        assert await house.notify(check, {}, app="setup") == 200
        assert await house.rows("SELECT app, cname FROM notifications") == [("setup", "test_webhook")]


async def test_who_has_connected_before_the_end_and_asks_after_it_is_answered(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    """A balancer that was quicker than the SIGTERM: what it sends on is not hung up on."""
    async with killable(forge, tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db") as (house, service):
        port = int(house.callbacks.rpartition(":")[2])
        open_connection = partial(asyncio.open_connection, "127.0.0.1", port)
        streams = [await open_connection() for _ in range(10)]
        stopping = asyncio.ensure_future(service.stop())

        async def closed() -> bool:
            try:
                _, writer = await open_connection()
            except OSError:
                return True
            writer.close()
            return False

        await eventually(closed, 20, "nobody new is let in", 0.02)
        for number, (_, writer) in enumerate(streams):
            body = notice(number)
            head = f"POST /agora/main/notifications HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            signature = signed(body)["Agora-Signature-V2"]
            writer.write(f"{head}Agora-Signature-V2: {signature}\r\n\r\n".encode() + body)
        for reader, writer in streams:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.close()
            await writer.wait_closed()
        assert await stopping == 0
        assert await house.rows(COUNT) == [(len(streams),)]
