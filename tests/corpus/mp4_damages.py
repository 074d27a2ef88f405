"""Ways to damage an MP4 file: boxes, tables, samples. A number (seed) chooses the place, never the verifier."""

import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random

from corpus_mp4 import walked

from service.media.mp4 import PICTURE

Damage = Callable[[bytes, Random], bytes]
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex")
# Not judged at random: players differ in whether a track's handler or its codec says what it is (`hdlr`), and nobody
# needs what is in the others.
_PASSED_OVER = (b"mdat", b"udta", b"meta", b"hdlr")


def boxes(content: bytes, begin: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of all boxes."""
    end = len(content) if end is None else end
    at = begin
    while at + 8 <= end:
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if size < 8:
            return
        yield kind, at, at + size
        if kind in _PARENTS:
            yield from boxes(content, at + 8, at + size)
        at += size


def places(content: bytes, kind: bytes) -> list[tuple[int, int]]:
    return [(begin, end) for name, begin, end in boxes(content) if name == kind]


def put(content: bytes, at: int, piece: bytes) -> bytes:
    return content[:at] + piece + content[at + len(piece) :]


def strike(content: bytes, dice: Random) -> tuple[bytes, str]:
    """One damage of a box that is not media: a bit, some bytes, all of it, its name."""
    named = [one for one in boxes(content) if one[0] not in _PASSED_OVER]
    kind, begin, end = dice.choice(named)
    at, count = dice.randrange(begin, end), dice.choice([1, 4, 16, 64])
    count = min(count, end - at)
    how = dice.choice(["a bit", "zeros", "ones", "all zeros", "another name"])
    if how == "a bit":
        made = put(content, at, bytes([content[at] ^ 1 << dice.randrange(8)]))
    elif how == "another name":
        made = put(content, begin + 4, b"skip")
    elif how == "all zeros":
        made = put(content, begin + 8, bytes(end - begin - 8))
    else:
        made = put(content, at, (b"\0" if how == "zeros" else b"\xff") * count)
    return made, f"{kind.decode('latin-1')}: {how}"


def chunked(content: bytes, *, wide: bool = False) -> bytes:
    """The same file with an `mdat` box for each chunk; `wide`: with offsets of 64 bits."""
    facts, _ = walked(content)
    (moov_begin, moov_end) = places(content, b"moov")[0]
    moov = content[moov_begin:moov_end]
    rows = []
    for box_begin, _ in places(moov, b"stco"):
        count = int.from_bytes(moov[box_begin + 12 : box_begin + 16], "big")
        rows += [(box_begin + 16 + 4 * index, _number(moov, box_begin + 16 + 4 * index)) for index in range(count)]
    ends = [*sorted(at for _, at in rows), int(facts.media_to[-1])]
    made = content[: places(content, b"ftyp")[0][1]]
    moved = {}
    for begin, end in pairwise(ends):
        head = (
            struct.pack(">I4sQ", 1, b"mdat", end - begin + 16)
            if wide
            else struct.pack(">I4s", end - begin + 8, b"mdat")
        )
        moved[begin] = len(made) + len(head)
        made += head + content[begin:end]
    for place, at in rows:
        moov = put(moov, place, struct.pack(">I", moved[at]))
    return made + moov


def _number(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def samples(content: bytes, handler: str) -> tuple[list[int], list[int]]:
    track = walked(content)[0].track(handler)
    assert track is not None
    return track.samples.offset.tolist(), track.samples.size.tolist()


def fill(handler: str, share: tuple[float, float], what: Callable[[bytes, Random], bytes]) -> Damage:
    """Overwrite the samples of a track between two shares of its length."""

    def damage(content: bytes, dice: Random) -> bytes:
        offsets, sizes = samples(content, handler)
        made = bytearray(content)
        for index in range(int(share[0] * len(offsets)), int(share[1] * len(offsets))):
            begin, end = offsets[index], offsets[index] + sizes[index]
            made[begin:end] = what(content[begin:end], dice)
        return bytes(made)

    return damage


def zeros(piece: bytes, _: Random) -> bytes:
    return bytes(len(piece))


def ones(piece: bytes, _: Random) -> bytes:
    return b"\xff" * len(piece)


def noise(piece: bytes, dice: Random) -> bytes:
    return dice.randbytes(len(piece))


def halved(piece: bytes, _: Random) -> bytes:
    """The second half of each sample zeroed; its lengths stay."""
    return piece[: len(piece) // 2] + bytes(len(piece) - len(piece) // 2)


def scale(kind: bytes, handler: str | None, factor: float) -> Damage:
    """Multiply the length that a header says. `kind`: `mvhd`, or `mdhd` of a track."""

    def damage(content: bytes, _: Random) -> bytes:
        begin, _ = places(content, kind)[0 if handler in (None, PICTURE) else 1]
        at = begin + (28 if kind == b"tkhd" else 24)
        return put(content, at, struct.pack(">I", int(_number(content, at) * factor)))

    return damage


def time_scale(handler: str, factor: float) -> Damage:
    def damage(content: bytes, _: Random) -> bytes:
        at = places(content, b"mdhd")[0 if handler == PICTURE else 1][0] + 20
        return put(content, at, struct.pack(">I", int(_number(content, at) * factor)))

    return damage


def describe(kind: bytes, number: int, which: int) -> Damage:
    """Let the lines of a track's `stsc`, or its `trex`, name another sample description."""

    def damage(content: bytes, _: Random) -> bytes:
        begin = places(content, kind)[which][0]
        if kind == b"trex":
            return put(content, begin + 16, struct.pack(">I", number))
        for line in range(_number(content, begin + 12)):
            content = put(content, begin + 24 + 12 * line, struct.pack(">I", number))
        return content

    return damage


def empty(handler: str) -> Damage:
    """A track whose tables hold nothing."""

    def damage(content: bytes, _: Random) -> bytes:
        which = 0 if handler == PICTURE else 1
        for kind, at in ((b"stts", 12), (b"stsc", 12), (b"stco", 12), (b"stsz", 16)):
            content = put(content, places(content, kind)[which][0] + at, bytes(4))
        return content

    return damage


def step(handler: str, ticks: Callable[[int], int]) -> Damage:
    """Change the durations in all lines of `stts`."""

    def damage(content: bytes, _: Random) -> bytes:
        begin, _ = places(content, b"stts")[0 if handler == PICTURE else 1]
        for index in range(_number(content, begin + 12)):
            at = begin + 20 + 8 * index
            content = put(content, at, struct.pack(">I", ticks(_number(content, at))))
        return content

    return damage


def shift_chunks(handler: str, by: int, share: float = 0.0) -> Damage:
    """Move all chunk offsets of a track from a share of them on."""

    def damage(content: bytes, _: Random) -> bytes:
        begin, _ = places(content, b"stco")[0 if handler == PICTURE else 1]
        count = _number(content, begin + 12)
        for index in range(int(share * count), count):
            at = begin + 16 + 4 * index
            content = put(content, at, struct.pack(">I", max(0, _number(content, at) + by)))
        return content

    return damage


def cut(share: float) -> Damage:
    return lambda content, _: content[: int(len(content) * share)]


def drop_fragments(share: tuple[float, float]) -> Damage:
    """Take away whole fragments (`moof` with its `mdat`)."""

    def damage(content: bytes, _: Random) -> bytes:
        moofs = places(content, b"moof")
        first, last = int(share[0] * len(moofs)), int(share[1] * len(moofs))
        begin = moofs[first][0]
        end = moofs[last][0] if last < len(moofs) else len(content)
        return content[:begin] + content[end:]

    return damage


def rename(kind: bytes, name: bytes = b"skip") -> Damage:
    return lambda content, _: put(content, places(content, kind)[0][0] + 4, name)
