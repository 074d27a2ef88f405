"""The untouched recordings: encoded, cut into slices and muxed by FFmpeg, named as Agora names them.

Made once for each version of this folder's recipes and of FFmpeg, and kept in the temporary folder of the machine.
"""

import functools
import hashlib
import os
import pickle
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from emulator.media.file_names import format_utc17
from emulator.media.playlist import Dialect, Entry, render
from service.media.expectation import Expectation, ExpectedAttempt
from service.policy import Policy
from service.report import Interval
from tests.oracle import sources

BEGAN_AT = 1_772_359_151.873
SECONDS = 64
PREFIX, CNAME, SID = "rec01/a1/", "dev-rec01", "0123456789abcdef0123456789abcdef"
FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-v", "error")
# A slice of FFmpeg's muxer with the time stamps that it is given.
SAME_TIME = (
    "-f",
    "mpegts",
    "-mpegts_copyts",
    "1",
    "-avoid_negative_ts",
    "disabled",
    "-muxdelay",
    "0",
    "-muxpreload",
    "0",
)
_WRAP_SECONDS = 2**33 / 90_000


@dataclass(frozen=True)
class Recipe:
    """How one recording is made. `slicer`: `hls` (counters run on), `segment` (a new muxer for each slice: counters
    restart), `av` (the same by PyAV, which has another muxer), `restart` (two lines of time, the second begins anew).
    `mp4`: absent, `plain`, `faststart` or `fragmented`. `first_pts`: seconds, of slices by PyAV. `take` seeds pictures
    and sound."""

    name: str
    x264: str
    pattern: str = "tiles"
    overlay: str = "testsrc2"
    width: int = 320
    height: int = 180
    fps: int = 15
    rate: int = 48_000
    channels: int = 1
    slice_seconds: int = 8
    slicer: str = "hls"
    options: tuple[str, ...] = ()
    mp4: str = ""
    comma: bool = False
    first_pts: float = 1.0
    take: int = 1


_ULTRAFAST = "preset=ultrafast:keyint=30:min-keyint=30:scenecut=0:bframes=0"
# Key pictures every 3.6 s: no number of lost groups comes within a second of five.
_MEDIUM = "keyint=90:min-keyint=90:scenecut=0:bframes=3"
RECIPES = (
    Recipe("plain", _ULTRAFAST, mp4="plain"),
    Recipe("bframes", _MEDIUM, "scroll", "mandelbrot", fps=25, slice_seconds=10, mp4="faststart", comma=True),
    Recipe("opengop", _MEDIUM + ":open-gop=1", "scroll", "mandelbrot", fps=25, slicer="segment", mp4="fragmented"),
    Recipe("fast60", "keyint=240:scenecut=0:bframes=0", "scroll", "testsrc2", fps=60, slice_seconds=16, mp4="plain"),
    Recipe("rate44", "keyint=60:scenecut=0:bframes=2", fps=30, rate=44_100, slicer="av", mp4="faststart"),
    Recipe(
        "heavy", "keyint=30:scenecut=0:bframes=0:bitrate=2000:vbv-maxrate=2200:vbv-bufsize=2000", "scroll",
        "mandelbrot", 640, 360, channels=2, slice_seconds=16,
    ),
    Recipe("wrap", _ULTRAFAST, overlay="gradients", slicer="av", slice_seconds=10, first_pts=_WRAP_SECONDS - 31),
    Recipe("restart", "keyint=30:min-keyint=30:scenecut=0:bframes=0", "scroll", slicer="restart", mp4="plain"),
    Recipe(
        "nokeys", "keyint=320:scenecut=0:bframes=0:bitrate=340:vbv-maxrate=400:vbv-bufsize=400", fps=20,
        options=("-hls_flags", "split_by_time"), mp4="faststart",
    ),
    Recipe("plain2", _ULTRAFAST, mp4="fragmented", take=2),
)  # fmt: skip


@dataclass(frozen=True)
class Slot:
    """One slice's place: its key, and the seconds from the recording's beginning that its name states."""

    key: str
    start: float
    seconds: float


