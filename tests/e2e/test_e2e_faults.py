"""Whatever the emulator can make go wrong, a recording ends in the right state, with the right reason and blame.

One row for each way; they are lived side by side in one house, since they mostly wait.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from emulator_truth import disagreements
from house import BUCKET, House, Living, Store, cname_of, eventually, rfc3339

from emulator.faults.model import kinds
from tests.flipped_quirks import FLIPPED

# So many at once: on two cores more would be late for each other's seconds.
AT_ONCE = 12
RTMP = "rtmp://live.example.org/app/key"
Act = Callable[[House, str], Awaitable[None]]


async def stops(house: House, recording: str) -> None:
    """Records for a while, then its caller stops it."""
    await house.until(recording, "recording")
    await house.slices(recording, 3)
    await house.do(recording, "stop")


async def outlives_a_failover(house: House, recording: str) -> None:
    await house.until(recording, "recording")

    async def taken_over() -> bool:
        return any(".m3u8" in name and name.startswith("bak0_") for name in (await house.tasks(recording))[0]["files"])

    await eventually(taken_over, 30, "the second file set is there", house.every)
    await house.do(recording, "stop")


async def stops_after_a_while(house: House, recording: str) -> None:
    await house.until(recording, "recording")
    await house.billed(recording, 2)
    await house.do(recording, "stop")


async def stops_when_warned(house: House, recording: str) -> None:
    """While it records somebody is told, and its caller stops it."""

    async def warned() -> bool:
        return bool((await house.shown(recording))["warnings"])

    await house.until(recording, "recording")
    await house.slices(recording, 2)
    await eventually(warned, 60, "a warning", house.every)
    await stops(house, recording)


async def waits(house: House, recording: str) -> None:
    """It ends by itself."""


async def stops_at_once(house: House, recording: str) -> None:
    """Its caller stops it when Agora has a task, which does not record yet."""
    await eventually(lambda: house.tasks(recording), 20, every=house.every)
    await house.do(recording, "stop")


async def pauses_and_resumes(house: House, recording: str) -> None:
    await house.until(recording, "recording")
    await house.slices(recording, 1)
    await house.do(recording, "pause")
    held = time.monotonic() + 1
    await eventually(lambda: time.monotonic() > held)
    await house.do(recording, "resume")
    await house.slices(recording, 4)
    await house.do(recording, "stop")


@dataclass(frozen=True)
class Row:
    """What goes wrong, and how it ends: state, reason, blame; what the report finds, classes of missing time too.

    `perhaps` is found or not, as the machine is quick or slow. `long_slices`: of two seconds, because less sound than
    1.5 s proves no silence.
    """

    faults: list[dict[str, Any]]
    end: tuple[str, str, str]
    act: Act = stops
    found: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)
    body: dict[str, Any] = field(default_factory=dict)
    perhaps: frozenset[str] = frozenset()
    attempts: int = 1
    long_slices: bool = False


def fault(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, **fields}


def answer(endpoint: str, code: int, times: int = 1) -> dict[str, Any]:
    return fault("answer", endpoint=endpoint, code=code, times=times)


WELL = ("verified", "stopped", "caller")
NOTHING = {"no_objects", "ended_early"}
LATE = {"max_missing_seconds": 20}
ROWS = {
    # The page
    "page unreachable": Row([fault("page_unreachable")], ("failed", "page_unreachable", "page"), waits, NOTHING),
    "page never ready": Row(
        [fault("page_not_ready")],
        ("failed", "page_load_timeout", "page"),
        waits,
        NOTHING,
        body={"ready_timeout": 6},
        warnings={"page_reloaded"},
    ),
    "page ready at its second load": Row(
        [fault("page_not_ready", loads=1)], WELL, body={"ready_timeout": 6}, warnings={"page_reloaded"}
    ),
    "engine does not start": Row([fault("engine_fails")], ("failed", "engine_failed", "agora"), waits, NOTHING),
    "browser killed": Row(
        [fault("page_dies", seconds=3)], ("defective", "recorder_error", "agora"), waits, found={"ended_early"}
    ),
    "unsupported feature": Row(
        [fault("capability_limit", seconds=3)], ("defective", "capability_limit", "page"), waits, found={"ended_early"}
    ),
    "page reloaded": Row([fault("reload", seconds=1)], WELL, warnings={"page_reloaded"}),
    "late start": Row([fault("late_start", seconds=8)], ("defective", "stopped", "caller"), found={"late_start"}),
    # The recorder
    "failover with a hole": Row(
        [fault("failover", seconds=2, window=1.5)],
        WELL,
        outlives_a_failover,
        warnings={"failover"},
        found={"failover", "mp4_absent_in_run"},
    ),
    "failover with an overlap": Row(
        [fault("failover", seconds=2, window=1, overlap=1.5)],
        WELL,
        outlives_a_failover,
        warnings={"failover"},
        found={"mp4_absent_in_run"},
    ),
    "404 for a while": Row([fault("not_found", seconds=1.5, after=1)], WELL),
    # The recorder's hour has 4 seconds here, the caller's 3600: what is missing was wanted.
    "hour limit": Row(
        [], ("defective", "hour_limit", "caller"), waits, {"ended_early"}, body={"max_recording_hour": 1}
    ),
    "end not told": Row(
        [fault("page_dies", seconds=3), fault("notices_drop", events=[71])],
        ("defective", "ended_by_itself", "agora"),
        waits,
        found={"ended_early"},
    ),
    "stopped while it starts": Row([fault("late_start", seconds=4)], ("cancelled", "stopped", "caller"), stops_at_once),
    "paused and resumed": Row([], WELL, pauses_and_resumes),
    # What is seen and heard
    "page blank": Row(
        [fault("page_blank", colour="white")],
        ("defective", "stopped", "caller"),
        stops_when_warned,
        found={"picture_white"},
        warnings={"picture_blank"},
        body={"storage": "seen"},
    ),
    "page silent": Row(
        [fault("page_silent")],
        WELL,
        stops_when_warned,
        found={"sound_silent"},
        warnings={"sound_silent"},
        body={"storage": "seen"},
        long_slices=True,
    ),
    "page silent, and no sound expected": Row(
        [fault("page_silent")],
        WELL,
        body={"storage": "seen", "sound": False},
        long_slices=True,
    ),
    # The push
    "push target away": Row([fault("push_fails")], WELL, body={"rtmp_url": RTMP}),
    "push target goes away": Row([fault("push_breaks", seconds=1)], WELL, body={"rtmp_url": RTMP}),
    # The storage
    "storage away for a while": Row([fault("storage_away", seconds=4)], WELL),
    "wrong storage keys": Row(
        [],
        ("defective", "storage_refused", "storage"),
        waits,
        NOTHING,
        body={"storage": "refused"},
        warnings={"upload_error"},
    ),
    "uploads fail": Row(
        [fault("upload_fails", code=47)],
        ("defective", "stopped", "caller"),
        stops_after_a_while,
        found={"no_objects"},
        perhaps=frozenset({"late_start"}),
        warnings={"upload_error"},
    ),
    "uploads are slow": Row([fault("upload_slow", seconds=0.2)], WELL),
    "slice lost": Row([fault("lose_slice", index=1)], ("defective", "stopped", "caller"), found={"slice_missing"}),
    # The wire
    "start not answered": Row([fault("drop_answer", endpoint="start", times=1)], WELL),
    "stop not answered": Row([fault("drop_answer", endpoint="stop", times=1)], WELL),
    "queries reset": Row([fault("reset", endpoint="query", times=3)], WELL),
    "answers late": Row([fault("delay_answer", seconds=0.4)], WELL),
    "start not completed, no worker": Row(
        [answer("start", 65), answer("start", 502)], WELL, body=LATE, perhaps=frozenset({"late_start"})
    ),
    "acquire in trouble": Row(
        [answer("acquire", 501), answer("acquire", 504), answer("acquire", 500)],
        WELL,
        body=LATE,
        perhaps=frozenset({"late_start"}),
    ),
    "query in trouble": Row([answer("query", 65, 2), answer("query", 62)], WELL),
    "stop in trouble": Row([answer("stop", 65), answer("stop", 62)], WELL),
    # The notices
    "no notice at all": Row([fault("notices_drop")], WELL),
    "notices twice, late, in disorder": Row(
        [fault("notices_duplicate"), fault("notices_late", seconds=0.5), fault("notices_shuffle", seconds=1)], WELL
    ),
    "notices forged": Row([fault("notices_forge", copies=2)], WELL),
}


async def live(house: House, name: str, row: Row, seen: dict[str, Any], turn: asyncio.Semaphore) -> None:
    async with turn:
        seen[name] = await end_of(house, name, row)


async def end_of(house: House, name: str, row: Row) -> dict[str, Any]:
    recording = await house.ask(start_at=rfc3339(time.time() + 2), labels={"row": name[:40]}, **row.body)
    for one in row.faults:
        await house.fault(cname=cname_of(recording), **one)
    await row.act(house, recording)
    shown = await house.until(recording, row.end[0], deadline=60)
    await eventually(lambda: nothing_runs(house, recording), 20, "nothing runs on", house.every)
    report = shown["latest_report"] or {"findings": []}
    return {
        "end": (shown["state"], shown["end_reason"], shown["blame"]),
        "found": {one["code"] for one in report["findings"] if one["severity"] != "note"} - row.perhaps,
        "warnings": set(shown["warnings"]),
        "attempts": len(shown["attempts"]),
        "in truth": await against_truth(house, recording, shown),
    }


async def against_truth(house: House, recording: str, shown: dict[str, Any]) -> list[str]:
    (task,) = await house.tasks(recording)
    looked = shown["latest_report"] is not None
    path = f"/v1/recordings/{recording}/report"
    report = (await house.call("GET", path, expect=200)).body if looked else {}
    return disagreements(shown, report, await house.files(recording), task)


async def nothing_runs(house: House, recording: str) -> bool:
    return not any(task["running"] for task in await house.tasks(recording))


@pytest.mark.timeout(150)
@pytest.mark.parametrize("level", ["structure", pytest.param("full", marks=pytest.mark.proof)])
async def test_whatever_goes_wrong_ends_in_the_right_state_for_the_right_reason(
    build: Living, store: Store, tmp_path: Path, level: str
) -> None:
    server = store.server
    seen_into = {
        **{"vendor": 11, "bucket": BUCKET, "endpoint": server.endpoint, "path_style": True, "prefix": ["rec"]},
        "level": "content",
        "write": {"access_key": server.access_key, "secret_key": server.secret_key},
        "read": {"access_key": server.reader_access_key, "secret_key": server.reader_secret_key},
    }
    broken = {**seen_into, "level": level, "write": {"access_key": server.access_key, "secret_key": "wrong"}}
    settings = {
        "timing": {
            "lead_seconds": 0,
            "missing_floor_seconds": 2,
            "give_up_seconds": 10,
            "give_up_announced_seconds": 10,
            "blank_seconds": 1,
        },
        "storage": {"archive": {"level": level}, "refused": broken, "seen": seen_into},
        "presets": {"default": {"max_recording_hour": 24}},
    }
    emulator = {"upload_seconds": 0.5, "times": {"forward": 15, "hour": 60, "progress": 900}}
    longer = {**emulator, "times": {"forward": 15, "hour": 60, "progress": 900, "slice": 30}}
    async with (
        build(settings=settings, emulator=emulator) as house,
        build(settings=settings, emulator=longer, database_url=f"sqlite:///{tmp_path}/slower.db") as slower,
    ):
        house.every = 0.4  # so many callers that wait must not keep the house from its work
        seen, turn = dict[str, Any](), asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(
            *(live(slower if row.long_slices else house, name, row, seen, turn) for name, row in ROWS.items()),
            return_exceptions=True,
        )
    failed = {name: result for name, result in zip(ROWS, results, strict=True) if result is not None}
    wanted = {
        name: {
            **{"end": row.end, "found": row.found, "warnings": row.warnings, "attempts": row.attempts, "in truth": []},
        }
        for name, row in ROWS.items()
    }
    wrong = {name: (seen[name], wanted[name]) for name in seen if seen[name] != wanted[name]}
    lines = [f"{name}: {str(error)[:900]}" for name, error in failed.items()]
    lines += [f"{name}: is {found}, should be {want}" for name, (found, want) in wrong.items()]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("story", ["most", pytest.param("some", marks=pytest.mark.proof)])
async def test_the_main_job_ends_the_same_with_the_quirks_the_other_way(build: Living, story: str) -> None:
    async with build(emulator={"quirks": FLIPPED[story]}) as house:
        recording = await house.ask(rtmp_url=RTMP)
        await pauses_and_resumes(house, recording)
        shown = await house.until(recording, "verified")
        assert (shown["end_reason"], shown["blame"], shown["warnings"]) == ("stopped", "caller", [])
        assert (len(shown["pauses"]), len(shown["attempts"])) == (1, 1)
        assert shown["coverage"]["unexplained_seconds"] == 0


async def test_a_pause_that_is_refused_and_a_stop_that_says_nothing_are_no_harm(build: Living) -> None:
    async with build(emulator={"quirks": FLIPPED["few"]}) as house:
        recording = await house.start()
        await house.slices(recording, 2)
        await house.do(recording, "pause", expect=409)
        await house.do(recording, "stop")
        shown = await house.until(recording, "verified")
        assert (shown["end_reason"], shown["warnings"]) == ("stopped", ["update_refused"])


def test_every_kind_of_fault_is_answered_in_some_row() -> None:
    assert {one["kind"] for row in ROWS.values() for one in row.faults} | {"answer"} == set(kinds())
