"""When a recording starts and stops, and what becomes of it where Agora refuses, delays or does not answer."""

import asyncio
import time

from house import CLEAN, House, Living, cname_of, eventually, instant, rfc3339, summary

LEAD = 2.0
CAPACITY = {"code": 406, "reason": "vendor_over_load"}


async def test_a_start_in_the_future_is_sent_lead_seconds_early_and_stop_at_stops_by_itself(
    build: Living, database_url: str
) -> None:
    async with build(database_url=database_url, settings={"timing": {"lead_seconds": LEAD}}) as house:
        start_at = time.time() + LEAD + 1.5
        stop_at = start_at + 2.5
        recording = await house.ask(start_at=rfc3339(start_at), stop_at=rfc3339(stop_at))
        assert (await house.shown(recording))["state"] == "requested"

        async def asked_for() -> bool:
            shown = await house.shown(recording)
            assert shown["state"] == "requested" or time.time() >= start_at - LEAD, "nothing happens before"
            return bool(await house.tasks(recording))

        await eventually(asked_for, LEAD + 10)
        shown = await house.until(recording, "verified")
        (attempt,) = shown["attempts"]
        assert start_at - LEAD - 0.01 <= instant(attempt["planned_at"]) <= start_at - LEAD + 1
        (task,) = await house.tasks(recording)
        assert start_at - LEAD - 0.01 <= instant(task["started_at"]) <= start_at - LEAD + 1
        assert stop_at - 0.01 <= instant(task["stop_asked_at"]) <= stop_at + 1
        assert (shown["end_reason"], shown["blame"]) == ("stop_at", "caller")
        assert instant(shown["coverage"]["window"]["to_at"]) == instant(rfc3339(stop_at))


async def _without_capacity(house: House) -> None:
    recording = await _planned(house, start_within_seconds=2)
    await house.fault(kind="answer", endpoint="acquire", status=400, body=CAPACITY, cname=cname_of(recording))
    shown = await house.until(recording, "failed")
    assert (shown["end_reason"], shown["blame"]) == ("capacity", "agora")
    assert instant(shown["instants"]["ended_at"]) - instant(shown["instants"]["start_at"]) < 4
    assert await house.tasks(recording) == []
    tries = [one["used"] for one in await house.faults() if one["cname"] == cname_of(recording)]
    assert tries[0] > 1, "it was tried again"


async def _stopped_before_it_started(house: House) -> None:
    recording = await _planned(house)
    await house.fault(kind="delay_answer", endpoint="start", seconds=1.5, cname=cname_of(recording))

    async def start_sent() -> bool:
        return any(one["state"] == "start_sent" for one in (await house.shown(recording))["attempts"])

    await eventually(start_sent)
    assert await house.tasks(recording) == [], "the start has not reached Agora"
    await house.do(recording, "stop")
    # How much was recorded until the stop reached it is the machine's doing.
    shown = await house.until(recording, "cancelled", "verified")
    assert (shown["state"] == "verified") == bool(shown["files"]["slices"])
    assert (shown["end_reason"], shown["blame"]) == ("stopped", "caller")
    (task,) = await house.tasks(recording)
    await eventually(lambda: _ended(house, recording), what="the task that started all the same is stopped")
    assert instant(task["stop_asked_at"]) - instant(task["started_at"]) < 3


async def _ended(house: House, recording: str) -> bool:
    return not any(task["running"] for task in await house.tasks(recording))


async def _start_unanswered(house: House) -> None:
    recording = await _planned(house)
    await house.fault(kind="drop_answer", endpoint="start", times=1, cname=cname_of(recording))
    await house.until(recording, "recording")
    await house.slices(recording, 2)
    await house.do(recording, "stop")
    shown = await house.until(recording, "verified")
    (task,) = await house.tasks(recording)
    assert shown["attempts"][0]["sid"] == task["sid"]
    assert summary(shown, await house.files(recording)) == CLEAN
    kinds = [entry["kind"] for entry in await house.timeline(recording)]
    assert "call_failed" in kinds, "the start really was not answered"


async def _pause_refused(house: House) -> None:
    recording = await _planned(house)
    body = {"code": 2, "reason": "not supported"}
    await house.fault(kind="answer", endpoint="update", status=400, body=body, cname=cname_of(recording))
    await house.until(recording, "recording")
    refused = await house.do(recording, "pause", expect=409)
    assert (refused.body["code"], refused.body["reason"]) == ("conflict", "unsupported_by_agora")
    shown = await house.shown(recording)
    assert (shown["state"], shown["paused"]) == ("recording", {"wished": False, "confirmed": False})
    await house.slices(recording, 2)
    await house.do(recording, "stop")
    shown = await house.until(recording, "verified")
    assert summary(shown, await house.files(recording)) == {**CLEAN, "warnings": ["update_refused"]}


async def _planned(house: House, **body: object) -> str:
    """A recording that begins in a moment, so that its faults can be set before."""
    return await house.ask(start_at=rfc3339(time.time() + 2), **body)


async def test_refused_delayed_and_unanswered_calls_lead_to_the_right_end(build: Living, database_url: str) -> None:
    async with (
        build(database_url=database_url, settings={"timing": {"lead_seconds": 0}}) as house,
        asyncio.TaskGroup() as group,
    ):
        for story in (_without_capacity, _stopped_before_it_started, _start_unanswered, _pause_refused):
            group.create_task(story(house))
