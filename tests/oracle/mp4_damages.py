"""Damages to an MP4 file: to its media, its boxes, its headers and its tables."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.oracle.bases import RECIPES, base
from tests.oracle.draft import Draft
from tests.oracle.ts_damages import filled

Change = Callable[[Draft], None]
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"}
# Where the duration stands in a header of version 0, after the box's own header.
_DURATION_AT = {b"mvhd": 16, b"mdhd": 16, b"tkhd": 20}
_SCALE_AT = {b"mvhd": 12, b"mdhd": 12}
# Bytes before the entries of a table, after the box's own header.
_TABLES = {b"stts": 8, b"stsz": 12, b"stco": 8, b"stsc": 8, b"ctts": 8, b"trun": 12}


@dataclass(frozen=True)
class Box:
    """One box: `begin` of its header, `body`, `end`."""

    kind: bytes
    begin: int
    body: int
    end: int


def boxes(content: bytes, begin: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes of an untouched file, each before those within it."""
    end = len(content) if end is None else end
    while begin + 8 <= end:
        size, kind = struct.unpack(">I4s", content[begin : begin + 8])
        yield (box := Box(kind, begin, begin + 8, begin + size))
        if kind in _PARENTS:
            yield from boxes(content, box.body, box.end)
        begin = box.end


def media(what: str, *, scope: str = "stretch") -> Change:
    """Coded pictures and sounds (`mdat`): a stretch of them, or all (`scope` = `all`)."""

    def change(draft: Draft) -> None:
        content = draft.objects[draft.mp4]
        mdats = [box for box in boxes(content) if box.kind == b"mdat"]
        first, last = mdats[0].body, mdats[-1].end
        begin, end = first, last
        if scope == "stretch":
            begin, end = (first + at for at in draft.stretch(last - first, "middle"))
        for box in reversed(mdats):
            here, there = max(begin, box.body), min(end, box.end)
            if here < there:
                content = filled(draft, content, here, there, what)
        draft.write(draft.mp4, content, f"media {what} {begin}:{end} of {len(content)}")

    return change


def swap_media(draft: Draft) -> None:
    """Two stretches of media of the same length change places."""
    content = draft.objects[draft.mp4]
    mdats = [box for box in boxes(content) if box.kind == b"mdat"]
    first, second = mdats[0], mdats[-1]
    middle = (first.body + first.end) // 2
    here, there = (first.body, middle) if first is second else (first.body, second.body)
    most = min((middle if first is second else first.end) - here, second.end - there)
    size = draft.size(most)
    one, other = content[here : here + size], content[there : there + size]
    content = content[:here] + other + content[here + size : there] + one + content[there + size :]
    draft.write(draft.mp4, content, f"{size} bytes of media at {here} and {there} swapped")


def cut_file(draft: Draft) -> None:
    """The file ends at any byte."""
    length = len(draft.objects[draft.mp4])
    end = draft.dice.randrange(length)
    draft.write(draft.mp4, draft.objects[draft.mp4][:end], f"ends after {end} of {length} bytes")


def table(what: str) -> Change:
    """Entries of one table are zeros, noise, shifted to their neighbours' places, or not counted."""

    def change(draft: Draft) -> None:
        content = bytearray(draft.objects[draft.mp4])
        tables = [box for box in boxes(bytes(content)) if box.kind in _TABLES and box.end - box.body > 20]
        kind = draft.dice.choice(sorted({box.kind for box in tables}))
        mine = [box for box in tables if box.kind == kind]
        for box in mine if draft.dice.random() < 0.3 else [draft.dice.choice(mine)]:
            begin = box.body + _TABLES[kind]
            size = max(4, draft.size(box.end - begin, 4) // 4 * 4)
            at = begin + draft.dice.randint(0, max(0, (box.end - begin - size) // 4)) * 4
            if what == "fewer":
                place = begin - 4 if kind != b"trun" else box.body + 4
                count = int.from_bytes(content[place : place + 4], "big")
                content[place : place + 4] = draft.dice.randint(0, count).to_bytes(4, "big")
            else:
                old = bytes(content[at : at + size])
                new = {"zero": bytes(size), "noise": _small_noise(draft, old), "shift": old[4:] + old[:4]}
                content[at : at + size] = new[what]
        draft.write(draft.mp4, bytes(content), f"table {kind.decode()} {what}")

    return change


def _small_noise(draft: Draft, old: bytes) -> bytes:
    """Numbers as large as those before: tables of absurd numbers are too easy to find."""
    most = max(2, *(value for (value,) in struct.iter_unpack(">I", old)))
    return b"".join(struct.pack(">I", draft.dice.randint(0, min(most * 2, 2**32 - 1))) for _ in range(len(old) // 4))


def header(draft: Draft) -> None:
    """A header states another duration or another scale of time."""
    content = bytearray(draft.objects[draft.mp4])
    found = [box for box in boxes(bytes(content)) if box.kind in _DURATION_AT]
    box = draft.dice.choice(found)
    place = draft.dice.choice([table for table in (_DURATION_AT, _SCALE_AT) if box.kind in table])
    at = box.body + place[box.kind]
    value = int.from_bytes(content[at : at + 4], "big")
    new = round(value * draft.dice.choice((0, 0.25, 0.5, 0.97, 1.03, 2, 10)))
    content[at : at + 4] = min(new, 2**32 - 1).to_bytes(4, "big")
    draft.write(draft.mp4, bytes(content), f"{box.kind.decode()} states {new} for {value}")


def box_lost(draft: Draft) -> None:
    """A box that a player needs is taken for free space."""
    needed = (b"moov", b"trak", b"mdia", b"stbl", b"stsd", b"stts", b"stsz", b"stco", b"moof", b"traf", b"mvex")
    content = draft.objects[draft.mp4]
    kind = draft.dice.choice(sorted({box.kind for box in boxes(content) if box.kind in needed}))
    box = draft.dice.choice([box for box in boxes(content) if box.kind == kind])
    new = content[: box.begin + 4] + b"skip" + content[box.begin + 8 :]
    draft.write(draft.mp4, new, f"{kind.decode()} at {box.begin} lost")


def fragments(what: str) -> Change:
    """Fragments are lost, stand in reverse order, or come twice."""

    def change(draft: Draft) -> None:
        content = draft.objects[draft.mp4]
        begins = [box.begin for box in boxes(content) if box.kind == b"moof"]
        ends = [*begins[1:], len(content)]
        parts = [content[begin:end] for begin, end in zip(begins, ends, strict=True)]
        count = draft.size(len(parts), 1)
        at = draft.dice.randint(0, len(parts) - count)
        chosen = parts[at : at + count]
        middle = {"lost": [], "reverse": chosen[::-1], "repeat": chosen * 2}[what]
        new = b"".join([content[: begins[0]], *parts[:at], *middle, *parts[at + count :]])
        draft.write(draft.mp4, new, f"fragments {at}:{at + count} of {len(parts)} {what}")

    return change


def other_file(draft: Draft) -> None:
    """The file is another recording's: recordings of one take show and play the same."""
    take = RECIPES[draft.number].take
    others = [number for number, one in enumerate(RECIPES) if one.mp4 and one.take != take]
    other = base(draft.dice.choice(others))
    assert other.mp4 is not None
    draft.write(draft.mp4, other.objects[other.mp4], f"the MP4 of {other.recipe.name}")


def empty_file(draft: Draft) -> None:
    """The file has no bytes."""
    draft.write(draft.mp4, b"", "empty")


def file_gone(draft: Draft) -> None:
    """The file is not in the bucket."""
    del draft.objects[draft.mp4]
    draft.notes.append("MP4 gone")
