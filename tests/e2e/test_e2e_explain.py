"""`explain` is judged by what truly happened: faults and pairs drawn by seed, and the emulator's account of them."""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from house import OVER, House, Living, cname_of, eventually, instant, rfc3339
from troubles import ALL, FINE, Truth, Wanted, draw, truth_of

SCALE = float(os.environ.get("PROOF_SCALE", "1"))
COUNT = max(20, round(200 * SCALE))
FIRST = int(os.environ.get("EXPLAIN_FIRST", "0"))
AT_ONCE = 12
START_SECONDS = 2
RECORD_SECONDS = 7
# The start allowance of the house, and the missing time it bears, with a second for the two clocks' difference.
ALLOWANCE_SECONDS = 1
ALLOWED_SECONDS = 3
FAILOVER_SECONDS = 2.5
STILL_SECONDS = 1.0
SETTINGS: dict[str, Any] = {
    "timing": {
        "lead_seconds": 0,
        "missing_floor_seconds": 2,
        "give_up_seconds": 8,
        "give_up_announced_seconds": 8,
        "failover_window_seconds": 5,
        "failover_hole_seconds": FAILOVER_SECONDS,
    },
    "presets": {"default": {"max_recording_hour": 24}},
}
EMULATOR = {"upload_seconds": 0.5, "times": {"forward": 15, "hour": 60, "progress": 900}}


@dataclass(frozen=True)
class Judged:
    """What was said of one recording, and what is true."""

    names: tuple[str, ...]
    truth: Truth
    told: dict[str, Any]
    shown: dict[str, Any]

    @property
    def right(self) -> bool:
        """What is verified is called fine, unless its report has warnings: then it is called so."""
        cause, warned = self.told["cause"], bool(self.shown["warned"])
        if cause in (FINE, "warned"):
            return FINE in self.truth.causes and (cause == "warned") is warned
        return cause in self.truth.causes or (self.truth.untold and self.unsure)

    @property
    def unsure(self) -> bool:
        return str(self.told["certainty"]) == "unknown"

    @property
    def misled(self) -> bool:
        """A wrong cause, said with certainty."""
        return not self.right and str(self.told["certainty"]) == "certain"

    def __str__(self) -> str:
        report = self.shown["latest_report"] or {"findings": []}
        found = ",".join(f"{one['code']}:{one['severity']}" for one in report["findings"])
        true = f"{sorted(self.truth.causes)}{' untold' if self.truth.untold else ''} {self.truth.missing_seconds:.1f} s"
        return (
            f"{' + '.join(self.names)}: told {self.told['cause']} ({self.told['certainty']}), true {true}; "
            f"{self.shown['state']} {self.shown['end_reason']} found {found}"
        )


@dataclass
class Stood:
    """How often this process stood still, and with it the recorders: their holes are nobody's doing, and what was under
    way is lived once more."""

    count: int = 0

    async def watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.2)
            self.count += time.monotonic() - before > 0.2 + STILL_SECONDS


async def live(house: House, names: tuple[str, ...]) -> Judged:
    """One recording under its troubles, to its end."""
    body = {key: value for name in names for key, value in ALL[name].body.items()}
    start_at = time.time() + START_SECONDS
    recording = await house.ask(start_at=rfc3339(start_at), **body)
    for fault in (fault for name in names for fault in ALL[name].faults):
        await house.fault(cname=cname_of(recording), **fault)
    await _record(house, recording)
    shown = await _over(house, recording)
    told = (await house.call("GET", f"/v1/recordings/{recording}/explanation", expect=200)).body
    tasks = await house.tasks(recording)
    truth = truth_of(names, tasks, await _struck(house, recording), _wanted(start_at, tasks))
    return Judged(names, truth, told, shown)


def _wanted(start_at: float, tasks: list[dict[str, Any]]) -> Wanted:
    stops = [instant(task["stop_asked_at"]) for task in tasks if task["stop_asked_at"]]
    return Wanted(start_at + ALLOWANCE_SECONDS, min(stops, default=None), ALLOWED_SECONDS, FAILOVER_SECONDS)


async def _record(house: House, recording: str) -> None:
    """It records for a while, unless it ends before; then its caller stops it."""

    async def under_way() -> bool:
        return (await house.shown(recording))["state"] not in ("requested", "starting")

    await eventually(under_way, 90, f"{recording} is under way", 0.4)
    shown = await house.shown(recording)
    until = time.time() + RECORD_SECONDS
    await eventually(lambda: time.time() > until, RECORD_SECONDS + 5, every=0.4)
    if shown["parameters"]["max_recording_hour"] == 1:
        return
    if (await house.shown(recording))["state"] == "recording":
        await house.do(recording, "stop", expect=None)


async def _over(house: House, recording: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}

    async def over() -> bool:
        nonlocal shown
        shown = await house.shown(recording)
        return shown["state"] in OVER

    await eventually(over, 120, lambda: f"{recording} is over: {shown}", 0.4)
    return shown


async def _struck(house: House, recording: str) -> set[str]:
    """The kinds of faults that struck it."""
    async with house.http.get(f"{house.emulator}/emulator/faults") as response:
        strikes = (await response.json())["strikes"]
    return {strike["kind"] for strike in strikes if strike["cname"] == cname_of(recording)}


@pytest.mark.proof
@pytest.mark.timeout(1800)
async def test_the_true_cause_is_named_and_never_a_wrong_one_with_certainty(build: Living) -> None:
    turn, still = asyncio.Semaphore(AT_ONCE), Stood()
    async with build(settings=SETTINGS, emulator=EMULATOR) as house:
        house.every = 0.4

        async def one(seed: int) -> Judged:
            async with turn:
                stood = still.count
                lived = await live(house, draw(seed))
                return lived if still.count == stood else await live(house, draw(seed))

        watching = asyncio.create_task(still.watch())
        judged = await asyncio.gather(*(one(FIRST + number) for number in range(COUNT)))
        watching.cancel()
        await asyncio.wait([watching])
    wrong = [one for one in judged if not one.right]
    counts = Counter(str(one.told["certainty"]) for one in judged)
    print(f"\n{len(judged) - len(wrong)} of {len(judged)} named; {dict(counts)}")
    print("\n".join(map(str, wrong)))
    misled = [str(one) for one in judged if one.misled]
    assert not misled, "\n".join(misled)
    assert len(wrong) <= 0.05 * len(judged), "\n".join(map(str, wrong))
