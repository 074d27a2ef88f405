"""A task's life: statuses, pauses, ends, the files it leaves. Media is judged by PyAV, playlists by m3u8."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import m3u8
import pytest
from emulator_rig import Client, Notices, Session, client_request, decode, emulating, until

from emulator.engines.interface import Wanted
from emulator.engines.synthetic import SyntheticEngine
from emulator.faults.registry import Subject
from emulator.media.file_names import FileNames
from emulator.process.clock import Clock
from emulator.recorders.segmenter import Mp4Plan, Recorder, form_of
from emulator.requests.parse import parse_start
from emulator.requests.quirks import Quirks
from emulator.s3_server import S3Server

ENGINES = ["loop", "live"]


def moment(name: str) -> float:
    """Unix seconds of the 17 digits in a slice's name."""
    digits = re.fullmatch(r".*_(\d{17})\.ts", name)
    assert digits is not None, name
    text = digits.group(1)
    return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() + int(text[14:]) / 1000


def files_of(agora: Client, session: Session, folder: str = "rec") -> dict[str, bytes]:
    return agora.objects(folder, containing=session.sid)


def playlist_of(files: dict[str, bytes], prefix: str = "") -> m3u8.M3U8:
    (text,) = [data.decode() for name, data in files.items() if name.endswith(".m3u8") and name.startswith(prefix)]
    # The library wants the comma that Agora leaves out.
    return m3u8.loads(re.sub(r"(#EXTINF:[\d.]+),?", r"\1,", text))


async def record(agora: Client, seconds: float, **changes: Any) -> tuple[Session, dict[str, Any]]:
    """A recording of about so many seconds, stopped and uploaded; its session and listing."""
    session = await agora.start(**changes)
    await agora.reach(session, 4, 5)
    began = time.monotonic()
    await until(lambda: time.monotonic() > began + seconds)
    status, answer = await agora.call(session, "stop")
    assert status == 200, answer
    return session, await agora.task(session)


async def test_the_status_rises_to_5_and_ends_in_404(agora: Client) -> None:
    session, seen = await agora.start(), [0]

    async def look() -> bool:
        status = await agora.status(session)
        if status != seen[-1]:
            seen.append(status)
        return status == 5

    await until(look)
    assert await agora.call(session, "stop", {"async_stop": True}) == (
        200,
        {"cname": "lesson42", "uid": "1", "resourceId": session.rid, "sid": session.sid},
    )
    await until(lambda: _is(agora, session, 404, seen))
    assert seen == sorted(seen)
    assert {4, 5, 404} < set(seen)
    assert set(seen) <= {0, 1, 2, 3, 4, 5, 6, 7, 8, 404}


async def _is(agora: Client, session: Session, wanted: int, seen: list[int]) -> bool:
    status = await agora.status(session)
    if status != seen[-1]:
        seen.append(status)
    return status == wanted


async def test_a_synchronous_stop_answers_with_all_files_uploaded(agora: Client) -> None:
    session = await agora.start(av=["hls", "mp4"])
    await agora.slices(session, 1)
    status, answer = await agora.call(session, "stop")
    upload, recorder = answer["serverResponse"]["extensionServiceState"]
    assert status == 200
    assert upload == {"serviceName": "upload_service", "payload": {"uploadingStatus": "uploaded"}}
    names = [file["filename"] for file in recorder["payload"]["fileList"]]
    stem = f"{session.sid}_lesson42"
    assert names == [f"{stem}.m3u8", f"{stem}_0.mp4"]
    files = files_of(agora, session)
    assert set(names) <= set(files)
    assert playlist_of(files).is_endlist


async def test_a_second_stop_is_invalid_while_exiting_and_unknown_afterwards(agora: Client) -> None:
    session = await agora.start()
    await agora.reach(session, 5)
    await agora.call(session, "stop", {"async_stop": True})
    assert await agora.call(session, "stop") == (400, {"code": 49, "reason": "invalid operation"})
    await agora.reach(session, 404)
    assert (await agora.call(session, "stop"))[0] == 404


async def test_a_stop_before_the_recording_has_no_recorded_data(agora: Client) -> None:
    session = await agora.start()
    assert await agora.call(session, "stop") == (206, {"code": 435, "reason": "no recorded data"})
    await agora.reach(session, 404)
    assert files_of(agora, session) == {}


