"""Families of faults: for each kind of damage, ten and more forms of it, and beside them forms that cost nothing.

The recording is the oracle's first: eight slices of eight seconds, a key picture every two seconds, and an MP4 file.
What a form costs a viewer is not written here: ffmpeg says it (`tests.oracle`). `reach` says which level has to find a
form that costs more than is allowed.
"""

from collections.abc import Callable, Iterable
from random import Random

import numpy as np
from corpus_mutations import _put as put_section
from corpus_mutations import _section as section_of
from corpus_mutations import move_pid, other_codec, packets, second_program, without

from tests.oracle.damages import Reach
from tests.oracle.draft import PACKET, Draft

Change = Callable[[Draft], None]
Edit = Callable[[bytes], bytes]
S, B, F, H = Reach.STRUCTURE, Reach.BYTES, Reach.FULL, Reach.HARMLESS
PICTURE, SOUND, MAP = 0x100, 0x101, 0x1000
NULL = b"\x47\x1f\xff\x10" + b"\xff" * 184
ALL = range(8)


def at(slices: int | Iterable[int], edit: Edit) -> Change:
    """Change the bytes of these slices."""

    def change(draft: Draft) -> None:
        for number in [slices] if isinstance(slices, int) else slices:
            key = draft.made.slices[number]
            draft.write(key, edit(draft.objects[key]), "changed")

    return change


def edited(change: Callable[[bytearray, Random], None]) -> Edit:
    """Change a copy in place."""

    def edit(content: bytes) -> bytes:
        copy = bytearray(content)
        change(copy, Random(1))
        return bytes(copy)

    return edit


# --- bytes ---------------------------------------------------------------------------------------------------------


def cells(share: float, content: bytes) -> int:
    """So much of a slice, in whole packets."""
    return int(len(content) * share) // PACKET * PACKET


