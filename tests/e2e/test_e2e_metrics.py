"""/metrics: promtool accepts it, the main job moves it, and no amount of traffic adds a series."""

import asyncio
import os
import shutil
import subprocess
import time

import pytest
from house import House, client, eventually, notice, rfc3339, signed

MOVED_BY_THE_MAIN_JOB = {
    "pagereel_recordings_requested_total",
    'pagereel_recordings_ended_total{reason="stopped"}',
    'pagereel_recordings_concluded_total{state="verified"}',
    'pagereel_recorded_seconds_total{resolution="hd"}',
    "pagereel_request_to_recording_seconds_count",
    'pagereel_stop_to_verdict_seconds_count{state="verified"}',
    "pagereel_recording_coverage_ratio_count",
    "pagereel_overrun_seconds_total",
    *(
        f'pagereel_agora_requests_total{{operation="{operation}",outcome="ok"}}'
        for operation in ("acquire", "start", "query", "update", "stop")
    ),
    *(
        f'pagereel_agora_{name}_seconds_count{{operation="{operation}"}}'
        for operation in ("acquire", "start", "query", "update", "stop")
        for name in ("request", "rate_limit_wait")
    ),
    *(
        f'pagereel_worker_step_seconds_count{{step="{step}"}}'
        for step in ("acquire", "start", "query", "update_onhold", "stop", "look", "verify")
    ),
    *(f'pagereel_notifications_total{{outcome="accepted",type="{event}"}}' for event in (4, 11, 30, 31, 33, 70, 71)),
    "pagereel_notification_delay_seconds_count",
    "pagereel_intake_commit_seconds_count",
    "pagereel_intake_batch_size_count",
    'pagereel_verification_reports_total{level="structure",verdict="verified"}',
    'pagereel_verification_seconds_count{level="structure"}',
    *(f'pagereel_verification_files_total{{kind="{kind}"}}' for kind in ("playlist", "slice", "mp4")),
    "pagereel_verification_objects_total",
    "pagereel_verification_requests_total",
    "pagereel_verification_read_bytes_total",
    "pagereel_verification_expected_seconds_total",
    "pagereel_verification_covered_seconds_total",
    *(f'pagereel_bucket_request_seconds_count{{operation="{name}",outcome="ok"}}' for name in ("list", "get")),
    *(f'pagereel_bucket_read_bytes_total{{operation="{name}"}}' for name in ("list", "get")),
    'pagereel_http_requests_total{method="POST",route="/v1/recordings",status="2xx"}',
    'pagereel_http_requests_total{method="POST",route="/v1/recordings/{id}/pause",status="2xx"}',
    'pagereel_http_requests_total{method="POST",route="/agora/{app}/notifications",status="2xx"}',
    'pagereel_http_request_seconds_count{method="GET",route="/v1/recordings/{id}"}',
    "pagereel_loop_lag_seconds_count",
}


async def _exposed(house: House) -> str:
    return str((await house.call("GET", "/metrics", token=None, expect=200)).body)


async def _recorded(house: House) -> None:
    recording = await house.start()
    await house.slices(recording, 2)
    await house.do(recording, "pause")
    await house.do(recording, "resume")
    await house.do(recording, "stop")
    await house.until(recording, "verified")


async def test_every_counter_of_the_main_job_moves_and_promtool_accepts_the_exposition(house: House) -> None:
    before = await house.metrics()
    await _recorded(house)
    after: dict[str, float] = {}

    def moved() -> set[str]:
        return {name for name, value in after.items() if value > before.get(name, 0)}

    async def all_moved() -> bool:  # Agora's last notices come after the verdict
        after.update(await house.metrics())
        return moved() >= MOVED_BY_THE_MAIN_JOB

    await eventually(all_moved, 10, lambda: MOVED_BY_THE_MAIN_JOB - moved())
    crashed = [name for name in after if name.startswith("pagereel_worker_step_errors_total")]
    assert crashed
    assert [name for name in crashed if after[name] > before[name]] == []
    if shutil.which("promtool") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: install the Debian package prometheus")
        pytest.skip("promtool is missing (Debian package prometheus)")
    text = (await _exposed(house)).encode()
    result = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=30, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


async def _traffic(house: House, recordings: int, notices: int, first: int) -> None:
    """So many notices of every type, and so many recordings, of which each tenth really records."""
    async with client(20) as http:

        async def notify(number: int) -> None:
            body = notice(number, event=number % 120)
            url = f"{house.callbacks}/agora/main/notifications"
            async with http.post(url, data=body, headers=signed(body)) as response:
                assert response.status == 200
                await response.read()

        async def record(number: int) -> None:
            labels = {"number": str(number)}
            if number % 10 == 0:
                recording = await house.start(labels=labels)
                await house.slices(recording, 1)
            else:
                recording = await house.ask(labels=labels, start_at=rfc3339(time.time() + 3600))
                await house.call("GET", f"/v1/recordings/never-{number}", expect=404)
            await house.do(recording, "stop")
            # A busy machine starts some of them late: that is a verdict too, and no series more.
            await house.until(recording, "verified", "cancelled", "defective")

        await asyncio.gather(*(notify(first + number) for number in range(notices)))
        for start in range(0, recordings, 100):
            await asyncio.gather(*(record(number) for number in range(start, min(recordings, start + 100))))


async def _grow(house: House, recordings: int, notices: int) -> None:
    await _traffic(house, 10, 10, 0)
    few = (await house.metrics()).keys()
    await _traffic(house, recordings, notices, 1000)
    many = (await house.metrics()).keys()
    assert many == few, many ^ few
    assert await house.rows("SELECT count(*) FROM recordings") == [(recordings + 10,)]


async def test_a_thousand_notices_and_a_hundred_recordings_add_no_series(house: House) -> None:
    await _grow(house, 100, 1000)


@pytest.mark.proof
async def test_a_thousand_notices_and_a_thousand_recordings_add_no_series(house: House) -> None:
    await _grow(house, max(100, round(1000 * float(os.environ.get("PROOF_SCALE", "1")))), 1000)