@dataclass(frozen=True)
class Base:
    """One untouched recording. `slots` in the order of the playlist."""

    recipe: Recipe
    objects: dict[str, bytes]
    slots: tuple[Slot, ...]
    playlist: str
    mp4: str | None

    @property
    def seconds(self) -> float:
        return self.slots[-1].start + self.slots[-1].seconds

    @property
    def slices(self) -> list[str]:
        return [slot.key for slot in self.slots]

    def expected(self, prefix: str = PREFIX, sid: str = SID, cname: str = CNAME) -> Expectation:
        """What a caller asked for."""
        recipe = self.recipe
        return Expectation(
            key_prefix=prefix.partition("/")[0] + "/",
            attempts=(ExpectedAttempt(1, prefix, cname, sid, ()),),
            wanted=Interval(BEGAN_AT, BEGAN_AT + self.seconds),
            pauses=(),
            mp4=self.mp4 is not None,
            hours=1,
            ended_by_itself=False,
            end_proven=True,
            policy=Policy(two_reads_apart_seconds=0.01),
            size=(recipe.width, recipe.height),
            channels=recipe.channels,
        )


@functools.cache
def base(number: int) -> Base:
    """The recording of one recipe, from the cache folder where it lies there."""
    recipe = RECIPES[number]
    path = _cache() / f"{recipe.name}.pickle"
    if path.exists():
        made = pickle.loads(path.read_bytes())
        assert isinstance(made, Base)
        return made
    with tempfile.TemporaryDirectory() as folder:
        made = _make(recipe, Path(folder))
    # Whole or absent, also when two processes make it at once.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(pickle.dumps(made))
    os.replace(file.name, path)
    return made