async def test_a_task_on_hold_all_the_time_has_no_recorded_data(agora: Client) -> None:
    session = await agora.start(onhold=True)
    await agora.reach(session, 4)
    assert (await agora.call(session, "stop"))[1] == {"code": 435, "reason": "no recorded data"}
    assert files_of(agora, session) == {}


@pytest.mark.parametrize("engine", ENGINES)
async def test_slices_follow_one_another_and_cover_the_running_time(s3: S3Server, engine: str) -> None:
    async with emulating(s3, engine=engine) as agora:
        session, task = await record(agora, 2.0)
        files = files_of(agora, session)
    playlist = playlist_of(files)
    listed = [segment.uri for segment in playlist.segments]
    assert sorted(listed) == sorted(name for name in files if name.endswith(".ts"))
    assert abs(sum(segment.duration for segment in playlist.segments) - task["billed_seconds"]) < 0.3
    for before, after in pairwise(playlist.segments):
        assert abs(moment(before.uri) + before.duration - moment(after.uri)) < 0.02
        assert not after.discontinuity
    began = datetime.fromisoformat(task["recording_started_at"]).timestamp()
    assert abs(moment(listed[0]) - began) < 0.1
    assert playlist.target_duration >= max(segment.duration for segment in playlist.segments)


async def test_the_playlist_is_written_anew_for_each_slice_and_is_over_at_the_end(agora: Client) -> None:
    session = await agora.start()
    for count in (1, 2, 3):
        await agora.slices(session, count)
        playlist = playlist_of(files_of(agora, session))
        assert (len(playlist.segments) >= count, playlist.is_endlist) == (True, False)
    await agora.call(session, "stop")
    assert playlist_of(files_of(agora, session)).is_endlist


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_slice_decodes_from_a_key_frame_for_as_long_as_it_says(s3: S3Server, engine: str) -> None:
    async with emulating(s3, engine=engine) as agora:
        session, _ = await record(agora, 1.5, audioProfile=2)
        files = files_of(agora, session)
    expected_first = None
    for segment in playlist_of(files).segments:
        data = files[segment.uri]
        assert len(data) % 188 == 0
        found = decode(data)
        assert found.first_is_key
        assert abs(found.video_seconds - segment.duration) < 0.01
        assert abs(found.audio_seconds - segment.duration) < 0.05
        assert (found.width, found.height, found.channels) == (320, 240, 2)
        if expected_first is not None:
            assert abs(found.video_first - expected_first) < 0.01
        expected_first = found.video_first + found.video_seconds


async def test_the_live_picture_shows_the_time_of_its_frame(s3: S3Server) -> None:
    async with emulating(s3, engine="live") as agora:
        session, _ = await record(agora, 1.0)
        files = files_of(agora, session)
    for segment in playlist_of(files).segments:
        clocks = decode(files[segment.uri]).clocks
        assert abs(clocks[0] / 1000 - moment(segment.uri)) < 0.02
        assert [after > before for before, after in pairwise(clocks)] == [True] * (len(clocks) - 1)


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_mp4_has_the_whole_recording_without_its_pauses(s3: S3Server, engine: str) -> None:
    async with emulating(s3, engine=engine) as agora:
        session = await agora.start(av=["hls", "mp4"])
        await agora.slices(session, 1)
        await _hold(agora, session, 1.0)
        await agora.slices(session, 4)
        await agora.call(session, "stop")
        files = files_of(agora, session)
    recorded = sum(segment.duration for segment in playlist_of(files).segments)
    found = decode(files[f"{session.sid}_lesson42_0.mp4"])
    assert abs(found.video_seconds - recorded) < 0.05
    assert abs(found.audio_seconds - recorded) < 0.1


async def _hold(agora: Client, session: Session, seconds: float) -> tuple[float, float]:
    """Pause the recording; the Unix seconds between which it was surely paused."""
    status, _ = await agora.call(session, "update", {"webRecordingConfig": {"onhold": True}})
    assert status == 200
    paused = time.time()
    began = time.monotonic()
    await until(lambda: time.monotonic() > began + seconds)
    resumed = time.time()
    await agora.call(session, "update", {"webRecordingConfig": {"onhold": False}})
    return paused, resumed


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_pause_leaves_no_slices_and_marks_a_discontinuity(s3: S3Server, engine: str) -> None:
    async with emulating(s3, engine=engine) as agora:
        session = await agora.start()
        await agora.slices(session, 1)
        paused, resumed = await _hold(agora, session, 1.0)
        made = (await agora.task(session))["slices_made"]
        await agora.slices(session, made + 1)
        await agora.call(session, "stop")
        segments = playlist_of(files_of(agora, session)).segments
    spans = [(moment(segment.uri), moment(segment.uri) + segment.duration) for segment in segments]
    assert not [span for span in spans if span[0] < resumed - 0.1 and span[1] > paused + 0.2]
    assert [segment.discontinuity for segment in segments].count(True) == 2
    resumed_first = next(segment for segment in segments[1:] if segment.discontinuity)
    assert abs(moment(resumed_first.uri) - resumed) < 0.2


