"""One recording of the bundled page, with a pause and a push, judged from its files alone."""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import m3u8
import pytest
from browser_rig import BUNDLED, serving
from recorded import Watched, instant_of, probe, watch
from rtmp_server import RtmpServer

from emulator.s3_server import S3Server
from tests.emulator.emulator_rig import BUCKET, emulating, receiving, until

COMPRESSION = 4
SLICE_SECONDS = 15 / COMPRESSION
PAUSE_SECONDS = 2.0


@dataclass
class Result:
    """What a finished recording left."""

    files: dict[str, Path] = field(default_factory=dict)
    notices: list[dict[str, Any]] = field(default_factory=list)
    task: dict[str, Any] = field(default_factory=dict)
    stopped: dict[str, Any] = field(default_factory=dict)
    pushed: Path = Path()

    @property
    def slices(self) -> list[str]:
        return sorted(name for name in self.files if name.endswith(".ts"))

    @property
    def playlist(self) -> Path:
        return next(path for name, path in self.files.items() if name.endswith(".m3u8"))

    @property
    def mp4(self) -> Path:
        return next(path for name, path in self.files.items() if name.endswith(".mp4"))

    def events(self, kind: int) -> list[dict[str, Any]]:
        return [body["payload"]["details"] for body in self.notices if body["eventType"] == kind]


async def record(folder: Path, rtmp: RtmpServer) -> Result:
    """Record, pause, resume and stop, as a caller of Agora would."""
    result = Result()
    with S3Server() as s3:
        s3.make_bucket(BUCKET)
        async with (
            serving() as site,
            receiving() as notices,
            emulating(s3, notices, engine="browser", compression=COMPRESSION, times={"start": 0}) as agora,
        ):
            url = site.add_file("/page", BUNDLED)
            size = {"videoWidth": 640, "videoHeight": 360, "audioProfile": 2}
            session = await agora.start(url=url, av=["hls", "mp4"], rtmp=rtmp.url("first"), **size)
            await agora.slices(session, 1, 60)
            await agora.call(session, "update", {"webRecordingConfig": {"onhold": True}})
            await asyncio.sleep(PAUSE_SECONDS)
            await agora.call(session, "update", {"webRecordingConfig": {"onhold": False}})
            await agora.slices(session, 6, 60)
            status, result.stopped = await agora.call(session, "stop")
            assert status == 200, result.stopped
            await agora.reach(session, 404)
            result.task = await agora.task(session)
            await until(lambda: 11 in notices.types())
            result.notices = notices.bodies
            for name, body in agora.objects().items():
                (folder / name).write_bytes(body)
                result.files[name] = folder / name
    pushed = rtmp.recorded("first")
    assert pushed is not None, "nothing was pushed"
    result.pushed = pushed
    return result


@pytest.fixture(scope="module")
def result() -> Iterator[Result]:
    """One recording for all tests of this module."""
    with tempfile.TemporaryDirectory() as folder, RtmpServer() as rtmp:
        yield asyncio.run(record(Path(folder), rtmp))


@pytest.fixture(scope="module")
def whole(result: Result) -> Watched:
    """The MP4, decoded."""
    return watch(result.mp4)


def test_the_clock_in_the_pictures_is_the_clock_in_the_names(result: Result) -> None:
    shown = 0.0
    frames = news = 0
    for name in result.slices:
        seen = watch(result.files[name])
        began = instant_of(name) - seen.times[0]
        assert all(after >= before for before, after in pairwise([shown, *seen.clocks])), name
        errors = [clock - (began + time) for time, clock in seen.drawn(shown)]
        # A frame shows what was drawn up to a frame before it.
        assert not errors or -0.25 < statistics.median(errors) < 0.1, name
        shown = seen.clocks[-1]
        frames, news = frames + len(seen.times), news + len(errors)
    assert news > frames / 4


def test_beeps_come_with_their_flashes_from_start_to_end(whole: Watched) -> None:
    assert len(whole.flashes) >= 10
    third = len(whole.skews) // 3
    for part in (whole.skews[1:third], whole.skews[-third:]):
        assert abs(statistics.median(part)) <= 0.1, whole.skews


