"""Recordings that are not what was wanted are told apart: begun late, ended early; time on hold is nobody's loss."""

import asyncio
import time
from dataclasses import dataclass

import pytest
from house import House, Living, cname_of, eventually, instant, rfc3339


@dataclass(frozen=True)
class Sizes:
    """Lengths in seconds: the allowance for a start, how late the recorder begins, when the page dies, the hold."""

    allowance: float
    late: float
    dies: float
    hold: float


async def _ask_ahead(house: House, **fault: object) -> str:
    """A recording of its own fault; it is set before the start."""
    recording = await house.ask(start_at=rfc3339(time.time() + 2))
    await house.fault(cname=cname_of(recording), **fault)
    return recording


async def _late(house: House, sizes: Sizes) -> None:
    recording = await _ask_ahead(house, kind="late_start", seconds=sizes.late)
    await house.until(recording, "recording", deadline=sizes.late + 30)
    await house.slices(recording, 2)
    await house.do(recording, "stop")
    shown = await house.until(recording, "defective", deadline=60)
    (finding,) = [one for one in shown["latest_report"]["findings"] if one["severity"] == "error"]
    assert finding["code"] == "late_start"
    missing = sizes.late - sizes.allowance
    assert shown["coverage"]["unexplained_seconds"] == pytest.approx(missing, abs=3)
    assert shown["end_reason"] == "stopped", "it was stopped by its caller all the same"


async def _dies(house: House, sizes: Sizes) -> None:
    recording = await _ask_ahead(house, kind="page_dies", seconds=sizes.dies, code=6)
    shown = await house.until(recording, "defective", deadline=sizes.dies + 60)
    assert (shown["end_reason"], shown["blame"]) == ("recorder_error", "agora")
    (finding,) = [one for one in shown["latest_report"]["findings"] if one["severity"] == "error"]
    assert finding["code"] == "ended_early"
    slices = [file for file in await house.files(recording) if file["kind"] == "slice"]
    assert sum(file["duration_seconds"] for file in slices) == pytest.approx(sizes.dies, abs=1.5)
    assert not any(task["running"] for task in await house.tasks(recording))


async def _held(house: House, sizes: Sizes) -> None:
    recording = await house.start(onhold=True)
    await house.billed(recording, sizes.hold)
    assert (await house.tasks(recording))[0]["slices_made"] == 0
    resumed_at = time.time()
    await house.do(recording, "resume")
    await house.billed(recording, sizes.hold + sizes.allowance + 3)
    stopped_at = time.time()
    await house.do(recording, "stop")
    shown = await house.until(recording, "verified", deadline=60)
    assert shown["coverage"]["unexplained_seconds"] == 0
    wanted = stopped_at - resumed_at - sizes.allowance
    assert shown["coverage"]["expected_seconds"] == pytest.approx(wanted, abs=1)
    assert instant(shown["coverage"]["window"]["from_at"]) >= resumed_at - 0.1
    slices = [file for file in await house.files(recording) if file["kind"] == "slice"]
    assert min(instant(file["starts_at"]) for file in slices) >= resumed_at - 0.5


async def _all(house: House, sizes: Sizes) -> None:
    async with asyncio.TaskGroup() as group:
        for story in (_late, _dies, _held):
            group.create_task(story(house, sizes))


# The edges of the wanted window are compared to five seconds, so a late start must be later than that.
async def test_late_start_and_early_end_are_defective_and_time_on_hold_is_not_counted(
    build: Living, database_url: str
) -> None:
    timing = {"start_allowance_seconds": 1, "missing_floor_seconds": 2, "lead_seconds": 0}
    async with build(database_url=database_url, settings={"timing": timing}) as house:
        await _all(house, Sizes(allowance=1, late=8, dies=3, hold=4))


@pytest.mark.proof
async def test_a_minute_late_and_twenty_seconds_lived_are_defective_and_half_a_minute_on_hold_is_not_counted(
    build: Living,
) -> None:
    # The service's own times are the real ones here; only Agora's waits are short.
    timing = {"start_allowance_seconds": 30, "missing_floor_seconds": 5, "lead_seconds": 0}
    async with build(settings={"timing": timing}) as house:
        await _all(house, Sizes(allowance=30, late=60, dies=20, hold=30))


@pytest.mark.proof
async def test_a_blank_page_is_warned_of_within_a_minute_of_its_second_slice(build: Living) -> None:
    """The service's own times are the real ones; Agora's slices last five seconds."""
    settings = {
        "timing": {"watch_seconds": 120, "first_watch_seconds": 20},
        "storage": {"archive": {"level": "content"}},
    }
    async with build(settings=settings, emulator={"compression": 3}) as house:
        recording = await _ask_ahead(house, kind="page_blank", colour="white")
        await house.slices(recording, 2)
        there = time.monotonic()

        async def warned() -> bool:
            return (await house.shown(recording))["warnings"] == ["picture_blank"]

        await eventually(warned, 60, "the warning")
        print(f"warned after {time.monotonic() - there:.1f} s")
        shown = await house.shown(recording)
        assert (shown["state"], shown["attention"]["code"]) == ("recording", "picture_blank")
        await house.do(recording, "stop")
        await house.until(recording, "verified", "defective", deadline=60)


async def test_what_a_verified_recording_loses_later_is_found_without_asking_and_its_state_stays(build: Living) -> None:
    """Re-audit: every recording is in the sample here, and its week lasts four seconds."""
    again = {"reaudit_share": 1, "reaudit_seconds": [4]}
    series = 'pagereel_verified_objects_changed_total{change="vanished"}'
    async with build(settings={"timing": again}) as house:
        before = (await house.metrics())[series]
        recording = await house.start()
        await house.slices(recording, 3)
        await house.do(recording, "stop")
        await house.until(recording, "verified")
        victim, _ = await house.take_slice(recording)

        async def told() -> bool:
            return any(entry["kind"] == "changed" for entry in await house.timeline(recording))

        await eventually(told, what="a second look")
        shown = await house.shown(recording)
        assert shown["state"] == "verified"
        assert ("object_vanished", victim) in {
            (one["code"], one["object"]) for one in shown["latest_report"]["findings"]
        }
        assert (await house.metrics())[series] - before == 1
