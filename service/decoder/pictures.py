"""Measures pictures and creates small versions of them."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from service.media.pictures import error_page

WIDTH, HEIGHT = 160, 90
SHEET_COLUMNS = 6
QUALITIES = (4, 8, 14, 22, 31)

# A frame's own `reformat` creates threads and tables for each picture, at ten times the cost of the scaling.
_SCALER, _THUMB_SCALER = VideoReformatter(), VideoReformatter()
_LEVELS = np.arange(256)
# The background around pictures; black would resemble a black picture.
_GREY = 80
# The side of a block of a measured picture, and the largest difference of a block due to its coding.
_BLOCK, _NOISE = 10, 12


def small(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the picture at the size at which it is measured, planar 4:2:0."""
    made = _SCALER.reformat(frame, WIDTH, HEIGHT, format="yuv420p", threads=1)
    return made.to_ndarray().astype(np.uint8, copy=False)


def thumb(frame: av.VideoFrame) -> bytes:
    """Return the small picture in its own proportions, in a grey frame."""
    scale = min(WIDTH / frame.width, HEIGHT / frame.height)
    wide, high = (max(4, int(side * scale) // 4 * 4) for side in (frame.width, frame.height))
    picture = _THUMB_SCALER.reformat(frame, wide, high, format="yuv420p", threads=1).to_ndarray().ravel()
    made, begin = [], 0
    for factor, empty in ((1, _GREY), (2, 128), (2, 128)):
        plane = np.full((HEIGHT // factor, WIDTH // factor), empty, np.uint8)
        rows, columns = high // factor, wide // factor
        top, left = (len(plane) - rows) // 2, (len(plane[0]) - columns) // 2
        plane[top : top + rows, left : left + columns] = picture[begin : begin + rows * columns].reshape(rows, columns)
        begin += rows * columns
        made.append(plane.tobytes())
    return b"".join(made)


def measure(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the brightness of a picture (mean, first and 99th percentile) and its entropy in bits."""
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


def layout(frame: av.VideoFrame) -> dict[str, float]:
    """Return the measures of the layout that identify Chromium's error pages."""
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuv420p")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return error_page.measure(rows[: frame.height, : frame.width])


def fingerprint(picture: NDArray[np.uint8]) -> str:
    """Return a difference hash: the hashes of similar pictures differ in few bits."""
    cells = picture[: HEIGHT // 9 * 9, : WIDTH // 9 * 9].reshape(9, HEIGHT // 9, 9, WIDTH // 9).mean((1, 3))
    return np.packbits((cells[:8, 1:] > cells[:8, :8]).ravel()).tobytes().hex()


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Return whether two pictures show the same."""
    return float(np.abs(one[:HEIGHT].astype(np.int16) - other[:HEIGHT]).mean()) < 0.5


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the share of a picture that differs from the other one by more than the noise of an encoder."""
    difference = np.abs(one[:HEIGHT].astype(np.int16) - other[:HEIGHT])
    blocks = difference.reshape(HEIGHT // _BLOCK, _BLOCK, WIDTH // _BLOCK, _BLOCK).mean((1, 3))
    return float((blocks > _NOISE).mean())


def sheet(content: bytes, most_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Arrange the small pictures in `content` as one JPEG of at most `most_bytes`."""
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
    return {"columns": columns, "rows": rows}, jpeg(frame, most_bytes)


def shrunk(frame: av.VideoFrame, width: int, most_bytes: int) -> bytes:
    """Return the picture as a JPEG no wider or higher than `width`, of at most `most_bytes`."""
    scale = min(1.0, width / max(frame.width, frame.height))
    wide, high = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    return jpeg(frame.reformat(wide, high, format="yuvj420p"), most_bytes)


def jpeg(frame: av.VideoFrame, most_bytes: int) -> bytes:
    """Return the picture as JPEG in the best quality that fits, or empty bytes if none does."""
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
