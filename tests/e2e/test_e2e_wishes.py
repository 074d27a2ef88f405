"""What callers wish while it records: another stop_at, other labels, another push target, a pause that is too long; and
what the service does by itself meanwhile: fresh storage keys."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from house import BUCKET, House, Living, Store, cname_of, eventually, instant, prefix_of, rfc3339

RTMP = "rtmp://one.example.org/live/key"


async def _prefers_to_wait(house: House) -> None:
    answer = await house.call(
        "POST", "/v1/recordings", json={"url": "https://class.example.org/"}, headers={"Prefer": "wait=20"}, expect=202
    )
    assert answer.body["state"] == "recording"
    assert answer.headers["Preference-Applied"] == "wait=20"
    await house.do(answer.body["id"], "stop")
    await house.until(answer.body["id"], "verified")


async def _stops_sooner(house: House) -> None:
    recording = await house.start(stop_at=rfc3339(time.time() + 600), labels={"room": "1"})
    await house.slices(recording, 2)
    stop_at = time.time() + 1.5
    path = f"/v1/recordings/{recording}"
    body = {"stop_at": rfc3339(stop_at), "labels": {"room": "2"}}
    changed = (await house.call("PATCH", path, json=body, expect=200)).body
    assert changed["labels"] == {"room": "2"}
    assert instant(changed["instants"]["stop_at"]) == instant(rfc3339(stop_at))
    shown = await house.until(recording, "verified")
    assert (shown["end_reason"], shown["blame"]) == ("stop_at", "caller")
    (task,) = await house.tasks(recording)
    assert stop_at - 0.01 <= instant(task["stop_asked_at"]) <= stop_at + 1.5
    listed = (await house.call("GET", "/v1/recordings", params={"label": "room:2"}, expect=200)).body["items"]
    assert [one["id"] for one in listed] == [recording]


async def _pushes_elsewhere(house: House) -> None:
    recording = await house.start(rtmp_url=RTMP)
    path = f"/v1/recordings/{recording}/rtmp"
    changed = await house.call("PUT", path, json={"rtmp_url": "rtmp://two.example.org/live/key"}, expect=202)
    assert changed.body["rtmp"] == "rtmp://two.example.org/…"
    assert "rtmp_changed" in [entry["kind"] for entry in await house.timeline(recording)], "Agora took it by now"
    body = {"code": 2, "reason": "not supported"}
    await house.fault(kind="answer", endpoint="update", status=400, body=body, cname=cname_of(recording))
    refused = await house.call("PUT", path, json={"rtmp_url": "rtmp://three.example.org/live/key"}, expect=409)
    assert (refused.body["code"], refused.body["reason"]) == ("conflict", "unsupported_by_agora")
    shown = await house.shown(recording)
    assert (shown["state"], shown["warnings"]) == ("recording", ["rtmp_refused"])
    assert shown["rtmp"] == "rtmp://two.example.org/…", "the refused one is forgotten"
    await house.do(recording, "stop")
    await house.until(recording, "verified", "defective")


async def _pauses_too_long(house: House) -> None:
    recording = await house.start()
    await house.slices(recording, 2)
    await house.do(recording, "pause")
    shown = await house.until(recording, "verified", deadline=40)
    assert (shown["end_reason"], shown["warnings"]) == ("paused_too_long", ["pause_too_long"])


async def _stops_what_has_ended(house: House) -> None:
    recording = await house.start(stop_at=rfc3339(time.time() + 600), av_file_type=["hls"])
    await house.slices(recording, 2)
    keys = [key for key in await house.store.keys(prefix_of(recording)) if key.endswith(".ts")]
    await house.store.delete(min(keys))
    await house.call("PATCH", f"/v1/recordings/{recording}", json={"stop_at": rfc3339(time.time() + 4)}, expect=200)
    shown = await house.until(recording, "incomplete")
    refused = await house.call("POST", f"/v1/recordings/{recording}/stop", expect=409)
    assert (refused.body["code"], refused.body["reason"]) == ("conflict", "nothing_runs")
    assert "stop_requested" not in [entry["kind"] for entry in await house.timeline(recording)]
    assert shown["schedule"]["next_verification_at"] < shown["schedule"]["give_up_at"]
    why = (await house.call("GET", f"/v1/recordings/{recording}/explanation", expect=200)).body
    assert "Pagereel verifies it again at " in why["summary"]


async def _replays(house: House) -> None:
    recording = await house.start()
    await house.slices(recording, 1)
    await house.do(recording, "stop")
    before = await house.until(recording, "verified")

    async def notices(*, settled: bool) -> list[dict[str, Any]]:
        listed = (await house.call("GET", "/v1/notifications", params={"limit": "200"}, expect=200)).body["items"]
        own = [one for one in listed if one["cname"] == cname_of(recording)]
        return own if not settled or {one["outcome"] for one in own} == {"applied"} else []

    for one in await eventually(lambda: notices(settled=True)):
        await house.call("POST", f"/v1/notifications/{one['id']}/replay", expect=202)
    await eventually(lambda: notices(settled=True))
    after = await house.shown(recording)
    for name in ("state", "end_reason", "attempts", "pauses", "verdict", "warnings", "coverage"):
        assert after[name] == before[name]


async def test_wishes_come_true_and_what_agora_refuses_is_said(build: Living, database_url: str) -> None:
    timing = {"max_pause_seconds": 2}
    async with build(database_url=database_url, settings={"timing": timing}) as house, asyncio.TaskGroup() as group:
        for story in (
            _prefers_to_wait,
            _stops_sooner,
            _pushes_elsewhere,
            _pauses_too_long,
            _stops_what_has_ended,
            _replays,
        ):
            group.create_task(story(house))


# --- temporary storage keys --------------------------------------------------------------------------------------


def _temporary(root: Path, store: Store, hours: float) -> dict[str, Any]:
    """A profile of vendor 1 at our own S3 server, whose keys expire."""
    keys = {"access_key": store.server.access_key, "secret_key": store.server.secret_key, "session_token": "session"}
    (root / "sts.json").write_text(json.dumps({**keys, "expires_at": rfc3339(time.time() + hours * 3600)}))
    return {
        "vendor": 1,
        "bucket": BUCKET,
        "endpoint": store.server.endpoint,
        "path_style": True,
        "credentials_file": str(root / "sts.json"),
        "read": {"access_key": store.server.reader_access_key, "secret_key": store.server.reader_secret_key},
    }


@pytest.mark.parametrize("hours", [5, 3])
async def test_temporary_keys_are_sent_again_while_it_records_and_never_handed_over_with_less_than_four_hours_left(
    build: Living, tmp_path: Path, store: Store, hours: float
) -> None:
    settings = {"storage": {"short": _temporary(tmp_path, store, hours)}, "timing": {"sts_refresh_seconds": 1}}
    async with build(settings=settings, emulator={"storage_endpoint": store.server.endpoint}) as house:
        recording = await house.ask(storage="short", onhold=True)  # our S3 server knows no session tokens
        if hours < 4:
            shown = await house.until(recording, "failed")
            assert (shown["end_reason"], shown["blame"]) == ("credentials_expiring", "storage")
            assert await house.tasks(recording) == []
            return
        await house.until(recording, "recording")

        async def refreshed() -> bool:
            return sum(entry["kind"] == "credentials_refreshed" for entry in await house.timeline(recording)) >= 2

        await eventually(refreshed, 15)
        await house.do(recording, "stop")
        assert (await house.until(recording, "cancelled"))["attention"] is None
