"""What callers are told: every fact, at least once, with one id, whatever their endpoints or we ourselves do."""

import asyncio
import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest
from house import Forge, House, Living, Store, eventually, killable
from receiver import Receiver, endpoints, receiving

from pagereel.app import House as Service
from service.database.outbox import insert_messages
from service.database.recordings import load_recording
from service.messages import message_of
from service.operations import Scope
from tests.ports import free_port

SCALE = float(os.environ.get("PROOF_SCALE", "1"))


async def listed(house: House, path: str, **params: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await house.call("GET", path, params=params, expect=200)).body["items"]
    return items


async def test_every_fact_of_a_recording_is_told_and_in_the_feed(build: Living, database_url: str) -> None:
    async with receiving() as crm, build(settings=endpoints(crm=crm.url), database_url=database_url) as house:
        silent = await house.start()
        recording = await house.start(notify=["crm"], labels={"lesson": "42"})
        await house.do(recording, "pause")
        await house.do(recording, "resume")
        for each in (recording, silent):
            await house.do(each, "stop")
            await house.until(each, "verified")
        await eventually(lambda: "recording.verified" in crm.types(recording), 10)
        types = crm.types(recording)
        assert types[0] == "recording.started"
        assert set(types) >= {"recording.paused", "recording.resumed", "recording.stopped", "recording.uploaded"}
        assert types[-1] == "recording.verified" or types[-2:] == ["recording.verified", "recording.uploaded"]
        assert crm.types(silent) == []
        told = [each for each in crm.told.values() if each["type"] == "recording.verified"]
        shown = await house.shown(recording)
        assert told[0]["data"] | {"number": 0, "detail": {}} == {
            "recording": recording,
            "number": 0,
            "state": "verified",
            "end_reason": "stopped",
            "blame": "caller",
            "verdict": "verified",
            "level": shown["level"],
            "wanted_level": shown["wanted_level"],
            "rules_version": shown["latest_report"]["rules_version"],
            "coverage": shown["coverage"]["share"],
            "labels": {"lesson": "42"},
            "warned": shown["warned"],
            "detail": {},
        }
        events = await listed(house, "/v1/events", limit="200")
        assert {each["id"] for each in events} > set(crm.told)
        assert {each["id"]: each["document"] for each in events if each["id"] in crm.told} == crm.told
        deliveries = await listed(house, "/v1/messages", limit="200")
        assert {each["state"] for each in deliveries} == {"delivered"}
        assert (await listed(house, "/v1/endpoints"))[0]["state"] == "ok"


async def test_the_feed_waits_for_what_comes_next(build: Living) -> None:
    async with build() as house:
        page = (await house.call("GET", "/v1/events", expect=200)).body
        waiting = asyncio.create_task(
            house.call("GET", "/v1/events", params={"after": page["next"], "wait": "20"}, expect=200)
        )
        recording = await house.start()
        page = (await waiting).body
        assert [each["type"] for each in page["items"]] == ["recording.started"]
        assert page["items"][0]["recording_id"] == recording
        empty = (await house.call("GET", "/v1/events", params={"after": page["next"]}, expect=200)).body
        assert empty == {"items": [], "next": page["next"]}


async def test_a_dead_endpoint_holds_up_no_other_and_gets_everything_when_it_is_back(build: Living) -> None:
    port = free_port()
    dead_url = f"http://127.0.0.1:{port}/hook"
    async with receiving() as crm, build(settings=endpoints(crm=crm.url, dead=dead_url)) as house:
        recordings = [await house.ask(notify=["dead", "crm"]) for _ in range(4)]
        for recording in recordings:
            await house.until(recording, "recording")
            await house.do(recording, "stop")
            await house.until(recording, "verified")
        await eventually(lambda: all("recording.verified" in crm.types(each) for each in recordings), 10)
        states = {each["name"]: each for each in await listed(house, "/v1/endpoints")}
        assert (states["crm"]["state"], states["crm"]["pending"]) == ("ok", 0)
        assert (states["dead"]["state"], states["dead"]["last_error"]) == ("failing", "no_connection")
        assert states["dead"]["pending"] == len(crm.told)
        assert states["dead"]["url"] == f"http://127.0.0.1:{port}/…"
        async with receiving(port) as dead:
            await house.call("POST", "/v1/endpoints/dead/enable", expect=202)
            await eventually(lambda: dead.told == crm.told, 15, lambda: f"{len(dead.told)} of {len(crm.told)}")


