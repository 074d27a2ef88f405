"""Recordings that another muxer made, and one of very many slices."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from corpus_bench import Bench
from corpus_media import Part, Shape, Slice
from corpus_recordings import BEGIN, PREFIX, Made, straight

from service.buckets import Usage
from service.media.expectation import Expectation
from service.media.listing.discovery import Wanted, find_recordings
from service.report import Level, ListedObject, Severity, Verdict
from service.verifier.foreign import Judged, discover, judge_found


def made_by_ffmpeg(folder: Path) -> Made:
    if shutil.which("ffmpeg") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("ffmpeg is missing: install the Debian package ffmpeg")
        pytest.skip("needs the Debian package ffmpeg")
    source = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=15", "-f", "lavfi", "-i", "sine=frequency=440"]
    coding = ["-t", "48", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-bf", "2", "-pix_fmt", "yuv420p"]
    sound = ["-c:a", "aac", "-ar", "48000", "-ac", "1"]
    slicing = ["-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod"]
    slicing += ["-hls_segment_filename", "s%03d.ts", "all.m3u8"]
    asked = ["ffmpeg", "-v", "error", "-y", *source, *coding, *sound, "-threads", "1"]
    subprocess.run([*asked, *slicing], cwd=folder, check=True, timeout=60)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", "all.m3u8", "-c", "copy", "all.mp4"], cwd=folder, check=True)
    lengths = re.findall(r"#EXTINF:([\d.]+),\n(\S+)", (folder / "all.m3u8").read_text())
    rows, at = [], BEGIN
    for seconds, name in lengths:
        rows.append(Slice(at, float(seconds), (folder / name).read_bytes()))
        at += float(seconds)
    return Made([Part(rows, mp4s=[(folder / "all.mp4").read_bytes()])], Shape(640, 360))


async def test_what_ffmpeg_made_has_no_error_and_no_warning(bench: Bench, tmp_path: Path) -> None:
    made = made_by_ffmpeg(tmp_path)
    for level in (Level.STRUCTURE, Level.CONTENT, Level.FULL):
        report = await bench.judge(made, level)
        said = [(one.code, one.text) for one in report.findings if one.severity is not Severity.NOTE]
        assert (said, report.verdict, report.level) == ([], Verdict.VERIFIED, level)


@pytest.mark.proof
async def test_2400_slices_have_no_error(bench: Bench) -> None:
    made = straight(2400, mp4=False, ended=False)
    made.hours = 12
    for level in (Level.STRUCTURE, Level.CONTENT):
        report = await bench.judge(made, level)
        errors = [(one.code, one.text) for one in report.findings if one.severity is Severity.ERROR]
        assert (errors, report.verdict, report.level) == ([], Verdict.VERIFIED, level)


def found(objects: dict[str, bytes]) -> Expectation:
    """What may be demanded of a recording that no database describes, long after its end."""
    listed = [ListedObject(key, len(content), "e", BEGIN) for key, content in objects.items()]
    (recording,), strangers = find_recordings(listed)
    assert strangers == 0
    return recording.expectation(BEGIN + 86_400)


@pytest.mark.parametrize("count", [1, 3])
async def test_without_a_planned_end_the_window_reaches_to_the_end_of_the_last_slice(bench: Bench, count: int) -> None:
    made = straight(count)
    report = await bench.judge_objects(made.objects(), found(made.objects()), Level.STRUCTURE, 1)
    assert report.coverage is not None
    assert (report.verdict, report.coverage.share) == (Verdict.VERIFIED, 1)
    assert report.coverage.expected_seconds == count * made.shape.seconds


async def test_without_a_planned_end_the_damage_of_the_last_slice_counts(bench: Bench) -> None:
    made = straight(3, mp4=False)
    last = made.parts[0].slices[-1]
    last.content = last.content[: 188 * 40] + bytes(len(last.content) - 188 * 40)
    report = await bench.judge_objects(made.objects(), found(made.objects()), Level.STRUCTURE, 1)
    assert report.verdict is Verdict.DEFECTIVE
    assert report.coverage is not None
    assert report.coverage.missing_seconds > 5


async def test_a_recording_that_grows_between_its_listing_and_its_playlist_misses_nothing(bench: Bench) -> None:
    made = straight(4, mp4=False, ended=False)
    whole, last = made.objects(), made.key(3)
    made.parts[0].slices.pop()
    bench.store.hold(made.objects() | {PREFIX + "stranger.txt": b""}, {})
    recordings, _ = await discover(bench.bucket, PREFIX, Usage())
    bench.store.hold(whole | {PREFIX + "stranger.txt": b""}, {})
    judged: list[Judged] = []
    await judge_found(
        bench.bucket, recordings, Level.LISTING, Wanted(), judged.append, at_once=1, now_fn=lambda: BEGIN + 30
    )
    (report,) = [one.report for one in judged]
    assert report is not None
    assert "slice_missing" not in [finding.code for finding in report.findings]
    assert last in [file.key for file in report.files]
    assert not [file.key for file in report.files if "stranger" in file.key]