def test_sound_is_as_long_as_the_picture(result: Result, whole: Watched) -> None:
    assert whole.sound_seconds == pytest.approx(whole.times[-1] - whole.times[0] + 1 / 15, abs=0.1)
    assert probe(result.mp4)["audio"]["channels"] == 2


def test_slices_begin_with_a_key_frame_and_are_full(result: Result) -> None:
    listed = m3u8.load(str(result.playlist))
    assert [segment.uri for segment in listed.segments] == result.slices
    full = [segment for segment in listed.segments if segment.duration >= SLICE_SECONDS]
    # The one before the pause and the last may be shorter.
    assert len(full) >= len(listed.segments) - 2
    for segment in listed.segments:
        found = probe(result.files[segment.uri])
        assert (found["video"]["codec_name"], found["audio"]["codec_name"]) == ("h264", "aac")
        assert (found["video"]["width"], found["video"]["height"]) == (640, 360)
        assert int(found["video"]["nb_read_frames"]) == round(segment.duration * 15)
        seen = watch(result.files[segment.uri])
        assert seen.key_times[0] == seen.times[0]


def test_files_have_agora_s_names_and_the_playlist_its_end(result: Result) -> None:
    sid = result.task["sid"]
    pattern = rf"{sid}_lesson42(\.m3u8|_\d{{17}}\.ts|_0\.mp4)"
    assert [name for name in result.files if not re.fullmatch(pattern, name)] == []
    text = result.playlist.read_text()
    assert text.endswith("#EXT-X-ENDLIST\n")
    # The beginning and the pause.
    assert text.count("#EXT-X-DISCONTINUITY\n") == 2


def test_a_pause_leaves_a_hole_between_slices_and_none_in_the_mp4(result: Result, whole: Watched) -> None:
    listed = m3u8.load(str(result.playlist))
    ends = {segment.uri: instant_of(segment.uri) + segment.duration for segment in listed.segments}
    gaps = [instant_of(after) - ends[before] for before, after in pairwise(result.slices)]
    assert [gap for gap in gaps if gap > 0.1] == [pytest.approx(PAUSE_SECONDS, abs=1.0)]
    assert max(after - before for before, after in pairwise(whole.times)) < 0.1
    total = sum(segment.duration for segment in listed.segments)
    assert float(probe(result.mp4)["format"]["duration"]) == pytest.approx(total, abs=0.2)
    assert max(after - before for before, after in pairwise(whole.clocks)) > PAUSE_SECONDS - 0.5


def test_the_pushed_stream_decodes_and_its_clock_runs(result: Result) -> None:
    found = probe(result.pushed)
    assert (found["video"]["codec_name"], found["audio"]["codec_name"]) == ("h264", "aac")
    seen = watch(result.pushed)
    # From the resume on: while on hold the push has left its target.
    assert seen.times[-1] - seen.times[0] > 2 * SLICE_SECONDS - 0.5
    drawn = seen.drawn()
    # The first frame may show what was drawn long before it.
    (first_time, first_clock), (time, clock) = drawn[1], drawn[-1]
    assert clock - first_clock == pytest.approx(time - first_time, abs=0.3)


def test_notices_tell_of_the_recording_and_the_push(result: Result) -> None:
    pushes = [details["status"] for details in result.events(100)]
    assert pushes[:4] == ["connecting", "publishing", "onhold", "publishing"]
    assert len(result.events(70)) == 1
    assert [details["code"] for details in result.events(71)] == [0]
    assert len(result.events(31)) == 1
    began = result.events(70)[0]["recorderStartTime"] / 1000
    assert instant_of(result.slices[0]) == pytest.approx(began, abs=0.1)


def test_the_task_says_how_it_was_recorded(result: Result, whole: Watched) -> None:
    recorder = result.task["recorder"]
    assert (recorder["engine"], recorder["sound"], recorder["notes"]) == ("browser", True, [])
    assert abs(recorder["skew_ms"]) < 140
    assert 0 <= recorder["late_frames"] < recorder["frames"]
    assert len(whole.times) <= recorder["frames"] <= len(whole.times) + 30