@functools.cache
def _cache() -> Path:
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, check=True).stdout
    recipes = b"".join(Path(__file__).with_name(name).read_bytes() for name in ("bases.py", "sources.py"))
    digest = hashlib.sha256(version + recipes + av.__version__.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"pagereel-oracle-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    assert folder.stat().st_uid == os.getuid(), f"{folder} is somebody else's"
    return folder


def _make(recipe: Recipe, folder: Path) -> Base:
    coded = folder / "coded.mp4"
    encode(recipe, coded, recipe.take)
    cut = {"av": _cut_by_av, "restart": _cut_with_restart}.get(recipe.slicer, _cut)(recipe, coded, folder)
    starts = [sum(seconds for _, seconds, _ in cut[:number]) for number in range(len(cut))]
    stem = f"{SID}_{CNAME}"
    names = [f"{stem}_{format_utc17(BEGAN_AT + start)}.ts" for start in starts]
    entries = [
        Entry(name, BEGAN_AT + start, seconds, marked)
        for name, start, (_, seconds, marked) in zip(names, starts, cut, strict=True)
    ]
    objects = {PREFIX + name: path.read_bytes() for name, (path, _, _) in zip(names, cut, strict=True)}
    objects[f"{PREFIX}{stem}.m3u8"] = render(entries, Dialect(comma=recipe.comma), ended=True).encode()
    mp4 = f"{PREFIX}{stem}_0.mp4" if recipe.mp4 else None
    if mp4 is not None:
        objects[mp4] = _merged(recipe, coded, folder / "merged.mp4")
    slots = tuple(
        Slot(PREFIX + name, start, seconds) for name, start, (_, seconds, _) in zip(names, starts, cut, strict=True)
    )
    return Base(recipe, objects, slots, f"{PREFIX}{stem}.m3u8", mp4)


def encode(recipe: Recipe, path: Path, take: int, seconds: int = SECONDS, *, x264: str = "") -> None:
    """Encode one take into an MP4 file. `x264`: other settings than the recipe's."""
    wave = path.with_suffix(".pcm")
    wave.write_bytes(sources.sound(recipe.rate, seconds, take))
    size = f"{recipe.width}x{recipe.height}"
    pattern = sources.tiles if recipe.pattern == "tiles" else sources.scroll
    preset, _, options = (x264 or recipe.x264).rpartition("preset=ultrafast:")
    command = [
        *FFMPEG, "-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", str(recipe.fps), "-i", "-",
        "-f", "lavfi", "-i", f"{recipe.overlay}=s={size}:r={recipe.fps},format=gray",
        "-f", "s16le", "-ar", str(recipe.rate), "-ac", "1", "-i", wave,
        "-filter_complex", "[0:v][1:v]mix=inputs=2:weights=3 1:duration=shortest,format=yuv420p[v]",
        "-map", "[v]", "-map", "2:a", "-t", str(seconds), "-threads", "1", "-c:v", "libx264",
        "-preset", "ultrafast" if preset or "ultrafast" in (x264 or recipe.x264) else "veryfast",
        "-x264-params", options, "-c:a", "aac", "-b:a", f"{64 * recipe.channels}k", "-ac", str(recipe.channels),
        # Noise substitution draws from a state that one lost frame shifts: all later sound would differ.
        "-aac_pns", "0", path,
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for picture in pattern(recipe.width, recipe.height, recipe.fps * seconds, take):
            process.stdin.write(picture)
        process.stdin.close()
        assert process.wait() == 0, command


Cut = list[tuple[Path, float, bool]]


def _cut(recipe: Recipe, coded: Path, folder: Path, *between: str, name: str = "s") -> Cut:
    length, listing = str(recipe.slice_seconds), folder / f"{name}.list"
    if recipe.slicer == "segment":
        form: list[str | Path] = ["-f", "segment", "-segment_time", length, "-segment_format", "mpegts"]
        form += ["-segment_list", listing, "-segment_list_type", "csv"]
    else:
        form = ["-f", "hls", "-hls_time", length, "-hls_list_size", "0", "-hls_segment_filename"]
    files = folder / f"{name}%02d.ts"
    last = [files] if recipe.slicer == "segment" else [files, listing]
    run([*FFMPEG, *between, "-i", coded, "-c", "copy", *recipe.options, *form, *last])
    paths = sorted(folder.glob(f"{name}[0-9][0-9].ts"))
    lines = listing.read_text().splitlines()
    if recipe.slicer == "segment":
        # The list ends with the last picture's decoding time, which B pictures move.
        starts = [float(line.split(",")[1]) for line in lines]
        spans = [end - start for start, end in zip(starts, [*starts[1:], float(SECONDS)], strict=True)]
    else:
        spans = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    return [(path, seconds, number == 0) for number, (path, seconds) in enumerate(zip(paths, spans, strict=True))]


def _cut_with_restart(recipe: Recipe, coded: Path, folder: Path) -> Cut:
    half = str(SECONDS // 2)
    first = _cut(recipe, coded, folder, "-t", half, name="a")
    return first + _cut(recipe, coded, folder, "-ss", half, name="b")


def _cut_by_av(recipe: Recipe, coded: Path, folder: Path) -> Cut:
    """One muxer for each slice, which writes the time stamps that it is given."""
    with av.open(str(coded)) as container:
        packets: list[Any] = [packet for packet in container.demux() if packet.dts is not None]
        groups: list[list[Any]] = [[]]
        starts = [0.0]
        for packet in sorted(packets, key=lambda one: (float(one.dts * one.time_base), one.stream.index)):
            at = float(packet.pts * packet.time_base)
            if packet.stream.type == "video" and packet.is_keyframe and at >= starts[-1] + recipe.slice_seconds - 0.01:
                groups.append([])
                starts.append(at)
            groups[-1].append(packet)
        spans = [after - start for start, after in zip(starts, [*starts[1:], float(SECONDS)], strict=True)]
        return [
            (_mux(group, container.streams, recipe.first_pts, folder / f"s{number:02d}.ts"), seconds, number == 0)
            for number, (group, seconds) in enumerate(zip(groups, spans, strict=True))
        ]


def _mux(packets: Sequence[Any], templates: Any, first_pts: float, path: Path) -> Path:
    with av.open(str(path), "w", format="mpegts", options={"mpegts_copyts": "1"}) as muxer:
        streams = [muxer.add_stream_from_template(template) for template in templates]
        for packet in packets:
            later = round(first_pts / packet.time_base)
            copied: Any = av.Packet(bytes(packet))
            copied.pts, copied.dts, copied.time_base = packet.pts + later, packet.dts + later, packet.time_base
            copied.is_keyframe, copied.stream = packet.is_keyframe, streams[packet.stream.index]
            muxer.mux_one(copied)
    return path


def _merged(recipe: Recipe, coded: Path, path: Path) -> bytes:
    flags = {"plain": [], "faststart": ["-movflags", "+faststart"]}.get(
        recipe.mp4, ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]
    )
    run([*FFMPEG, "-i", coded, "-c", "copy", *flags, path])
    return path.read_bytes()


def run(command: Sequence[str | Path]) -> None:
    """Run one command of FFmpeg's that must succeed."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr[-2000:])