async def test_a_task_shows_in_query_that_it_is_on_hold(agora: Client) -> None:
    session = await agora.start(onhold=True)
    await agora.reach(session, 4)
    _, answer = await agora.call(session, "query")
    assert answer["serverResponse"]["extensionServiceState"][0]["payload"] == {
        "fileList": [],
        "onhold": True,
        "state": "inProgress",
    }


async def test_an_mp4_is_split_at_the_longest_duration(s3: S3Server) -> None:
    async with emulating(s3, times={"minute": 2.0}) as agora:
        session, _ = await record(agora, 2.2, av=["hls", "mp4"], maxVideoDuration=30)
        files = files_of(agora, session)
    parts = sorted(name for name in files if name.endswith(".mp4"))
    assert parts == [f"{session.sid}_lesson42_{index}.mp4" for index in range(len(parts))]
    assert len(parts) > 1
    whole = sum(decode(files[part]).video_seconds for part in parts)
    assert abs(whole - sum(segment.duration for segment in playlist_of(files).segments)) < 0.1


async def test_an_mp4_is_split_at_its_largest_size(tmp_path: Path, s3: S3Server) -> None:
    page = parse_start({"cname": "c", "uid": "1", "clientRequest": client_request(s3)}, Quirks()).page
    form, most = form_of(page, 1.0), 100_000
    with ThreadPoolExecutor(1) as executor:
        engine = SyntheticEngine("loop", Clock(1), executor)
        view = await engine.open(Wanted(page, form, Subject("c", "1", 0.0, "sid"), lambda: None))
        names, plan = FileNames("sid", "c", 0, ()), Mp4Plan(tmp_path, math.inf, most)
        recorder = Recorder(
            view=view,
            executor=executor,
            form=form,
            names=names,
            began=0.0,
            slice_seconds=1.0,
            mp4=plan,
            gapless=False,
        )
        await recorder.resume(0.0)
        slices = await recorder.pause(12.0)
        files = await recorder.close()
        await engine.close()
    largest = max(len(one.data) for one in slices)
    assert len(files) > 1
    assert all(most < file.path.stat().st_size < most + 2 * largest for file in files[:-1])
    assert abs(sum(decode(file.path.read_bytes()).video_seconds for file in files) - 12.0) < 0.1


async def test_the_hour_limit_ends_a_recording_to_the_instant(s3: S3Server, notices: Notices) -> None:
    async with emulating(s3, notices, times={"hour": 90.0}) as agora:
        session = await agora.start(maxRecordingHour=1)
        await agora.reach(session, 404)
        task = await agora.task(session)
        recorded = sum(segment.duration for segment in playlist_of(files_of(agora, session)).segments)
    assert task["end_code"] == 1
    assert abs(recorded - 1.5) < 0.1
    (stopped,) = notices.events(71)
    assert stopped["payload"]["details"]["message"] == "max_recording_hour"


async def test_the_comma_is_written_only_when_asked_for(agora: Client) -> None:
    for private, comma in (('{"correctEXTINF":true}', True), ("{}", False)):
        session, _ = await record(agora, 0.3, private=private)
        (text,) = [data.decode() for name, data in files_of(agora, session).items() if name.endswith(".m3u8")]
        lines = [line for line in text.splitlines() if line.startswith("#EXTINF")]
        assert all(re.fullmatch(r"#EXTINF:\d+\.\d{6}" + ("," if comma else ""), line) for line in lines)
        await agora.reach(session, 404)


async def test_special_characters_of_the_cname_become_dashes_in_names(agora: Client) -> None:
    session = await agora.start(cname="room_4.2@x")
    await agora.slices(session, 1)
    await agora.call(session, "stop")
    assert f"{session.sid}_room-4-2-x.m3u8" in files_of(agora, session)


