"""Recordings as other people's encoders, muxers and cutters write them: short ones, so that many can be judged."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from corpus_media import Part, Shape, Slice
from corpus_recordings import BEGIN, Made

SECONDS, SLICE_SECONDS, FPS = 16, 4, 10
PACKET = 188
KEYS = "keyint=20:min-keyint=20:scenecut=0:bframes=0"


@dataclass(frozen=True)
class Stranger:
    """How one records. `x264` are x264's own settings; `picture`, `sound`, `muxer` and `slicer` are options of ffmpeg.
    `cut`: `hls` and `segment` are ffmpeg's slicers, with one muxer for all slices and one for each; `time` and `bytes`
    cut one long file, between two pictures or anywhere."""

    x264: str = KEYS
    picture: tuple[str, ...] = ()
    sound: tuple[str, ...] = ()
    muxer: tuple[str, ...] = ()
    slicer: tuple[str, ...] = ()
    cut: str = "hls"
    fps: int = FPS
    size: str = "320x180"
    seconds: float = SLICE_SECONDS
    source: str = "testsrc2"


@cache
def slices_of(stranger: Stranger) -> tuple[tuple[float, bytes], ...]:
    """Length and bytes of each slice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if stranger.cut in ("time", "bytes"):
            _ffmpeg([*_coding(stranger), *stranger.muxer, "-f", "mpegts", "all.ts"], folder)
            return tuple(_cut((folder / "all.ts").read_bytes(), stranger))
        listing, slicing = _slicing(stranger)
        _ffmpeg([*_coding(stranger), *slicing], folder)
        lengths = _lengths((folder / listing).read_text())
        contents = [path.read_bytes() for path in sorted(folder.glob("s[0-9]*.ts"))]
        return tuple(zip(lengths, contents, strict=True))


def recorded(stranger: Stranger) -> Made:
    """The recording."""
    return laid(slices_of(stranger), stranger.size)


def laid(rows: Sequence[tuple[float, bytes]], size: str = "320x180") -> Made:
    """A recording of these slices."""
    slices, at = [], BEGIN
    for seconds, content in rows:
        slices.append(Slice(at, seconds, content))
        at += seconds
    width, height = (int(side) for side in size.split("x"))
    return Made([Part(slices)], Shape(width, height))


def _coding(stranger: Stranger) -> list[str]:
    source = f"{stranger.source}=size={stranger.size}:rate={stranger.fps}"
    inputs = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", "anoisesrc=sample_rate=48000:seed=1:amplitude=0.3"]
    picture = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x264-params", stranger.x264]
    sound = ["-c:a", "aac", "-ac", "1"]
    return [*inputs, "-t", str(SECONDS), *(picture + list(stranger.picture)), "-threads", "1", *sound, *stranger.sound]


def _slicing(stranger: Stranger) -> tuple[str, list[str]]:
    length, muxer = str(stranger.seconds), ":".join(stranger.muxer)
    if stranger.cut == "hls":
        options = ["-hls_segment_options", muxer] if muxer else []
        slicing = ["-f", "hls", "-hls_time", length, "-hls_list_size", "0", "-hls_segment_filename", "s%03d.ts"]
        return "s.m3u8", [*slicing, *options, *stranger.slicer, "s.m3u8"]
    options = ["-segment_format_options", muxer] if muxer else []
    slicing = ["-f", "segment", "-segment_time", length, "-segment_format", "mpegts", "-segment_list", "s.m3u8"]
    return "s.m3u8", [*slicing, *options, *stranger.slicer, "s%03d.ts"]


def _lengths(listing: str) -> list[float]:
    return [float(one) for one in re.findall(r"#EXTINF:([\d.]+)", listing)]


def _cut(content: bytes, stranger: Stranger) -> list[tuple[float, bytes]]:
    """Cut one file where a picture of each wished instant begins (`time`), or some packets behind that (`bytes`)."""
    pictures = _pictures(content)
    begins = [0]
    for number in range(1, round(SECONDS / stranger.seconds)):
        begins.append(next(at for at, (seconds, _) in enumerate(pictures) if seconds >= number * stranger.seconds))
    behind = 3 * PACKET if stranger.cut == "bytes" else 0
    places = [0, *(pictures[at][1] + behind for at in begins[1:]), len(content)]
    # A picture that is cut belongs to the slice that it begins in.
    instants = [pictures[at + (behind > 0 and at > 0)][0] for at in begins] + [float(SECONDS)]
    return [
        (later - sooner, content[begin:end])
        for (sooner, later), (begin, end) in zip(pairwise(instants), pairwise(places), strict=True)
    ]


def _pictures(content: bytes) -> list[tuple[float, int]]:
    """When each picture is decoded, in seconds after the first, and where it begins."""
    with tempfile.NamedTemporaryFile(suffix=".ts") as file:
        file.write(content)
        file.flush()
        asked = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=dts_time,pos"]
        done = subprocess.run([*asked, "-of", "csv=p=0", file.name], check=True, capture_output=True, timeout=60)
    rows = [line.split(",")[:2] for line in done.stdout.decode().split()]
    return [(float(dts) - float(rows[0][0]), int(pos)) for dts, pos in rows]


def _ffmpeg(options: Sequence[str], folder: Path) -> None:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *options]
    subprocess.run(command, cwd=folder, check=True, timeout=100, capture_output=True)


# --- the judge that is not ours ------------------------------------------------------------------------------------


def plays_whole(made: Made, pictures: int = SECONDS * FPS) -> bool:
    """Whether ffmpeg plays all slices behind one another without a complaint, and shows so many pictures."""
    content = b"".join(one.content for one in made.parts[0].slices)
    asked = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-f", "mpegts", "-i", "-"]
    shown = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-", "-map", "0:a:0", "-f", "null", "-"]
    done = subprocess.run([*asked, *shown], input=content, check=False, capture_output=True, timeout=60)
    count = sum(not line.startswith(b"#") for line in done.stdout.splitlines())
    return not done.stderr.strip() and count == pictures


def each(change: Callable[[bytes], bytes]) -> Callable[[Made], Made]:
    """Change the bytes of every slice."""

    def changed(made: Made) -> Made:
        for one in made.parts[0].slices:
            one.content = change(one.content)
        return made

    return changed


def with_last(picture: float, sound: float, *, tables_only: bool = False) -> Made:
    """A recording whose last slice holds so many seconds of picture and of sound."""
    plain = Stranger(cut="segment")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, kinds = [], []
        if picture:
            inputs += ["-f", "lavfi", "-t", str(picture), "-i", f"testsrc2=size={plain.size}:rate={FPS}"]
            kinds += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x264-params", KEYS]
        if sound:
            inputs += ["-f", "lavfi", "-t", str(sound), "-i", "anoisesrc=sample_rate=48000:seed=9:amplitude=0.3"]
            kinds += ["-c:a", "aac", "-ac", "1", *([] if picture else ["-streamid", "0:257"])]
        _ffmpeg([*inputs, *kinds, "-output_ts_offset", str(SECONDS), "-f", "mpegts", "last.ts"], folder)
        last = (folder / "last.ts").read_bytes()
    if tables_only:
        last = last[: 3 * PACKET]
    return laid([*slices_of(plain), (max(picture, sound), last)])
