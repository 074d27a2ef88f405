"""Parses the boxes of an MP4 file: size, kind and body. Invalid bytes never raise an exception."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HEADER_BYTES = 16

_MOST_OFFSET = 1 << 61


@dataclass(frozen=True, slots=True)
class Box:
    """The position of a box in its file. `end` is its declared end, which may lie beyond the end of the file."""

    kind: bytes
    begin: int
    body: int
    end: int


def read_box(head: memoryview, at: int, parent_end: int) -> Box | None:
    """Return the box at `at` whose first bytes are `head`, or None if they are not a box header."""
    if len(head) < 8:
        return None
    size, kind, body = int.from_bytes(head[:4], "big"), bytes(head[4:8]), 8
    if size == 1:
        if len(head) < 16:
            return None
        size, body = int.from_bytes(head[8:16], "big"), 16
    elif size == 0:
        size = parent_end - at
    return None if size < body else Box(kind, at, at + body, at + size)


def children(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and body of the boxes in `content`. A box ends at the latest with its parent, as in players."""
    at = 0
    while (box := read_box(content[at : at + HEADER_BYTES], at, len(content))) is not None:
        yield box.kind, content[box.body : box.end]
        at = box.end


def inside(content: memoryview, *path: bytes) -> memoryview:
    """Return the body of the first box on the path, or empty bytes if none exists."""
    for kind in path:
        content = next((body for name, body in children(content) if name == kind), memoryview(b""))
    return content


def number(content: memoryview, at: int, length: int = 4) -> int:
    """Return the number at `at`, or 0 if it is truncated."""
    piece = content[at : at + length]
    return int.from_bytes(piece, "big") if len(piece) == length else 0


def offset_at(content: memoryview, at: int, length: int) -> int:
    """Return an offset or time, capped so that sums of such numbers fit 64 bits."""
    return min(number(content, at, length), _MOST_OFFSET)


def columns(content: memoryview, at: int, count: int, width: int) -> Ints | None:
    """Return `count` rows of `width` 32-bit numbers, beginning at `at`, as columns. Return None if they are
    incomplete."""
    if count < 0 or at + count * width * 4 > len(content):
        return None
    rows = np.frombuffer(content, ">u4", count * width, at) if count * width else np.zeros(0, ">u4")
    return rows.reshape(count, width).T.astype(np.int64)


def signed(numbers: Ints) -> Ints:
    """Reinterpret unsigned 32-bit numbers as signed ones."""
    return np.where(numbers >= 1 << 31, numbers - (1 << 32), numbers)
