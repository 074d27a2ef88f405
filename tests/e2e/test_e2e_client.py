"""The Python client against the real service: a recording from wish to verdict, what was told of it, refusals."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from house import PAGE, House, Living, eventually
from pagereel_client import Client, Conflict, Invalid, NotFound, SyncClient, Unauthorized, WaitedTooLong, read_webhook
from receiver import SECRET, endpoints, receiving


async def test_a_recording_is_made_steered_and_proven(build: Living) -> None:
    async with (
        receiving(usual=200) as crm,
        build(settings=endpoints(crm=crm.url)) as house,
        Client(house.api, house.token) as api,
    ):
        asked = await api.start(PAGE, labels={"lesson": "42"}, notify=["crm"], wait_seconds=30)
        assert asked.state == "recording"
        assert (await api.start(PAGE, idempotency_key="once")).id == (await api.start(PAGE, idempotency_key="once")).id
        assert (await api.pause(asked.id)).paused.wished
        assert not (await api.resume(asked.id)).paused.wished
        await house.slices(asked.id, 2)
        with pytest.raises(WaitedTooLong):
            await api.wait(asked.id, seconds=0)
        await api.change(asked.id, stop_at=datetime.now(UTC) + timedelta(seconds=3))
        done = await api.wait(asked.id, seconds=60, every_seconds=0.2)
        assert (done.state, done.end_reason, done.labels) == ("verified", "stop_at", {"lesson": "42"})
        assert done.coverage is not None
        assert done.coverage.missing_seconds == 0 < done.coverage.covered_seconds

        files = [each async for each in api.files(asked.id, links=True)]
        assert {each.kind for each in files} == {"playlist", "slice", "mp4"}
        ats = [each.at async for each in api.timeline(asked.id)]
        assert ats == sorted(ats)
        assert (await api.explain(asked.id)).cause == "fine"
        assert "#EXTM3U" in await api.playlist(asked.id)
        assert [each.id async for each in api.recordings(labels={"lesson": "42"})] == [asked.id]
        assert (await api.usage()).seconds > 0
        assert any([each.recording_id == asked.id async for each in api.notifications(event_type=31)])
        assert "pagereel_recordings_requested_total" in await api.metrics()

        told = [each for each in (await api.events_page()).items if each.recording_id == asked.id]
        assert told[-1].type == "recording.verified"
        await eventually(lambda: "recording.verified" in crm.types(asked.id), 20)
        read = [read_webhook(body, headers, SECRET) for headers, body in crm.raw]
        own = [(identity, message) for identity, message in read if message.data.recording == asked.id]
        assert {identity for identity, _ in own} == {each.id for each in told}
        assert own[-1][1].data.verdict == "verified"
        assert {each.state async for each in api.deliveries(endpoint="crm")} == {"delivered"}
        assert [each.name for each in await api.endpoints()] == ["crm"]


async def test_recording_for_so_long_is_one_call(house: House) -> None:
    async with Client(house.api, house.token) as api:
        done = await api.record(PAGE, 3, patience_seconds=60)
    assert (done.state, done.end_reason) == ("verified", "stop_at")


README = Path(__file__).parents[2] / "clients/python/README.md"
EXAMPLES = [text for text in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "from_env" in text]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_an_example_of_the_readme_survives_a_page_that_cannot_be_opened(
    number: int, house: House, tmp_path: Path
) -> None:
    await house.fault(kind="page_unreachable")
    if "api.events" in EXAMPLES[number]:
        async with Client(house.api, house.token) as api:
            await api.record(PAGE, 3, patience_seconds=60)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", EXAMPLES[number]),
        cwd=tmp_path,
        env={**os.environ, "PAGEREEL_URL": house.api, "PAGEREEL_TOKEN": house.token, "PAGEREEL_TOKEN_FILE": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, complained.decode()
    assert b"failed" in told


async def test_refusals_say_what_is_wrong(house: House) -> None:
    async with Client(house.api, house.token) as api:
        with pytest.raises(Invalid) as wrong:
            await api.start("http://10.0.0.1/", video_width=10)
        assert "/video_width" in {each.pointer for each in wrong.value.errors}
        with pytest.raises(NotFound):
            await api.read("rec_none")
        over = await api.start(PAGE)
        await api.stop(over.id)
        over = await api.wait(over.id, seconds=60, every_seconds=0.2)
        with pytest.raises(Conflict) as conflict:
            await api.pause(over.id)
        assert conflict.value.state == over.state
    async with Client(house.api, "prl_wrong") as stranger:
        with pytest.raises(Unauthorized):
            await stranger.read("rec_none")


async def test_code_that_does_not_await_records_and_proves_too(house: House) -> None:
    def use() -> None:
        with SyncClient(house.api, house.token) as api:
            done = api.record(PAGE, 3, patience_seconds=60)
            assert (done.state, done.end_reason) == ("verified", "stop_at")
            assert {each.kind for each in api.files(done.id)} == {"playlist", "slice", "mp4"}
            assert api.explain(done.id).cause == "fine"
            with pytest.raises(Conflict):
                api.pause(done.id)
        with SyncClient(house.api, "prl_wrong") as stranger, pytest.raises(Unauthorized):
            stranger.read(done.id)

    await asyncio.to_thread(use)