async def test_files_lie_below_their_folders(agora: Client) -> None:
    session, _ = await record(agora, 0.3, storage={"fileNamePrefix": ["rec2025", "lesson42"]})
    assert f"{session.sid}_lesson42.m3u8" in files_of(agora, session, "rec2025/lesson42")


async def test_an_update_of_storage_moves_later_files(agora: Client, s3: S3Server) -> None:
    session = await agora.start(storage={"secretKey": s3.secret_key})
    await agora.slices(session, 1)
    s3.make_bucket("second-bucket")
    storage = {
        **{"vendor": 11, "region": 0, "bucket": "second-bucket", "fileNamePrefix": ["rec"]},
        **{"accessKey": s3.access_key, "secretKey": s3.secret_key, "extensionParams": {"endpoint": s3.endpoint}},
    }
    assert (await agora.call(session, "update", {"storageConfig": storage}))[0] == 200
    await agora.call(session, "stop")
    client = s3.client()
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="second-bucket")["Contents"]]
    client.close()
    assert f"rec/{session.sid}_lesson42.m3u8" in keys


@pytest.mark.parametrize(
    "storage", [{"secretKey": "wrong"}, {"accessKey": "nobody"}, {"bucket": "no-such-bucket"}], ids=str
)
async def test_a_refused_upload_is_told_and_ends_the_task_with_its_files_lost(
    agora: Client, notices: Notices, storage: dict[str, Any]
) -> None:
    session = await agora.start(storage=storage)
    await agora.reach(session, 404)
    (error,) = [notice["payload"]["details"] for notice in notices.events(1)]
    assert (error["module"], error["errorLevel"], error["errorCode"]) == (1, 5, 32)
    assert notices.events(31) == []
    assert files_of(agora, session) == {}


async def test_the_task_list_shows_no_secret(agora: Client, s3: S3Server) -> None:
    await agora.start(rtmp="rtmp://user:pw@live.example.org/app/stream-key")
    _, answer = await agora.send("GET", "/emulator/tasks")
    text = str(answer)
    for secret in ("page-secret", "frag", s3.secret_key, s3.access_key, "stream-key", "pw@"):
        assert secret not in text
    assert answer["tasks"][0]["page"] == "https://class.example.org/room/42?…"
    assert answer["tasks"][0]["rtmp"] == "rtmp://live.example.org"


@pytest.mark.proof
async def test_a_hundred_loop_tasks_keep_their_time(s3: S3Server) -> None:
    async with emulating(s3, compression=5) as agora:
        sessions = [await agora.start(uid=str(number)) for number in range(1, 101)]
        await agora.slices(sessions[-1], 1)
        for session in sessions:
            assert (await agora.call(session, "stop", {"async_stop": True}))[0] == 200
        await agora.reach(sessions[-1], 8, 404)
        await until(lambda: _all_gone(agora, sessions), 60)
        playlists = agora.objects(ending=".m3u8")
        for session in sessions:
            task = await agora.task(session)
            own = {name: data for name, data in playlists.items() if session.sid in name}
            recorded = sum(segment.duration for segment in playlist_of(own).segments)
            assert abs(recorded - task["billed_seconds"]) < 0.3


async def _all_gone(agora: Client, sessions: list[Session]) -> bool:
    _, answer = await agora.send("GET", "/emulator/tasks")
    return all(task["gone_at"] for task in answer["tasks"])


async def test_ffprobe_finds_both_streams_and_the_right_length(agora: Client, tmp_path: Path) -> None:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed (Debian package ffmpeg)")
    session, _ = await record(agora, 1.5, av=["hls", "mp4"])
    files = files_of(agora, session)
    for name, seconds in [
        (f"{session.sid}_lesson42_0.mp4", sum(s.duration for s in playlist_of(files).segments)),
        (playlist_of(files).segments[0].uri, playlist_of(files).segments[0].duration),
    ]:
        (tmp_path / name).write_bytes(files[name])
        shown = subprocess.run(
            [
                ffprobe,
                "-v",
                "error",
                "-show_entries",
                "stream=codec_name:format=duration",
                "-of",
                "csv",
                tmp_path / name,
            ],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert shown.stderr == ""
        assert {"h264", "aac"} <= set(re.findall(r"stream,(\w+)", shown.stdout))
        duration = re.search(r"format,([\d.]+)", shown.stdout)
        assert duration is not None
        assert abs(float(duration.group(1)) - seconds) < 0.2