async def test_what_an_endpoint_answered_last_is_shown_to_the_owner_sealed_at_rest_and_in_no_log(
    build: Living, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "no such course: 4711"
    async with receiving(usual=422, says=said) as crm, build(settings=endpoints(crm=crm.url)) as house:
        recording = await house.start(notify=["crm"])

        async def shown() -> dict[str, Any] | None:
            (one,) = await listed(house, "/v1/messages", endpoint="crm", limit="1")
            return one if one["last_answer"] else None

        refused = await eventually(shown, 20)
        (endpoint,) = await listed(house, "/v1/endpoints")
        assert (endpoint["state"], endpoint["last_error"], endpoint["failing_since"]) == ("refusing", "refused", None)
        assert (refused["last_status"], refused["last_answer"], refused["state"]) == (422, said, "pending")
        assert refused["next_try_at"] is not None
        assert refused["document"]["data"]["recording"] == recording
        sealed = await house.rows("SELECT answer FROM deliveries WHERE answer IS NOT NULL")
        assert sealed
        assert all(b"4711" not in bytes(answer) for (answer,) in sealed)
        crm.usual, crm.says = 200, "thanks"
        await house.do(recording, "stop")
        await house.until(recording, "verified")

        async def thanked() -> bool:
            found = await listed(house, "/v1/messages", state="delivered")
            return bool(found) and all((one["last_answer"], one["next_try_at"]) == ("thanks", None) for one in found)

        await eventually(thanked, 20)
        assert (await listed(house, "/v1/endpoints"))[0]["state"] == "ok"
    assert "4711" not in "".join(capsys.readouterr())


async def test_an_endpoint_that_is_gone_is_left_alone_until_somebody_enables_it(build: Living) -> None:
    async with receiving(usual=410) as crm, build(settings=endpoints(crm=crm.url)) as house:
        recording = await house.start(notify=["crm"])

        async def disabled() -> bool:
            return (await listed(house, "/v1/endpoints"))[0]["state"] == "disabled"

        await eventually(disabled, 10)
        await house.do(recording, "stop")
        await house.until(recording, "verified")
        tries = crm.tries
        crm.usual = 200
        assert (await listed(house, "/v1/messages", state="pending"))[0]["endpoint"] == "crm"
        assert crm.tries == tries == 1
        await house.call("POST", "/v1/endpoints/crm/enable", expect=202)
        await eventually(lambda: "recording.verified" in crm.types(recording), 10)


async def test_only_known_endpoints_of_the_owner_can_be_named_and_nobody_sees_anothers_messages(build: Living) -> None:
    async with receiving() as crm:
        settings = endpoints(crm=crm.url, theirs=crm.url)
        settings["endpoints"]["theirs"]["owners"] = ["other"]
        owners = {"other": list(Scope)}
        async with build(settings=settings, owners=owners) as house:
            body = {"url": "https://pages.example.org/", "notify": ["crm", "theirs", "none"]}
            answer = await house.call("POST", "/v1/recordings", json=body, expect=422)
            assert [each["pointer"] for each in answer.body["errors"]] == ["/notify/1", "/notify/2"]
            await house.start(notify=["crm"])
            await eventually(lambda: crm.told, 10)
            other = house.tokens["other"]
            for path in ("/v1/events", "/v1/messages"):
                assert (await house.call("GET", path, token=other, expect=200)).body["items"] == []
            seen = (await house.call("GET", "/v1/endpoints", token=other, expect=200)).body["items"]
            assert [each["name"] for each in seen] == ["crm", "theirs"]
            assert [each["name"] for each in await listed(house, "/v1/endpoints")] == ["crm"]
            await house.call("POST", "/v1/endpoints/theirs/enable", expect=404)
            answer = await house.call("POST", "/v1/messages/redrive", token=other, json={}, expect=202)
            assert answer.body == {"redriven": 0}


async def _killed_amid_messages(forge: Forge, root: Path, store: Store, url: str, kills: int, recordings: int) -> None:
    """Recordings come and go while the service is killed and the receiver misbehaves in every way."""
    async with receiving() as crm:
        ways = itertools.cycle([200, "hang", 500, 200, "reset", 200, 429, 503])
        crm.answers = [next(ways) for _ in range(4 * kills)]
        async with killable(forge, root, store, url, endpoints(crm=crm.url)) as (house, service):
            asked = [await house.ask(notify=["crm"]) for _ in range(recordings)]
            for _ in range(kills):
                await asyncio.sleep(0.7)
                await service.kill()
                await service.serve()
            for recording in asked:
                await house.until(recording, "recording", "uploading", "verifying", "verified", deadline=60)
                await house.do(recording, "stop", expect=None)
                await house.until(recording, "verified", deadline=60)
            crm.answers.clear()
            await house.call("POST", "/v1/endpoints/crm/enable", expect=202)

            async def all_told() -> bool:
                written = {str(row[0]) for row in await house.rows("SELECT id FROM messages")}
                return written == set(crm.told)

            await eventually(all_told, 90, lambda: f"{len(crm.told)} told")
            for recording in asked:
                assert crm.types(recording).count("recording.verified") == 1


async def test_killed_amid_a_hostile_receiver_nothing_is_lost_and_no_id_changes(
    forge: Forge, tmp_path: Path, store: Store
) -> None:
    await _killed_amid_messages(forge, tmp_path, store, f"sqlite:///{tmp_path}/pagereel.db", kills=3, recordings=3)


@pytest.mark.proof
async def test_proof_killed_again_and_again_amid_a_hostile_receiver_nothing_is_lost(
    forge: Forge, tmp_path: Path, store: Store, database_url: str
) -> None:
    await _killed_amid_messages(forge, tmp_path, store, database_url, kills=max(3, int(50 * SCALE)), recordings=12)


async def _tell(service: Service, crm: Receiver, recording: str, first: int, count: int) -> float:
    """So many messages, one every 20 ms, to whom the recording names; the p99 of the seconds until `crm` had them."""
    database, numbers = service.database, range(first, first + count)
    loaded = await database.run(lambda c: load_recording(c, recording))
    assert loaded is not None
    for number in numbers:
        told = message_of(loaded, number, time.time(), "warning", {"code": "load"})
        assert told is not None
        await database.run(lambda c, told=told: insert_messages(c, loaded, [told]))
        await asyncio.sleep(0.02)  # the pace of the load
    ids = [f"msg_{recording[4:]}_{number}" for number in numbers]
    await eventually(lambda: all(each in crm.heard_at for each in ids), 30, "everything is told")
    told = crm.told
    return sorted(crm.delay(each, told[each]) for each in ids)[int(count * 0.99)]


@pytest.mark.proof
async def test_proof_a_dead_endpoint_does_not_slow_down_another(build: Living) -> None:
    """The p99 from fact to receipt grows by a fifth at most where a second endpoint swallows every message."""
    count = max(100, int(1000 * SCALE))
    built: list[Service] = []
    async with receiving() as crm, receiving(usual="hang") as dead:
        settings = endpoints(crm=crm.url, dead=dead.url)
        async with build(settings=settings, touch=built.append) as house:
            alone = await house.start(notify=["crm"])
            both = await house.start(notify=["dead", "crm"])
            await _tell(built[0], crm, alone, 10_000, count // 4)
            before = await _tell(built[0], crm, alone, 20_000, count)
            beside = await _tell(built[0], crm, both, 30_000, count)
            assert dead.tries, "the dead one is tried"
    print(f"\np99 {before * 1000:.0f} ms alone, {beside * 1000:.0f} ms beside a dead endpoint")
    # At a tenth others share the machine; there it only shows that nothing waits for the dead one's time-out.
    assert beside <= (1.2 * before if SCALE >= 1 else 1.2 * before + 0.5)
