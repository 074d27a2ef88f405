"""A recorder that Agora itself believed lost for longer than a 404 is doubted comes back beside its successor."""

import time

import pytest
from house import Living, cname_of, eventually, instant, rfc3339

SETTINGS = {
    "timing": {"lead_seconds": 0, "recheck_seconds": [1, 4, 7, 10, 13], "start_within_seconds": 60},
    "presets": {"default": {"restart": "on_failure"}},
}


@pytest.mark.parametrize("heard", [True, False], ids=["with notices", "without any"])
async def test_a_recorder_that_comes_back_beside_its_successor_is_stopped_and_the_recording_goes_on(
    build: Living, heard: bool
) -> None:
    silence = [] if heard else [{"kind": "notices_drop"}]
    async with build(settings=SETTINGS, emulator={"faults": silence}) as house:
        recording = await house.ask(start_at=rfc3339(time.time() + 1), max_missing_seconds=60)
        await house.fault(kind="failover", cname=cname_of(recording), seconds=2, window=9, times=1)

        async def first_is_over() -> bool:
            tasks = await house.tasks(recording)
            return len(tasks) == 2 and not tasks[0]["running"]

        await eventually(first_is_over, 60)
        first, second = await house.tasks(recording)
        assert instant(first["stop_asked_at"]) > instant(first["started_at"]) + 11, "it had come back"
        assert second["running"], "its successor goes on"
        shown = await house.shown(recording)
        assert (shown["state"], shown["end_reason"]) == ("recording", None)
        assert "recorder_alive_after_end" in shown["warnings"]
        assert [attempt["state"] for attempt in shown["attempts"]] in (
            ["running", "running"],
            ["stopping", "running"],
            ["ended", "running"],
        )
        await house.slices(recording, 2)
        await house.do(recording, "stop")
        await house.until(recording, "verified", "defective", deadline=40)
        assert not any(task["running"] for task in await house.tasks(recording))
        kinds = [entry["kind"] for entry in await house.timeline(recording)]
        assert kinds.index("recorder_alive") > kinds.index("restart")
        metrics = await house.metrics()
        assert metrics['pagereel_recording_warnings_total{code="recorder_alive_after_end"}'] >= 1
