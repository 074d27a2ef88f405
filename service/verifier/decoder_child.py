"""The process that decodes media: a stranger's bytes are opened here and nowhere else.

It is started by `decoder` with limits of its own, and imports nothing of the service. It reads jobs from its standard
input and answers each on its standard output: a head of two lengths, JSON, bytes. It measures and never judges.
"""

import io
import json
import resource
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 90
MOST_PIXELS = 4096 * 2304
MOST_FRAMES = 20_000
SHEET_COLUMNS = 6
QUALITIES = (4, 8, 14, 22, 31)

Answer = tuple[dict[str, Any], bytes]

_SCALER = VideoReformatter()
_LEVELS = np.arange(256)
# No memory, no thread: that says nothing about the bytes.
_SHORT = (MemoryError, BlockingIOError)
_SPARE_BYTES = 16 * 1024 * 1024
# Around pictures; black would look like one.
_GREY = 80


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bounds that the kernel keeps: memory, CPU, no files, no core."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def sample(content: bytes) -> Answer:
    """The first picture of the beginning of a slice and all sound in it. The bytes are a small picture, 4:2:0."""
    pictures: list[NDArray[np.uint8]] = []
    facts: dict[str, Any] = {}
    thumb = b""
    for frame in _frames(content, keys_only=True):
        if not pictures:
            facts |= {"width": frame.width, "height": frame.height}
            thumb = _thumb(frame)
        if len(pictures) < 8:
            pictures.append(_small(frame))
    facts |= _sound(content)
    if not pictures:
        return facts, b""
    facts |= {**_measure(pictures[0]), "hash": _hash(pictures[0])}
    facts["still"] = len(pictures) > 1 and all(_alike(pictures[0], one) for one in pictures[1:])
    return facts, thumb


def whole(content: bytes) -> Answer:
    """Everything in a slice: packets, every picture, all sound."""
    facts = _scan(content)
    times: list[float] = []
    blank = frames = damaged = 0
    kinds: dict[str, int] = {}
    first: NDArray[np.uint8] | None = None
    thumb = b""
    still = True
    for frame in _frames(content, keys_only=False):
        frames += 1
        damaged += bool(frame.is_corrupt)
        if frame.time is not None:
            times.append(frame.time)
        small = _small(frame)
        if first is None:
            first, thumb = small, _thumb(frame)
            facts |= {"width": frame.width, "height": frame.height, **_measure(small), "hash": _hash(small)}
        else:
            still = still and _alike(first, small)
        colour = _measure(small)
        if colour["high"] - colour["low"] < 8 and colour["entropy"] < 0.5:
            blank += 1
            kinds[str(round(colour["mean"]))] = kinds.get(str(round(colour["mean"])), 0) + 1
        if frames >= MOST_FRAMES:
            break
    facts |= _sound(content)
    facts |= {"frames": frames, "damaged": damaged, "blank_frames": blank, "still": still and frames > 1}
    if times:
        times.sort()
        steps = np.diff(times)
        facts["step_seconds"] = float(np.median(steps)) if len(steps) else 0.0
        facts |= {"picture_from": times[0], "picture_to": times[-1] + facts["step_seconds"]}
    return facts, thumb


def poster(content: bytes, width: int, most_bytes: int) -> Answer:
    """The first picture of the beginning of a slice as a JPEG of at most so many bytes."""
    for frame in _frames(content, keys_only=True):
        scale = min(1.0, width / max(frame.width, frame.height))
        wide, high = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
        return {}, _jpeg(frame.reformat(wide, high, format="yuvj420p"), most_bytes)
    return {}, b""