def filled(piece: bytes, begin: float, end: float = 1.0) -> Edit:
    """Repeat `piece` from one share of a slice to another."""

    def edit(content: bytes) -> bytes:
        first, last = cells(begin, content), cells(end, content)
        size = last - first
        return content[:first] + (piece * (size // len(piece) + 1))[:size] + content[last:]

    return edit


def after(size: int, piece: bytes = b"\0") -> Edit:
    """Repeat `piece` after so many bytes."""
    return lambda content: content[:size] + (piece * len(content))[: max(0, len(content) - size)]


def blocks(size: int, every: int, piece: bytes = b"\0") -> Edit:
    """One block of `size` bytes in every so many, as a store or a disk loses them."""

    def edit(content: bytes) -> bytes:
        made = bytearray(content)
        for begin in range(size, len(made), size * every):
            end = min(begin + size, len(made))
            made[begin:end] = (piece * size)[: end - begin]
        return bytes(made)

    return edit


def cut(begin: float, end: float) -> Edit:
    """Take out a stretch."""
    return lambda content: content[: cells(begin, content)] + content[cells(end, content) :]


def seam(draft: Draft) -> None:
    """The end of one slice and the beginning of the next are zeros: 3 s on either side."""
    at(3, filled(b"\0", 0.6))(draft)
    at(4, filled(b"\0", 0, 0.4))(draft)


def heads_only(content: bytes) -> bytes:
    """All packets but those that begin a picture or a sound are zeros."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, PACKET).copy()
    rows[rows[:, 1] & 0x40 == 0] = 0
    return rows.tobytes()


def without_packets(pid: int, begin: float = 0.0, end: float = 1.0) -> Edit:
    """The packets of one stream are missing, and their counters run on as if nothing were."""

    def edit(content: bytes) -> bytes:
        rows = np.frombuffer(content, np.uint8).reshape(-1, PACKET).copy()
        pids = (rows[:, 1].astype(int) & 0x1F) << 8 | rows[:, 2]
        number = np.arange(len(rows))
        gone = (pids == pid) & (number >= begin * len(rows)) & (number < end * len(rows))
        gone &= number > 3
        first = rows[np.flatnonzero(pids == pid)[0], 3] & 0x0F
        left = rows[~gone]
        mine = np.flatnonzero(((left[:, 1].astype(int) & 0x1F) << 8 | left[:, 2]) == pid)
        left[mine, 3] = left[mine, 3] & 0xF0 | (first + np.arange(len(mine))) % 16
        return left.tobytes()

    return edit


# --- coded content -------------------------------------------------------------------------------------------------


def coded(pid: int, spoil: Callable[[np.ndarray, np.random.Generator], None], which: Callable[[int], bool]) -> Edit:
    """Change what the packets of chosen units carry; headers of packets and units, and 40 bytes after, stay."""

    def edit(content: bytes) -> bytes:
        rows = np.frombuffer(content, np.uint8).reshape(-1, PACKET).copy()
        pids = (rows[:, 1].astype(int) & 0x1F) << 8 | rows[:, 2]
        dice, unit = np.random.default_rng(7), -1
        for place in np.flatnonzero(pids == pid):
            begins = bool(rows[place, 1] & 0x40)
            unit += begins
            begin = (5 + int(rows[place, 4]) if rows[place, 3] & 0x20 else 4) + 60 * begins
            if begin < PACKET and which(unit):
                spoil(rows[place, begin:], dice)
        return rows.tobytes()

    return edit


def noise(piece: np.ndarray, dice: np.random.Generator) -> None:
    piece[:] = dice.integers(1, 255, len(piece), np.uint8)


def one_byte(piece: np.ndarray, dice: np.random.Generator) -> None:
    piece[len(piece) // 2] ^= 0x55


def ones(piece: np.ndarray, _: np.random.Generator) -> None:
    piece[:] = 0xFF


def patterned(piece: np.ndarray, _: np.random.Generator) -> None:
    piece[:] = 0x5A


def inverted(piece: np.ndarray, _: np.random.Generator) -> None:
    piece ^= 0xFF


def second_half(piece: np.ndarray, dice: np.random.Generator) -> None:
    piece[len(piece) // 2 :] = dice.integers(1, 255, len(piece) - len(piece) // 2, np.uint8)


def every(_: int) -> bool:
    return True


def is_key(unit: int) -> bool:
    return unit % 30 == 0


# --- tables --------------------------------------------------------------------------------------------------------


def dropped(*pids: int, keep: int = 0) -> Edit:
    """Packets of these PIDs are missing, but for the first `keep`."""

    def edit(content: bytes) -> bytes:
        gone = packets(bytearray(content), *pids)[keep:]
        rows = np.frombuffer(content, np.uint8).reshape(-1, PACKET)
        return np.delete(rows, [place // PACKET for place in gone], axis=0).tobytes()

    return edit


def sections(pid: int, change: Callable[[bytearray], bytearray], *, first: int = 0) -> Edit:
    """Change the tables of one PID from the `first` on, with a right sum."""

    def edit(content: bytes) -> bytes:
        copy = bytearray(content)
        for place in packets(copy, pid)[first:]:
            put_section(copy, place, change(section_of(copy, place)))
        return bytes(copy)

    return edit


def newer(section: bytearray) -> bytearray:
    """The table has its next version."""
    section[5] = section[5] & 0xC1 | (section[5] + 2) & 0x3E
    return section


def with_network(section: bytearray) -> bytearray:
    """The list of programs names the table of the network too."""
    grown = section[:8] + b"\x00\x00\xe0\x10" + section[8:]
    grown[2] = len(grown) - 3
    return grown


def with_data(kind: int) -> Callable[[bytearray], bytearray]:
    """The map names one stream more, which carries nothing."""

    def change(section: bytearray) -> bytearray:
        grown = section[:-4] + bytes([kind, 0xE3, 0x33, 0xF0, 0x00]) + section[-4:]
        grown[2] = len(grown) - 3
        return grown

    return change


def clock_elsewhere(section: bytearray) -> bytearray:
    """The clock is said to be in a stream that is not there."""
    section[8:10] = b"\xe4\x44"
    return section


def kinds_changed(section: bytearray) -> bytearray:
    """What is a picture is called a sound, and the other way round."""
    section[12], section[17] = section[17], section[12]
    return section


def wrong_sum(content: bytes) -> bytes:
    """No table has its right sum."""
    copy = bytearray(content)
    for place in packets(copy, 0, MAP):
        size = 3 + ((copy[place + 6] & 0x0F) << 8 | copy[place + 7])
        copy[place + 5 + size - 1] ^= 0xFF
    return bytes(copy)


def marked(byte: int, mask: int, *pids: int, begin: float = 0.0, end: float = 1.0) -> Edit:
    """Set bits in the headers of packets."""

    def edit(content: bytes) -> bytes:
        copy = bytearray(content)
        for place in packets(copy, *pids):
            if begin <= place / len(copy) < end:
                copy[place + byte] |= mask
        return bytes(copy)

    return edit


def unmarked_keys(content: bytes) -> bytes:
    """No picture says that a player may begin with it."""
    copy = bytearray(content)
    for place in packets(copy, PICTURE, SOUND):
        if copy[place + 3] & 0x20 and copy[place + 4]:
            copy[place + 5] &= ~0x40
    return bytes(copy)


def all_marked_keys(content: bytes) -> bytes:
    """Every packet with room for the mark says that a player may begin with it."""
    copy = bytearray(content)
    for place in packets(copy, PICTURE):
        if copy[place + 3] & 0x20 and copy[place + 4] and copy[place + 1] & 0x40:
            copy[place + 5] |= 0x40
    return bytes(copy)


def unsynced(begin: float, end: float) -> Edit:
    """The sync bytes of a stretch are others."""

    def edit(content: bytes) -> bytes:
        copy = bytearray(content)
        copy[cells(begin, content) : cells(end, content) : PACKET] = b"\x48" * len(
            range(cells(begin, content), cells(end, content), PACKET)
        )
        return bytes(copy)

    return edit


def moved_pid(content: bytes) -> bytes:
    return edited(move_pid)(content)


def put_in(piece: bytes, share: float) -> Edit:
    """Bytes that are none of the recording's stand between two packets."""
    return lambda content: content[: cells(share, content)] + piece + content[cells(share, content) :]


# --- playlists -----------------------------------------------------------------------------------------------------


def lines(edit: Callable[[list[str]], list[str]]) -> Change:
    """Change the lines of the playlist."""

    def change(draft: Draft) -> None:
        text = draft.objects[draft.made.playlist].decode()
        draft.write(draft.made.playlist, ("\n".join(edit(text.splitlines())) + "\n").encode(), "changed")

    return change


def stated(seconds: Callable[[int, float], float]) -> Change:
    """State other lengths, by the number of the slice and its own length."""

    def edit(rows: list[str]) -> list[str]:
        number = -1
        for at, row in enumerate(rows):
            if row.startswith("#EXTINF:"):
                number += 1
                rows[at] = f"#EXTINF:{seconds(number, float(row[8:].rstrip(','))):.6f}"
        return rows

    return lines(edit)


def named(keep: Callable[[int], bool], *, ended: bool = True) -> Change:
    """Name only some slices; the others lie in the bucket all the same."""

    def edit(rows: list[str]) -> list[str]:
        places = [at for at, row in enumerate(rows) if row.startswith("#EXTINF:")]
        gone = {line for number, at in enumerate(places) if not keep(number) for line in (at, at + 1)}
        return [row for at, row in enumerate(rows) if at not in gone and (ended or row != "#EXT-X-ENDLIST")]

    return lines(edit)


def ended_before(number: int, *, twice: bool = False) -> Change:
    """ENDLIST stands before this slice, and no more at the end unless `twice`."""

    def edit(rows: list[str]) -> list[str]:
        places = [at for at, row in enumerate(rows) if row.startswith("#EXTINF:")]
        left = [*rows[: places[number]], "#EXT-X-ENDLIST", *rows[places[number] :]]
        return left if twice else left[:-1]

    return lines(edit)


JUNK = Random(5).randbytes(1000)

# name: (the level that has to find it, the change)
Forms = dict[str, tuple[Reach, Change]]

FAMILIES: dict[str, Forms] = {
    # Row A: bytes that are no packets.
    "zeros and the like": {
        "all slices but the last after 4,136 bytes": (S, at(range(7), after(4136))),
        "every slice after 131,000 bytes": (S, at(ALL, after(131_000))),
        "one slice from its half on": (S, at(3, filled(b"\0", 0.5))),
        "one slice from its eighth on": (S, at(3, filled(b"\0", 0.12))),
        "one slice from its eighth on, 0xff": (S, at(3, filled(b"\xff", 0.12))),
        "one slice from its eighth on, sync bytes": (S, at(3, filled(b"\x47", 0.12))),
        "one slice from its eighth on, null packets": (S, at(3, filled(NULL, 0.12))),
        "one slice from its eighth on, text": (S, at(3, filled(b"<html>502 Bad Gateway</html>\n", 0.12))),
        "both sides of a joint": (S, seam),
        "every second block of 4 KiB of a slice": (B, at(2, blocks(4096, 2))),
        "every eighth block of 4 KiB of all slices": (B, at(ALL, blocks(4096, 8))),
        "one block of 64 KiB in each slice": (B, at(ALL, blocks(65_536, 100))),
        "all but the first packet of each picture and sound": (B, at(4, heads_only)),
        "the inner six eighths of a slice": (B, at(4, filled(b"\0", 0.13, 0.87))),
        "the inner six eighths of a slice, null packets": (B, at(4, filled(NULL, 0.13, 0.87))),
        "two seconds of a slice": (B, at(4, filled(b"\0", 0.3, 0.5))),
        "two seconds of three slices": (B, at((1, 3, 5), filled(b"\0", 0.3, 0.5))),
        "one packet of a picture in each slice": (B, at(ALL, filled(b"\0", 0.62, 0.622))),
        "null packets in front of a slice": (H, at(3, lambda content: NULL * 500 + content)),
        "null packets behind a slice": (H, at(3, lambda content: content + NULL * 5000)),
    },
    # Row B: sound packets whose content is none.
    "noise": {
        "all pictures of a slice": (F, at(3, coded(PICTURE, noise, every))),
        "all pictures but the key pictures": (F, at(3, coded(PICTURE, noise, lambda unit: not is_key(unit)))),
        "the key pictures alone": (F, at(3, coded(PICTURE, noise, is_key))),
        "every second picture": (F, at(3, coded(PICTURE, noise, lambda unit: unit % 2 == 1))),
        "the picture after each key picture": (F, at(3, coded(PICTURE, noise, lambda unit: unit % 30 == 1))),
        "the last picture before each key picture": (F, at(3, coded(PICTURE, noise, lambda unit: unit % 30 == 29))),
        "half of each packet of each picture": (F, at(3, coded(PICTURE, second_half, every))),
        "one byte in each packet of each picture": (F, at(3, coded(PICTURE, one_byte, every))),
        "pictures of one byte over and over": (F, at(3, coded(PICTURE, patterned, every))),
        "pictures with each bit inverted": (F, at(3, coded(PICTURE, inverted, every))),
        "pictures of 0xff": (F, at(3, coded(PICTURE, ones, every))),
        "the pictures of the last two seconds": (F, at(3, coded(PICTURE, noise, lambda unit: unit >= 90))),
        "the pictures of one second in each slice": (F, at(ALL, coded(PICTURE, noise, lambda unit: 45 < unit < 60))),
        "all sounds of a slice": (F, at(3, coded(SOUND, noise, every))),
        "sounds of 0xff": (F, at(3, coded(SOUND, ones, every))),
        "sounds of one byte over and over": (F, at(3, coded(SOUND, patterned, every))),
        "every sound of every slice": (F, at(ALL, coded(SOUND, noise, every))),
        "every fourth sound packet of every slice": (F, at(ALL, coded(SOUND, noise, lambda unit: unit % 4 == 0))),
    },
    # Row C: what the first packets of a slice say of it.
    "tables and packets": {
        "another PID of the picture": (S, at(3, moved_pid)),
        "another PID of the picture in all slices": (H, at(ALL, moved_pid)),
        "the map of another version": (H, at(3, sections(MAP, newer))),
        "the network's table beside the program": (H, at(ALL, sections(0, with_network))),
        "a stream of data that carries nothing": (H, at(ALL, sections(MAP, with_data(0x15)))),
        "a stream of subtitles that carries nothing": (H, at(ALL, sections(MAP, with_data(0x06)))),
        "a clock that is not there": (H, at(ALL, sections(MAP, clock_elsewhere))),
        "no picture marked as one to begin with": (H, at(ALL, unmarked_keys)),
        "one slice without the marks of key pictures": (H, at(3, unmarked_keys)),
        "many pictures marked as ones to begin with": (H, at(ALL, all_marked_keys)),
        "no tables": (H, at(3, dropped(0, MAP))),
        "one table in each slice": (H, at(ALL, dropped(0, MAP, 0x11, keep=3))),
        "tables with a wrong sum": (H, at(3, wrong_sum)),
        "no sync bytes from the first 4 KiB on": (S, at(3, unsynced(0.03, 1.0))),
        "no sync bytes from 100,000 bytes on": (B, at(3, unsynced(0.2, 0.9))),
        "no sync bytes in a few packets of each slice": (B, at(ALL, unsynced(0.1, 0.102))),
        "pictures left out, their counters mended": (B, at(3, without_packets(PICTURE, 0.12, 0.9))),
        "sounds left out, their counters mended": (B, at(3, without_packets(SOUND, 0.12, 0.9))),
    },
    # Row G: the end of the last slice.
    "the last slice": {
        "its second half zeroed": (S, at(7, filled(b"\0", 0.5))),
        "its last tenth zeroed": (S, at(7, filled(b"\0", 0.9))),
        "all but its first tenth zeroed": (S, at(7, filled(b"\0", 0.1))),
        "all but its first tenth set to 0xff": (S, at(7, filled(b"\xff", 0.1))),
        "all but its first tenth cut off": (S, at(7, cut(0.1, 1))),
        "its last two packets cut off": (S, at(7, lambda content: content[: -2 * PACKET])),
        "its second half cut off": (S, at(7, cut(0.5, 1))),
        "its second half null packets": (S, at(7, filled(NULL, 0.5))),
        "all but its first tenth null packets": (S, at(7, filled(NULL, 0.1))),
        "no picture from its tenth on": (S, at(7, without_packets(PICTURE, 0.1))),
        "no sound from its tenth on": (S, at(7, without_packets(SOUND, 0.1))),
        "no picture": (S, at(7, without_packets(PICTURE))),
        "its tables alone": (S, at(7, lambda content: content[: 3 * PACKET])),
        "half a packet": (S, at(7, lambda content: content[:94])),
        "an error page of a store": (S, at(7, lambda _: b"<Error><Code>SlowDown</Code></Error>" * 40)),
        "zeros behind it": (H, at(7, lambda content: content + bytes(40 * PACKET))),
    },
    # Row J: what a playlist says of its slices.
    "playlists": {
        "all lengths twice as long": (S, stated(lambda _, seconds: 2 * seconds)),
        "all lengths half as long": (S, stated(lambda _, seconds: seconds / 2)),
        "all lengths 0.9 s longer": (S, stated(lambda _, seconds: seconds + 0.9)),
        "all lengths 0.2 s longer": (S, stated(lambda _, seconds: seconds + 0.2)),
        "all lengths 1 s shorter": (S, stated(lambda _, seconds: seconds - 1)),
        "the first length 0": (S, stated(lambda number, seconds: seconds * (number > 0))),
        "the last length 20 s": (S, stated(lambda number, seconds: 20 if number == 7 else seconds)),
        "the last length 2 s": (S, stated(lambda number, seconds: 2 if number == 7 else seconds)),
        "one length 3 s longer": (S, stated(lambda number, seconds: seconds + 3 * (number == 3))),
        "one length 7 s longer": (S, stated(lambda number, seconds: seconds + 7 * (number == 3))),
        "all lengths the tenth of a millisecond": (S, stated(lambda *_: 0.0001)),
        "the last slice not named": (S, named(lambda number: number < 7)),
        "the last two slices not named, no end": (S, named(lambda number: number < 6, ended=False)),
        "the last four slices not named": (S, named(lambda number: number < 4)),
        "the first slice alone named": (S, named(lambda number: number == 0)),
        "the first slice not named": (S, named(lambda number: number > 0)),
        "an inner slice not named": (S, named(lambda number: number != 3)),
        "every second slice named": (S, named(lambda number: number % 2 == 0)),
        "no slice named": (S, named(lambda _: False)),
        "the end before the second slice": (H, ended_before(1)),
        "the end before the last slice": (H, ended_before(7)),
        "the end before the fifth slice, and once more": (H, ended_before(4, twice=True)),
        "the end before the first slice": (H, ended_before(0)),
    },
}

# ffmpeg gets over these, and other players do not: they go by the tables and the marks, or seek by the lengths.
OTHERS_LOSE: Forms = {
    "a second program": (S, at(3, edited(second_program))),
    "no picture in the map": (S, at(3, edited(without(0x1B)))),
    "no sound in the map": (S, at(3, edited(without(0x0F)))),
    "the picture called another codec": (S, at(3, edited(other_codec))),
    "picture and sound called each other": (S, at(3, sections(MAP, kinds_changed))),
    "packets of the picture marked as damaged": (S, at(3, marked(1, 0x80, PICTURE))),
    "packets of the picture marked as damaged, within": (B, at(3, marked(1, 0x80, PICTURE, begin=0.1, end=0.9))),
    "packets of the picture encrypted": (S, at(3, marked(3, 0x80, PICTURE))),
    "packets of the sound encrypted": (S, at(3, marked(3, 0xC0, SOUND))),
    "one length 7 s longer, the next 7 s shorter": (
        S,
        stated(lambda number, seconds: seconds + 7 * (number == 3) - 7 * (number == 4)),
    ),
    "lengths 4 s longer and shorter in turn": (S, stated(lambda number, seconds: seconds + 4 * (-1) ** number)),
}
