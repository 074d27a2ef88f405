"""Good recordings of many forms, encoded, cut and muxed by ffmpeg."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from corpus_media import Part, Shape, Slice
from corpus_recordings import BEGIN, Made

SECONDS, SLICE_SECONDS = 24, 6
WRAP_SECONDS = 2**33 / 90_000


@dataclass(frozen=True)
class Form:
    """How a recording is encoded. `rate`: of sound, in Hz. `x264` are x264's own settings, `sound` and `muxer` options
    of ffmpeg. `begins_at`: the first time stamp in seconds. `late_sound`: so much longer than the pictures.
    `sound_file`: sound that is encoded already, in the folder `sounds`."""

    x264: str = "keyint=30:scenecut=0:bframes=0"
    fps: int = 15
    rate: int = 48_000
    sound: tuple[str, ...] = ()
    muxer: str = "hls"
    begins_at: float = 0.0
    late_sound: float = 0.0
    mp4: bool = True
    sound_file: str = ""


FORMS = {
    "open GOP": Form("keyint=45:min-keyint=45:scenecut=0:bframes=3:open-gop=1", fps=25),
    "open GOP, a muxer for each slice": Form(
        "keyint=45:min-keyint=45:scenecut=0:bframes=3:open-gop=1", muxer="segment"
    ),
    "B-frames": Form("keyint=30:scenecut=0:bframes=3:b-pyramid=normal"),
    "25 pictures a second": Form(fps=25),
    "60 pictures a second": Form(fps=60),
    "44.1 kHz": Form(rate=44_100),
    "44.1 kHz stereo": Form(rate=44_100, sound=("-ac", "2")),
    "HE-AAC": Form(sound_file="he_aac.adts", sound=("-ac", "2")),
    "HE-AAC, a muxer for each slice": Form(sound_file="he_aac.adts", sound=("-ac", "2"), muxer="segment"),
    "HE-AAC version 2": Form(sound_file="he_aac_v2.adts", sound=("-ac", "2")),
    "24 kHz": Form(rate=24_000),
    "22.05 kHz, a muxer for each slice": Form(rate=22_050, muxer="segment"),
    "flagged interlaced": Form("keyint=30:scenecut=0:bframes=0:fake-interlaced=1"),
    "interlaced": Form("keyint=30:scenecut=0:bframes=0:interlaced=1"),
    "time stamps across 2^33": Form(begins_at=WRAP_SECONDS - 11, mp4=False),
    "time stamps across 2^33, a muxer for each slice": Form(begins_at=WRAP_SECONDS - 11, muxer="segment", mp4=False),
    "several slices in a picture": Form("keyint=30:scenecut=0:bframes=0:slices=4"),
    "intra refresh": Form("keyint=30:scenecut=0:bframes=0:intra-refresh=1", mp4=False),
    "sound ends 0.04 s after the pictures": Form(late_sound=0.04),
    "sound ends 0.9 s after the pictures": Form(late_sound=0.9),
}


def straight(form: Form, folder: Path) -> Made:
    """A recording on one line of time."""
    rows = _slices(form, folder, begins_at=form.begins_at)
    mp4s: list[bytes | None] = [(folder / "coded.mp4").read_bytes()] if form.mp4 else []
    return Made([Part(rows, mp4s=mp4s)], Shape(320, 180, channels=2 if "-ac" in form.sound else 1))


@dataclass(frozen=True)
class Restart:
    """Where the second half of a recording goes on: with which time stamp, how many seconds later by its names, and
    whether the playlist marks it. `failover`: another recorder goes on, with names of its own."""

    begins_at: float
    hole: float = 0.0
    marked: bool = False
    failover: bool = False
    muxer: str = "hls"


RESTARTS = {
    "time stamps begin at zero": Restart(0.0),
    "time stamps begin at zero, marked": Restart(0.0, marked=True),
    "time stamps begin at zero, counters too": Restart(0.0, muxer="segment"),
    "time stamps jump ahead": Restart(624.0, marked=True),
    "time stamps jump ahead, unmarked": Restart(624.0),
    "time stamps begin anywhere": Restart(77_777.7),
    "time stamps begin just before 2^33": Restart(WRAP_SECONDS - 9),
    "a reload of two seconds": Restart(0.0, hole=2.0, marked=True),
    "a reload of two seconds, unmarked": Restart(26.0, hole=2.0),
    "another recorder goes on at once": Restart(0.0, failover=True),
    "another recorder goes on after 40 seconds": Restart(0.0, hole=40.0, failover=True),
    "another recorder begins earlier": Restart(0.0, hole=-6.0, failover=True),
}


def restarted(restart: Restart, folder: Path) -> Made:
    """Two halves, each encoded by itself."""
    halves = []
    for name, begins_at in (("first", 1.4), ("second", restart.begins_at)):
        (folder / name).mkdir()
        halves.append(_slices(Form(muxer=restart.muxer), folder / name, begins_at=begins_at))
    first, second = halves
    for one in second:
        one.start += SECONDS + restart.hole
    second[0].marked = restart.marked
    parts = [Part(first, ended=False), Part(second, bak=0)] if restart.failover else [Part([*first, *second])]
    return Made(parts, Shape(320, 180))


def with_a_last_slice_of_sound(folder: Path) -> Made:
    """The last slice holds 0.04 s of sound and nothing else."""
    made = straight(Form(muxer="segment", mp4=False), folder)
    path = folder / "last.ts"
    sound = ["-f", "lavfi", "-i", "anoisesrc=sample_rate=48000:seed=9", "-t", "0.04", "-c:a", "aac", "-ac", "1"]
    _ffmpeg([*sound, "-output_ts_offset", str(SECONDS), "-streamid", "0:257", "-f", "mpegts", str(path)], folder)
    made.parts[0].slices.append(Slice(BEGIN + SECONDS, 0.04, path.read_bytes()))
    return made


def _slices(form: Form, folder: Path, *, begins_at: float) -> list[Slice]:
    """Encode and cut."""
    pictures = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={form.fps}:duration={SECONDS}"]
    longest = SECONDS + form.late_sound
    sound = ["-f", "lavfi", "-i", f"anoisesrc=sample_rate={form.rate}:seed=1:amplitude=0.3:duration={longest}"]
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-x264-params", form.x264]
    coding += ["-threads", "1", "-c:a", "aac", "-ac", "1", *form.sound]
    if form.sound_file:
        sound = ["-i", str(Path(__file__).parent / "sounds" / form.sound_file)]
        coding += ["-c:a", "copy", "-bsf:a", "aac_adtstoasc"]
    _ffmpeg([*pictures, *sound, *coding, "coded.mp4"], folder)
    listing = "s.m3u8" if form.muxer == "hls" else "s.csv"
    length = str(SLICE_SECONDS)
    if form.muxer == "hls":
        cutting = ["-f", "hls", "-hls_time", length, "-hls_list_size", "0", "-hls_segment_filename", "s%02d.ts"]
    else:
        cutting = ["-f", "segment", "-segment_time", length, "-segment_format", "mpegts"]
        cutting += ["-segment_list", listing, "-segment_list_type", "csv"]
    last = listing if form.muxer == "hls" else "s%02d.ts"
    _ffmpeg(["-i", "coded.mp4", "-c", "copy", "-output_ts_offset", str(begins_at), *cutting, last], folder)
    lengths = _lengths((folder / listing).read_text(), form.muxer)
    rows, at = [], BEGIN
    for path, seconds in zip(sorted(folder.glob("s[0-9]*.ts")), lengths, strict=True):
        rows.append(Slice(at, seconds, path.read_bytes()))
        at += seconds
    return rows


def _lengths(listing: str, muxer: str) -> list[float]:
    if muxer == "hls":
        return [float(each) for each in re.findall(r"#EXTINF:([\d.]+)", listing)]
    # The list begins at 0, wherever the time stamps begin.
    later = [float(line.split(",")[1]) for line in listing.splitlines()][1:]
    first = later[0] - SLICE_SECONDS
    return [end - start for start, end in pairwise([first, *later, first + SECONDS])]


def _ffmpeg(options: Sequence[str], folder: Path) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *options], cwd=folder, check=True, timeout=100)


def with_mp4(folder: Path, *, pictures: str = "", sound: str = "", coding: Sequence[str] = ()) -> Made:
    """A recording whose MP4 was encoded by itself. `pictures` and `sound` are other sources than the slices', `coding`
    other options of the encoders."""
    coded, rows = _plain()
    (folder / "coded.mp4").write_bytes(coded)
    sources = ["-i", "coded.mp4"]
    for source in (pictures, sound):
        sources += ["-f", "lavfi", "-t", str(SECONDS), "-i", source] if source else ["-i", "coded.mp4"]
    chosen = ["-map", "1:v", "-map", "2:a", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    chosen += ["-threads", "1", "-c:a", "aac", "-ac", "1", *coding, "-t", str(SECONDS)]
    _ffmpeg([*sources, *chosen, "other.mp4"], folder)
    made = Made([Part(list(rows), mp4s=[(folder / "other.mp4").read_bytes()])], Shape(320, 180))
    return made.copy()


@cache
def _plain() -> tuple[bytes, tuple[Slice, ...]]:
    """The plain form, encoded once: the coded stream, and the slices."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _slices(Form(), Path(folder), begins_at=0.0)
        return (Path(folder) / "coded.mp4").read_bytes(), tuple(rows)