def sheet(content: bytes, most_bytes: int) -> Answer:
    """Small pictures, one after the other in `content`, side by side as one JPEG of at most so many bytes."""
    one = WIDTH * HEIGHT * 3 // 2
    pictures = np.frombuffer(content, np.uint8).reshape(len(content) // one, one)
    columns = min(SHEET_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    planes = []
    begin = 0
    for factor, blank in ((1, _GREY), (2, 128), (2, 128)):
        high, wide = HEIGHT // factor, WIDTH // factor
        plane = np.full((rows * high, columns * wide), blank, np.uint8)
        for index, picture in enumerate(pictures):
            y, x = index // columns * high, index % columns * wide
            plane[y : y + high, x : x + wide] = picture[begin : begin + high * wide].reshape(high, wide)
        begin += high * wide
        planes.append(plane.ravel())
    stacked = np.concatenate(planes).reshape(-1, columns * WIDTH)
    frame = av.VideoFrame.from_ndarray(stacked, "yuv420p").reformat(format="yuvj420p")
    return {"columns": columns, "rows": rows}, _jpeg(frame, most_bytes)


# --- pictures and sound ----------------------------------------------------------------------------------------------


def _frames(content: bytes, *, keys_only: bool) -> Iterator[av.VideoFrame]:
    """Clean pictures of the first video stream; none where the bytes cannot be decoded. With `keys_only` the ones
    that stand alone."""
    try:
        with _open(content) as container:
            video = container.streams.video[0]
            context = video.codec_context
            context.thread_type, context.thread_count = ThreadType.SLICE, 1
            context.options = {"max_pixels": str(MOST_PIXELS)}
            if keys_only:
                context.skip_frame = "NONKEY"
            for packet in container.demux(video):
                for frame in _decode(packet) or ():
                    if not (keys_only and frame.is_corrupt) and frame.width * frame.height <= MOST_PIXELS:
                        yield frame
    except _SHORT:
        raise
    except (av.FFmpegError, IndexError, ValueError):
        return


def _open(content: bytes) -> InputContainer:
    return av.open(io.BytesIO(content), "r", format="mpegts")


def _decode(packet: "av.Packet[Any]") -> list[Any] | None:
    """The frames in a packet; None where it cannot be decoded."""
    try:
        return packet.decode()
    except _SHORT:
        raise
    except av.FFmpegError:
        return None


def _small(frame: av.VideoFrame) -> NDArray[np.uint8]:
    # A frame's own `reformat` sets up threads and tables anew for each picture, ten times the cost of the scaling.
    small = _SCALER.reformat(frame, WIDTH, HEIGHT, format="yuv420p", threads=1)
    return small.to_ndarray().astype(np.uint8, copy=False)


def _thumb(frame: av.VideoFrame) -> bytes:
    """The picture in its own proportions, in a frame of grey."""
    scale = min(WIDTH / frame.width, HEIGHT / frame.height)
    wide, high = (max(4, int(side * scale) // 4 * 4) for side in (frame.width, frame.height))
    picture = frame.reformat(wide, high, format="yuv420p").to_ndarray().ravel()
    made, begin = [], 0
    for factor, empty in ((1, _GREY), (2, 128), (2, 128)):
        plane = np.full((HEIGHT // factor, WIDTH // factor), empty, np.uint8)
        rows, columns = high // factor, wide // factor
        top, left = (len(plane) - rows) // 2, (len(plane[0]) - columns) // 2
        plane[top : top + rows, left : left + columns] = picture[begin : begin + rows * columns].reshape(rows, columns)
        begin += rows * columns
        made.append(plane.tobytes())
    return b"".join(made)


def _measure(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """How bright a picture is, from its first to its 99th percentile, and how many bits tell its brightness apart."""
    counts = np.bincount(picture[:HEIGHT].ravel(), minlength=256)
    below = np.cumsum(counts)
    low, high = np.searchsorted(below, (below[-1] // 100, below[-1] - below[-1] // 100 - 1), side="right")
    shares = counts.reshape(32, 8).sum(1) / below[-1]
    shares = shares[shares > 0]
    return {
        "low": float(low),
        "high": float(high),
        "mean": float(counts @ _LEVELS / below[-1]),
        "entropy": float(-(shares * np.log2(shares)).sum()) + 0.0,
    }


def _hash(picture: NDArray[np.uint8]) -> str:
    """A difference hash: alike pictures have hashes of few different bits."""
    cells = picture[: HEIGHT // 9 * 9, : WIDTH // 9 * 9].reshape(9, HEIGHT // 9, 9, WIDTH // 9).mean((1, 3))
    return np.packbits((cells[:8, 1:] > cells[:8, :8]).ravel()).tobytes().hex()


def _alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return float(np.abs(one[:HEIGHT].astype(np.int16) - other[:HEIGHT]).mean()) < 0.5


def _sound(content: bytes) -> dict[str, Any]:
    """How much sound can be decoded, and the loudness of its loudest frame in dB of full scale."""
    count, peak = 0, 0.0
    facts: dict[str, Any] = {"sound_seconds": 0.0}
    try:
        with _open(content) as container:
            stream = container.streams.audio[0]
            for packet in container.demux(stream):
                frames = _decode(packet)
                if frames is None:
                    facts["sound_damaged"] = facts.get("sound_damaged", 0) + 1
                for frame in frames or ():
                    samples = frame.to_ndarray().astype(np.float64, copy=False).ravel()
                    power = float(samples @ samples) / max(1, samples.size)
                    count, peak = count + frame.samples, max(peak, power)
                    facts |= {"channels": frame.layout.nb_channels, "rate": frame.sample_rate}
                    if frame.time is not None:
                        facts.setdefault("sound_from", frame.time)
                        facts["sound_to"] = frame.time + frame.samples / (frame.sample_rate or 1)
    except _SHORT:
        raise
    except (av.FFmpegError, IndexError, ValueError):
        pass
    if count:
        facts["sound_seconds"] = count / (facts["rate"] or 1)
        facts["loudness"] = float(10 * np.log10(max(peak, 1e-12)))
    return facts


def _jpeg(frame: av.VideoFrame, most_bytes: int) -> bytes:
    """The picture as JPEG, as good as fits; nothing where not even the worst does."""
    for quality in QUALITIES:
        context = av.CodecContext.create("mjpeg", "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
        context.time_base = Fraction(1, 1)
        context.options = {"qmin": str(quality), "qmax": str(quality)}
        frame.pts = 0
        content = b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
        if len(content) <= most_bytes:
            return content
    return b""


# --- packets ---------------------------------------------------------------------------------------------------------


def _scan(content: bytes) -> dict[str, Any]:
    """Every packet: sync bytes, damage marks, scrambling, and the counters of each stream (rule T6)."""
    count = len(content) // 188
    packets = np.frombuffer(content[: count * 188], np.uint8).reshape(count, 188)
    unsynced = int((packets[:, 0] != 0x47).sum())
    pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    facts: dict[str, Any] = {
        "packets": count,
        "unsynced": unsynced,
        "marked": int((packets[:, 1] & 0x80 != 0).sum()),
        "scrambled": int((packets[:, 3] & 0xC0 != 0).sum()),
        "lost": 0,
        "unfinished": 0,
    }
    carries = packets[:, 3] & 0x10 != 0
    jumps = (packets[:, 3] & 0x20 != 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 != 0)
    for pid in np.unique(pids):
        if pid == 0x1FFF:
            continue
        mine = (pids == pid) & carries
        counters = packets[mine, 3] & 0x0F
        steps = (np.diff(counters.astype(np.int16)) % 16 != 1) & ~jumps[mine][1:]
        # A packet may be sent twice (ISO 13818-1).
        again = np.diff(counters.astype(np.int16)) == 0
        facts["lost"] += int((steps & ~again).sum())
        facts["unfinished"] += _unfinished(packets[mine])
    return facts


def _unfinished(packets: NDArray[np.uint8]) -> int:
    """How many packets of a stream say a length and do not hold it."""
    wanted = held = found = 0
    for packet in packets:
        begin = 5 + int(packet[4]) if packet[3] & 0x20 else 4
        if packet[1] & 0x40:
            found += wanted > held
            wanted, held = 0, 0
            head = packet[begin : begin + 6]
            if len(head) == 6 and head[0] == 0 and head[1] == 0 and head[2] == 1:
                length = int(head[4]) << 8 | int(head[5])
                wanted = 6 + length if length else 0
        held += max(0, 188 - begin)
    return found + (wanted > held)


# --- jobs ------------------------------------------------------------------------------------------------------------

JOBS: dict[str, Callable[..., Answer]] = {"sample": sample, "whole": whole, "poster": poster, "sheet": sheet}


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer jobs until there are no more."""
    while head := jobs.read(8):
        size, length = struct.unpack(">II", head)
        asked = json.loads(jobs.read(size))
        content = jobs.read(length)
        try:
            facts, made = JOBS[asked.pop("job")](content, **asked)
            np.empty(_SPARE_BYTES, np.uint8)  # without so much left FFmpeg may have gone without, and told nobody
        except MemoryError:
            facts, made = {"failed": "it needs more memory than it may have"}, b""
        except Exception as error:  # whatever a stranger's bytes lead to is an answer
            facts, made = {"failed": type(error).__name__}, b""
        used = resource.getrusage(resource.RUSAGE_SELF)
        facts["cpu_seconds"] = used.ru_utime + used.ru_stime
        told = json.dumps(facts).encode()
        answers.write(struct.pack(">II", len(told), len(made)) + told + made)
        answers.flush()


if __name__ == "__main__":
    av.logging.set_level(None)
    limit(int(sys.argv[1]), int(sys.argv[2]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
