"""What a house goes through so that its metrics have something to say: a calm time, and a time of trouble."""

import asyncio
import time
from typing import Any

from tests.e2e.house import OVER, House, cname_of, eventually, rfc3339, signed
from tests.e2e.receiver import endpoints

# The house that goes through it: patience of seconds, a bucket whose reader has wrong keys, and limits.
EMULATOR = {"upload_seconds": 0.5, "times": {"forward": 15, "hour": 60, "progress": 15}}
TIMING = {
    "lead_seconds": 0,
    "missing_floor_seconds": 2,
    "give_up_seconds": 6,
    "give_up_announced_seconds": 6,
    "failover_hole_seconds": 5,
}

# How long before its start a recording is asked for, so that its faults are armed by then.
ARMING_SECONDS = 6


def settings(hook: str, unreadable: dict[str, Any]) -> dict[str, Any]:
    """Settings of such a house. `hook`: where its messages go; `unreadable`: a storage profile with wrong read keys."""
    return {
        **endpoints(crm=hook),
        "timing": TIMING,
        "storage": {"unreadable": unreadable},
        "prices": {"hd": 14.0, "full_hd": 30.0},
        "presets": {"default": {"max_recording_hour": 24}},
    }


def unreadable(archive: dict[str, Any]) -> dict[str, Any]:
    """A profile like `archive`, whose read keys the bucket refuses."""
    return {**archive, "read": {**archive["read"], "secret_key": "wrong"}}


async def calm(house: House) -> None:
    """Two recordings to their good end, one with a pause."""

    async def one(pause: bool) -> None:
        recording = await house.start(notify=["crm"])
        await house.slices(recording, 2)
        if pause:
            await house.do(recording, "pause")
            await house.do(recording, "resume")
            await house.slices(recording, 4)
        await house.do(recording, "stop")
        await house.until(recording, "verified")

    await asyncio.gather(one(False), one(True))


_TROUBLES: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([{"kind": "lose_slice", "index": 1}], {}),
    ([{"kind": "page_unreachable"}], {}),
    ([{"kind": "page_dies", "seconds": 2}], {}),
    ([{"kind": "page_dies", "seconds": 2}, {"kind": "notices_drop", "events": [71, 11, 31, 32]}], {}),
    ([{"kind": "reload", "seconds": 1, "window": 4}], {}),
    ([{"kind": "failover", "seconds": 1.5, "window": 1}], {}),
    ([{"kind": "drop_answer", "endpoint": "start", "times": 1}], {}),
    ([{"kind": "upload_fails"}], {}),
    ([{"kind": "answer", "endpoint": "acquire", "code": 406}], {"start_within_seconds": 4}),
    ([{"kind": "answer", "endpoint": "query", "status": 401, "body": {"message": "no"}, "times": 3}], {}),
    ([{"kind": "reset", "endpoint": "query", "times": 4}], {}),
    ([{"kind": "notices_duplicate"}, {"kind": "notices_shuffle", "seconds": 2}], {}),
    ([{"kind": "notices_drop", "share": 0.5}], {}),
    ([{"kind": "notices_forge", "copies": 4}], {}),
    ([], {"storage": "unreadable"}),
]


async def trouble(house: House) -> None:
    """Each trouble has a recording of its own, all at once; and somebody forges notifications."""

    async def one(faults: list[dict[str, Any]], body: dict[str, Any]) -> None:
        start_at = rfc3339(time.time() + ARMING_SECONDS)
        recording = await house.ask(notify=["crm"], start_at=start_at, **body)
        for fault in faults:
            await house.fault(cname=cname_of(recording), **fault)

        async def under_way() -> bool:
            return (await house.shown(recording))["state"] not in ("requested", "starting")

        await eventually(under_way, 60, recording, 0.4)
        if await _ran_for(house, recording, 5):  # one that has ended by itself is to be found out, not stopped
            await house.do(recording, "stop", expect=None)

        async def over() -> bool:
            return (await house.shown(recording))["state"] in OVER

        await eventually(over, 90, recording, 0.4)

    await asyncio.gather(*(one(*each) for each in _TROUBLES), _forged(house))


async def _ran_for(house: House, recording: str, seconds: float) -> bool:
    """Wait until it has run for so long, or no longer runs; whether it runs."""
    tasks: list[dict[str, Any]] = []

    async def enough() -> bool:
        tasks[:] = await house.tasks(recording)
        return sum(task["billed_seconds"] for task in tasks) >= seconds or not any(task["running"] for task in tasks)

    await eventually(enough, 60, recording, 0.4)
    return any(task["running"] for task in tasks)


async def _forged(house: House) -> None:
    for number in range(15):
        body = b'{"noticeId": "forged-%d"}' % number
        assert await house.notify(body, signed(body, "another secret")) == 401
